"""Where a stack's state is kept: one file in Pulumi's format, and a journal of the steps since then.

Every step is durable before the next begins: the journal is a line per step, written and synced; the state
file is written anew when a command ends. A killed command leaves a journal, which the next one reads.
"""

import contextlib
import fcntl
import json
import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Self

from twin.engine import deployment as format3
from twin.engine import urns
from twin.engine.deployment import Deployment, DeploymentError, Operation, ResourceState
from twin.engine.secrets import Encryption, find_passphrase

_BACKUPS_KEPT: Final = 10
_ADOPTED: Final = 1_000_000_000
HOME_VARIABLE: Final = "STAGECRAFT_HOME"


class StoreError(Exception):
    """A state that cannot be worked with, or is in use; the message says what to do."""


@dataclass(frozen=True)
class StackFiles:
    """The files of one stack."""

    home: Path
    stack: str

    @property
    def folder(self) -> Path:
        """The stack's own folder."""
        return self.home / self.stack

    @property
    def state(self) -> Path:
        """The deployment, in Pulumi's format."""
        return self.folder / "state.json"

    @property
    def journal(self) -> Path:
        """Steps since the deployment was written."""
        return self.folder / "journal.jsonl"

    @property
    def lock(self) -> Path:
        """Held by the one command that may change the stack."""
        return self.folder / "lock"

    @property
    def backups(self) -> Path:
        """Earlier deployments."""
        return self.folder / "backups"

    @property
    def cloud(self) -> Path:
        """The stack's own cloud."""
        return self.folder / "cloud"


def find_home(checkout: Path) -> Path:
    """Where stacks are kept: `STAGECRAFT_HOME`, else `.stagecraft` in the checkout."""
    named = os.environ.get(HOME_VARIABLE)
    return Path(named).absolute() if named else checkout / ".stagecraft"


