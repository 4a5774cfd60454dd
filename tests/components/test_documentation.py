"""The examples of the components' documentation run."""

import re

import pytest

from tests.components.recording import run
from tests.stacks.files import ROOT

PAGES = ("components.md", "monitoring.md")
EXAMPLES = [
    example
    for page in PAGES
    for example in re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text(), re.DOTALL)
]


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_each_example_runs(example):
    recording = run(lambda: exec(example, {}))  # noqa: S102  # our own documentation
    assert recording.resources
