"""The rules of composite alarms: read once, for whoever checks them and whoever evaluates them."""

import re
from collections.abc import Callable
from typing import Final

_TOKEN: Final = re.compile(
    r"""\s*(?:
        (?P<state>ALARM|OK|INSUFFICIENT_DATA)\s*\(\s*(?:"(?P<quoted>[^"]+)"|(?P<bare>[^\s()"]+))\s*\)
      | (?P<word>AND|OR|NOT|TRUE|FALSE)\b
      | (?P<bracket>[()])
    )""",
    re.VERBOSE,
)
StateOf = Callable[[str], str]
"""Name or ARN of an alarm → its state."""
Rule = Callable[[StateOf], bool]


class RuleError(ValueError):
    """A rule that CloudWatch would refuse."""


def problem(text: str) -> str:
    """What is wrong with a rule; nothing if it can be read."""
    try:
        parse(text)
    except RuleError as error:
        return str(error)
    return ""


def parse(text: str) -> Rule:
    """A rule as a function of the states of other alarms.

    Raises:
        RuleError: the text is no rule.
    """
    parser = _Parser(_tokens(text))
    rule = parser.either()
    if parser.peek() != ("", ""):
        raise RuleError(f"{parser.peek()[1]!r} is not expected there")
    return rule


def mentioned(text: str) -> list[str]:
    """The alarms that a rule names, in its order."""
    return list(dict.fromkeys(name for kind, name in _tokens(text) if kind in _STATES))


_STATES: Final = ("ALARM", "OK", "INSUFFICIENT_DATA")


def _tokens(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    place, end = 0, len(text.rstrip())
    while place < end:
        match = _TOKEN.match(text, place)
        if match is None:
            raise RuleError(f"{text[place : place + 30].strip()!r} is no part of a rule")
        if match["state"]:
            found.append((match["state"], match["quoted"] or match["bare"]))
        else:
            word = match["word"] or match["bracket"]
            found.append((word, word))
        place = match.end()
    return found


class _Parser:
    """OR binds less than AND, AND less than NOT."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._place = 0

    def peek(self) -> tuple[str, str]:
        return self._tokens[self._place] if self._place < len(self._tokens) else ("", "")

    def _take(self) -> tuple[str, str]:
        token = self.peek()
        self._place += 1
        return token

    def either(self) -> Rule:
        parts = [self._both()]
        while self.peek()[0] == "OR":
            self._take()
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else lambda state: any(part(state) for part in parts)

    def _both(self) -> Rule:
        parts = [self._one()]
        while self.peek()[0] == "AND":
            self._take()
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else lambda state: all(part(state) for part in parts)

    def _one(self) -> Rule:
        kind, text = self._take()
        if kind in _STATES:
            return lambda state: state(text) == kind
        if kind in ("TRUE", "FALSE"):
            return lambda _: kind == "TRUE"
        if kind == "NOT":
            inner = self._one()
            return lambda state: not inner(state)
        if kind == "(":
            inner = self.either()
            if self._take()[0] != ")":
                raise RuleError("a bracket is not closed")
            return inner
        raise RuleError(f"{text!r} is not expected there" if kind else "it ends too early")