class Journal:
    """The stack's resources while a command changes them; every change is on disk before it counts.

    Two lists, as Pulumi keeps them: `base` is what the command found, `new` is what it has confirmed, in the
    order of confirmation. What is on neither any more is gone. A line of the journal is one change to them.
    """

    def __init__(self, base: list[ResourceState], pending: list[Operation], encryption: Encryption) -> None:
        self.base: dict[int, ResourceState] = dict(enumerate(base))
        self.new: dict[int, ResourceState] = {}
        self.pending: dict[int, Operation] = {-index - 1: each for index, each in enumerate(pending)}
        self._renamed: dict[str, str] = {}
        self._encryption = encryption
        self._count = 0
        self._mutex = threading.Lock()
        self._file: Any = None

    def open(self, path: Path, base_hash: str) -> None:
        """Starts the file; `base_hash` names the state file that the lines build upon."""
        self._file = path.open("w", encoding="utf-8")
        self._write({"base": base_hash})
        _sync_folder(path.parent)

    def begin(self, kind: str, resource: ResourceState) -> int:
        """Notes a provider call about to be made; returns its number, for `end`."""
        with self._mutex:
            self._count += 1
            number = self._count
            self.pending[number] = Operation(kind, resource)
            if self._file is not None:
                self._write({"begin": number, "kind": kind, "resource": self._encode(resource)})
            return number

    def change(
        self,
        *,
        add: ResourceState | None = None,
        drop: int | None = None,
        rewrite: tuple[int, ResourceState] | None = None,
        update: tuple[int, ResourceState] | None = None,
        end: int | None = None,
    ) -> int:
        """One change, whole or not at all. Returns the index of what was added, else -1.

        Args:
            add: a resource that is confirmed.
            drop: index in `base` of one that is gone, or that `add` takes the place of.
            rewrite: index in `base` and the record it has now (an old copy that waits for its deletion).
            update: index in `new` and the record it has now (outputs registered later).
            end: the provider call that is over.
        """
        with self._mutex:
            if add is not None:
                self._count += 1
            if self._file is not None:
                self._write(self._line(add, drop, rewrite, update, end))
            if end is not None:
                self.pending.pop(end, None)
            if add is not None:
                self._add(self._count, add, drop)
            if drop is not None:
                self.base.pop(drop, None)
            if rewrite is not None:
                self.base[rewrite[0]] = rewrite[1]
            if update is not None:
                self.new[update[0]] = update[1]
            return self._count if add is not None else -1

    def adopt(
        self,
        resource: ResourceState,
        *,
        end: int,
        drop: int | None = None,
        rewrite: tuple[int, ResourceState] | None = None,
    ) -> None:
        """Takes a resource among what the command found: an earlier one had begun to make it."""
        with self._mutex:
            self._count += 1
            number = self._count
            if self._file is not None:
                line = self._line(None, drop, rewrite, None, end)
                self._write(line | {"adopt": number, "resource": self._encode(resource)})
            self._apply_adoption(number, resource)
            self.pending.pop(end, None)
            if drop is not None:
                self.base.pop(drop, None)
            if rewrite is not None:
                self.base[rewrite[0]] = rewrite[1]

    def _apply_adoption(self, number: int, resource: ResourceState) -> None:
        # Far from the indices of what was loaded, so that the two never meet.
        self.base[_ADOPTED + number] = resource

    def settled(self, hash_after: str) -> None:
        """Says which state file holds everything that stands in this journal."""
        self._write({"settled": hash_after})

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def replay(self, lines: Iterator[dict[str, Any]]) -> None:
        """Applies the lines of an earlier command's journal."""

        def decoded(raw: dict[str, Any]) -> ResourceState:
            return format3.decode_resource(raw, self._encryption)

        for line in lines:
            if "begin" in line:
                self.pending[line["begin"]] = Operation(line["kind"], decoded(line["resource"]))
            if "end" in line:
                self.pending.pop(line["end"], None)
            if "adopt" in line:
                self._apply_adoption(line["adopt"], decoded(line["resource"]))
            if "add" in line:
                self._add(line["add"], decoded(line["resource"]), line.get("drop"))
            if "drop" in line:
                self.base.pop(line["drop"], None)
            if "rewrite" in line:
                self.base[line["rewrite"][0]] = decoded(line["rewrite"][1])
            if "update" in line:
                self.new[line["update"][0]] = decoded(line["update"][1])

    def deployment(self, salt_text: str = "", metadata: dict[str, Any] | None = None) -> Deployment:
        """What stands now."""
        with self._mutex:
            listed = [self._with_new_names(state) for state in (*self.new.values(), *self.base.values())]
            pending = list(self.pending.values())
        return Deployment(format3.ordered(listed), pending, salt_text, metadata or {})

    def _line(
        self,
        add: ResourceState | None,
        drop: int | None,
        rewrite: tuple[int, ResourceState] | None,
        update: tuple[int, ResourceState] | None,
        end: int | None,
    ) -> dict[str, Any]:
        line: dict[str, Any] = {}
        if end is not None:
            line["end"] = end
        if add is not None:
            line |= {"add": self._count, "resource": self._encode(add)}
        if drop is not None:
            line["drop"] = drop
        if rewrite is not None:
            line["rewrite"] = [rewrite[0], self._encode(rewrite[1])]
        if update is not None:
            line["update"] = [update[0], self._encode(update[1])]
        return line

    def _add(self, index: int, resource: ResourceState, drop: int | None) -> None:
        before = self.base.get(drop) if drop is not None else None
        if before is not None and before.urn != resource.urn:
            self._renamed[before.urn] = resource.urn
        self.new[index] = resource

    def _with_new_names(self, state: ResourceState) -> ResourceState:
        """What was found may refer to resources by the URN they had before an alias renamed them."""
        names = self._renamed
        if not names or names.keys().isdisjoint(state.depends_on()):
            return state

        def renamed(urn: str) -> str:
            return names.get(urn, urn)

        reference = state.provider
        if reference:
            urn, identity = urns.split_reference(reference)
            reference = f"{renamed(urn)}::{identity}"
        return format3.copy_of(
            state,
            parent=renamed(state.parent),
            deleted_with=renamed(state.deleted_with),
            provider=reference,
            dependencies=[renamed(urn) for urn in state.dependencies],
            property_dependencies={
                key: [renamed(urn) for urn in listed] for key, listed in state.property_dependencies.items()
            },
        )

    def _encode(self, resource: ResourceState) -> dict[str, Any]:
        return format3.encode_resource(resource, self._encryption)

    def _write(self, line: dict[str, Any]) -> None:
        if self._file is None:
            return
        self._file.write(json.dumps(line, separators=(",", ":")) + "\n")
        self._file.flush()
        os.fdatasync(self._file.fileno())


