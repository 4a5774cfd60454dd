"""What is wrong with settings: where, what, and what would be right."""

import difflib
from collections.abc import Collection, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One wrong setting."""

    path: str
    """Where it stands: `stagecraft:models[0].slo.availability`."""
    value: object
    """What stands there; None if nothing does."""
    remedy: str
    """What would be right."""

    def __str__(self) -> str:
        return f"{self.path}: {'missing' if self.value is None else repr(self.value)}; {self.remedy}"


class SettingsError(ValueError):
    """Settings that cannot be used, with every problem there is."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        count = len(self.problems)
        super().__init__(f"{count} setting{'s are' if count > 1 else ' is'} wrong:\n{lines}")


def did_you_mean(word: str, choices: Collection[str]) -> str:
    """`; did you mean 'x'?` where a choice is close, else nothing."""
    close = difflib.get_close_matches(word, sorted(choices), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
