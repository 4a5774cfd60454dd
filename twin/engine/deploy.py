"""Runs the program against the stack: what it registers is done, what it no longer has is deleted."""

import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Final

from twin.engine import urns
from twin.engine.analyzer import PolicyPackError, StackInfo, start_policy_packs
from twin.engine.claims import Claims
from twin.engine.deletion import delete_all
from twin.engine.deployment import ordered
from twin.engine.events import Level
from twin.engine.judge import Judge
from twin.engine.monitor import Monitor, MonitorServer
from twin.engine.program import Program, ProgramProcess, failed_silently
from twin.engine.registration import Registrar
from twin.engine.run import Run
from twin.engine.session import Session
from twin.engine.steps import Steps

_POLL_SECONDS: Final = 0.05
_GRACE_SECONDS: Final = 10.0
"""How long a program may go on after the run has failed."""

OtherStack = Callable[[str], Mapping[str, Any] | None]
"""The outputs of another stack, by its name; None if there is no such stack."""


def deploy(session: Session, other_stack: OtherStack) -> None:
    """Brings the stack to what the program wants; in a preview, tells what that would take."""
    run, setup = session.run, session.setup
    if run.halted:
        return
    config, secret_keys = setup.config.for_program()
    _prestart_plugins(session)
    with ExitStack() as judging, ExitStack() as closing:
        judge = Judge(run)
        finished = threading.Event()

        def finish() -> None:
            try:
                _finish(session, judge)
            finally:
                finished.set()

        monitor = MonitorServer(
            Monitor(
                run,
                Registrar(run, session.providers, judge, setup.config.of_providers()),
                client_of=session.providers.client,
                finish=finish,
                other_stack=other_stack,
                config=config,
                secret_keys=secret_keys,
                organization=setup.organization,
                folder=setup.project.program_folder,
            )
        )
        # Closed in reverse: the program ends first, then what it had asked for is brought to its end.
        closing.callback(monitor.close)
        program = ProgramProcess(
            Program(
                path=setup.project.program,
                folder=setup.project.program_folder,
                project=setup.project.name,
                stack=setup.stack,
                organization=setup.organization,
                root=setup.project.root,
                config=config,
                secret_keys=secret_keys,
                environment=setup.environment,
                parallel=run.options.parallel,
            ),
            monitor.address,
            session.engine_address,
            preview=run.preview,
            say=lambda line: run.tell(Level.INFO, line),
        )
        closing.callback(program.end)
        if _appointed(session, judge, config, secret_keys, judging):
            _await(run, program, finished)


def _prestart_plugins(session: Session) -> None:
    """Starts the plugins that will surely be needed, so that they come up beside the program."""
    states = session.run.journal.base.values()
    if states:
        packages = {urns.package_of(state.type) for state in states if state.is_provider}
    else:
        packages = set(session.setup.config.of_providers()) - {session.setup.project.name}
    for package in sorted(packages):
        session.providers.prestart(package)


def _appointed(
    session: Session, judge: Judge, config: Mapping[str, str], secret_keys: Sequence[str], closing: ExitStack
) -> bool:
    """Starts the policy packs, beside the program; whether they did. If not, nothing passes."""
    setup = session.setup
    stack = StackInfo(
        stack=setup.stack,
        project=setup.project.name,
        organization=setup.organization,
        dry_run=session.run.preview,
        config={key: value for key, value in config.items() if key not in secret_keys},
    )
    try:
        packs = start_policy_packs(
            setup.policy_packs, session.engine_address, stack=stack, config=setup.policy_config
        )
        for pack in packs:
            closing.callback(pack.close)
        judge.appoint(packs)
    except PolicyPackError as error:
        session.run.problem(str(error))
        return False
    finally:
        judge.open()
    return True


def _await(run: Run, program: ProgramProcess, finished: threading.Event) -> None:
    """Waits for the program. After a failure it has a moment to end by itself, when interrupted none."""
    deadline: float | None = None
    while program.poll() is None:
        if run.result.interrupted:
            program.end()
            return
        if run.halted and not finished.is_set():
            deadline = deadline or time.monotonic() + _GRACE_SECONDS
            if time.monotonic() > deadline:
                program.end()
                return
        try:
            program.wait(_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            continue
    code = program.wait()
    if run.halted:
        return
    if failed_silently(code):
        run.problem(f"the program {_ended(code)}")
    elif code == 0 and not finished.is_set():
        run.problem("the program left before it was through (sys.exit?); nothing was deleted")
    elif code != 0 and run.result.ok:
        run.problem("the program failed")


def _ended(code: int) -> str:
    return f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"


def _finish(session: Session, judge: Judge) -> None:
    """After the program: the stack as a whole is judged, then what it no longer has is deleted."""
    run = session.run
    if run.halted:
        return
    try:
        allowed = judge.stack(ordered(run.journal.new.values()), session.providers.instances)
    except PolicyPackError as error:
        run.problem(str(error))
        return
    if allowed and (run.result.ok or run.preview):
        delete_all(run, Steps(run, session.providers, Claims(run)), dict(run.journal.base))