class StackStore:
    """One stack's state on disk. Use `opened` for a command that changes it, `load` to look."""

    def __init__(self, files: StackFiles, cli_version: str) -> None:
        self.files = files
        self._cli_version = cli_version
        self._passphrase: str | None = None

    @property
    def passphrase(self) -> str:
        """The passphrase of the stack's secrets."""
        if self._passphrase is None:
            self._passphrase = find_passphrase(os.environ, self.files.home)
        return self._passphrase

    def load(self) -> tuple[Deployment, Encryption]:
        """The deployment as it stands, with what an interrupted command had reached. Raises StoreError."""
        raw = self._read_file(self.files.state)
        deployment, encryption = self._parse(raw)
        lines = self._journal_lines(raw)
        if lines is None:
            return deployment, encryption
        journal = Journal(deployment.resources, deployment.pending, encryption)
        try:
            journal.replay(iter(lines))
        except (KeyError, TypeError, DeploymentError) as error:
            raise StoreError(self._damaged(self.files.journal, f"a line is damaged: {error!r}")) from error
        return journal.deployment(encryption.salt_text, deployment.metadata), encryption

    def exists(self) -> bool:
        """Whether the stack was ever deployed."""
        return self.files.state.exists() or self.files.journal.exists()

    @contextlib.contextmanager
    def locked(self) -> Iterator[Self]:
        """Keeps every other command from changing the stack. Raises StoreError when one is at it."""
        self.files.folder.mkdir(parents=True, exist_ok=True)
        with self.files.lock.open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                holder = file.read().strip() or "another process"
                raise StoreError(
                    f"stack {self.files.stack!r} is being changed by {holder}; wait until it is done"
                ) from None
            file.seek(0)
            file.truncate()
            file.write(f"process {os.getpid()}")
            file.flush()
            try:
                yield self
            finally:
                file.seek(0)
                file.truncate()

    def begin(self) -> tuple[Journal, Encryption, dict[str, Any]]:
        """Starts a command that changes the stack: settles what an earlier one left, opens a journal."""
        deployment, encryption = self.load()
        if self.files.journal.exists():
            self.save(deployment, encryption)
        journal = Journal(deployment.resources, deployment.pending, encryption)
        journal.open(self.files.journal, _hash(self._read_file(self.files.state)))
        return journal, encryption, deployment.metadata

    def finish(self, journal: Journal, encryption: Encryption, metadata: dict[str, Any]) -> Deployment:
        """Ends a command: the state file is written from the journal, and the journal removed."""
        deployment = journal.deployment(encryption.salt_text, metadata)
        self.save(deployment, encryption, journal)
        return deployment

    def save(self, deployment: Deployment, encryption: Encryption, journal: Journal | None = None) -> None:
        """Writes the state file whole, keeps the one before as a backup, and drops the journal."""
        document = format3.dump(deployment, encryption, self._cli_version)
        text = json.dumps(document, indent=4, ensure_ascii=False) + "\n"
        raw = text.encode()
        self.files.folder.mkdir(parents=True, exist_ok=True)
        self._back_up()
        draft = self.files.state.with_suffix(".json.new")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        if journal is not None:
            journal.settled(_hash(raw))
            journal.close()
        draft.replace(self.files.state)
        _sync_folder(self.files.folder)
        self.files.journal.unlink(missing_ok=True)

    def export_document(self) -> dict[str, Any]:
        """The deployment's document, for `pulumi stack import` or safe-keeping."""
        deployment, encryption = self.load()
        return format3.dump(deployment, encryption, self._cli_version)

    def import_document(self, document: Any) -> Deployment:
        """Takes the place of the stack's state. Raises DeploymentError; then nothing changed."""
        deployment, encryption = format3.read(document, self.passphrase, self.files.stack)
        format3.ordered(deployment.resources)
        self.save(deployment, encryption)
        return deployment

    def _parse(self, raw: bytes) -> tuple[Deployment, Encryption]:
        if not raw:
            return Deployment(), Encryption(self.passphrase)
        try:
            return format3.read(json.loads(raw), self.passphrase, self.files.stack)
        except (ValueError, DeploymentError) as error:
            raise StoreError(self._damaged(self.files.state, str(error))) from error

    def _damaged(self, path: Path, why: str) -> str:
        backups = self._listed_backups()
        remedy = (
            f"the last backup is {backups[-1]}: restore it with "
            f"`stagecraft stack import --stack {self.files.stack} --file '{backups[-1]}'`"
            if backups
            else "there is no backup yet"
        )
        return f"{path} cannot be used: {why}. It was left as it is; {remedy}"

    def _journal_lines(self, state: bytes) -> list[dict[str, Any]] | None:
        raw = self._read_file(self.files.journal)
        if not raw:
            return None
        *whole, torn = raw.split(b"\n")
        # A line without its end was being written when the process died: its step never counted.
        del torn
        try:
            lines = [json.loads(line) for line in whole if line]
        except ValueError as error:
            raise StoreError(self._damaged(self.files.journal, f"a line is not JSON: {error}")) from error
        if not lines:
            return None
        here = _hash(state)
        if lines[-1].get("settled") == here:
            return None
        if lines[0].get("base") != here:
            raise StoreError(
                self._damaged(self.files.journal, f"it builds upon another state than {self.files.state}")
            )
        return lines[1:]

    def _read_file(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return b""

    def _listed_backups(self) -> list[Path]:
        return sorted(self.files.backups.glob("state-*.json")) if self.files.backups.exists() else []

    def _back_up(self) -> None:
        if not self.files.state.exists():
            return
        self.files.backups.mkdir(mode=0o700, exist_ok=True)
        listed = self._listed_backups()
        number = int(listed[-1].stem.removeprefix("state-")) + 1 if listed else 1
        shutil.copy2(self.files.state, self.files.backups / f"state-{number:06d}.json")
        for old in listed[: max(0, len(listed) + 1 - _BACKUPS_KEPT)]:
            old.unlink()


def _hash(raw: bytes) -> str:
    return sha256(raw).hexdigest()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
