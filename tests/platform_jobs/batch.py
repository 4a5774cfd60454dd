"""What tests of batch runs share: a run, and what it leaves behind."""

import datetime
import io
import json
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from platform_jobs.aws import Bucket
from platform_jobs.batch.command import run
from platform_jobs.batch.manifest import Manifest
from platform_jobs.batch.terms import BatchSettings
from tests.platform_jobs.conftest import BUCKETS
from tests.platform_jobs.served import END, Served


def artifacts(served: Served) -> Bucket:
    return served.world.clients.bucket(BUCKETS["artifacts"])


def score(
    served: Served,
    interruption: Any = None,
    *,
    name: str = "run-1",
    now: datetime.datetime = END,
    **overrides: str,
) -> Manifest:
    told = {
        "STAGECRAFT_CHECKPOINT_URI": f"s3://{BUCKETS['artifacts']}/checkpoints/predict-screening/",
        "AWS_BATCH_JOB_ID": name,
        **overrides,
    }
    return run(served.world.clients, served.settings(BatchSettings, **told), interruption, now=now)


def written(served: Served, found: Manifest) -> pd.DataFrame:
    """The run's predictions, as whoever uses them reads them."""
    bodies = [artifacts(served).get(chunk.key) or b"" for chunk in found.chunks]
    tables = [pq.read_table(io.BytesIO(body), partitioning=None) for body in bodies]
    return pd.concat([table.to_pandas() for table in tables], ignore_index=True)


def log_lines(served: Served) -> list[dict[str, Any]]:
    objects = served.world.objects("artifacts")
    return [
        json.loads(line)
        for key in sorted(objects)
        if key.startswith("predictions/")
        for line in objects[key].splitlines()
    ]


def outputs(served: Served) -> dict[str, bytes]:
    """Everything that a run leaves behind, but for what says how long it took."""
    objects = served.world.objects("artifacts")
    return {key: body for key, body in objects.items() if key.startswith(("batch/", "predictions/"))} | {
        key: b"" for key in objects if "/_runs/" in key
    }


def given(served: Served, text: str, name: str = "rows.csv") -> str:
    artifacts(served).put(f"in/{name}", text.encode(), content_type="text/plain")
    return f"s3://{BUCKETS['artifacts']}/in/"
