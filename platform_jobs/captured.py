"""Reads JSON-lines logs (predictions, outcomes) of a window as Arrow tables, a block at a time.

A block is a few megabytes, so memory does not grow with the window. A line that is no JSON object is counted
and left out; a value of another type than asked for counts as missing: a monitor must not die of what it is
there to find.
"""

import json
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from platform_jobs import prediction_log
from platform_jobs.aws import Bucket, StoredObject
from platform_jobs.errors import JobError
from platform_jobs.log import WARNING, event
from platform_jobs.times import iso
from platform_jobs.window import Window

BLOCK: Final = 8 << 20
_AHEAD: Final = 8
"""Small objects fetched ahead of the one that is read."""
_LINE: Final = 1 << 20
"""Arrow's own block; longer lines are taken apart one by one."""
_STAMPED: Final = {"format": pa.int64(), "at": pa.string()}


@dataclass
class Lines:
    """The lines of a window under a log's prefix: objects by hour of `at`, as the prediction log has them."""

    bucket: Bucket
    prefix: str
    window: Window
    malformed: int = field(default=0, init=False)

    def tables(self, columns: Mapping[str, pa.DataType]) -> Iterator[pa.Table]:
        """The lines whose `at` is in the window, with these columns and `at` (text, UTC).

        Raises:
            JobError: reason `unknown-format` for lines of another format than this code knows.
        """
        schema = pa.schema(_STAMPED | dict(columns))
        start, end = (iso(moment) for moment in (self.window.start, self.window.end))
        for block in self._blocks():
            table = self._parse(block, schema)
            if pc.any(pc.not_equal(table["format"], prediction_log.FORMAT)).as_py():
                raise JobError(
                    "unknown-format",
                    f"{self.bucket.uri(self.prefix)} has lines of another format than "
                    f"{prediction_log.FORMAT}: run a newer image",
                )
            kept = pc.and_(pc.greater_equal(table["at"], start), pc.less(table["at"], end))
            yield table.filter(kept)
        if self.malformed:
            event("monitoring", "malformed-lines", WARNING, lines=self.malformed, prefix=self.prefix)

    def _objects(self) -> Iterator[StoredObject]:
        for hour in prediction_log.hours(self.window.start, self.window.end):
            yield from self.bucket.list(prediction_log.hour_folder(self.prefix, hour))

    def _blocks(self) -> Iterator[bytes]:
        """Whole lines, about a block's worth at a time."""
        waiting = b""
        for piece in self._pieces():
            waiting += piece
            if len(waiting) >= BLOCK:
                cut = waiting.rfind(b"\n") + 1
                if cut:
                    yield waiting[:cut]
                    waiting = waiting[cut:]
        if waiting.strip():
            yield waiting

    def _pieces(self) -> Iterator[bytes]:
        """The objects' bytes in order; small objects are fetched some ahead, large ones streamed."""
        with ThreadPoolExecutor(_AHEAD) as pool:
            ahead: deque[Any] = deque()
            for item in self._objects():
                ahead.append(pool.submit(self.bucket.get, item.key) if item.size <= BLOCK else item)
                if len(ahead) > _AHEAD:
                    yield from self._content(ahead.popleft())
            while ahead:
                yield from self._content(ahead.popleft())

    def _content(self, item: Any) -> Iterator[bytes]:
        if isinstance(item, StoredObject):
            yield from self.bucket.stream(item.key, BLOCK)
        else:
            yield item.result() or b""  # gone since it was listed: its retention is over
        yield b"\n"  # an object may lack its last line's end

    def _parse(self, block: bytes, schema: pa.Schema) -> pa.Table:
        options = pyarrow.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
        reading = pyarrow.json.ReadOptions(block_size=_LINE)
        try:
            return pyarrow.json.read_json(pa.BufferReader(block), reading, options).select(schema.names)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return self._parse_by_line(block, schema)

    def _parse_by_line(self, block: bytes, schema: pa.Schema) -> pa.Table:
        """What Arrow refuses as a whole, line by line."""
        rows = []
        kind = pa.struct(schema)
        for line in block.splitlines():
            if not line.strip():
                continue
            try:
                value = json.loads(line)
            except ValueError:
                value = None
            if isinstance(value, dict):
                rows.append(_fitted(value, kind))
            else:
                self.malformed += 1
        return pa.Table.from_pylist(rows, schema)


def _fitted(value: Any, kind: pa.DataType) -> Any:
    """The value if it is of the type, else None."""
    if pa.types.is_struct(kind):
        if not isinstance(value, dict):
            return None
        return {part.name: _fitted(value.get(part.name), part.type) for part in kind}
    if pa.types.is_boolean(kind):
        return value if isinstance(value, bool) else None
    if isinstance(value, bool):
        return None
    if pa.types.is_floating(kind):
        return float(value) if isinstance(value, int | float) else None
    if pa.types.is_integer(kind):
        return value if isinstance(value, int) else None
    return value if isinstance(value, str) else None
