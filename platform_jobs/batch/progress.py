"""A batch run's checkpoint: what it is going to do, fixed at its first attempt, and which of it is done."""

import datetime
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from platform_jobs import times
from platform_jobs.aws import Bucket, in_parallel
from platform_jobs.commits import json_bytes


@dataclass(frozen=True)
class Plan:
    """One run: all of it is by one version, as of one time, whatever is released while it lasts."""

    run: str
    model: str
    version: str
    """ARN of the version that scores."""
    as_of: str
    """ISO 8601, UTC: features are those known then."""
    started_at: str
    chunks: int
    inputs: str
    """Hash of what is scored: a chunk of other inputs is not done."""

    @property
    def moment(self) -> datetime.datetime:
        """`as_of` as a time."""
        return times.parse(self.as_of)


@dataclass(frozen=True)
class Chunk:
    """A chunk whose predictions are written and logged."""

    number: int
    inputs: str
    key: str
    rows: int
    sha256: str
    """Of the predictions' object."""
    seconds: float


@dataclass(frozen=True)
class Progress:
    """The checkpoint of one run, under a prefix of its own."""

    bucket: Bucket
    prefix: str

    def plan(self) -> Plan | None:
        """The plan of an earlier attempt."""
        body = self.bucket.get(f"{self.prefix}plan.json")
        return None if body is None else Plan(**json.loads(body))

    def begin(self, plan: Plan) -> None:
        """Fixes the plan."""
        self._put("plan.json", asdict(plan))

    def done(self, plan: Plan) -> dict[int, Chunk]:
        """The chunks that are done, by number."""
        keys = [item.key for item in self.bucket.list(f"{self.prefix}chunk-")]
        found = [Chunk(**json.loads(body)) for body in in_parallel(self.bucket.get, keys) if body is not None]
        return {chunk.number: chunk for chunk in found if chunk.inputs == plan.inputs}

    def record(self, chunk: Chunk) -> None:
        """A chunk is done: after all that it wrote."""
        self._put(f"chunk-{chunk.number:05d}.json", asdict(chunk))

    def clear(self) -> None:
        """Removes the checkpoint of a run that is through, the plan last."""
        keys = [item.key for item in self.bucket.list(self.prefix)]
        in_parallel(self.bucket.delete, [key for key in keys if not key.endswith("/plan.json")])
        self.bucket.delete(f"{self.prefix}plan.json")

    def _put(self, name: str, value: Mapping[str, Any]) -> None:
        self.bucket.put(f"{self.prefix}{name}", json_bytes(value), content_type="application/json")
