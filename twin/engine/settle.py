"""Settles what an interrupted command had begun: its last provider calls, of which no end is recorded."""

from dataclasses import replace

from twin.engine import operations, urns
from twin.engine.deployment import Operation, now
from twin.engine.errors import StepError
from twin.engine.events import Level, Op
from twin.engine.plugins import PluginError, ProviderClient, UnclearError
from twin.engine.refresh import refresh_one
from twin.engine.secrecy import marked_secret
from twin.engine.session import Session


def settle(session: Session) -> None:
    """What was being made is made again, where that finds the first one; the rest is read back."""
    run = session.run
    for number, operation in sorted(run.journal.pending.items()):
        try:
            client = session.providers.client(operation.resource.provider)
            if operation.kind == "creating":
                _settle_creation(session, client, number, operation)
            else:
                _settle_change(session, number, operation)
        except StepError as error:
            told = StepError(f"an interrupted step ({operation.kind}) cannot be settled: {error}")
            run.failed(operation.resource.urn, told, op=Op.REFRESH)


def _settle_creation(
    session: Session, client: ProviderClient | None, number: int, operation: Operation
) -> None:
    run, state = session.run, operation.resource
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
    try:
        outcome = operations.create(client, state.urn, state.inputs, timeout=timeout, preview=False)
    except UnclearError:
        raise
    except PluginError as error:
        # Had the first call made it, this one would have found it. The program may ask for it otherwise now.
        run.tell(Level.WARNING, f"it was not created: {error}", state.urn)
        run.journal.change(end=number)
        return
    made = replace(
        state,
        id=outcome.id,
        outputs=marked_secret(outcome.outputs, state.inputs, state.additional_secret_outputs),
        init_errors=list(outcome.init_errors),
        created=now(),
        modified=now(),
    )
    run.redactor.learn(made.outputs)
    base = run.journal.base.items()
    there = next(((index, each) for index, each in base if each.urn == state.urn and not each.delete), None)
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
            try:
                refresh_one(session, index, each, pending=state.pending_replacement)
            except UnclearError:
                raise
            except PluginError as error:
                # The record says what it was before; the program's next registration sets it right.
                run.tell(Level.WARNING, f"it cannot be read back: {error}", state.urn)
    run.journal.change(end=number)
