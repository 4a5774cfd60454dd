"""boto3 clients for the twin's cloud: loopback only, fixed credentials, nothing read from the machine."""

import hashlib
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.model import OperationModel, ServiceModel
from botocore.parsers import ResponseParserError
from botocore.session import Session

IDEMPOTENCY_HEADER: Final = "X-Stagecraft-Idempotency"
"""`<scope>.<token>.<n>`: the cloud answers a repeated n-th call of a token as it answered the first."""

FORGET_HEADER: Final = "X-Stagecraft-Idempotency-Forget"
"""`<scope>`: the engine knows the resource; the cloud forgets the answers it keeps for the scope."""

_READS: Final = (
    "Get",
    "List",
    "Describe",
    "Head",
    "BatchGet",
    "Search",
    "Lookup",
    "Query",
    "Scan",
    "Simulate",
)
_PROXIES: Final = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"})
_CONFIG: Final = Config(
    connect_timeout=5,
    read_timeout=120,
    max_pool_connections=64,
    parameter_validation=False,
    retries={"mode": "standard", "total_max_attempts": 4},
    tcp_keepalive=True,
    user_agent="stagecraft-twin",
    inject_host_prefix=False,
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
    s3={"addressing_style": "path", "payload_signing_enabled": False},
)


def isolate_environment() -> None:
    """Takes AWS settings, credentials and proxies out of this process, so that nothing leads elsewhere."""
    for name in list(os.environ):
        if name.startswith("AWS_") or name.upper() in _PROXIES:
            del os.environ[name]
    os.environ.update(
        AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull, AWS_EC2_METADATA_DISABLED="true"
    )


@dataclass
class Effect:
    """What one RPC does to the cloud, as the cloud is told: which creation it repeats, what it may forget."""

    scope: str = ""
    token: str = ""
    forget: bool = False
    calls: int = field(default=0)

    @classmethod
    def of(cls, urn: str, token: str) -> "Effect":
        """The effect of creating a resource; the token tells one attempt (and its resumption) from others."""
        return cls(_digest(urn), _digest(token))

    @classmethod
    def known(cls, urn: str) -> "Effect":
        """The effect of anything but a creation: the engine knows the resource, so its creation is over."""
        return cls(_digest(urn), forget=True)

    def headers(self) -> dict[str, str]:
        """The headers of the next call."""
        if self.forget:
            return {FORGET_HEADER: self.scope}
        if not self.token:
            return {}
        self.calls += 1
        return {IDEMPOTENCY_HEADER: f"{self.scope}.{self.token}.{self.calls}"}

    def client_token(self) -> str:
        """The idempotency token for APIs that take one: the same when the creation is repeated."""
        return _digest(f"{self.token}.{self.calls}") if self.token else ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


_effect: ContextVar[Effect | None] = ContextVar("effect", default=None)


@contextmanager
def effect(current: Effect) -> Iterator[None]:
    """Calls made inside carry this effect's headers."""
    before = _effect.set(current)
    try:
        yield
    finally:
        _effect.reset(before)


class Cloud:
    """The twin's cloud as clients see it."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self._session = Session()
        self._session.set_credentials("twin", "twin")
        self._lock = threading.RLock()
        self._clients: dict[tuple[str, str], BaseClient] = {}
        self._models: dict[str, ServiceModel] = {}
        self._account = ""

    def client(self, service: str, region: str) -> Any:
        """The client of a service in a region; made once."""
        client = self._clients.get((service, region))
        if client is None:
            with self._lock:
                client = self._clients.get((service, region))
                if client is None:
                    client = self._new_client(service, region)
                    self._clients[service, region] = client
        return client

    def _new_client(self, service: str, region: str) -> BaseClient:
        client: BaseClient = self._session.create_client(
            service, region_name=region, endpoint_url=self.endpoint, config=_CONFIG, use_ssl=False
        )
        client.meta.events.register("before-call", _add_headers)
        client.meta.events.register_first("before-parameter-build", _add_client_token)
        return client

    def model(self, service: str) -> ServiceModel:
        """The service's model."""
        model = self._models.get(service)
        if model is None:
            with self._lock:
                model = self._models.get(service) or self._session.get_service_model(service)
                self._models[service] = model
        return model

    @property
    def account(self) -> str:
        """The account's number."""
        if not self._account:
            with self._lock:
                if not self._account:
                    answer = self.client("sts", "us-east-1").get_caller_identity()
                    self._account = answer["Account"]
        return self._account


def _add_headers(model: OperationModel, params: dict[str, Any], **_: Any) -> None:
    current = _effect.get()
    if current is not None and (current.forget or not model.name.startswith(_READS)):
        params["headers"].update(current.headers())


def _add_client_token(params: dict[str, Any], model: OperationModel, **_: Any) -> None:
    current = _effect.get()
    token = current.client_token() if current is not None else ""
    if token:
        for member in model.idempotent_members:
            params.setdefault(member, token)


CALL_ERRORS: Final = (ClientError, BotoCoreError, ResponseParserError)
"""What a boto3 call raises; the last when the answer is a page and not the service's protocol."""


def explain(error: Exception) -> str:
    """A failed call as one line: operation, code, message."""
    if isinstance(error, ClientError):
        detail: Mapping[str, Any] = error.response.get("Error", {})
        code, message = detail.get("Code") or "?", detail.get("Message") or ""
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        operation = error.operation_name
        if is_not_emulated(error):
            return (
                f"{operation} is not emulated by the twin's cloud (HTTP {status}); "
                "deploy this resource to a real account, or leave it out of the local stack"
            )
        return f"{operation}: {code}: {message}" if message else f"{operation}: {code} (HTTP {status})"
    if isinstance(error, ResponseParserError):
        return f"the operation is not emulated by the twin's cloud ({str(error).splitlines()[0]})"
    if isinstance(error, BotoCoreError):
        return f"the twin's cloud could not be asked: {error}"
    return str(error)


def code_of(error: ClientError) -> str:
    """The API's error code."""
    return str(error.response.get("Error", {}).get("Code") or "")


def is_not_emulated(error: ClientError) -> bool:
    """Whether the cloud lacks the operation (moto answers with a page that has no error code)."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    code = code_of(error)
    if code in ("NotImplemented", "NotEmulated", "NotYetImplemented", "501"):
        return True
    no_message = not error.response.get("Error", {}).get("Message")
    return status in (500, 501) and code in ("", "500", "501", "Unknown") and no_message


_MISSING: Final = frozenset(
    {
        "UnknownMonitorException",
        "UnknownSubscriptionException",
        "404",
        "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist",
        "ParameterNotFound",
        "NotFound",
    }
)


_VAGUE: Final = frozenset(
    {
        "ClientException",
        "InvalidParameterValue",
        "InvalidRequestException",
        "ValidationError",
        "ValidationException",
    }
)
"""Codes that say "missing" only in their message."""
_MISSING_TEXTS: Final = ("could not find", "does not exist", "not found")
_MISSING_PARTS: Final = ("DoesNotExist", "NoSuch", "NonExistent", "NotFound")


def is_missing(error: ClientError) -> bool:
    """Whether the error says that the thing asked for does not exist."""
    code = code_of(error)
    if code in _MISSING or any(part in code for part in _MISSING_PARTS):
        return True
    message = str(error.response.get("Error", {}).get("Message") or "").lower()
    return code in _VAGUE and any(text in message for text in _MISSING_TEXTS)


@contextmanager
def missing_is_fine() -> Iterator[None]:
    """For deletions: what is gone already needs no deleting."""
    try:
        yield
    except ClientError as error:
        if not is_missing(error):
            raise
