"""Reads resources back: what changed outside is shown and taken over, what is gone is forgotten."""

from dataclasses import replace

from twin.engine import operations, urns
from twin.engine.deployment import ResourceState
from twin.engine.errors import HaltedError, StepError
from twin.engine.events import Op
from twin.engine.graph import run_all
from twin.engine.run import property_changes
from twin.engine.secrecy import marked_secret
from twin.engine.session import Session


def refresh(session: Session) -> None:
    """Brings the state to what the cloud has."""
    run = session.run

    def read(index: int, state: ResourceState) -> None:
        try:
            run.check_going()
            refresh_one(session, index, state)
        except HaltedError:
            return
        except StepError as error:
            run.failed(state.urn, error, op=Op.REFRESH, halt=False)

    readable = {index: state for index, state in run.journal.base.items() if _is_readable(state)}
    run_all(readable, read, run.options.parallel)


def refresh_one(session: Session, index: int, state: ResourceState, *, pending: bool = False) -> None:
    """Reads one resource back. `pending`: if it is gone, it is to be made anew. Raises StepError."""
    run = session.run
    client = session.providers.client(state.provider)
    if client is None:
        return
    found = operations.read(client, state.urn, state.id, state.outputs, state.inputs)
    if found is None:
        with run.step(Op.DELETE_REPLACED if pending else Op.DELETE, state.urn, state.parent):
            if pending:
                run.journal.change(rewrite=(index, replace(state, pending_replacement=True)))
            else:
                run.journal.change(drop=index)
        return
    outputs = marked_secret(found.outputs, {**state.outputs, **state.inputs}, state.additional_secret_outputs)
    inputs = state.inputs if found.inputs is None else marked_secret(found.inputs, state.inputs, ())
    run.redactor.learn(outputs)
    changes = property_changes(state.outputs, outputs)
    with run.step(Op.UPDATE if changes else Op.SAME, state.urn, state.parent, changes):
        fresh = replace(state, outputs=outputs, inputs=inputs, init_errors=list(found.init_errors))
        if fresh != state:
            run.journal.change(rewrite=(index, fresh))


def _is_readable(state: ResourceState) -> bool:
    kept = state.custom and not state.is_provider and not state.delete and not state.pending_replacement
    return kept and state.type != urns.STACK_REFERENCE_TYPE
