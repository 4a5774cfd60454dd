"""`ingest`: a local CSV, Parquet or JSON-lines file into the raw bucket, once, whatever its name."""

import argparse
import datetime
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from platform_jobs import layout, rows, settings
from platform_jobs.aws import Clients
from platform_jobs.errors import JobError
from platform_jobs.hashing import file_sha256
from platform_jobs.log import event
from platform_jobs.settings import Env

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Ingested:
    """Where a file is in the raw bucket; `added` is False if its content was there already."""

    uri: str
    key: str
    sha256: str
    rows: int
    added: bool


@dataclass(frozen=True, kw_only=True)
class IngestSettings:
    """What `ingest` reads from its environment."""

    raw_bucket: Annotated[str, Env("STAGECRAFT_RAW_BUCKET")]


def ingest(
    clients: Clients,
    raw_bucket: str,
    view: str,
    path: Path,
    *,
    source: str | None = None,
    now: datetime.datetime | None = None,
) -> Ingested:
    """Puts a file into the raw bucket under its content hash.

    Args:
        clients: the AWS clients to use.
        raw_bucket: name of the raw bucket.
        view: feature view that the rows are for.
        path: the file; its suffix says the format.
        source: where the file comes from, kept as metadata. Default: the file's name.
        now: time of ingestion. Default: the clock.

    Raises:
        JobError: reason `no-file`, `unknown-format`, `empty` or `unreadable`.
    """
    file_format = rows.format_of(path.name)
    try:
        digest = file_sha256(path)
    except FileNotFoundError:
        raise JobError("no-file", f"{path} is not there") from None
    except IsADirectoryError:
        raise JobError("no-file", f"{path} is a folder: name one file") from None
    except OSError as error:
        raise JobError("unreadable", f"{path} cannot be read: {error.strerror}") from None
    count = rows.count(path, file_format)
    if count == 0:
        raise JobError("empty", f"{path} holds no rows")

    bucket = clients.bucket(raw_bucket)
    for known in bucket.list(layout.raw_prefix(view)):
        if known.key.rpartition("/")[2].startswith(f"{digest}-"):
            event("ingest", "already-there", view=view, object=bucket.uri(known.key), rows=count)
            return Ingested(bucket.uri(known.key), known.key, digest, count, added=False)
    moment = now or datetime.datetime.now(datetime.UTC)
    name = _UNSAFE.sub("-", path.name)[-100:]
    key = layout.raw_key(view, moment.date(), digest, name)
    clients.s3.upload_file(
        str(path),
        raw_bucket,
        key,
        ExtraArgs={
            "Metadata": {
                "source": _UNSAFE.sub("-", source or path.name)[:200],
                "rows": str(count),
                "sha256": digest,
                "ingested-at": moment.isoformat(timespec="microseconds"),
            }
        },
    )
    event("ingest", "added", view=view, object=bucket.uri(key), rows=count)
    return Ingested(bucket.uri(key), key, digest, count, added=True)


def main(argv: Sequence[str]) -> int:
    """`ingest --view VIEW FILE...`."""
    parser = argparse.ArgumentParser(prog="platform_jobs ingest", description=__doc__)
    parser.add_argument("--view", required=True, help="feature view that the rows are for")
    parser.add_argument("--source", help="where the files come from; kept as metadata")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a .csv, .parquet or .jsonl file")
    arguments = parser.parse_args(argv)
    config = settings.load(IngestSettings)
    clients = Clients()
    for path in arguments.files:
        result = ingest(clients, config.raw_bucket, arguments.view, path, source=arguments.source)
        json.dump(result.__dict__, sys.stdout)
        sys.stdout.write("\n")
    return 0
