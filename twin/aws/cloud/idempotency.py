"""Repeated creations: a call that a provider repeats after a crash is answered, not done again.

A provider that creates a resource marks each mutating call with
`X-Stagecraft-Idempotency: <scope>.<token>.<n>`: the resource, the attempt to create it, and the number of the
call in it. If the process dies before the engine has noted the result, the same attempt is made again, with the
same marks; the calls that were done are then answered from memory, and the rest is done. So there is no
duplicate of a thing without a name of its own, and no "already exists" for one that has. Once the engine knows
the resource, its calls carry `X-Stagecraft-Idempotency-Forget: <scope>`, and a later creation is a new one.

The memory needs no saving of its own: replaying the cloud's journal through this handler makes it again.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from twin.aws.cloud.http import HttpRequest, HttpResponse

HEADER: Final = "X-Stagecraft-Idempotency"
FORGET_HEADER: Final = "X-Stagecraft-Idempotency-Forget"
_KEPT_SCOPES: Final = 20_000


class Idempotency:
    """Wraps a handler; answers marked calls that were done before."""

    def __init__(self, handler: Callable[[HttpRequest], HttpResponse]) -> None:
        self._handler = handler
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, dict[str, tuple[bytes, HttpResponse]]] = OrderedDict()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """The answer that was given before, or the handler's."""
        forget = request.header(FORGET_HEADER)
        if forget:
            with self._lock:
                self._kept.pop(forget, None)
        mark = request.header(HEADER)
        if not mark:
            return self._handler(request)
        scope, _, call = mark.partition(".")
        fingerprint = _fingerprint(request)
        with self._lock:
            known = self._kept.get(scope, {}).get(call)
        if known is not None and known[0] == fingerprint:
            return known[1]
        response = self._handler(request)
        if response.status < 300:
            with self._lock:
                self._kept.setdefault(scope, {})[call] = (fingerprint, response)
                self._kept.move_to_end(scope)
                while len(self._kept) > _KEPT_SCOPES:
                    self._kept.popitem(last=False)
        return response


def _fingerprint(request: HttpRequest) -> bytes:
    """What makes two requests the same: all but the signature and its time."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(f"{request.method} {request.target}".encode())
    for name, value in sorted(request.headers):
        if name.lower() == "x-amz-target":
            digest.update(value.encode())
    digest.update(request.body)
    return digest.digest()
