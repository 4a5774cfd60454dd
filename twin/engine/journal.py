"""The stack's resources while a command changes them; every change is on disk before it counts.

A line of the file is one change. Lines are synced in groups: threads that wait at one time share one call.
"""

import json
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, Final

from twin.engine import deployment as format3
from twin.engine import urns
from twin.engine.deployment import Deployment, Operation, ResourceState
from twin.engine.errors import StepError
from twin.engine.secrets import Encryption

_ADOPTED: Final = 1_000_000_000
"""Where the indices of adopted resources begin: far from those of what was loaded."""
_TO_JSON: Final = json.JSONEncoder(separators=(",", ":")).encode

Rewrite = tuple[int, ResourceState]
"""The index of a resource, and the record it has now."""


class JournalError(StepError):
    """A step cannot be recorded, so nothing more may be done."""


class Journal:
    """Two lists, as Pulumi keeps them: what the command found, and what it has confirmed.

    What is on neither any more is gone. Thread-safe; records are not changed once they are handed over.
    """

    def __init__(
        self, base: Iterable[ResourceState], pending: Iterable[Operation], encryption: Encryption
    ) -> None:
        self.base: dict[int, ResourceState] = dict(enumerate(base))
        """What the command found, by index."""
        self.new: dict[int, ResourceState] = {}
        """What it has confirmed, by index, in that order."""
        self.pending: dict[int, Operation] = {-index - 1: each for index, each in enumerate(pending)}
        """The provider calls of which no end is recorded, by number."""
        self.changed = False
        """Whether anything is other than it was found."""
        self._renamed: dict[str, str] = {}
        self._encryption = encryption
        self._count = 0
        self._mutex = threading.Lock()
        self._file: BinaryIO | None = None
        self._broken = ""
        self._written = 0
        self._synced = 0
        self._syncing = threading.Lock()

    def open(self, path: Path, base_hash: str, salt_text: str) -> None:
        """Starts the file.

        `base_hash` names the state file that the lines build upon; `salt_text` opens the lines' secrets, for
        a stack that has no state file yet.
        """
        self._file = path.open("wb", buffering=0)
        self._sync(self._append({"base": base_hash, "salt": salt_text}))
        sync_folder(path.parent)

    def begin(self, kind: str, resource: ResourceState) -> int:
        """Notes a provider call about to be made; returns its number, for `end`. Raises JournalError."""
        encoded = self._encoded(resource)
        with self._mutex:
            self._count += 1
            number = self._count
            ticket = self._append({"begin": number, "kind": kind, "resource": encoded})
            self.pending[number] = Operation(kind, resource)
            self.changed = True
        self._sync(ticket)
        return number

    def change(
        self,
        *,
        add: ResourceState | None = None,
        drop: int | None = None,
        rewrite: Rewrite | None = None,
        update: Rewrite | None = None,
        end: int | None = None,
        durable: bool = True,
    ) -> int:
        """One change, whole or not at all. Returns the index of what was added, else -1.

        Args:
            add: A resource that is confirmed.
            drop: Index in `base` of one that is gone, or that `add` takes the place of.
            rewrite: In `base`: a record that changed (an old copy that waits for its deletion).
            update: In `new`: a record that changed (outputs registered later).
            end: The provider call that is over.
            durable: Off where the change says nothing new: it may be lost.

        Raises:
            JournalError: It is not on disk. It counts all the same: it has happened.
        """
        line: dict[str, Any] = {}
        if end is not None:
            line["end"] = end
        if add is not None:
            line |= {"add": 0, "resource": self._encoded(add)}
        if drop is not None:
            line["drop"] = drop
        if rewrite is not None:
            line["rewrite"] = [rewrite[0], self._encoded(rewrite[1])]
        if update is not None:
            line["update"] = [update[0], self._encoded(update[1])]
        with self._mutex:
            index = -1
            if add is not None:
                self._count += 1
                line["add"] = index = self._count
            self._apply(add=add, index=index, drop=drop, rewrite=rewrite, update=update, end=end)
            self.changed = self.changed or durable
            ticket = self._append(line)
        if durable:
            self._sync(ticket)
        return index

    def adopt(
        self, resource: ResourceState, *, end: int, drop: int | None = None, rewrite: Rewrite | None = None
    ) -> None:
        """Takes a resource among what the command found: an earlier one had begun to make it."""
        line: dict[str, Any] = {"end": end, "adopt": 0, "resource": self._encoded(resource)}
        if drop is not None:
            line["drop"] = drop
        if rewrite is not None:
            line["rewrite"] = [rewrite[0], self._encoded(rewrite[1])]
        with self._mutex:
            self._count += 1
            line["adopt"] = self._count
            self._apply(drop=drop, rewrite=rewrite, end=end)
            self.base[_ADOPTED + self._count] = resource
            self.changed = True
            ticket = self._append(line)
        self._sync(ticket)

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def replay(self, lines: Iterable[dict[str, Any]]) -> None:
        """Applies the lines of an earlier command's journal."""

        def decoded(raw: dict[str, Any]) -> ResourceState:
            return format3.decode_resource(raw, self._encryption)

        def rewritten(name: str, line: dict[str, Any]) -> Rewrite | None:
            return (line[name][0], decoded(line[name][1])) if name in line else None

        for line in lines:
            if "begin" in line:
                self.pending[line["begin"]] = Operation(line["kind"], decoded(line["resource"]))
                continue
            self._apply(
                add=decoded(line["resource"]) if "add" in line else None,
                index=line.get("add", -1),
                drop=line.get("drop"),
                rewrite=rewritten("rewrite", line),
                update=rewritten("update", line),
                end=line.get("end"),
            )
            if "adopt" in line:
                self.base[_ADOPTED + line["adopt"]] = decoded(line["resource"])

    def deployment(self, salt_text: str = "", metadata: dict[str, Any] | None = None) -> Deployment:
        """What stands now."""
        with self._mutex:
            listed = [*self.new.values(), *self.base.values()]
            pending = list(self.pending.values())
            renamed = dict(self._renamed)
        there = {state.urn for state in listed}
        listed = [_consistent(state, there, renamed) for state in listed]
        return Deployment(format3.ordered(listed), pending, salt_text, metadata or {})

    def _apply(
        self,
        *,
        add: ResourceState | None = None,
        index: int = -1,
        drop: int | None = None,
        rewrite: Rewrite | None = None,
        update: Rewrite | None = None,
        end: int | None = None,
    ) -> None:
        if end is not None:
            self.pending.pop(end, None)
        if add is not None:
            place = drop if drop is not None else rewrite[0] if rewrite is not None else None
            before = self.base.get(place) if place is not None else None
            if before is not None and before.urn != add.urn:
                self._renamed[before.urn] = add.urn
            self.new[index] = add
        if drop is not None:
            self.base.pop(drop, None)
        if rewrite is not None:
            self.base[rewrite[0]] = rewrite[1]
        if update is not None:
            self.new[update[0]] = update[1]

    def _encoded(self, resource: ResourceState) -> dict[str, Any]:
        return format3.encode_resource(resource, self._encryption) if self._file is not None else {}

    def _append(self, line: dict[str, Any]) -> int:
        """Writes a line, unless this journal is of a preview; returns what to wait for."""
        if self._broken:
            raise JournalError(self._broken)
        if self._file is not None:
            raw = (_TO_JSON(line) + "\n").encode()
            try:
                if self._file.write(raw) != len(raw):
                    raise OSError("not written whole")
            except OSError as error:
                self._break(error)
            self._written += 1
        return self._written

    def _sync(self, ticket: int) -> None:
        if self._file is None:
            return
        with self._syncing:
            if self._synced >= ticket:
                return  # Who synced while this thread waited has synced its line too.
            upto = self._written
            try:
                os.fdatasync(self._file.fileno())
            except OSError as error:
                self._break(error)
            self._synced = upto

    def _break(self, error: OSError) -> None:
        # What follows a line that is torn could not be read back, so nothing follows.
        self._broken = f"the step cannot be recorded: {error}"
        raise JournalError(self._broken) from error


def _consistent(state: ResourceState, there: set[str], renamed: dict[str, str]) -> ResourceState:
    """A record whose references are those of now: an alias's rename is followed, what is gone is left out."""
    needed = state.depends_on()
    if all(urn in there and urn not in renamed for urn in needed):
        return state

    def now(urn: str) -> str:
        urn = renamed.get(urn, urn)
        return urn if urn in there else ""

    provider = state.provider
    if provider:
        urn, identity = urns.split_reference(provider)
        provider = f"{renamed.get(urn, urn)}::{identity}"
    properties = {
        key: [now(urn) for urn in listed if now(urn)] for key, listed in state.property_dependencies.items()
    }
    return format3.copy_of(
        state,
        parent=now(state.parent),
        deleted_with=now(state.deleted_with),
        provider=provider,
        dependencies=[now(urn) for urn in state.dependencies if now(urn)],
        property_dependencies={key: listed for key, listed in properties.items() if listed},
    )


def sync_folder(folder: Path) -> None:
    """Makes a file's creation or renaming durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
