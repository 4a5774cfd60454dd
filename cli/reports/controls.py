"""Text from outside without what a terminal, a browser or a reader would obey instead of show."""

import re
from typing import Final

_OBEYED: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters but the line's end, and those that turn the direction of writing."""


def shown(text: str) -> str:
    """The text with a mark in the place of each; as long as it was."""
    return _OBEYED.sub("\N{REPLACEMENT CHARACTER}", text)


def one_line(text: str) -> str:
    """The text on one line, its runs of white space as one blank."""
    return shown(" ".join(text.split()))
