"""Problems of a resource's inputs, each with the property's path, what is wrong and what would be right."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

_PLAIN: Final = re.compile(r"^[A-Za-z_$][\w$]*$")


@dataclass
class Problems:
    """Collects problems, so that a user sees all of them at once."""

    found: list[tuple[str, str]] = field(default_factory=list)

    def add(self, path: str, wrong: str, remedy: str = "") -> None:
        """Notes one problem of the property at `path`."""
        entry = (path, f"{wrong}; {remedy}" if remedy else wrong)
        if entry not in self.found:
            self.found.append(entry)

    def __bool__(self) -> bool:
        return bool(self.found)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.found)


def join(path: str, key: str) -> str:
    """The path of a property of the value at `path`, in Pulumi's notation."""
    if not _PLAIN.match(key):
        quoted = key.replace("\\", "\\\\").replace('"', '\\"')
        return f'{path}["{quoted}"]'
    return f"{path}.{key}" if path else key


def index(path: str, place: int) -> str:
    """The path of an item of the list at `path`."""
    return f"{path}[{place}]"
