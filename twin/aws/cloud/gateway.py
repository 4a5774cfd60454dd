"""The way in: every request passes here, to a gap filler, to moto, or to what lives outside of both.

Ordinary calls run one at a time, each at one instant and with its own seeded randomness, and are journalled
if they changed anything. What takes long (a model's answer, a function's run) is intercepted before the lock.
"""

import json
import logging
import secrets
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final, Protocol

from twin.aws.cloud import clock, randomness
from twin.aws.cloud.http import HttpRequest, HttpResponse
from twin.aws.cloud.idempotency import AnswerBook
from twin.aws.cloud.journal import Journal, Record
from twin.aws.cloud.moto_host import MotoApps
from twin.aws.cloud.protocol import AwsError, Call, Operation, not_emulated, read_call, unresolved_error

_log = logging.getLogger(__name__)
_EVENT: Final = "EVENT"

Event = dict[str, Any]
"""What happened inside, in JSON's types: it is journalled and, after a kill, told again."""


class Handler(Protocol):
    """Answers an operation in moto's stead; `forward` is moto's own answer, for what builds on it."""

    def __call__(self, operation: Operation, forward: Callable[[], HttpResponse]) -> HttpResponse:
        """The answer. Raises AwsError for a refusal."""


class Gaps(Protocol):
    """The gap fillers, as the gateway sees them."""

    def handler(self, call: Call) -> tuple[Operation, Handler] | None:
        """Who answers the call, if not moto."""


_REQUEST_ID: Final = "x-amzn-requestid"
_ID_HEADERS: Final = frozenset({_REQUEST_ID, "x-amz-request-id"})

Interceptor = Callable[[Call], HttpResponse | None]
"""Answers a call without the lock, or leaves it to the ordinary way by returning None."""


