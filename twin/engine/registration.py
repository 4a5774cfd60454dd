"""What becomes of each resource that the program registers: made, changed, made anew, or left as it is."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from twin.engine import operations, paths, urns
from twin.engine.claims import Claim, Claims
from twin.engine.deployment import ResourceState, copy_of, now
from twin.engine.errors import StepError
from twin.engine.events import Op
from twin.engine.goals import Goal, has_unknown
from twin.engine.graph import dependents
from twin.engine.judge import Judge
from twin.engine.operations import Difference, Outcome
from twin.engine.providers import BUILTIN, CheckError, Providers, default_name, new_identity, recorded
from twin.engine.run import Run, property_changes
from twin.engine.secrecy import marked_secret
from twin.engine.steps import Steps, Work, record
from twin.wire import UNKNOWN, UNKNOWN_TEXT


@dataclass
class Registered:
    """The answer to a registration."""

    urn: str
    id: str = ""
    outputs: dict[str, Any] = field(default_factory=dict)
    stables: tuple[str, ...] = ()


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
        self._claims = Claims(run)
        self._steps = Steps(run, providers, self._claims)
        self._defaults: dict[tuple[str, str], str] = {}
        self._defaults_lock = threading.Lock()
        self._outputs_lock = threading.Lock()
        self._deleting = threading.Lock()

    # -- what the program says

    def register(self, goal: Goal) -> Registered:
        """Does what a registration asks for. Raises StepError, HaltedError."""
        self._run.check_going()
        self._run.redactor.learn(goal.inputs)
        claim = self._claims.claim(goal)
        try:
            if not goal.custom:
                return self._component(goal, claim)
            if urns.is_provider(goal.type):
                return self._provider(goal, claim)
            return self._custom(goal, claim)
        except CheckError as refused:
            refused.op = refused.op or (Op.CREATE if claim.old is None else Op.UPDATE)
            if not self._run.preview:
                raise
            # A preview goes on, so that every problem is told at once.
            self._run.failed(claim.urn, refused, halt=False)
            return Registered(claim.urn, "", goal.inputs)
        except StepError as error:
            error.op = error.op or (Op.CREATE if claim.old is None else Op.UPDATE)
            raise

    def set_outputs(self, urn: str, outputs: dict[str, Any]) -> None:
        """Notes the outputs that a component, or the stack, registers at its end."""
        self._run.redactor.learn(outputs)
        with self._outputs_lock:
            found = self._claims.confirmed(urn)
            if found is None:
                raise StepError(f"outputs of {urn}, which is not registered")
            index, state = found
            if state.type == urns.STACK_TYPE:
                self._run.result.outputs = outputs
            if state.outputs != outputs:
                self._journal.change(update=(index, copy_of(state, outputs=outputs)))

    def read(
        self, goal: Goal, identity: str, existing: dict[str, Any] | None = None
    ) -> tuple[Registered, bool]:
        """Looks a resource up that something else owns. Returns it, and whether it is known yet.

        Args:
            goal: The resource as the program describes it.
            identity: Its id.
            existing: Its outputs, where the engine has them itself (another stack's).
        """
        self._run.check_going()
        claim = self._claims.claim(goal)
        reference = goal.provider or self.default_provider(urns.package_of(goal.type), goal.version)
        with self._run.step(Op.READ, claim.urn, goal.parent):
            outcome: Outcome | None
            if existing is not None:
                outcome = Outcome(identity, existing)
            else:
                client = self._providers.client(reference)
                if client is None or identity == UNKNOWN_TEXT:
                    if claim.old is not None:
                        self._claims.confirm(claim, claim.old)
                    return Registered(claim.urn, "", goal.inputs), False
                outcome = operations.read(client, claim.urn, identity, goal.inputs, goal.inputs)
            if outcome is None:
                raise StepError(f"nothing has the id {identity!r}")
            state = record(goal, claim.urn, reference, outcome.inputs or goal.inputs)
            state.external = True
            state.id = outcome.id
            state.outputs = marked_secret(outcome.outputs, goal.inputs, goal.additional_secret_outputs)
            self._run.redactor.learn(state.outputs)
            # What this program owned may now be another's by that name: the old one still has to go.
            owned = claim.old is not None and not claim.old.external
            self._claims.confirm(claim, state, keep_old=owned)
        return Registered(claim.urn, state.id, state.outputs), True

    def lookup(self, urn: str) -> ResourceState | None:
        """A resource that this run has confirmed."""
        found = self._claims.confirmed(urn)
        return found[1] if found is not None else None

    def default_provider(self, package: str, version: str) -> str:
        """The reference of a package's default provider; it is registered at first use."""
        key = (package, version)
        with self._defaults_lock:
            if key not in self._defaults:
                goal = Goal(
                    type=urns.PROVIDER_PREFIX + package,
                    name=default_name(version),
                    custom=True,
                    inputs=dict(self._provider_config.get(package, {})),
                    version=version,
                )
                registered = self.register(goal)
                self._defaults[key] = f"{registered.urn}::{registered.id or UNKNOWN_TEXT}"
            return self._defaults[key]

    # -- kinds of resources

    def _component(self, goal: Goal, claim: Claim) -> Registered:
        old = claim.old
        state = record(goal, claim.urn, "", goal.inputs)
        state.inputs = dict(self._judge.inputs(state, None, None))
        changes = property_changes(old.inputs, state.inputs) if old else ()
        op = Op.CREATE if old is None else Op.UPDATE if changes else Op.SAME
        if old is None:
            state.created = state.modified = now()
        else:
            state.outputs, state.created = old.outputs, old.created
            state.source_position, state.unknown = old.source_position, old.unknown
            state.modified = now() if changes else old.modified
            state = old if state == old else state
        with self._run.step(op, claim.urn, goal.parent, changes):
            self._claims.confirm(claim, state)
        return Registered(claim.urn)

    def _provider(self, goal: Goal, claim: Claim) -> Registered:
        old, urn = claim.old, claim.urn
        package = urns.package_of(goal.type)
        _, inputs = recorded({**goal.inputs, **({"version": goal.version} if goal.version else {})})
        client = None if package == BUILTIN else self._providers.launch(package)
        changed, replaced = old is None or recorded(old.inputs)[1] != inputs, False
        if client is not None:
            outcome = self._providers.check(client, urn, old, inputs)
            inputs, changed, replaced = outcome.inputs, outcome.changed, outcome.replaced
        state = record(goal, urn, "", inputs)
        state.inputs, state.outputs = recorded(inputs)
        state.inputs = dict(self._judge.inputs(state, None, None))
        if old is None or replaced:
            if old is not None:
                self._refuse_if_protected(old)
            state.id = new_identity()
            state.created = state.modified = now()
        else:
            state.id, state.created = old.id, old.created
            state.source_position, state.unknown = old.source_position, old.unknown
            state.modified = now() if changed else old.modified
            state = old if state == old else state
        op = (
            Op.CREATE
            if old is None
            else Op.CREATE_REPLACEMENT
            if replaced
            else Op.UPDATE
            if changed
            else Op.SAME
        )
        changes = property_changes(old.inputs, state.inputs) if old is not None and changed else ()
        with self._run.step(op, urn, goal.parent, changes):
            self._providers.note(state)
            self._providers.configure(client, f"{urn}::{state.id}", inputs)
            self._claims.confirm(claim, state, keep_old=replaced)
        not_made = self._run.preview and (old is None or replaced) and has_unknown(inputs)
        return Registered(urn, UNKNOWN_TEXT if not_made else state.id, state.outputs)

    def _custom(self, goal: Goal, claim: Claim) -> Registered:
        reference = goal.provider or self.default_provider(urns.package_of(goal.type), goal.version)
        work = Work(goal, claim, reference, self._providers.client(reference))
        old = claim.old
        if goal.import_id and (old is None or old.id != goal.import_id):
            return _answer(self._import(work))
        if old is None or old.external:
            return _answer(self._steps.create(work, self._checked(work, {}, goal.inputs, ""), Op.CREATE))
        if old.pending_replacement:
            state = self._checked(work, {}, goal.inputs, old.id)
            return _answer(self._steps.create(work, state, Op.CREATE_REPLACEMENT))
        return self._change(work, old)

    def _change(self, work: Work, old: ResourceState) -> Registered:
        """Brings an existing resource to what the program wants."""
        inputs = paths.keep_old(work.goal.inputs, old.inputs, work.goal.ignore_changes)
        state = self._checked(work, old.inputs, inputs, "")
        difference = self._difference(work, old, state.inputs)
        if not difference.changed and not old.init_errors:
            return _answer(self._steps.keep(work, old, state))
        changes = property_changes(old.inputs, state.inputs, difference.replaces)
        if not difference.replaced:
            made = self._steps.update(work, old, state, difference.stables, changes)
            return _answer(made, difference.stables)
        self._refuse_if_protected(old)
        asked = work.goal.delete_before_replace
        delete_first = difference.delete_before_replace if asked is None else asked
        if delete_first and work.claim.index is not None:
            self._delete_with_dependents(work.claim.index, old)
        # Another name than the old one's, so the inputs are checked as those of a new resource.
        state = self._checked(work, {}, inputs, old.id)
        return _answer(
            self._steps.create(work, state, Op.CREATE_REPLACEMENT, keep_old=not delete_first, changes=changes)
        )

    def _import(self, work: Work) -> ResourceState:
        """Takes over a resource that exists already, if the program describes it as it is."""
        goal, client, urn = work.goal, work.client, work.claim.urn
        with self._run.step(Op.IMPORT, urn, goal.parent):
            if client is None:
                raise StepError("it cannot be imported before its provider is configured")
            found = operations.read(client, urn, goal.import_id, {}, {})
            if found is None:
                raise StepError(f"nothing has the id {goal.import_id!r} to import")
            there = record(goal, urn, work.reference, found.inputs or {})
            there.id, there.outputs = found.id, found.outputs
            wanted = paths.keep_old(goal.inputs, there.inputs, goal.ignore_changes)
            state = self._checked(work, there.inputs, wanted, "")
            if operations.diff(client, there, state.inputs, goal.ignore_changes).changed:
                told = property_changes(there.inputs, state.inputs)
                differs = ", ".join(f"{each.path} is {each.before!r}, not {each.after!r}" for each in told)
                raise StepError(
                    f"it is not what it is to be imported as ({differs}); "
                    "describe it as it is, then change it"
                )
            state.id, state.import_id = found.id, goal.import_id
            state.outputs = marked_secret(found.outputs, state.inputs, goal.additional_secret_outputs)
            self._run.redactor.learn(state.outputs)
            state.created = state.modified = now()
            self._claims.confirm(work.claim, state, keep_old=True)
        return state

    # -- deciding

    def _checked(
        self, work: Work, olds: Mapping[str, Any], news: Mapping[str, Any], replaced: str
    ) -> ResourceState:
        checked: Mapping[str, Any] = news
        if work.client is not None:
            seed = operations.seed_for(work.claim.urn, replaced)
            checked = operations.check(work.client, work.claim.urn, olds, news, seed)
        state = record(work.goal, work.claim.urn, work.reference, checked)
        provider = self._providers.instances.get(work.reference)
        state.inputs = dict(self._judge.inputs(state, provider, work.goal.delete_before_replace))
        return state

    def _difference(self, work: Work, old: ResourceState, inputs: Mapping[str, Any]) -> Difference:
        goal = work.goal
        if self._provider_replaces(old.provider, work.reference):
            return Difference(changed=True, replaces=("provider",))
        if work.client is None:
            return Difference(changed=bool(paths.changed(dict(old.inputs), dict(inputs))))
        asked = copy_of(old, urn=work.claim.urn, type=goal.type)
        difference = operations.diff(work.client, asked, inputs, goal.ignore_changes)
        if not difference.changed or not goal.replace_on_changes:
            return difference
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
        """Whether moving from one provider instance to another makes a resource anew.

        Between default providers the provider itself is asked; any other move counts as one to another place.
        """
        old_urn, old_id = urns.split_reference(old) if old else ("", "")
        new_urn, new_id = urns.split_reference(new)
        if (self._claims.renamed(old_urn), old_id) == (new_urn, new_id):
            return False
        if not (old and urns.is_default_provider(old_urn) and urns.is_default_provider(new_urn)):
            return True
        before, after = self._providers.find(old_urn, old_id), self._providers.find(new_urn, new_id)
        client = self._providers.client(new)
        if before is None or after is None or client is None:
            return True
        return self._providers.replaces(client, new_urn, before, recorded(after.inputs)[1])

    def _refuse_if_protected(self, old: ResourceState) -> None:
        if old.protect:
            error = StepError(
                f"{old.urn} would have to be replaced, but it is protected; "
                "take `protect` off first, or leave the properties that replace it as they were"
            )
            error.op = Op.REPLACE
            raise error

    def _delete_with_dependents(self, index: int, old: ResourceState) -> None:
        """Deletes what is to be made anew first, and before it whatever could not stand without it."""
        with self._deleting:
            doomed = self._replaced_with(old)
            for state in (old, *doomed.values()):
                self._refuse_if_protected(state)
            with self._claims.held(doomed) as free:
                going = {index: old, **{key: state for key, state in doomed.items() if key in free}}
                needing = dependents(going)
                while going:
                    last = [key for key in going if not (needing[key] & going.keys())]
                    for key in sorted(last, reverse=True):
                        self._steps.delete(key, going.pop(key), pending=True)

    def _replaced_with(self, old: ResourceState) -> dict[int, ResourceState]:
        """What the program has not registered yet and would be replaced because a resource is."""
        doomed: dict[int, ResourceState] = {}
        gone = {old.urn}
        for index, state in self._claims.unclaimed().items():
            if not state.custom or state.pending_replacement or state.is_provider:
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


def _answer(state: ResourceState, stables: tuple[str, ...] = ()) -> Registered:
    return Registered(state.urn, state.id, state.outputs, stables)
