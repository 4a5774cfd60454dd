"""Where answers come from: a SageMaker endpoint or an HTTP model server.

Nothing here waits longer than it is told, and nothing is tried twice: the ladder is what a failure leads to.
"""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import quote

import aiohttp
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from platform_jobs.gateway.dialects import Dialect, object_in
from platform_jobs.gateway.model import BackendError, ModelAnswer, Question, WrongQuestionError

if TYPE_CHECKING:
    from platform_jobs.aws import Clients

LARGEST_ANSWER: Final = 1024 * 1024
_JSON: Final = "application/json"
_CREDENTIALS_SECONDS: Final = 60.0
_CALLERS_MISTAKES: Final = frozenset({400, 413, 415, 422})


class Backend(Protocol):
    """One model that can be asked."""

    async def ask(self, question: Question, timeout_seconds: float) -> ModelAnswer:
        """The model's answer.

        Raises:
            BackendError: it did not answer in time, or not as a model does.
            WrongQuestionError: it refuses the question.
        """


class HttpModel:
    """A model server: `POST <url>/invocations`, in its dialect."""

    def __init__(self, http: aiohttp.ClientSession, dialect: Dialect, url: str) -> None:
        self._http = http
        self._dialect = dialect
        self._url = f"{url.rstrip('/')}/invocations"

    async def ask(self, question: Question, timeout_seconds: float) -> ModelAnswer:
        """The model's answer."""
        headers = {"Content-Type": _JSON, "X-Request-Id": question.id}
        asked = self._dialect.body(question)
        status, body = await _post(self._http, self._url, asked, headers, timeout_seconds)
        if status != 200:
            raise _refusal(status, body)
        return self._dialect.answer(body)


class SageMakerModel:
    """A SageMaker endpoint, by its runtime API, one variant of it if named."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        dialect: Dialect,
        signer: "Signer",
        endpoint: str,
        variant: str | None = None,
    ) -> None:
        self._http = http
        self._dialect = dialect
        self._signer = signer
        self._url = f"{signer.url}/endpoints/{quote(endpoint, safe='')}/invocations"
        self._variant = variant

    async def ask(self, question: Question, timeout_seconds: float) -> ModelAnswer:
        """The model's answer."""
        headers = {"Content-Type": _JSON, "Accept": _JSON, "X-Amzn-SageMaker-Inference-Id": question.id}
        if self._variant is not None:
            headers["X-Amzn-SageMaker-Target-Variant"] = self._variant
        body = self._dialect.body(question)
        signed = self._signer.sign(self._url, headers, body)
        status, answer = await _post(self._http, self._url, body, signed, timeout_seconds)
        if status == 200:
            return self._dialect.answer(answer)
        # SageMaker wraps what the container says: 424, with the container's own status and words inside.
        told = object_in(answer)
        original = told.get("OriginalStatusCode")
        if status == 424 and isinstance(original, int):
            raise _refusal(original, str(told.get("OriginalMessage", "")).encode())
        raise BackendError("throttled" if status == 429 else f"status-{status // 100}xx", f"status {status}")


@dataclass(frozen=True)
class _Frozen:
    credentials: Any
    until: float


class Signer:
    """Signs requests to one region's SageMaker runtime; credentials are renewed beside the requests."""

    def __init__(self, clients: "Clients") -> None:
        runtime = clients.sagemaker_runtime
        self.url = runtime.meta.endpoint_url.rstrip("/")
        self._region = runtime.meta.region_name
        self._session = clients.session
        self._frozen = self._read()
        self._renewal: asyncio.Task[None] | None = None

    def sign(self, url: str, headers: Mapping[str, str], body: bytes) -> dict[str, str]:
        """The headers with a signature (SigV4)."""
        if time.monotonic() > self._frozen.until and (self._renewal is None or self._renewal.done()):
            self._renewal = asyncio.create_task(self._renew())
        request = AWSRequest("POST", url, data=body, headers=dict(headers))
        SigV4Auth(self._frozen.credentials, "sagemaker", self._region).add_auth(request)
        return dict(request.headers.items())

    async def _renew(self) -> None:
        # A source of credentials that is away for a moment is asked again; those at hand are good for longer.
        with contextlib.suppress(Exception):
            self._frozen = await asyncio.to_thread(self._read)

    def _read(self) -> _Frozen:
        found = self._session.get_credentials()
        if found is None:
            raise BackendError("credentials", "there are no AWS credentials to sign requests with")
        return _Frozen(found.get_frozen_credentials(), time.monotonic() + _CREDENTIALS_SECONDS)


@dataclass
class _Call:
    """One request on its way."""

    on_kept_connection: bool = False


def kept_connections() -> aiohttp.TraceConfig:
    """What a session needs for calls to know whether theirs was a connection that had been kept."""
    told = aiohttp.TraceConfig()

    async def reused(_session: Any, context: Any, _parameters: Any) -> None:
        context.trace_request_ctx.on_kept_connection = True

    told.on_connection_reuseconn.append(reused)
    return told


async def _post(
    http: aiohttp.ClientSession, url: str, body: bytes, headers: Mapping[str, str], timeout_seconds: float
) -> tuple[int, bytes]:
    try:
        async with asyncio.timeout(timeout_seconds):
            while True:
                call = _Call()
                try:
                    return await _exchange(http, url, body, headers, call)
                except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                    # A server may close a kept connection just when it is used again: it was not asked.
                    if not call.on_kept_connection:
                        raise
    except TimeoutError:
        raise BackendError("timeout", f"no answer within {timeout_seconds * 1000:.0f} ms") from None
    except (aiohttp.ClientError, OSError) as error:
        raise BackendError("connection", type(error).__name__) from None


async def _exchange(
    http: aiohttp.ClientSession, url: str, body: bytes, headers: Mapping[str, str], call: _Call
) -> tuple[int, bytes]:
    async with http.post(
        url, data=body, headers=headers, allow_redirects=False, trace_request_ctx=call
    ) as answer:
        return answer.status, await _read(answer)


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in answer.content.iter_chunked(64 * 1024):
        size += len(part)
        if size > LARGEST_ANSWER:
            answer.close()
            raise BackendError("malformed", f"the answer is larger than {LARGEST_ANSWER} bytes")
        parts.append(part)
    return b"".join(parts)


def _refusal(status: int, body: bytes) -> Exception:
    """What a server's refusal means: the question is wrong, or the server is not well."""
    if status not in _CALLERS_MISTAKES:
        return BackendError("throttled" if status == 429 else f"status-{status // 100}xx", f"status {status}")
    told = object_in(body).get("error")
    told = told if isinstance(told, dict) else {}
    problems = told.get("problems")
    return WrongQuestionError(
        str(told.get("message", "the model refuses the question")),
        [item for item in problems if isinstance(item, dict)] if isinstance(problems, list) else (),
    )
