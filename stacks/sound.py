"""What of a setting is right although a part of it is wrong, so that one mistake hides no other."""

import copy
from collections.abc import Sequence
from typing import Any, Final

import pydantic
from pydantic import TypeAdapter

_TRIES: Final = 20
"""What is left out may be required by what it stood in, which then goes too: settings are not so deep."""


def sound_part(adapter: TypeAdapter[Any], value: Any) -> Any | None:
    """The value without what is wrong in it; None if nothing is left that could stand by itself.

    A list with a wrong item is left out as a whole: its other items would move to other places.
    """
    rest = copy.deepcopy(value)
    for _ in range(_TRIES):
        try:
            return adapter.validate_python(rest)
        except pydantic.ValidationError as error:
            wrong = [_holder(rest, found["loc"]) for found in error.errors()]
        for part in wrong:
            if part is None:
                return None
            holder, key = part
            # Several mistakes may be of one part.
            holder.pop(key, None)
    return None


def overlap(one: str, other: str) -> bool:
    """Whether two settings' paths are of the same setting, or of one and a part of it."""
    shorter, longer = sorted((one, other), key=len)
    return longer == shorter or (longer.startswith(shorter) and longer[len(shorter)] in ".[")


def _holder(value: Any, place: Sequence[int | str]) -> tuple[dict[Any, Any], Any] | None:
    """The innermost object on the way to a place, and its key on that way; None if there is none.

    Where something is missing that is what lacks it. Beyond what is there a place may go on with the name of
    a type that was tried.
    """
    found = None
    for step in place:
        if not isinstance(value, dict) or step not in value:
            break
        found, value = (value, step), value[step]
    return found
