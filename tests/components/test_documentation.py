"""The examples of docs/components.md run."""

import re

import pytest

from tests.components.recording import run
from tests.stacks.files import ROOT

EXAMPLES = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "components.md").read_text(), re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_each_example_runs(example):
    recording = run(lambda: exec(example, {}))  # noqa: S102  # our own documentation
    assert recording.resources