class Gateway:
    """Serves requests on the cloud's state and keeps the journal of what changed it."""

    def __init__(self, gaps: Gaps, seed: int) -> None:
        self.lock = threading.RLock()
        self.replaying = False
        self.sequence = 0
        self._seed = seed
        self._gaps = gaps
        self._apps = MotoApps()
        self._journal: Journal | None = None
        self.answers = AnswerBook()
        self._interceptors: list[Interceptor] = []
        self._events: dict[str, Callable[[Event], None]] = {
            "forget-answers": lambda event: self.answers.forget(event["scope"])
        }
        self._unrepeatable: Callable[[], None] = lambda: None

    def intercept(self, interceptor: Interceptor) -> None:
        """Asks `interceptor` first, for every call."""
        self._interceptors.append(interceptor)

    def on_event(self, name: str, apply: Callable[[Event], None]) -> None:
        """Has `apply` change the state when the event happens, and again when it is replayed."""
        self._events[name] = apply

    def keep(self, journal: Journal, save: Callable[[], None]) -> None:
        """Journals from now on; `save` follows what a replay could not repeat."""
        self._journal = journal
        self._unrepeatable = save

    def handle(self, request: HttpRequest) -> HttpResponse:
        """Answers one AWS request."""
        call = read_call(request)
        for interceptor in self._interceptors:
            response = _guarded(call, partial(interceptor, call))
            if response is not None:
                return _identified(response)
        return _identified(self.perform(call))

    def perform(self, call: Call) -> HttpResponse:
        """Runs an ordinary call: alone, at one instant, journalled if it changed anything."""
        with self.lock:
            if outdated := self.answers.outdated(call.request):
                self.happened("forget-answers", scope=outdated)
            if not call.is_read() and (known := self.answers.recall(call.request)) is not None:
                return known
            instant = clock.real_now()
            response, changed = self._run(call, self.sequence + 1, instant)
            if changed:
                self._record(call.request, instant)
                if _makes_keys(call):
                    self._unrepeatable()
            return response

    def unlocked(self, call: Call) -> HttpResponse:
        """Runs a call that waits for others: beside them, and outside of the journal."""
        return self._answer(call)

    def happened(self, event: str, **details: Any) -> None:
        """Something happened inside (a job ended): changes the state accordingly, journalled."""
        request = HttpRequest(_EVENT, event, (), json.dumps(details).encode())
        with self.lock:
            instant = clock.real_now()
            self._tell(request, self.sequence + 1, instant)
            self._record(request, instant)

    def replay(self, record: Record) -> None:
        """Does again what the journal says was done."""
        self.replaying = True
        try:
            if record.request.method == _EVENT:
                self._tell(record.request, record.sequence, record.instant)
            else:
                self._run(read_call(record.request), record.sequence, record.instant)
            self.sequence = record.sequence
        finally:
            self.replaying = False

    def _record(self, request: HttpRequest, instant: float) -> None:
        self.sequence += 1
        if self._journal is not None:
            self._journal.append(Record(self.sequence, instant, request))

    def _tell(self, request: HttpRequest, sequence: int, instant: float) -> None:
        with randomness.seeded(self._seed, sequence), clock.frozen(instant):
            self._events[request.target](json.loads(request.body))

    def _run(self, call: Call, sequence: int, instant: float) -> tuple[HttpResponse, bool]:
        read = call.is_read()
        with randomness.seeded(self._seed, sequence) as draw, clock.frozen(instant):
            response = self._answer(call)
        if not read:
            self.answers.keep(call.request, response)
        # A read that drew random numbers made something up on the way (an AWS-managed key, say).
        return response, draw.used or not (read or _found_nothing(call, response))

    def _answer(self, call: Call) -> HttpResponse:
        response = _guarded(call, lambda: self._filled(call) or self.moto(call))
        assert response is not None  # noqa: S101  (moto answers, or refuses)
        return response

    def _filled(self, call: Call) -> HttpResponse | None:
        """A gap filler's answer, if one has the operation."""
        found = self._gaps.handler(call)
        if found is None:
            return None
        operation, handler = found
        return handler(operation, lambda: self.moto(call))

    def moto(self, call: Call) -> HttpResponse:
        """Moto's answer. Raises NotEmulatedError where moto has none."""
        call.environ["wsgi.input"].seek(0)
        try:
            response = self._apps.call(call.environ)
        except NotImplementedError as error:
            raise not_emulated(call) from error
        if response.status == 404 and not response.body and call.signer != "s3":
            raise not_emulated(call)
        return response


def _guarded(call: Call, answer: Callable[[], HttpResponse | None]) -> HttpResponse | None:
    """The answer; a refusal or a failure in the protocol of the call."""
    try:
        return answer()
    except AwsError as problem:
        return refusal(call, problem)
    except Exception as error:
        _log.exception("%s %s failed", call.signer, call.action or call.request.target)
        text = f"the twin's cloud failed: {error!r}; see its log"
        return refusal(call, AwsError("InternalFailure", text, 500))


def _identified(response: HttpResponse) -> HttpResponse:
    """Every answer of AWS has an id, and callers (moto's interpreter of executions) count on it."""
    if any(name.lower() in _ID_HEADERS for name in response.headers):
        return response
    return replace(response, headers={**response.headers, _REQUEST_ID: secrets.token_hex(16)})


def _found_nothing(call: Call, response: HttpResponse) -> bool:
    """Whether the call looked for messages in vain, as consumers do all the time."""
    return call.action == "ReceiveMessage" and b"Message" not in response.body


def _makes_keys(call: Call) -> bool:
    """Whether the call made key pairs, which come from the operating system's randomness."""
    action = call.action
    if call.signer == "kms" and action in ("CreateKey", "GenerateDataKeyPair"):
        return b"SYMMETRIC_DEFAULT" not in call.request.body and b"KeySpec" in call.request.body
    return action in ("CreateKeyPair", "RequestCertificate", "CreateKeysAndCertificate", "CreateUserPool")


def refusal(call: Call, problem: AwsError) -> HttpResponse:
    """The error in the protocol of the call."""
    operation = call.operation()
    return operation.error(problem) if operation is not None else unresolved_error(problem)
