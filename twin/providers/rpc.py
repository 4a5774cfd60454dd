"""How a provider talks over gRPC: properties in, problems and errors out, as Pulumi's engine shows them."""

import hashlib
import json
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, NoReturn

import grpc
from google.protobuf import any_pb2
from pulumi.runtime.proto import provider_pb2, status_pb2

from twin import wire
from twin.wire import PLAIN

OPERATION_KEY: Final = "stagecraft-operation"
"""gRPC metadata of Create: the engine's own number of the attempt, the same when the attempt is resumed."""
_KINDS: Final = {
    ("ADD", False): provider_pb2.PropertyDiff.ADD,
    ("ADD", True): provider_pb2.PropertyDiff.ADD_REPLACE,
    ("DELETE", False): provider_pb2.PropertyDiff.DELETE,
    ("DELETE", True): provider_pb2.PropertyDiff.DELETE_REPLACE,
    ("UPDATE", False): provider_pb2.PropertyDiff.UPDATE,
    ("UPDATE", True): provider_pb2.PropertyDiff.UPDATE_REPLACE,
}


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


def attempt_of(
    context: grpc.ServicerContext,
    urn: str,
    inputs: Mapping[str, Any],
    fingerprint: Callable[[Any], Any] = repr,
) -> str:
    """What a creation and its repetition have in common: the engine's number, else the inputs.

    Args:
        context: The call's.
        urn: The resource.
        inputs: Its inputs.
        fingerprint: Says of a value that is no JSON what tells it from another.
    """
    told: dict[str, Any] = dict(context.invocation_metadata() or ())
    number = str(told.get(OPERATION_KEY) or "")
    text = json.dumps(inputs, sort_keys=True, default=fingerprint)
    return number or hashlib.sha256(f"{urn}\n{text}".encode()).hexdigest()


def settings_response(
    olds: Mapping[str, Any], news: Mapping[str, Any], replaces: Callable[[str], bool]
) -> Any:
    """What differs between a provider's settings.

    Args:
        olds: The settings before.
        news: The settings now.
        replaces: Says of a changed one whether it replaces the provider, and so every resource of it.
    """
    changed = sorted(name for name in {*olds, *news} if olds.get(name) != news.get(name))
    return diff_response(
        (name, "ADD" if name not in olds else "DELETE" if name not in news else "UPDATE", replaces(name))
        for name in changed
    )


def diff_response(
    changes: Iterable[tuple[str, str, bool]],
    *,
    replaces: Sequence[str] | None = None,
    properties: Sequence[str] | None = None,
    delete_first: bool = False,
) -> Any:
    """A response to Diff.

    Args:
        changes: Each changed path, what happened there, and whether that takes a replacement.
        replaces: What takes a replacement. Default: the paths that say so.
        properties: The properties that changed. Default: those of the paths.
        delete_first: Whether the old must go before the new can come.
    """
    found = list(changes)
    response = provider_pb2.DiffResponse(
        changes=provider_pb2.DiffResponse.DIFF_SOME if found else provider_pb2.DiffResponse.DIFF_NONE,
        diffs=list(dict.fromkeys(_top(path) for path, _, _ in found)) if properties is None else properties,
        replaces=[path for path, _, forced in found if forced] if replaces is None else replaces,
        deleteBeforeReplace=delete_first,
        hasDetailedDiff=True,
    )
    for path, kind, forced in found:
        response.detailedDiff[path].kind = _KINDS[kind, forced]
        response.detailedDiff[path].inputDiff = True
    return response


def _top(path: str) -> str:
    return path.partition(".")[0].partition("[")[0]


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
