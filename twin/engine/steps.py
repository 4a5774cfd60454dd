"""The provider calls that change something, each journalled before and after."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from twin.engine import operations
from twin.engine.claims import Claim, Claims
from twin.engine.deployment import ResourceState, copy_of, now
from twin.engine.errors import StepError
from twin.engine.events import Op, PropertyChange
from twin.engine.goals import Goal
from twin.engine.operations import Outcome
from twin.engine.plugins import PluginError, ProviderClient, UnclearError
from twin.engine.providers import Providers
from twin.engine.run import Run
from twin.engine.secrecy import marked_secret

_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class Work:
    """One registration under way."""

    goal: Goal
    claim: Claim
    reference: str
    """The provider instance: `URN::ID`."""
    client: ProviderClient | None
    """None while the provider cannot be configured (a preview), and for what the engine itself provides."""


class Steps:
    """Does what a registration comes to. Thread-safe; every method raises StepError or HaltedError."""

    def __init__(self, run: Run, providers: Providers, claims: Claims) -> None:
        self._run = run
        self._journal = run.journal
        self._providers = providers
        self._claims = claims

    def create(
        self,
        work: Work,
        state: ResourceState,
        op: Op,
        *,
        keep_old: bool = False,
        changes: tuple[PropertyChange, ...] = (),
    ) -> ResourceState:
        """Makes a resource. `keep_old`: it takes the place of one that still stands."""
        goal, run = work.goal, self._run

        def call() -> Outcome:
            if work.client is None or (run.preview and not work.client.supports_preview):
                return Outcome("", dict(state.inputs))
            return operations.create(
                work.client,
                state.urn,
                state.inputs,
                timeout=goal.timeouts.get("create"),
                preview=run.preview,
            )

        with run.slots:
            run.check_going()
            with run.step(op, state.urn, goal.parent, changes):
                number = self._journal.begin("creating", state)
                outcome = self._called(number, call)
                self._take(state, outcome)
                state.created = state.modified = now()
                self._claims.confirm(work.claim, state, keep_old=keep_old, end=number)
                _refuse_unfinished(outcome)
        return state

    def update(
        self,
        work: Work,
        old: ResourceState,
        state: ResourceState,
        stables: Collection[str],
        changes: tuple[PropertyChange, ...],
    ) -> ResourceState:
        """Changes a resource in place. `stables`: outputs that stay what they are."""
        goal, run = work.goal, self._run

        def call() -> Outcome:
            if work.client is None or (run.preview and not work.client.supports_preview):
                kept = {key: value for key, value in old.outputs.items() if key in stables}
                return Outcome(old.id, {**kept, **state.inputs})
            return operations.update(
                work.client,
                copy_of(old, urn=state.urn, type=state.type),
                state.inputs,
                timeout=goal.timeouts.get("update"),
                preview=run.preview,
                ignore_changes=goal.ignore_changes,
            )

        with run.slots:
            run.check_going()
            with run.step(Op.UPDATE, state.urn, goal.parent, changes):
                _carry_on(state, old)
                number = self._journal.begin("updating", copy_of(state, outputs=old.outputs))
                outcome = self._called(number, call)
                self._take(state, outcome)
                state.modified = now()
                self._claims.confirm(work.claim, state, end=number)
                _refuse_unfinished(outcome)
        return state

    def keep(self, work: Work, old: ResourceState, state: ResourceState) -> ResourceState:
        """Leaves a resource as it is; only the record of what the program wants may be another."""
        _carry_on(state, old)
        state.modified = old.modified
        state.outputs = marked_secret(old.outputs, state.inputs, state.additional_secret_outputs)
        kept = old if state == old else state
        with self._run.step(Op.SAME, state.urn, work.goal.parent):
            self._claims.confirm(work.claim, kept)
        return kept

    def delete(
        self,
        index: int,
        state: ResourceState,
        *,
        going: Collection[str] = (),
        pending: bool = False,
    ) -> None:
        """Deletes one resource of the state.

        Args:
            index: Its place in the journal's base.
            state: Its record.
            going: The URNs that are being deleted with it.
            pending: It is noted as to be made anew.
        """
        run = self._run
        replaced = state.delete or pending
        left = state.external or state.retain_on_delete or state.deleted_with in going
        op = Op.DELETE_REPLACED if replaced else Op.DISCARD if left else Op.DELETE
        called = not (left or state.is_provider or state.pending_replacement or not state.custom)
        with run.slots:
            if not run.preview:
                run.check_going()
            with run.step(op, state.urn, state.parent, count=not state.external):
                number = None
                client = self._providers.client(state.provider) if called and not run.preview else None
                if client is not None:
                    ready = client
                    number = self._journal.begin("deleting", copy_of(state, pending_replacement=pending))
                    self._called(number, lambda: operations.delete(ready, state))
                if pending:
                    self._journal.change(
                        rewrite=(index, copy_of(state, pending_replacement=True)), end=number
                    )
                else:
                    self._journal.change(drop=index, end=number)

    def _called(self, number: int, call: Callable[[], _Answer]) -> _Answer:
        """A provider call; its pending operation is taken back when the provider says that it failed.

        A call without an end says nothing: what it did is settled by the next command.
        """
        try:
            return call()
        except UnclearError:
            raise
        except PluginError:
            self._journal.change(end=number)
            raise

    def _take(self, state: ResourceState, outcome: Outcome) -> None:
        state.id = outcome.id
        state.outputs = marked_secret(outcome.outputs, state.inputs, state.additional_secret_outputs)
        state.init_errors = list(outcome.init_errors)
        self._run.redactor.learn(state.outputs)


def record(goal: Goal, urn: str, reference: str, inputs: Mapping[str, Any]) -> ResourceState:
    """The record of what a program asks for; ids, outputs and times come with the provider's answer."""
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
        additional_secret_outputs=goal.additional_secret_outputs,
        custom_timeouts=goal.timeouts,
        retain_on_delete=bool(goal.retain_on_delete),
        deleted_with=goal.deleted_with,
        ignore_changes=goal.ignore_changes,
        replace_on_changes=goal.replace_on_changes,
    )


def _carry_on(state: ResourceState, old: ResourceState) -> None:
    """What stays a resource's own as long as it stands."""
    state.id, state.created, state.import_id = old.id, old.created, old.import_id
    state.source_position, state.unknown = old.source_position, old.unknown


def _refuse_unfinished(outcome: Outcome) -> None:
    if outcome.failure:
        raise StepError(f"it exists, but is not finished: {outcome.failure}")
