"""Names of resources whose program gives none: Pulumi's `<name>-<7 hex digits>`."""

import hashlib
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from twin.providers.naming import Naming
from twin.providers.problems import Problems

_DIGITS: Final = 7
_AUTOMATIC: Final = re.compile(rf"-[0-9a-f]{{{_DIGITS}}}$")


@dataclass(frozen=True)
class AutoName:
    """How a type's name is made when the program gives none."""

    key: str = "name"
    max_length: int = 255
    transform: Callable[[str], str] = str
    prefix: str = ""
    suffix: Callable[[Mapping[str, Any]], str] = lambda inputs: ""

    @property
    def prefix_property(self) -> str:
        """The property with which a program gives only the beginning."""
        return f"{self.key}Prefix"

    def fill(self, inputs: dict[str, Any], naming: Naming, problems: Problems) -> None:
        """Sets the name in `inputs` if the program gave none; the old automatic name is kept."""
        if inputs.get(self.key) is not None:
            return
        beginning = inputs.get(self.prefix_property)
        if beginning is not None and not isinstance(beginning, str):
            return
        ending = self.suffix(inputs)
        old = naming.olds.get(self.key)
        if isinstance(old, str) and self._kept(old, beginning, ending):
            inputs[self.key] = old
            return
        if beginning is None and naming.mode == "DISABLE":
            problems.add(self.key, "is missing", "automatic naming is switched off: give a name")
            return
        name = self._made(beginning, ending, naming)
        if len(name) > self.max_length:
            problems.add(
                self.key,
                f"the automatic name {name!r} has {len(name)} characters",
                f"at most {self.max_length} are allowed: give {self.key}, or shorten the resource's name",
            )
            return
        inputs[self.key] = name

    def _kept(self, old: str, beginning: str | None, ending: str) -> bool:
        if not old.endswith(ending):
            return False
        if beginning is not None:
            return old.startswith(beginning)
        return self.is_automatic(old, ending)

    def _made(self, beginning: str | None, ending: str, naming: Naming) -> str:
        digits = hashlib.sha256(naming.seed).hexdigest() if naming.seed else secrets.token_hex(16)
        if beginning is not None:
            return f"{beginning}{digits[:26]}"[: self.max_length - len(ending)] + ending
        if naming.proposed and naming.mode == "ENFORCE":
            return naming.proposed
        made = naming.proposed if naming.proposed else f"{naming.name}-{digits[:_DIGITS]}"
        return f"{self.prefix}{self.transform(made)}{ending}"

    def is_automatic(self, name: Any, ending: str = "") -> bool:
        """Whether the name was made here, and not given by a program."""
        return isinstance(name, str) and _AUTOMATIC.search(name.removesuffix(ending)) is not None
