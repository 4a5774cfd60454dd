"""Where a stack's state is kept: one file in Pulumi's format, and a journal of the steps since then.

The state file is written anew when a command ends that changed something. A killed command leaves its
journal, which the next one reads.
"""

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Self

from twin.engine import deployment as format3
from twin.engine.deployment import Deployment, DeploymentError
from twin.engine.journal import Journal, sync_folder
from twin.engine.secrets import Encryption, find_passphrase

_BACKUPS_KEPT: Final = 10
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

    @property
    def kubernetes(self) -> Path:
        """The objects of clusters that no server keeps."""
        return self.folder / "kubernetes"

    @property
    def cluster(self) -> Path:
        """The stack's own Kubernetes cluster, where there is one."""
        return self.folder / "cluster"


def find_home(checkout: Path) -> Path:
    """Where stacks are kept: `STAGECRAFT_HOME`, else `.stagecraft` in the checkout."""
    named = os.environ.get(HOME_VARIABLE)
    return Path(named).absolute() if named else checkout / ".stagecraft"


class StackStore:
    """One stack's state on disk. `load` looks; `begin` and `finish`, within `locked`, change it."""

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
        header, *steps = lines
        salt_text = header.get("salt")
        if salt_text and salt_text != deployment.salt_text:
            encryption = Encryption(self.passphrase, salt_text)
        journal = Journal(deployment.resources, deployment.pending, encryption)
        try:
            journal.replay(iter(steps))
        except (LookupError, TypeError, AttributeError, ValueError, DeploymentError) as error:
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
        journal.open(self.files.journal, _hash(self._read_file(self.files.state)), encryption.salt_text)
        return journal, encryption, deployment.metadata

    def finish(self, journal: Journal, encryption: Encryption, metadata: dict[str, Any]) -> Deployment:
        """Ends a command: the state file is written from the journal, and the journal removed.

        Raises:
            StoreError: The state cannot be written. The journal stays, and the next command goes on from it.
        """
        deployment = journal.deployment(encryption.salt_text, metadata)
        try:
            if journal.changed or not self.files.state.exists():
                journal.close()
                self.save(deployment, encryption)
            else:
                self.files.journal.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(
                f"the state of stack {self.files.stack!r} cannot be saved: {error}. "
                f"{self.files.journal} has every step of this command; the next one goes on from it"
            ) from error
        finally:
            journal.close()
        return deployment

    def save(self, deployment: Deployment, encryption: Encryption) -> None:
        """Writes the state file whole, keeps the one before as a backup, and drops the journal."""
        raw = format3.dump_bytes(format3.dump(deployment, encryption, self._cli_version))
        self.files.folder.mkdir(parents=True, exist_ok=True)
        self._back_up()
        draft = self.files.state.with_suffix(".json.new")
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            draft.unlink(missing_ok=True)
            raise
        # From here on a journal that is still found counts only beside the state that it builds upon.
        self._settle_journal(_hash(raw))
        draft.replace(self.files.state)
        sync_folder(self.files.folder)
        self.files.journal.unlink(missing_ok=True)

    def export_document(self) -> dict[str, Any]:
        """The deployment's document, for `pulumi stack import` or safe-keeping."""
        deployment, encryption = self.load()
        return format3.dump(deployment, encryption, self._cli_version)

    def import_document(self, document: Any) -> Deployment:
        """Takes the place of the stack's state, even of one that is damaged. For use within `locked`.

        Raises:
            DeploymentError: The document is not sound; nothing changed.
        """
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
        # A line without its end was being written when the process died: its step never counted.
        *whole, _torn = raw.split(b"\n")
        here = _hash(state)
        if whole and whole[-1] == json.dumps({"settled": here}).encode():
            return None
        try:
            lines = [json.loads(line) for line in whole if line]
        except ValueError as error:
            raise StoreError(self._damaged(self.files.journal, f"a line is not JSON: {error}")) from error
        if not lines:
            return None
        if not all(isinstance(line, dict) for line in lines):
            raise StoreError(self._damaged(self.files.journal, "a line is damaged: it is no object"))
        if lines[0].get("base") != here:
            raise StoreError(
                self._damaged(self.files.journal, f"it builds upon another state than {self.files.state}")
            )
        return lines

    def _settle_journal(self, hash_after: str) -> None:
        """Notes in the journal which state file holds everything that stands in it."""
        if not self.files.journal.exists():
            return
        with self.files.journal.open("r+b") as file:
            end = file.read().rfind(b"\n") + 1  # what follows is torn
            file.seek(end)
            file.truncate()
            file.write(json.dumps({"settled": hash_after}).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

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
