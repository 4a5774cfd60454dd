"""Settles what an interrupted command had begun: its last provider calls, of which no end is recorded."""

from dataclasses import replace

from twin.engine import operations, urns
from twin.engine.deployment import Operation, now
from twin.engine.errors import StepError
from twin.engine.events import Level, Op
from twin.engine.refresh import refresh_one
from twin.engine.session import Session


def settle(session: Session) -> None:
    """What was being made is made again, where that finds the first one; the rest is read back."""
    run = session.run
    for number, operation in sorted(run.journal.pending.items()):
        try:
            if operation.kind == "creating":
                _settle_creation(session, number, operation)
            else:
                _settle_change(session, number, operation)
        except StepError as error:
            told = StepError(f"an interrupted step ({operation.kind}) cannot be settled: {error}")
            run.failed(operation.resource.urn, told, op=Op.REFRESH)


def _settle_creation(session: Session, number: int, operation: Operation) -> None:
    run, state = session.run, operation.resource
    client = session.providers.client(state.provider)
    if client is None or urns.package_of(state.type) not in run.options.idempotent:
        run.tell(
            Level.WARNING,
            "its creation was interrupted; if it exists, import it or delete it by hand",
            state.urn,
        )
        run.journal.change(end=number)
        return
    run.tell(Level.INFO, "its creation was interrupted; finding out what became of it", state.urn)
    timeout = state.custom_timeouts.get("create")
    outcome = operations.create(client, state.urn, state.inputs, timeout=timeout, preview=False)
    made = replace(
        state,
        id=outcome.id,
        outputs=operations.marked_secret(outcome.outputs, state.inputs, state.additional_secret_outputs),
        init_errors=list(outcome.init_errors),
        created=now(),
        modified=now(),
    )
    run.redactor.learn(made.outputs)
    there = next(
        (
            (index, each)
            for index, each in run.journal.base.items()
            if each.urn == state.urn and not each.delete
        ),
        None,
    )
    if there is None:
        run.journal.adopt(made, end=number)
    elif there[1].pending_replacement:
        run.journal.adopt(made, end=number, drop=there[0])
    else:
        run.journal.adopt(made, end=number, rewrite=(there[0], replace(there[1], delete=True)))


def _settle_change(session: Session, number: int, operation: Operation) -> None:
    run, state = session.run, operation.resource
    run.tell(Level.INFO, f"an interrupted step ({operation.kind}) is settled", state.urn)
    for index, each in list(run.journal.base.items()):
        if each.urn == state.urn and each.id == state.id:
            refresh_one(session, index, each)
    run.journal.change(end=number)
