"""What is common to every resource type: checking, comparing, and the steps around an adapter's calls."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from botocore.exceptions import ClientError

from twin import wire
from twin.aws.provider import assets, diff, documents, schema
from twin.aws.provider.adapter import Adapter, State
from twin.aws.provider.clients import CALL_ERRORS, Cloud, explain, is_missing
from twin.aws.provider.configuration import Configuration
from twin.aws.provider.diff import Change
from twin.aws.provider.operation import Operation
from twin.providers.naming import Naming
from twin.providers.problems import Problems
from twin.wire import UNKNOWN

_REGION: Final = re.compile(r"^[a-z]{2}(-[a-z]+)+-\d$")
_TAG_LIMIT: Final = 50
_TAG: Final = re.compile(r"^[\w\s+\-=.:/@]*$")


@dataclass(frozen=True)
class Resource:
    """A resource as the engine remembers it."""

    id: str
    state: State
    inputs: State


@dataclass(frozen=True)
class Difference:
    """What an update would do."""

    changes: list[Change] = field(default_factory=list)
    properties: list[str] = field(default_factory=list)
    replaces: list[str] = field(default_factory=list)
    delete_first: bool = False


@dataclass(frozen=True)
class Made:
    """A created resource; with `failure` it exists, but a later step of its creation failed."""

    id: str
    state: State
    failure: str | None = None


class Lifecycle:
    """Carries resources through their life, each by its adapter."""

    def __init__(self, cloud: Cloud, configuration: Configuration) -> None:
        self._cloud = cloud
        self._configuration = configuration

    def operation(
        self, adapter: Adapter, urn: str, properties: Mapping[str, Any], *, identifier: str = ""
    ) -> Operation:
        """The context of one RPC on a resource."""
        region = properties.get("region")
        known = region if isinstance(region, str) and region else self._configuration.region
        return Operation(self._cloud, known, adapter.service, urn, identifier)

    # -- check

    def check(
        self,
        adapter: Adapter,
        urn: str,
        news: State,
        naming: Naming,
        problems: Problems,
    ) -> State:
        """The inputs, completed; what is wrong with them is in `problems`."""
        described = adapter.described
        inputs = schema.checked_object(news, described.inputs, "", problems)
        wrong = {_top(path) for path, _ in problems}  # the rest is checked all the same: all problems at once
        inputs = {name: assets.hashed(value) for name, value in inputs.items() if name not in wrong}
        self._check_region(inputs, problems)
        if "tagsAll" in described.outputs and "tags" in described.inputs.properties:
            self._merge_tags(inputs, problems)
        if adapter.auto_name is not None:
            adapter.auto_name.fill(inputs, naming, problems)
        for name, value in adapter.defaults.items():
            inputs.setdefault(name, value)
        op = self.operation(adapter, urn, inputs)
        adapter.complete(op, inputs)
        for name in sorted(set(inputs) - adapter.supported(self._cloud)):
            if not diff.is_zero(inputs[name]):
                problems.add(name, "is not emulated by the twin", "leave it out of the local stack")
        mapper = adapter.mapper(self._cloud)
        for shape in adapter.shapes(self._cloud):
            mapper.request(shape, inputs, described.inputs, problems)
        for name, resource_policy in adapter.policies.items():
            if inputs.get(name) is not UNKNOWN and inputs.get(name) is not None:
                documents.check_policy(inputs[name], name, problems, resource_policy=resource_policy)
        adapter.check(op, inputs, problems)
        return inputs

    def _check_region(self, inputs: State, problems: Problems) -> None:
        region = inputs.get("region")
        if isinstance(region, str) and not _REGION.match(region):
            problems.add("region", f"{region!r} is no region", 'give one such as "us-east-1"')

    def _merge_tags(self, inputs: State, problems: Problems) -> None:
        tags = inputs.get("tags")
        if tags is UNKNOWN:
            return
        merged = self._configuration.merged_tags(tags or {})
        if merged or tags is not None:
            inputs["tags"] = merged
        if len(merged) > _TAG_LIMIT:
            problems.add("tags", f"there are {len(merged)} tags", f"AWS allows {_TAG_LIMIT}")
        for key, value in merged.items():
            if key.lower().startswith("aws:"):
                problems.add("tags", f"the key {key!r} begins with aws:", "that is AWS's own: use another")
            elif not key or len(key) > 128 or not _TAG.match(key):
                problems.add(
                    "tags", f"the key {key!r} is not allowed", "1 to 128 letters, digits, + - = . _ : / @"
                )
            if isinstance(value, str) and (len(value) > 256 or not _TAG.match(value)):
                problems.add(
                    "tags", f"the value {value!r} of {key} is not allowed", "up to 256 of the same signs"
                )

    # -- diff

    def diff(
        self, adapter: Adapter, urn: str, olds: State, news: State, ignored: tuple[str, ...] = ()
    ) -> Difference:
        """What changed between two sets of inputs."""
        described = adapter.described.inputs
        changed = diff.changed_properties(olds, news, described)
        in_place = adapter.changes_in_place(self._cloud)
        changes: list[Change] = []
        replaces: list[str] = []
        for name, found in changed.items():
            kept = [change for change in found if not _is_ignored(change.path, ignored)]
            old, new = olds.get(name), news.get(name)
            if not kept or (not wire.unwrap(new).unknown and adapter.same(name, old, new)):
                continue
            if new is None and name in adapter.elsewhere:  # no longer said here: another resource may say it
                continue
            forced = name not in in_place or adapter.forces_replacement(name, olds.get(name), news.get(name))
            kept = [change._replace(replaces=change.replaces or forced) for change in kept]
            changes += kept
            if any(change.replaces for change in kept):
                replaces.append(name)
        properties = sorted({_top(change.path) for change in changes})
        delete_first = bool(replaces) and self._delete_first(adapter, olds, news)
        return Difference(changes, properties, replaces, delete_first)

    def _delete_first(self, adapter: Adapter, olds: State, news: State) -> bool:
        if adapter.delete_before_replace:
            return True
        naming = adapter.auto_name
        if naming is None:
            return False
        old, new = olds.get(naming.key), news.get(naming.key)
        if old != new or old is None:
            return False
        return not naming.is_automatic(old, naming.suffix(news))

    # -- create, read, update, delete

    def preview_create(self, adapter: Adapter, inputs: State) -> State:
        """The inputs, and UNKNOWN for what only the cloud knows."""
        described = adapter.described
        unknown = {
            name: UNKNOWN
            for name in described.outputs
            if name not in described.inputs.properties or name in described.computed
        }
        return self._with_tags(adapter, {**unknown, **inputs}, inputs.get("tags"))

    def create(self, adapter: Adapter, urn: str, inputs: State) -> Made:
        """Creates the resource."""
        op = self.operation(adapter, urn, inputs)
        try:
            state = adapter.create(op, inputs)
            if state is None:
                state = self._read(adapter, op, {**inputs, **op.made})
                if state is None:
                    return Made(op.id, inputs, "the resource was created, but the cloud does not find it")
        except (*CALL_ERRORS, ValueError) as error:
            if not op.id:
                raise
            return Made(op.id, {**inputs, **op.made}, explain(error))
        return Made(op.id, self._presented(adapter, op, state, inputs))

    def read(self, adapter: Adapter, urn: str, resource: Resource) -> Resource | None:
        """The resource as it is now; None if it is gone."""
        known = {**resource.inputs, **resource.state}
        op = self.operation(adapter, urn, known, identifier=resource.id)
        if not known:
            known = adapter.parse_id(op, resource.id)
        actual = self._read(adapter, op, known)
        if actual is None:
            return None
        state = self._presented(adapter, op, actual, resource.state)
        inputs = diff.current_inputs(
            resource.inputs,
            self._comparable(adapter, state, actual, resource.inputs),
            resource.state,
            adapter.described.inputs,
            adapter.described.computed - adapter.exact,
        )
        if not resource.inputs:  # an import: what the cloud fills in by itself is no input
            inputs = {
                name: value
                for name, value in inputs.items()
                if name in adapter.supported(self._cloud) and adapter.defaults.get(name) != value
            }
        return Resource(op.id or resource.id, state, inputs)

    def _comparable(self, adapter: Adapter, state: State, actual: State, inputs: State) -> State:
        """What the cloud says of the inputs; those that it can't tell are left out."""
        readable = {name: state.get(name) for name in {*actual, *state} if name not in adapter.local}
        for name, given in inputs.items():
            if name in readable and adapter.same(name, given, readable[name]):
                readable[name] = given
        return {
            name: value for name, value in readable.items() if name in actual or name in ("tags", "region")
        }

    def preview_update(self, adapter: Adapter, old: Resource, news: State) -> State:
        """The old outputs under the new inputs; what an update may change is UNKNOWN."""
        given = adapter.described.inputs.properties
        kept = {
            name: value for name, value in old.state.items() if name not in given or name not in old.inputs
        }
        state = {**kept, **dict.fromkeys(adapter.volatile, UNKNOWN), **news}
        return self._with_tags(adapter, state, news.get("tags"))

    def update(self, adapter: Adapter, urn: str, old: Resource, news: State) -> State:
        """Changes the resource."""
        olds = {**old.inputs, **old.state}
        op = self.operation(adapter, urn, news, identifier=old.id)
        changed = frozenset(self.diff(adapter, urn, old.inputs or old.state, news).properties)
        if not changed:  # the engine finishes a creation that failed half-way: what is not there yet is set
            changed = frozenset(news) & adapter.changes_in_place(self._cloud)
            actual = self._read(adapter, op, olds) or {}
            olds = {**{name: olds[name] for name in olds if name not in actual}, **actual}
        if "tags" in changed and adapter.tagging is not None:
            before = old.state.get("tagsAll") or old.inputs.get("tags") or {}
            target = str(olds.get(adapter.tagging.target) or op.id)
            adapter.tagging.change(op, target, before, news.get("tags") or {})
        adapter.update(op, olds, news, changed)
        kept = {name: value for name, value in old.state.items() if name not in changed}
        state = self._read(adapter, op, {**kept, **news, **op.made})
        if state is None:
            raise ValueError(f"{urn}: the resource is gone; run a refresh")
        return self._presented(adapter, op, state, {**kept, **news})

    def delete(self, adapter: Adapter, urn: str, resource: Resource) -> None:
        """Deletes the resource, or finds that it is gone."""
        known = {**resource.inputs, **resource.state}
        op = self.operation(adapter, urn, known, identifier=resource.id)
        try:
            adapter.delete(op, {**adapter.parse_id(op, resource.id), **known})
        except ClientError as error:
            if not is_missing(error):
                raise

    def _read(self, adapter: Adapter, op: Operation, known: State) -> State | None:
        actual = adapter.read(op, known)
        if actual is None:
            return None
        for name in adapter.elsewhere:
            if not known.get(name):
                actual.pop(name, None)
        if adapter.tagging is not None and "tagsAll" not in actual and "tagsAll" in adapter.described.outputs:
            target = str({**known, **actual}.get(adapter.tagging.target) or op.id)
            actual["tagsAll"] = adapter.tagging.current(op, target)
        return actual

    def _presented(self, adapter: Adapter, op: Operation, actual: State, wanted: State) -> State:
        """The state that the engine keeps: the cloud's values in the program's notation."""
        tags = actual.get("tagsAll")
        actual = {name: value for name, value in actual.items() if name in adapter.described.outputs}
        for name, asked in wanted.items():
            if name in actual and adapter.same(name, asked, actual[name]):
                actual[name] = asked
        state = diff.settled(actual, wanted)
        if not adapter.is_global and "region" in adapter.described.outputs:
            state["region"] = op.region
        state = {name: state[name] for name in sorted(state) if name in adapter.described.outputs}
        if isinstance(tags, dict):
            return self._with_tags(adapter, state, self._configuration.visible_tags(tags))
        return self._with_tags(adapter, state, wanted.get("tags"))

    def _with_tags(self, adapter: Adapter, state: State, tags: Any) -> State:
        if "tagsAll" in adapter.described.outputs:
            state["tagsAll"] = tags if tags is not None else {}
            if tags:
                state["tags"] = tags
            else:
                state.pop("tags", None)
        return state


def _top(path: str) -> str:
    return re.split(r"[.\[]", path, maxsplit=1)[0]


def _is_ignored(path: str, ignored: tuple[str, ...]) -> bool:
    return any(path == entry or path.startswith((f"{entry}.", f"{entry}[")) for entry in ignored)
