"""Answers kept for creations that may be asked for again: a provider killed before it told the engine.

A client marks the calls of one creation `<scope>.<token>.<n>`; the n-th call of a token, repeated, gets the
answer of the first time and does nothing. A new token for the scope, or a call that marks the scope as known,
ends the keeping.
"""

from typing import Any, Final

from twin.aws.cloud.http import HttpRequest, HttpResponse

_KEY: Final = "x-stagecraft-idempotency"
_FORGET: Final = "x-stagecraft-idempotency-forget"


class AnswerBook:
    """The kept answers; a `Store` of the cloud's state."""

    def __init__(self) -> None:
        self._scopes: dict[str, tuple[str, dict[str, HttpResponse]]] = {}

    def recall(self, request: HttpRequest) -> HttpResponse | None:
        """The answer the request already had, if it is a repetition."""
        scope, token, number = _parts(request)
        kept = self._scopes.get(scope)
        return kept[1].get(number) if kept is not None and kept[0] == token else None

    def keep(self, request: HttpRequest, response: HttpResponse) -> None:
        """Keeps the answer of a marked call that succeeded."""
        scope, token, number = _parts(request)
        if not scope or response.status >= 300:
            return
        kept = self._scopes.get(scope)
        if kept is None or kept[0] != token:
            kept = self._scopes[scope] = (token, {})
        kept[1][number] = response

    def outdated(self, request: HttpRequest) -> str:
        """The scope that the request says is known by now, if answers are kept for it; else empty."""
        scope = request.header(_FORGET)
        return scope if scope in self._scopes else ""

    def forget(self, scope: str) -> None:
        """Drops the scope's answers."""
        self._scopes.pop(scope, None)

    def dump(self) -> Any:
        """The state as plain values."""
        return self._scopes

    def load(self, state: Any) -> None:
        """Takes the place of `dump`'s values."""
        self._scopes = state


def _parts(request: HttpRequest) -> tuple[str, str, str]:
    scope, _, rest = request.header(_KEY).partition(".")
    token, _, number = rest.partition(".")
    return scope, token, number
