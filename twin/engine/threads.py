"""Threads for calls that mostly wait for one another."""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, TypeVar

_STALL_SECONDS: Final = 0.25
_MORE: Final = 16

_Answer = TypeVar("_Answer")


class ElasticExecutor(ThreadPoolExecutor):
    """As many threads as usual; more when nothing moves although work waits.

    A registration holds a thread until the engine answers, and the engine may first call a transform that
    asks the engine something in turn: with a fixed number of threads all could wait for one that never comes.
    It is a ThreadPoolExecutor by name, for asyncio takes no other; the threads are its own.
    """

    def __init__(self, usual: int, most: int = 2000) -> None:
        super().__init__(max_workers=1)
        self._usual = usual
        self._most = most
        self._running = 0
        self._resting = 0
        self._ended = 0
        self._closed = False
        self._waiting: deque[Callable[[], None]] = deque()
        self._work = threading.Condition()
        self._watched = False

    def submit(self, fn: Callable[..., _Answer], /, *args: Any, **kwargs: Any) -> Future[_Answer]:
        """Runs a function on one of the threads."""
        future: Future[_Answer] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                answer = fn(*args, **kwargs)
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(answer)

        with self._work:
            if self._closed:
                raise RuntimeError("no more work is taken")
            self._waiting.append(run)
            if self._resting >= len(self._waiting):
                self._work.notify()
            elif self._running < self._usual:
                self._add_thread()
            elif not self._watched:
                self._watched = True
                threading.Thread(target=self._watch, name="watch", daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Takes no more work; threads that are idle leave."""
        del wait, cancel_futures
        with self._work:
            self._closed = True
            self._work.notify_all()

    def _add_thread(self) -> None:
        self._running += 1
        threading.Thread(target=self._serve, name="call", daemon=True).start()

    def _serve(self) -> None:
        while True:
            with self._work:
                self._resting += 1
                while not self._waiting and not self._closed:
                    self._work.wait()
                self._resting -= 1
                if not self._waiting:
                    self._running -= 1
                    return
                run = self._waiting.popleft()
            run()
            with self._work:
                self._ended += 1

    def _watch(self) -> None:
        """Adds threads whenever a while has passed without a call ending although some wait."""
        while True:
            with self._work:
                before = self._ended
                self._work.wait_for(lambda: self._closed, _STALL_SECONDS)
                if self._closed:
                    return
                if self._waiting and self._ended == before:
                    for _ in range(min(_MORE, len(self._waiting), self._most - self._running)):
                        self._add_thread()
