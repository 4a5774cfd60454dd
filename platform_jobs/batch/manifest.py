"""What a batch run came to. It is written last: a run without one is not through, or gave up."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from platform_jobs import layout
from platform_jobs.aws import Bucket
from platform_jobs.batch.progress import Chunk
from platform_jobs.commits import json_bytes


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A run that is through."""

    run: str
    model: str
    version: str
    """ARN of the version that scored."""
    version_number: int
    model_version: str
    """Digest of its model, as predictions and the prediction log name it."""
    as_of: str
    inputs: str
    started_at: str
    finished_at: str
    rows: int
    """Rows, or entities, that were there to score."""
    predictions: int
    put_aside: int
    reasons: Mapping[str, int]
    """Why rows were put aside → how many."""
    seconds: float
    """Time that the run worked: over its chunks, and the last attempt's preparation."""
    cost_usd: float | None
    """What that time cost; None where no price was told."""
    chunks: Sequence[Chunk]
    """The predictions' objects, with their hashes."""

    @property
    def cost_per_thousand(self) -> float | None:
        """US dollars for 1,000 predictions."""
        return (
            None if self.cost_usd is None or not self.predictions else self.cost_usd / self.predictions * 1000
        )

    def write(self, bucket: Bucket) -> None:
        """Makes the run's predictions count."""
        key = layout.batch_manifest_key(self.model, self.run)
        bucket.put(key, json_bytes(asdict(self)), content_type="application/json")


def read(bucket: Bucket, model: str, run: str) -> Manifest | None:
    """What a run came to; None if it is not through."""
    body = bucket.get(layout.batch_manifest_key(model, run))
    if body is None:
        return None
    value = json.loads(body)
    value["chunks"] = tuple(Chunk(**item) for item in value["chunks"])
    return Manifest(**value)
