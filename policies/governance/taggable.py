"""Which AWS types take tags, kept as data so that no pack has to load the provider's SDK.

`python -m policies.governance.taggable` writes `taggable.json` anew from the installed pulumi-aws.
"""

import importlib.util
import json
import re
from functools import cache
from pathlib import Path
from typing import Final

from policies.resources import short_type

DATA: Final = Path(__file__).with_name("taggable.json")

_TOKEN: Final = re.compile(r"super\(\w+, __self__\)\.__init__\(\s*'(aws:[^']+)'")
_TAGS_INPUT: Final = re.compile(r'^\s+pulumi\.set\(__self__, "tags", tags\)$', re.MULTILINE)


@cache
def taggable_types() -> frozenset[str]:
    """Short types (`aws:s3:Bucket`) whose resources take tags."""
    return frozenset(json.loads(DATA.read_text(encoding="utf-8")))


def find_taggable_types() -> list[str]:
    """The types of the installed pulumi-aws that have an input `tags`."""
    spec = importlib.util.find_spec("pulumi_aws")
    if spec is None or spec.origin is None:
        raise RuntimeError("pulumi-aws is not installed")
    found: set[str] = set()
    for path in sorted(Path(spec.origin).parent.glob("*/*.py")):
        source = path.read_text(encoding="utf-8")
        token = _TOKEN.search(source)
        if token is not None and _TAGS_INPUT.search(source):
            found.add(short_type(token.group(1)))
    return sorted(found)


if __name__ == "__main__":
    DATA.write_text(json.dumps(find_taggable_types(), indent=0) + "\n", encoding="utf-8")
