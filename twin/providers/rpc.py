"""How a provider talks over gRPC: properties in, problems and errors out, as Pulumi's engine shows them."""

import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, NoReturn

import grpc
from google.protobuf import any_pb2
from pulumi.runtime.proto import provider_pb2, status_pb2

from twin import wire
from twin.wire import PLAIN

KINDS: Final = {
    ("ADD", False): provider_pb2.PropertyDiff.ADD,
    ("ADD", True): provider_pb2.PropertyDiff.ADD_REPLACE,
    ("DELETE", False): provider_pb2.PropertyDiff.DELETE,
    ("DELETE", True): provider_pb2.PropertyDiff.DELETE_REPLACE,
    ("UPDATE", False): provider_pb2.PropertyDiff.UPDATE,
    ("UPDATE", True): provider_pb2.PropertyDiff.UPDATE_REPLACE,
}
"""(what happened to a property, whether it replaces the resource) → the protocol's kind of difference."""


class InitFailedError(Exception):
    """The resource exists, but is not complete."""

    def __init__(
        self, identifier: str, state: Mapping[str, Any], inputs: Mapping[str, Any], reason: str
    ) -> None:
        super().__init__(reason)
        self.identifier, self.state, self.inputs, self.reason = identifier, state, inputs, reason


def plain(struct: Any) -> dict[str, Any]:
    """Properties without marks of secrecy; unknown values stay UNKNOWN."""
    values: Mapping[str, Any] = wire.unwrap(wire.from_struct(struct)).value
    return dict(values)


def type_of(urn: str, given: str) -> str:
    """A resource's type token: as given, else as its URN says."""
    return given or urn.split("::")[2].rsplit("$", 1)[-1]


def add_failures(response: Any, problems: Iterable[tuple[str, str]]) -> None:
    """Adds each problem to a response that has `failures`."""
    for path, reason in problems:
        response.failures.add(property=path, reason=reason)


@contextmanager
def reported(context: grpc.ServicerContext, who: str) -> Iterator[None]:
    """Turns errors into the status that Pulumi's engine shows; only a bug shows a traceback, on stderr.

    Args:
        context: The call's.
        who: The provider, as a message names it.
    """
    try:
        yield
    except InitFailedError as failed:
        _abort_with_init_failure(context, failed)
    except (ValueError, OSError) as error:
        context.abort(grpc.StatusCode.UNKNOWN, str(error))
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        context.abort(grpc.StatusCode.INTERNAL, f"{who} has a bug: {error!r}")


class _Status:
    """A gRPC status with details; `abort_with_status` wants the attributes."""

    def __init__(self, code: Any, details: str, status: Any) -> None:
        self.code, self.details = code, details
        self.trailing_metadata = (("grpc-status-details-bin", status.SerializeToString()),)


def _abort_with_init_failure(context: grpc.ServicerContext, failed: InitFailedError) -> NoReturn:
    detail = provider_pb2.ErrorResourceInitFailed(
        id=failed.identifier,
        properties=wire.to_struct(failed.state, PLAIN),
        inputs=wire.to_struct(failed.inputs, PLAIN),
        reasons=[failed.reason],
    )
    packed = any_pb2.Any(type_url="type.googleapis.com/pulumirpc.ErrorResourceInitFailed")
    packed.value = detail.SerializeToString()
    code = grpc.StatusCode.UNKNOWN
    status = status_pb2.Status(code=code.value[0], message=failed.reason, details=[packed])
    abort: Callable[[Any], NoReturn] = context.abort_with_status
    abort(_Status(code, failed.reason, status))
