"""One resource's provider calls in Python values: check, diff, create, update, delete, read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from pulumi.runtime.proto import provider_pb2

from twin.engine import paths
from twin.engine.deployment import ResourceState
from twin.engine.plugins import PartialFailureError, ProviderClient
from twin.engine.providers import CheckError, encoding_for
from twin.engine.secrecy import marked_secret
from twin.engine.urns import Urn
from twin.wire import from_struct, to_struct

_NONE: Final = provider_pb2.DiffResponse.DIFF_NONE
_SOME: Final = provider_pb2.DiffResponse.DIFF_SOME
_REPLACING_KINDS: Final = frozenset(
    {
        provider_pb2.PropertyDiff.ADD_REPLACE,
        provider_pb2.PropertyDiff.DELETE_REPLACE,
        provider_pb2.PropertyDiff.UPDATE_REPLACE,
    }
)


@dataclass(frozen=True)
class Difference:
    """What a provider says of the step from the old inputs to the new."""

    changed: bool
    replaces: tuple[str, ...] = ()
    """Properties that cannot be changed in place."""
    delete_before_replace: bool = False
    stables: tuple[str, ...] = ()

    @property
    def replaced(self) -> bool:
        """Whether the resource must be made anew."""
        return bool(self.replaces)


@dataclass(frozen=True)
class Outcome:
    """What a create, update or read left behind."""

    id: str
    outputs: dict[str, Any]
    inputs: dict[str, Any] | None = None
    """A read's inputs, where the provider tells them."""
    init_errors: tuple[str, ...] = ()
    failure: str = ""


def seed_for(urn: str, replaced_id: str) -> bytes:
    """The randomness that a provider names a resource with.

    The same for the same resource, so that a plan repeats; another one for its replacement, so that both
    can stand side by side.
    """
    return sha256(f"{urn}\0{replaced_id}".encode()).digest()


def check(
    client: ProviderClient, urn: str, olds: Mapping[str, Any], news: Mapping[str, Any], seed: bytes
) -> dict[str, Any]:
    """The inputs as the provider will have them: defaults filled in, names made. Raises CheckError."""
    encoding = encoding_for(client)
    name, type_ = _named(urn)
    answer = client.call(
        "Check",
        provider_pb2.CheckRequest(
            urn=urn,
            name=name,
            type=type_,
            olds=to_struct(olds, encoding),
            news=to_struct(news, encoding),
            randomSeed=seed,
        ),
    )
    if answer.failures:
        raise CheckError([(failure.property, failure.reason) for failure in answer.failures])
    checked = from_struct(answer.inputs)
    return checked if client.accept_secrets else marked_secret(checked, news, ())


def diff(
    client: ProviderClient, old: ResourceState, news: Mapping[str, Any], ignore_changes: Sequence[str] = ()
) -> Difference:
    """What changing a resource to new inputs would take."""
    encoding = encoding_for(client)
    name, type_ = _named(old.urn)
    answer = client.call(
        "Diff",
        provider_pb2.DiffRequest(
            id=old.id,
            urn=old.urn,
            name=name,
            type=type_,
            olds=to_struct(old.outputs, encoding),
            old_inputs=to_struct(old.inputs, encoding),
            news=to_struct(news, encoding),
            ignoreChanges=ignore_changes,
        ),
    )
    replaces = set(answer.replaces)
    replaces |= {key for key, each in answer.detailedDiff.items() if each.kind in _REPLACING_KINDS}
    changed = answer.changes == _SOME or (
        answer.changes != _NONE and bool(paths.changed(dict(old.inputs), dict(news)))
    )
    return Difference(
        changed or bool(replaces), tuple(sorted(replaces)), answer.deleteBeforeReplace, tuple(answer.stables)
    )


def create(
    client: ProviderClient,
    urn: str,
    inputs: Mapping[str, Any],
    *,
    timeout: float | None,
    preview: bool,
) -> Outcome:
    """Makes a resource; in a preview, asks what it would look like."""
    name, type_ = _named(urn)
    request = provider_pb2.CreateRequest(
        urn=urn,
        name=name,
        type=type_,
        properties=to_struct(inputs, encoding_for(client)),
        timeout=timeout or 0,
        preview=preview,
    )
    try:
        answer = client.call("Create", request, timeout=timeout)
    except PartialFailureError as failure:
        return _partial(failure, failure.id)
    return Outcome(answer.id, from_struct(answer.properties))


def update(
    client: ProviderClient,
    old: ResourceState,
    inputs: Mapping[str, Any],
    *,
    timeout: float | None,
    preview: bool,
    ignore_changes: Sequence[str] = (),
) -> Outcome:
    """Changes a resource in place; in a preview, asks what it would look like."""
    encoding = encoding_for(client)
    name, type_ = _named(old.urn)
    request = provider_pb2.UpdateRequest(
        id=old.id,
        urn=old.urn,
        name=name,
        type=type_,
        olds=to_struct(old.outputs, encoding),
        old_inputs=to_struct(old.inputs, encoding),
        news=to_struct(inputs, encoding),
        ignoreChanges=ignore_changes,
        timeout=timeout or 0,
        preview=preview,
    )
    try:
        answer = client.call("Update", request, timeout=timeout)
    except PartialFailureError as failure:
        return _partial(failure, old.id)
    return Outcome(old.id, from_struct(answer.properties))


def delete(client: ProviderClient, old: ResourceState) -> None:
    """Deletes a resource."""
    encoding = encoding_for(client)
    name, type_ = _named(old.urn)
    timeout = old.custom_timeouts.get("delete")
    request = provider_pb2.DeleteRequest(
        id=old.id,
        urn=old.urn,
        name=name,
        type=type_,
        properties=to_struct(old.outputs, encoding),
        old_inputs=to_struct(old.inputs, encoding),
        timeout=timeout or 0,
    )
    client.call("Delete", request, timeout=timeout)


def read(
    client: ProviderClient, urn: str, identity: str, outputs: Mapping[str, Any], inputs: Mapping[str, Any]
) -> Outcome | None:
    """A resource as it is in the cloud now; None when it is gone."""
    encoding = encoding_for(client)
    name, type_ = _named(urn)
    request = provider_pb2.ReadRequest(
        id=identity,
        urn=urn,
        name=name,
        type=type_,
        properties=to_struct(outputs, encoding),
        inputs=to_struct(inputs, encoding),
    )
    try:
        answer = client.call("Read", request)
    except PartialFailureError as failure:
        return _partial(failure, failure.id)
    if not answer.id:
        return None
    told = from_struct(answer.inputs) if answer.HasField("inputs") else None
    return Outcome(answer.id, from_struct(answer.properties), told)


def _partial(failure: PartialFailureError, identity: str) -> Outcome:
    reasons = tuple(failure.reasons) or (str(failure),)
    return Outcome(
        failure.id or identity,
        from_struct(failure.properties),
        init_errors=reasons,
        failure="; ".join(reasons),
    )


def _named(urn: str) -> tuple[str, str]:
    parsed = Urn.parse(urn)
    return parsed.name, parsed.type
