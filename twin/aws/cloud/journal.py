"""The journal: what changed the cloud since its last snapshot, one record a request.

A record is a frame (length, CRC of the payload, CRC of those two) and a payload: a JSON header line and the
body's raw bytes.
Records are written before the answer goes out, so a killed process loses nothing it confirmed; they
reach the disk itself within a tenth of a second (a power failure may take that much with it).
"""

import json
import os
import struct
import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from twin.aws.cloud.http import HttpRequest

_FRAME: Final = struct.Struct(">III")
_SYNC_SECONDS: Final = 0.1


class CorruptJournalError(Exception):
    """A record in the middle of the journal is damaged."""


@dataclass(frozen=True, slots=True)
class Record:
    """One request that changed something: its number, the instant it happened at, and the request."""

    sequence: int
    instant: float
    request: HttpRequest


class Journal:
    """An append-only file of records. Not thread-safe but for its own background sync."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO = _open(path)
        self._dirty = threading.Event()
        self._closing = threading.Event()
        self._guard = threading.Lock()
        self._syncer = threading.Thread(target=self._sync_forever, name="journal-sync", daemon=True)
        self._syncer.start()

    def append(self, record: Record) -> None:
        """Writes one record through to the operating system."""
        request = record.request
        header = json.dumps(
            [record.sequence, record.instant, request.method, request.target, request.headers],
            separators=(",", ":"),
        ).encode()
        payload = b"%s\n%s" % (header, request.body)
        self._file.write(_frame(payload) + payload)
        self._dirty.set()

    def clear(self) -> None:
        """Empties the journal: a snapshot has taken in what it held."""
        with self._guard:
            self._file.truncate(0)
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Syncs and closes."""
        self._closing.set()
        self._dirty.set()
        self._syncer.join()
        with self._guard:
            os.fsync(self._file.fileno())
            self._file.close()

    def _sync_forever(self) -> None:
        while not self._closing.is_set():
            self._dirty.wait()
            self._dirty.clear()
            with self._guard:
                if not self._file.closed:
                    os.fsync(self._file.fileno())
            self._closing.wait(_SYNC_SECONDS)


def _frame(payload: bytes) -> bytes:
    length, checksum = len(payload), zlib.crc32(payload)
    return _FRAME.pack(length, checksum, _frame_checksum(length, checksum))


def _frame_checksum(length: int, checksum: int) -> int:
    return zlib.crc32(b"%d %d" % (length, checksum))


def _open(path: Path) -> BinaryIO:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    return os.fdopen(descriptor, "wb", buffering=0)


def read(path: Path) -> Iterator[Record]:
    """The journal's records; a torn last one, which no client got an answer to, is cut off the file.

    Raises:
        CorruptJournalError: a record that others follow is damaged.
    """
    if not path.exists():
        return
    data = path.read_bytes()
    offset = 0
    while offset < len(data):
        begin = offset + _FRAME.size
        if begin > len(data):
            os.truncate(path, offset)
            return
        length, checksum, frame_checksum = _FRAME.unpack(data[offset:begin])
        if frame_checksum != _frame_checksum(length, checksum):
            raise CorruptJournalError(f"record at byte {offset} fails its checksum")
        payload = data[begin : begin + length]
        if len(payload) < length:
            os.truncate(path, offset)
            return
        if zlib.crc32(payload) != checksum:
            raise CorruptJournalError(f"record at byte {offset} fails its checksum")
        header, _, body = payload.partition(b"\n")
        sequence, instant, method, target, headers = json.loads(header)
        yield Record(sequence, instant, HttpRequest(method, target, tuple(map(tuple, headers)), body))
        offset = begin + length
