"""Takes two costs out of Pulumi's SDK that grow with the program and serve nobody here.

Only for the SDK version that this was written against; another one runs as it is.
"""

import asyncio
import importlib.metadata
from typing import Any

from twin.engine.engine_service import PROTOCOL_VERSION


def apply() -> None:
    """Replaces what is slow, in this process."""
    if importlib.metadata.version("pulumi") != PROTOCOL_VERSION:
        return
    from pulumi.runtime import resource, stack
    from pulumi.runtime.proto import source_pb2

    # The SDK waits for all outputs anew each time that one is ready: the square of their number.
    stack.wait_for_rpcs = _wait_for_rpcs
    # It reads the source of every frame above each resource; this engine does not show source positions.
    resource._get_stack_trace = source_pb2.StackTrace


async def _wait_for_rpcs(await_all_outstanding_tasks: bool = True) -> None:
    """What the SDK's own does: every call and output ends, or the first error is raised."""
    from pulumi.runtime.settings import SETTINGS

    manager = SETTINGS.rpc_manager
    while True:
        while manager.rpcs:
            await asyncio.sleep(0)
            try:
                await manager.rpcs.pop()
            except Exception as error:
                if manager.unhandled_exception is not None:
                    cause = manager.unhandled_exception.with_traceback(manager.exception_traceback)
                    raise error from cause
                raise
        if manager.unhandled_exception is not None:
            raise manager.unhandled_exception.with_traceback(manager.exception_traceback)
        if await_all_outstanding_tasks:
            await _Outputs(SETTINGS).ended()
        if not manager.rpcs:
            return


class _Outputs:
    """The outputs that are not resolved yet; each is looked at once when it comes and once when it ends."""

    def __init__(self, settings: Any) -> None:
        self._settings = settings
        self._pending: set[asyncio.Future[Any]] = set()
        self._failed: asyncio.Future[Any] | None = None
        self._news = asyncio.Event()

    async def ended(self) -> None:
        """Waits until there is none left. Raises the first error at once."""
        while True:
            with self._settings.lock:
                fresh = list(self._settings.outputs)
                self._settings.outputs.clear()
            for output in fresh:
                self._pending.add(output)
                output.add_done_callback(self._over)
            if not self._pending:
                return
            await self._news.wait()
            self._news.clear()
            if self._failed is not None:
                await self._failed

    def _over(self, output: asyncio.Future[Any]) -> None:
        self._pending.discard(output)
        if self._failed is None and (output.cancelled() or output.exception() is not None):
            self._failed = output
        self._news.set()
