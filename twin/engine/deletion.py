"""Deletes resources of the state: what the program no longer has, or all of a stack, or the targets."""

from collections.abc import Sequence

from twin.engine.claims import Claims
from twin.engine.deployment import ResourceState
from twin.engine.errors import HaltedError, StepError
from twin.engine.events import Op
from twin.engine.graph import dependents, run_in_reverse
from twin.engine.run import Run
from twin.engine.session import Session
from twin.engine.steps import Steps


def destroy(session: Session) -> None:
    """Deletes everything, or the targets and nothing else."""
    run = session.run
    if run.halted:
        return
    wanted = dict(run.journal.base)
    if run.options.targets:
        found = _targets(run, run.options.targets)
        if found is None:
            return
        wanted = found
    delete_all(run, Steps(run, session.providers, Claims(run)), wanted)


def delete_all(run: Run, steps: Steps, wanted: dict[int, ResourceState]) -> None:
    """Deletes resources, each after all that need it. A protected one keeps all of them."""
    protected = [s for s in wanted.values() if s.protect and not s.delete and not s.pending_replacement]
    for state in sorted(protected, key=lambda each: each.urn):
        run.failed(
            state.urn,
            StepError("it is protected, so it is not deleted; take `protect` off first"),
            op=Op.DELETE,
            halt=not run.preview,
        )
    if protected:
        return
    going = frozenset(state.urn for state in wanted.values())

    def delete(index: int, state: ResourceState) -> bool:
        try:
            steps.delete(index, state, going=going)
        except HaltedError:
            return False
        except StepError as error:
            # What does not depend on this one can still go.
            run.failed(state.urn, error, op=Op.DELETE, halt=False)
            return False
        return True

    run_in_reverse(wanted, delete, run.options.parallel)


def _targets(run: Run, targets: Sequence[str]) -> dict[int, ResourceState] | None:
    """The targets' records; None, and the run is told, if they cannot go alone."""
    base = run.journal.base
    wanted = {index: state for index, state in base.items() if state.urn in targets}
    unknown = sorted(set(targets) - {state.urn for state in wanted.values()})
    if unknown:
        run.problem(f"no such resources: {', '.join(unknown)}")
        return None
    needing = dependents(base)
    left = sorted({base[user].urn for index in wanted for user in needing[index] if user not in wanted})
    if left:
        run.problem(f"these need what is to be destroyed; name them as targets too: {', '.join(left)}")
        return None
    return wanted
