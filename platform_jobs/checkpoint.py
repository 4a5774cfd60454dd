"""The spot contract: checkpoints to S3 while training, and what to do when the machine is taken back."""

import os
import pickle
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final

from platform_jobs.aws import Bucket
from platform_jobs.errors import Interrupted
from platform_jobs.hashing import sha256
from platform_jobs.log import WARNING, event

_MARGIN_SECONDS: Final = 5
EXIT_INTERRUPTED: Final = 143


class Interruption:
    """Whether the machine is being taken back. Set by SIGTERM once `install`ed."""

    def __init__(self) -> None:
        self.requested = False

    def install(self, grace_seconds: float) -> None:
        """From now on SIGTERM only asks; a step that outlasts the grace period is given up.

        The last checkpoint stands then, and the next attempt goes on from it.
        """

        def ask(_signal: int, _frame: FrameType | None) -> None:
            self.requested = True
            timer = threading.Timer(max(1, grace_seconds - _MARGIN_SECONDS), os._exit, [EXIT_INTERRUPTED])
            timer.daemon = True
            timer.start()

        signal.signal(signal.SIGTERM, ask)

    def check(self) -> None:
        """Ends the run if the machine goes.

        Raises:
            Interrupted: if it was asked for.
        """
        if self.requested:
            raise Interrupted


@dataclass
class Checkpoints:
    """The checkpoints of one training run. The key holds the run's fingerprint: other data, other key.

    They are pickles, read back only from the place that this job alone may write.
    """

    bucket: Bucket
    key: str
    every_seconds: float
    clock: Callable[[], float] = time.monotonic
    _saved: float = 0.0

    def load(self) -> Any:
        """The state to go on from, or None."""
        self._saved = self.clock()
        body = self.bucket.get(self.key)
        if body is None:
            return None
        digest, _, content = body.partition(b"\n")
        if sha256(content).encode() != digest:
            event("train", "checkpoint-damaged", WARNING, object=self.bucket.uri(self.key))
            return None
        event("train", "resumed", object=self.bucket.uri(self.key))
        return pickle.loads(content)  # noqa: S301 - written by this job, and its hash has been checked

    def after_step(self, state: Any, interruption: Interruption) -> None:
        """Saves the state if it is time to, or if the machine goes."""
        if interruption.requested or self.clock() - self._saved >= self.every_seconds:
            self._save(state)

    def clear(self) -> None:
        """Removes the checkpoint of a run that is through."""
        self.bucket.delete(self.key)

    def _save(self, state: Any) -> None:
        content = pickle.dumps(state)
        body = sha256(content).encode() + b"\n" + content
        self.bucket.put(self.key, body, content_type="application/octet-stream")
        self._saved = self.clock()
        event("train", "checkpoint", object=self.bucket.uri(self.key), bytes=len(body))
