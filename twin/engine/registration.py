"""What becomes of each resource that the program registers: made, changed, made anew, or left as it is."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from twin.engine import operations, paths, urns
from twin.engine.deployment import ResourceState, now
from twin.engine.events import Op
from twin.engine.goals import Goal, has_unknown
from twin.engine.graph import dependents
from twin.engine.judge import Judge
from twin.engine.operations import Difference, Outcome
from twin.engine.plugins import PluginDiedError, PluginError, ProviderClient
from twin.engine.providers import (
    BUILTIN,
    CheckError,
    Providers,
    default_name,
    new_identity,
    recorded,
)
from twin.engine.run import Run, StepError, property_changes
from twin.wire import UNKNOWN, UNKNOWN_TEXT


@dataclass
class Registered:
    """The answer to a registration."""

    urn: str
    id: str = ""
    outputs: dict[str, Any] = field(default_factory=dict)
    stables: tuple[str, ...] = ()


@dataclass
class _Live:
    """A resource that this run has confirmed."""

    index: int
    """Its place among the journal's new ones."""
    aliases: list[str]


class Registrar:
    """Takes the program's registrations, from many threads at once."""

    def __init__(
        self, run: Run, providers: Providers, judge: Judge, provider_config: Mapping[str, Mapping[str, Any]]
    ) -> None:
        """Starts from what the journal found.

        Args:
            run: What the parts of the command share.
            providers: The provider instances.
            judge: The policy packs.
            provider_config: Package → its settings, for default providers.
        """
        self._run = run
        self._journal = run.journal
        self._providers = providers
        self._judge = judge
        self._provider_config = provider_config
        self._found = {state.urn: index for index, state in self._journal.base.items() if not state.delete}
        self._live: dict[str, _Live] = {}
        self._seen: set[str] = set()
        self._claimed: set[int] = set()
        self._defaults: dict[tuple[str, str], str] = {}
        self._defaults_lock = threading.Lock()
        self._mutex = threading.RLock()

    # -- registrations

    def register(self, goal: Goal) -> Registered:
        """Does what a registration asks for. Raises StepError, HaltedError, PluginError."""
        self._run.check_going()
        urn, old_index, aliases = self._claim(goal.type, goal.name, goal.parent, goal)
        try:
            if goal.custom and urns.is_provider(goal.type):
                return self._provider(goal, urn, old_index, aliases)
            if goal.custom:
                return self._custom(goal, urn, old_index, aliases)
            return self._component(goal, urn, old_index, aliases)
        except CheckError as refused:
            lines = "\n".join(f"  {name or 'inputs'}: {why}" for name, why in refused.failures)
            return self._refused(goal, urn, f"its inputs are refused:\n{lines}")

    def set_outputs(self, urn: str, outputs: dict[str, Any]) -> None:
        """Notes the outputs that a component, or the stack, registers at its end."""
        with self._mutex:
            live = self._live.get(urn)
            if live is None:
                raise StepError(f"outputs of {urn}, which is not registered")
            state = self._journal.new[live.index]
            self._run.redactor.learn(outputs)
            if state.type == urns.STACK_TYPE:
                self._run.result.outputs = outputs
            if state.outputs != outputs:
                changed = _copied(state, outputs=outputs)
                self._journal.change(update=(live.index, changed))

    def read(
        self, goal: Goal, identity: str, existing: dict[str, Any] | None = None
    ) -> tuple[Registered, bool]:
        """Looks a resource up that something else owns. Returns it, and whether it is known yet."""
        self._run.check_going()
        urn, old_index, aliases = self._claim(goal.type, goal.name, goal.parent, goal)
        old = self._journal.base.get(old_index) if old_index is not None else None
        reference = goal.provider or self._default_provider(goal)
        started = time.monotonic()
        self._run.started(Op.READ, urn, goal.parent)
        if existing is not None:
            outcome: Outcome | None = Outcome(identity, existing)
        else:
            client = self._providers.client(reference)
            if client is None or identity == UNKNOWN_TEXT:
                return Registered(urn, "", goal.inputs), False
            outcome = operations.read(client, urn, identity, goal.inputs, goal.inputs)
        if outcome is None:
            raise StepError(f"{goal.type} {goal.name!r}: nothing has the id {identity!r}")
        state = self._state(goal, urn, reference, outcome.inputs or goal.inputs)
        state.external = True
        state.id = outcome.id
        state.outputs = operations.marked_secret(outcome.outputs, goal.inputs, goal.additional_secret_outputs)
        if old is not None and not old.external and old_index is not None:
            # What this program owned is now another's by that name: the old one still has to go.
            self._confirm(urn, aliases, add=state, rewrite=(old_index, _copied(old, delete=True)))
        else:
            self._confirm(urn, aliases, add=state, drop=old_index)
        self._run.done(Op.READ, urn, time.monotonic() - started)
        return Registered(urn, state.id, state.outputs), True

    # -- kinds of resources

    def _component(self, goal: Goal, urn: str, old_index: int | None, aliases: list[str]) -> Registered:
        old = self._journal.base[old_index] if old_index is not None else None
        started = time.monotonic()
        state = self._state(goal, urn, "", goal.inputs)
        state.inputs = dict(self._judge.inputs(state, None, None))
        changes = property_changes(old.inputs, state.inputs) if old else ()
        op = Op.CREATE if old is None else Op.UPDATE if changes else Op.SAME
        if old is not None:
            state.outputs, state.created, state.modified = old.outputs, old.created, old.modified
        self._run.started(op, urn, goal.parent, changes)
        self._confirm(urn, aliases, add=state, drop=old_index)
        self._run.done(op, urn, time.monotonic() - started)
        return Registered(urn)

    def _provider(self, goal: Goal, urn: str, old_index: int | None, aliases: list[str]) -> Registered:
        old = self._journal.base[old_index] if old_index is not None else None
        started = time.monotonic()
        package = urns.package_of(goal.type)
        inputs = {**goal.inputs, **({"version": goal.version} if goal.version else {})}
        inputs = {key: value for key, value in inputs.items() if key != "__internal"}
        client = None if package == BUILTIN else self._providers.launch(package)
        changed = old is None or operations_plain(old.inputs) != inputs
        replaced = False
        if client is not None:
            outcome = self._providers.check(client, urn, old, inputs)
            inputs, changed, replaced = outcome.inputs, outcome.changed, outcome.replaced
        state = self._state(goal, urn, "", inputs)
        state.inputs, state.outputs = recorded(inputs)
        state.inputs = dict(self._judge.inputs(state, None, None))
        state.id = old.id if old is not None and not replaced else new_identity()
        op = Op.CREATE if old is None else Op.REPLACE if replaced else Op.UPDATE if changed else Op.SAME
        if old is not None:
            state.created, state.modified = old.created, old.modified
        changes = property_changes(old.inputs, state.inputs) if old is not None and changed else ()
        self._run.started(op, urn, goal.parent, changes)
        self._providers.note(state)
        self._providers.configure(client, f"{urn}::{state.id}", inputs)
        if old is not None and old_index is not None and replaced:
            self._confirm(urn, aliases, add=state, rewrite=(old_index, _copied(old, delete=True)))
        else:
            self._confirm(urn, aliases, add=state, drop=old_index)
        self._run.done(op, urn, time.monotonic() - started)
        shown = (
            UNKNOWN_TEXT
            if self._run.preview and (old is None or replaced) and has_unknown(inputs)
            else state.id
        )
        return Registered(urn, shown, state.outputs)

    def _custom(self, goal: Goal, urn: str, old_index: int | None, aliases: list[str]) -> Registered:
        reference = goal.provider or self._default_provider(goal)
        client = self._providers.client(reference)
        old = self._journal.base[old_index] if old_index is not None else None
        self._run.redactor.learn(goal.inputs)
        work = _Work(goal, urn, aliases, reference, client, old_index, old)
        if goal.import_id and (old is None or old.id != goal.import_id):
            return self._import(work)
        if old is None or old.external or old.pending_replacement:
            return self._make(work)
        return self._change(work, old)

    # -- steps

    def _make(self, work: "_Work") -> Registered:
        """Creates a resource that does not exist, or no more."""
        replaced = work.old.id if work.old is not None and work.old.pending_replacement else ""
        state = self._checked(work, {}, work.goal.inputs, replaced)
        op = Op.CREATE_REPLACEMENT if replaced else Op.CREATE
        return self._create(work, state, op, drop=work.old_index)

    def _change(self, work: "_Work", old: ResourceState) -> Registered:
        """Brings an existing resource to what the program wants."""
        inputs = paths.keep_old(work.goal.inputs, old.inputs, work.goal.ignore_changes)
        state = self._checked(work, old.inputs, inputs, "")
        difference = self._difference(work, old, state.inputs)
        if not difference.changed and not old.init_errors:
            return self._keep(work, old, state)
        if not difference.replaced:
            return self._update(work, old, state, difference)
        self._refuse_if_protected(old)
        asked = work.goal.delete_before_replace
        delete_first = difference.delete_before_replace if asked is None else asked
        changes = property_changes(old.inputs, state.inputs, difference.replaces)
        if delete_first:
            self._delete_with_dependents(work, old)
        # Another name than the old one's, so the inputs are checked as those of a new resource.
        state = self._checked(work, {}, inputs, old.id)
        if delete_first:
            return self._create(work, state, Op.CREATE_REPLACEMENT, drop=work.old_index, changes=changes)
        return self._create(work, state, Op.CREATE_REPLACEMENT, replaces=old, changes=changes)

    def _create(
        self,
        work: "_Work",
        state: ResourceState,
        op: Op,
        *,
        drop: int | None = None,
        replaces: ResourceState | None = None,
        changes: tuple[Any, ...] = (),
    ) -> Registered:
        rewrite = None
        if replaces is not None and work.old_index is not None:
            rewrite = (work.old_index, _copied(replaces, delete=True))
        with self._run.slots:
            self._run.check_going()
            started = time.monotonic()
            self._run.started(op, work.urn, work.goal.parent, changes)
            number = self._journal.begin("creating", state)
            outcome = self._call(
                number,
                lambda: (
                    Outcome("", dict(state.inputs))
                    if work.client is None or (self._run.preview and not work.client.supports_preview)
                    else operations.create(
                        work.client,
                        work.urn,
                        state.inputs,
                        timeout=work.goal.timeouts.get("create"),
                        preview=self._run.preview,
                    )
                ),
            )
            self._take(state, outcome, work.goal)
            state.created = state.modified = now()
            self._confirm(work.urn, work.aliases, add=state, drop=drop, rewrite=rewrite, end=number)
        return self._over(op, work, state, outcome, started=started)

    def _update(
        self, work: "_Work", old: ResourceState, state: ResourceState, difference: Difference
    ) -> Registered:
        changes = property_changes(old.inputs, state.inputs)
        with self._run.slots:
            self._run.check_going()
            started = time.monotonic()
            self._run.started(Op.UPDATE, work.urn, work.goal.parent, changes)
            state.id, state.created = old.id, old.created
            number = self._journal.begin("updating", _copied(state, outputs=old.outputs))
            outcome = self._call(
                number,
                lambda: (
                    Outcome(old.id, {**old.outputs, **state.inputs})
                    if work.client is None or (self._run.preview and not work.client.supports_preview)
                    else operations.update(
                        work.client,
                        _copied(old, urn=work.urn, type=work.goal.type),
                        state.inputs,
                        timeout=work.goal.timeouts.get("update"),
                        preview=self._run.preview,
                        ignore_changes=work.goal.ignore_changes,
                    )
                ),
            )
            self._take(state, outcome, work.goal)
            state.modified = now()
            self._confirm(work.urn, work.aliases, add=state, drop=work.old_index, end=number)
        return self._over(Op.UPDATE, work, state, outcome, started=started, stables=difference.stables)

    def _keep(self, work: "_Work", old: ResourceState, state: ResourceState) -> Registered:
        state.id, state.created, state.modified = old.id, old.created, old.modified
        state.outputs = operations.marked_secret(
            old.outputs, state.inputs, work.goal.additional_secret_outputs
        )
        state.import_id = state.import_id or old.import_id
        self._run.redactor.learn(state.outputs)
        self._run.started(Op.SAME, work.urn, work.goal.parent)
        self._confirm(work.urn, work.aliases, add=state, drop=work.old_index)
        self._run.done(Op.SAME, work.urn, 0.0)
        return Registered(work.urn, state.id, state.outputs)

    def _import(self, work: "_Work") -> Registered:
        """Takes over a resource that exists already, if the program describes it as it is."""
        goal, client = work.goal, work.client
        if client is None:
            raise StepError(f"{goal.name!r} cannot be imported before its provider is configured")
        started = time.monotonic()
        self._run.started(Op.IMPORT, work.urn, goal.parent)
        found = operations.read(client, work.urn, goal.import_id, {}, {})
        if found is None:
            raise StepError(f"{goal.type} {goal.name!r}: nothing has the id {goal.import_id!r} to import")
        there = self._state(goal, work.urn, work.reference, found.inputs or {})
        there.id, there.outputs = found.id, found.outputs
        state = self._checked(
            work, there.inputs, paths.keep_old(goal.inputs, there.inputs, goal.ignore_changes), ""
        )
        difference = operations.diff(client, there, state.inputs, goal.ignore_changes)
        if difference.changed:
            told = property_changes(there.inputs, state.inputs)
            differs = ", ".join(f"{each.path} is {each.before!r}, not {each.after!r}" for each in told)
            raise StepError(
                f"{goal.type} {goal.name!r} is not what it is to be imported as ({differs}); "
                "describe it as it is, then change it"
            )
        state.id, state.import_id = found.id, goal.import_id
        state.outputs = operations.marked_secret(found.outputs, state.inputs, goal.additional_secret_outputs)
        state.created = state.modified = now()
        if work.old is not None and work.old_index is not None:
            self._confirm(
                work.urn, work.aliases, add=state, rewrite=(work.old_index, _copied(work.old, delete=True))
            )
        else:
            self._confirm(work.urn, work.aliases, add=state)
        self._run.done(Op.IMPORT, work.urn, time.monotonic() - started)
        return Registered(work.urn, state.id, state.outputs)

    # -- deciding

    def _checked(
        self, work: "_Work", olds: Mapping[str, Any], news: Mapping[str, Any], replaced: str
    ) -> ResourceState:
        checked: Mapping[str, Any] = news
        if work.client is not None:
            seed = operations.seed_for(work.urn, replaced)
            checked = operations.check(work.client, work.urn, olds, news, seed)
        state = self._state(work.goal, work.urn, work.reference, checked)
        provider = self._providers.instances.get(work.reference)
        state.inputs = dict(self._judge.inputs(state, provider, work.goal.delete_before_replace))
        return state

    def _difference(self, work: "_Work", old: ResourceState, inputs: Mapping[str, Any]) -> Difference:
        goal = work.goal
        if old.provider != work.reference and self._provider_replaces(old.provider, work.reference):
            return Difference(changed=True, replaces=("provider",))
        if work.client is None:
            return Difference(changed=bool(paths.changed(dict(old.inputs), dict(inputs))))
        asked = _copied(old, urn=work.urn, type=goal.type)
        difference = operations.diff(work.client, asked, inputs, goal.ignore_changes)
        patterns = [paths.parse(text) for text in goal.replace_on_changes]
        forced = [
            paths.render(path)
            for path in paths.changed(dict(old.inputs), dict(inputs))
            if any(paths.covers(pattern, path) for pattern in patterns)
        ]
        if forced:
            replaces = tuple(sorted({*difference.replaces, *forced}))
            return Difference(True, replaces, difference.delete_before_replace, difference.stables)
        return difference

    def _provider_replaces(self, old: str, new: str) -> bool:
        """Whether moving from one provider instance to another makes a resource anew."""
        old_urn, old_id = urns.split_reference(old)
        new_urn, new_id = urns.split_reference(new)
        both_default = all(urns.Urn.parse(each).name.startswith("default") for each in (old_urn, new_urn))
        if both_default:
            return False
        before, after = self._providers.find(old_urn, old_id), self._providers.find(new_urn, new_id)
        client = self._providers.client(new)
        if before is None or after is None or client is None:
            return True
        return self._providers.check(client, new_urn, before, operations_plain(after.inputs)).replaced

    def _refuse_if_protected(self, old: ResourceState) -> None:
        if old.protect:
            raise StepError(
                f"{old.urn} would have to be replaced, but it is protected; "
                "take `protect` off first, or leave the properties that replace it as they were"
            )

    def _delete_with_dependents(self, work: "_Work", old: ResourceState) -> None:
        """Deletes what is to be made anew first, and before it whatever could not stand without it."""
        index = work.old_index
        assert index is not None  # noqa: S101 - the caller has found it there
        with self._mutex:
            base = {
                key: state
                for key, state in self._journal.base.items()
                if not state.delete and (key == index or key not in self._claimed)
            }
            doomed = self._replaced_with(index, base)
        for state in doomed.values():
            self._refuse_if_protected(state)
        needing = dependents(doomed)
        left = dict(doomed)
        while left:
            free = [key for key in left if not (needing[key] & left.keys())]
            for key in sorted(free, reverse=True):
                self.delete(key, left.pop(key), Op.DELETE_REPLACED, pending=True)

    def _replaced_with(self, root: int, base: Mapping[int, ResourceState]) -> dict[int, ResourceState]:
        """A resource and those that would be replaced because it is."""
        doomed = {root: base[root]}
        gone = {base[root].urn}
        for index, state in sorted(base.items()):
            if index == root or not state.custom or state.pending_replacement or state.is_provider:
                continue
            touched = [key for key, needed in state.property_dependencies.items() if gone & set(needed)]
            if not touched:
                continue
            client = self._providers.client(state.provider)
            unknown = {**state.inputs, **dict.fromkeys(touched, UNKNOWN)}
            if client is not None and operations.diff(client, state, unknown).replaced:
                doomed[index] = state
                gone.add(state.urn)
        return doomed

    def delete(self, index: int, state: ResourceState, op: Op, *, pending: bool = False) -> None:
        """Deletes one resource of the state. `pending`: it is noted as to be made anew."""
        started = time.monotonic()
        with self._run.slots:
            if not self._run.preview:
                self._run.check_going()
            self._run.started(op, state.urn, state.parent)
            number = None
            if not self._run.preview:
                client = self._providers.client(state.provider)
                number = self._journal.begin("deleting", state)
                if client is not None:
                    ready = client
                    self._call(number, lambda: operations.delete(ready, state))
            if pending:
                self._journal.change(rewrite=(index, _copied(state, pending_replacement=True)), end=number)
            else:
                self._journal.change(drop=index, end=number)
        self._run.done(op, state.urn, time.monotonic() - started)

    # -- records

    def _claim(self, type_: str, name: str, parent: str, goal: Goal) -> tuple[str, int | None, list[str]]:
        """The URN of a new registration, what the state has of it, and the URNs it may have had."""
        urn = urns.make(self._run.stack, self._run.project, parent, type_, name)
        with self._mutex:
            if urn in self._seen:
                raise StepError(
                    f"the program registers {type_} {name!r} twice under one parent; give one another name"
                )
            self._seen.add(urn)
            above = self._live.get(parent)
            parent_name = urns.Urn.parse(parent).name if parent else ""
            aliases = urns.alias_urns(urn, parent, goal.aliases, above.aliases if above else (), parent_name)
            for candidate in (urn, *aliases):
                index = self._found.pop(candidate, None)
                if index is not None:
                    self._claimed.add(index)
                    return urn, index, aliases
        return urn, None, aliases

    def _confirm(
        self,
        urn: str,
        aliases: list[str],
        *,
        add: ResourceState,
        drop: int | None = None,
        rewrite: tuple[int, ResourceState] | None = None,
        end: int | None = None,
    ) -> None:
        with self._mutex:
            index = self._journal.change(add=add, drop=drop, rewrite=rewrite, end=end)
            self._live[urn] = _Live(index, aliases)

    def _state(self, goal: Goal, urn: str, reference: str, inputs: Mapping[str, Any]) -> ResourceState:
        return ResourceState(
            urn=urn,
            type=goal.type,
            custom=goal.custom,
            inputs=dict(inputs),
            parent=goal.parent,
            protect=bool(goal.protect),
            dependencies=goal.dependencies,
            provider=reference,
            property_dependencies=goal.property_dependencies,
            aliases=[],
            additional_secret_outputs=goal.additional_secret_outputs,
            custom_timeouts=goal.timeouts,
            retain_on_delete=bool(goal.retain_on_delete),
            deleted_with=goal.deleted_with,
            ignore_changes=goal.ignore_changes,
            replace_on_changes=goal.replace_on_changes,
        )

    def _take(self, state: ResourceState, outcome: Outcome, goal: Goal) -> None:
        state.id = outcome.id
        state.outputs = operations.marked_secret(
            outcome.outputs, state.inputs, goal.additional_secret_outputs
        )
        state.init_errors = list(outcome.init_errors)
        self._run.redactor.learn(state.outputs)

    def _over(
        self,
        op: Op,
        work: "_Work",
        state: ResourceState,
        outcome: Outcome,
        *,
        started: float,
        stables: tuple[str, ...] = (),
    ) -> Registered:
        if outcome.failure:
            raise StepError(f"it exists, but is not finished: {outcome.failure}")
        self._run.done(op, work.urn, time.monotonic() - started)
        return Registered(work.urn, state.id, state.outputs, stables)

    def _call(self, number: int, call: Any) -> Any:
        """A provider call; its pending operation is taken back when the provider says that it failed.

        A plugin that died says nothing: what it did is settled by the next command.
        """
        try:
            return call()
        except PluginDiedError:
            raise
        except PluginError:
            self._journal.change(end=number)
            raise

    def _refused(self, goal: Goal, urn: str, message: str) -> Registered:
        """A preview goes on after refused inputs, so that every problem is told at once."""
        if not self._run.preview:
            raise StepError(message)
        self._run.failed(Op.CREATE, urn, message, halt=False)
        return Registered(urn, "", goal.inputs)

    # -- default providers

    def _default_provider(self, goal: Goal) -> str:
        package = urns.package_of(goal.type)
        return self.default_provider(package, goal.version)

    def default_provider(self, package: str, version: str) -> str:
        """The reference of a package's default provider; it is registered at first use."""
        key = (package, version)
        with self._defaults_lock:
            if key not in self._defaults:
                config = self._provider_config.get(package, {})
                registered = self.register(
                    Goal(
                        type=urns.PROVIDER_PREFIX + package,
                        name=default_name(version),
                        custom=True,
                        inputs=dict(config),
                        version=version,
                    )
                )
                self._defaults[key] = f"{registered.urn}::{registered.id or UNKNOWN_TEXT}"
            return self._defaults[key]


@dataclass
class _Work:
    """One registration under way."""

    goal: Goal
    urn: str
    aliases: list[str]
    reference: str
    client: ProviderClient | None
    old_index: int | None
    old: ResourceState | None


def operations_plain(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """A provider instance's inputs as the program gave them."""
    return {key: value for key, value in inputs.items() if key != "__internal"}


def _copied(state: ResourceState, **changes: Any) -> ResourceState:
    from dataclasses import replace

    return replace(state, **changes)
