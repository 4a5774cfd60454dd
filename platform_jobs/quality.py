"""`quality`: raw rows through the view's rules; good ones to curated, bad ones to quarantine, none lost.

Each raw object is judged on its own and committed whole or not at all. Keys and bytes follow from the
content, and the commit comes last: a run that died is simply run again.
"""

import json
import re
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Final

from platform_jobs import layout, settings
from platform_jobs.aws import Bucket, Clients, StoredObject, in_parallel
from platform_jobs.commits import Commit, Source, committed_ids, json_bytes
from platform_jobs.errors import JobError
from platform_jobs.hashing import sha256
from platform_jobs.judgement import Judgement, Report
from platform_jobs.log import event
from platform_jobs.settings import Env, S3Location
from platform_jobs.views import DEFAULT_BAD_FRACTION, View, load_view

_CONTENT_NAMED: Final = re.compile(r"([0-9a-f]{64})-")


@dataclass(frozen=True, kw_only=True)
class QualitySettings:
    """What `quality` reads from its environment."""

    raw_bucket: Annotated[str, Env("STAGECRAFT_RAW_BUCKET")]
    curated_bucket: Annotated[str, Env("STAGECRAFT_CURATED_BUCKET")]
    views_prefix: Annotated[S3Location, Env("STAGECRAFT_VIEWS_PREFIX", S3Location.parse)]
    view: Annotated[str, Env("STAGECRAFT_VIEW")]
    max_bad_fraction: Annotated[float | None, Env("STAGECRAFT_MAX_BAD_FRACTION", settings.fraction)] = None
    """Overrules the view's `maxBadFraction`; without either 5 % of an object's rows may be bad."""


def run(clients: Clients, config: QualitySettings) -> list[Report]:
    """Judges every raw object of the view that is not committed yet.

    Returns:
        One report for each object judged now, all accepted; none if there was nothing new.

    Raises:
        JobError: reason `empty` if nothing was ever ingested; `gate` if an object was refused (the others
            are committed all the same).
    """
    view = load_view(clients, config.views_prefix, config.view)
    raw, curated = clients.bucket(config.raw_bucket), clients.bucket(config.curated_bucket)
    found = _found(raw, view.name)
    if not found:
        place = raw.uri(layout.raw_prefix(view.name))
        raise JobError("empty", f"nothing was ingested for view {view.name}: {place} is empty")
    done = committed_ids(curated, view.name)
    limits = (config.max_bad_fraction, view.max_bad_fraction, DEFAULT_BAD_FRACTION)
    gate = _Gate(clients, raw, curated, view, next(limit for limit in limits if limit is not None))
    new = [(identity, item) for identity, item in found.items() if identity not in done]
    reports = [gate.pass_through(identity, item) for identity, item in new]
    refused = [report for report in reports if not report.accepted]
    event("quality", "finished", view=view.name, objects=len(found), new=len(new), refused=len(refused))
    if refused:
        causes = "; ".join(f"{report.source}: {', '.join(report.refusals)}" for report in refused)
        raise JobError(
            "gate",
            f"{len(refused)} of {len(new)} new objects of view {view.name} are refused: {causes}. Remedy: "
            "mend the source, ingest it again and remove the refused object; or change the view's rules",
        )
    return reports


def _found(raw: Bucket, view: str) -> dict[str, StoredObject]:
    """The view's raw objects in key order, each content once."""
    found: dict[str, StoredObject] = {}
    for item in raw.list(layout.raw_prefix(view)):
        if not item.key.endswith("/"):  # consoles make such empty objects to show a folder
            found.setdefault(_identity(raw, item), item)
    return found


def _content_hash(key: str) -> str | None:
    named = _CONTENT_NAMED.match(key.rpartition("/")[2])
    return named[1] if named else None


def _identity(raw: Bucket, item: StoredObject) -> str:
    """The content's hash if `ingest` wrote the object, else a hash of its place and version."""
    return _content_hash(item.key) or sha256(f"{raw.uri(item.key)}#{item.etag}".encode())


@dataclass(frozen=True)
class _Gate:
    """Takes raw objects to curated and quarantine."""

    clients: Clients
    raw: Bucket
    curated: Bucket
    view: View
    max_bad_fraction: float

    def pass_through(self, identity: str, item: StoredObject) -> Report:
        """Judges one object and writes what follows from it, the commit last."""
        metadata = self.raw.metadata(item.key) or {}
        ingested_at = metadata.get("ingested-at") or item.modified.isoformat(timespec="microseconds")
        source = Source(self.raw.uri(item.key), identity, ingested_at)
        with tempfile.TemporaryDirectory(prefix="quality-") as folder:
            path = Path(folder, "raw-" + item.key.rpartition("/")[2][-120:])
            with path.open("wb") as file:
                self.raw.download(item.key, file)
            judgement = Judgement(self.view, source, self.max_bad_fraction, Path(folder))
            report = judgement.judge(path, _content_hash(item.key))
            self._write(source, judgement, report)
        event(
            "quality",
            "accepted" if report.accepted else "refused",
            view=self.view.name,
            object=source.uri,
            rows=report.rows_in,
            good=report.rows_good,
            quarantined=report.rows_quarantined,
            checks=report.failed_checks,
            refusals=list(report.refusals),
        )
        return report

    def _write(self, source: Source, judgement: Judgement, report: Report) -> None:
        view, curated = self.view.name, self.curated
        quarantine = None
        if judgement.quarantined:
            key = layout.quarantine_key(view, source.id)
            lines = "".join(json.dumps(item, default=str) + "\n" for item in judgement.quarantined)
            curated.put(key, lines.encode(), content_type="application/jsonl")
            quarantine = curated.uri(key)
        body = json_bytes({**asdict(report), "accepted": report.accepted})
        curated.put(layout.report_key(view, source.id), body, content_type="application/json")
        if not report.accepted:
            return
        upload = self.clients.s3.upload_file
        in_parallel(lambda good: upload(str(good[1]), curated.name, good[0].key), judgement.files)
        commit = Commit(
            view=view,
            view_version=report.view_version,
            source=source,
            rows_in=report.rows_in,
            rows_good=report.rows_good,
            rows_quarantined=report.rows_quarantined,
            files=tuple(file for file, _ in judgement.files),
            quarantine=quarantine,
        )
        curated.put(layout.commit_key(view, source.id), commit.to_json(), content_type="application/json")


def main(_argv: Sequence[str]) -> int:
    """`quality`: everything comes from the environment."""
    run(Clients(), settings.load(QualitySettings))
    return 0
