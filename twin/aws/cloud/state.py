"""The cloud's state on disk: a snapshot, and the journal of what happened since.

Starting loads the one and replays the other; saving writes the one and empties the other. Neither is ever
written over when it can't be read.
"""

import contextlib
import logging
import os
from pathlib import Path
from typing import Any, Final, Protocol

from twin.aws.cloud import journal as journals
from twin.aws.cloud import snapshot as snapshots
from twin.aws.cloud.client import SNAPSHOT
from twin.aws.cloud.gateway import Gateway

BACKUP: Final = "state.backup"
JOURNAL: Final = "journal"
_log = logging.getLogger(__name__)


class UnreadableStateError(Exception):
    """The saved state can't be used; it was left as it was. The text says what to do."""


class Store(Protocol):
    """State beside moto's: kept with the snapshot under its name."""

    def dump(self) -> Any:
        """The state as plain values."""

    def load(self, state: Any) -> None:
        """Takes the place of `dump`'s values."""


class StateKeeper:
    """Loads and saves the state of one gateway in one folder."""

    def __init__(self, gateway: Gateway, directory: Path, stores: dict[str, Store]) -> None:
        self._gateway = gateway
        self._directory = directory
        self._stores = stores
        self._saved_sequence = 0
        self._journal: journals.Journal | None = None

    @property
    def unsaved(self) -> int:
        """How many journal records the next start would have to replay."""
        return self._gateway.sequence - self._saved_sequence

    def is_long(self, records: int, size: int) -> bool:
        """Whether the next start would have to replay more than so many records or bytes."""
        return self.unsaved > records or (
            self.unsaved > 0 and (self._directory / JOURNAL).stat().st_size > size
        )

    def open(self) -> None:
        """Brings the saved state back and journals from here on.

        Raises:
            UnreadableStateError: what is saved is damaged, or of another version.
        """
        snapshot, journal = self._directory / SNAPSHOT, self._directory / JOURNAL
        if snapshot.exists():
            try:
                head, stores = snapshots.read(snapshot)
            except snapshots.CorruptSnapshotError as problem:
                raise UnreadableStateError(self._advice(snapshot, problem)) from problem
            for name, store in self._stores.items():
                if name in stores:
                    store.load(stores[name])
            self._gateway.sequence = self._saved_sequence = head["sequence"]
        try:
            self._replay(journal)
        except journals.CorruptJournalError as problem:
            raise UnreadableStateError(self._advice(journal, problem)) from problem
        self._journal = journals.Journal(journal)
        self._gateway.keep(self._journal, self.save)

    def save(self) -> None:
        """Writes a snapshot, unless the last one still holds. A failure leaves the journal to replay."""
        with self._gateway.lock:
            if not self.unsaved or self._journal is None:
                return
            snapshot = self._directory / SNAPSHOT
            if snapshot.exists():
                backup = self._directory / BACKUP
                with contextlib.suppress(FileNotFoundError):
                    backup.unlink()
                os.link(snapshot, backup)
            sequence = self._gateway.sequence
            stores = {name: store.dump() for name, store in self._stores.items()}
            try:
                snapshots.write(snapshot, {"sequence": sequence}, stores)
            except Exception:
                _log.exception("no snapshot could be written; the journal is kept and will be replayed")
                return
            self._saved_sequence = sequence
            self._journal.clear()

    def close(self) -> None:
        """Saves and stops journalling."""
        self.save()
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def _replay(self, path: Path) -> None:
        for record in journals.read(path):
            if record.sequence <= self._saved_sequence:
                continue  # the snapshot was written, and the process killed before it emptied the journal
            if record.sequence != self._gateway.sequence + 1:
                raise journals.CorruptJournalError(
                    f"it goes on at record {record.sequence}, the snapshot ends at {self._gateway.sequence}"
                )
            self._gateway.replay(record)

    def _advice(self, path: Path, problem: Exception) -> str:
        backup = self._directory / BACKUP
        lines = [
            f"the saved state of the twin's cloud can't be read: {path}: {problem}",
            "It was left as it is.",
        ]
        if backup.exists():
            lines.append(
                f"To go back to the save before: move {backup} over {self._directory / SNAPSHOT} and remove "
                f"{self._directory / JOURNAL}."
            )
        lines.append(f"To start anew: remove the folder {self._directory}.")
        return "\n".join(lines)
