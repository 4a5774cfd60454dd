"""Keeps secrets out of everything that is shown."""

import json
import re
import threading
from collections.abc import Mapping
from typing import Any, Final

from twin.wire import Secret

SHOWN_AS: Final = "[secret]"
_SHORTEST: Final = 4
"""Shorter texts occur everywhere: to blank them out would make messages unreadable, not safer."""


class Redactor:
    """Remembers the plain texts of secrets and blanks them out of messages."""

    def __init__(self) -> None:
        self._texts: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self._mutex = threading.Lock()

    def learn(self, value: Any, secret: bool = False) -> None:
        """Remembers every text within `value` that is marked secret."""
        if isinstance(value, Secret):
            self.learn(value.value, secret=True)
        elif isinstance(value, Mapping):
            for item in value.values():
                self.learn(item, secret)
        elif isinstance(value, list | tuple):
            for item in value:
                self.learn(item, secret)
        elif secret and isinstance(value, str):
            # As it may stand in JSON, and line by line: output is shown by the line.
            forms = {value, json.dumps(value)[1:-1], *value.splitlines()}
            with self._mutex:
                fresh = {form for form in forms if len(form) >= _SHORTEST} - self._texts
                if fresh:
                    self._texts |= fresh
                    self._pattern = None

    def clean(self, text: str) -> str:
        """The text without any secret that is known."""
        with self._mutex:
            if not self._texts:
                return text
            if self._pattern is None:
                longest_first = sorted(self._texts, key=lambda each: (-len(each), each))
                self._pattern = re.compile("|".join(re.escape(each) for each in longest_first))
            return self._pattern.sub(SHOWN_AS, text)

    def clean_value(self, value: Any) -> Any:
        """A value without any secret that is known, at every depth."""
        if isinstance(value, str):
            return self.clean(value)
        if isinstance(value, Mapping):
            return {key: self.clean_value(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.clean_value(item) for item in value]
        return value
