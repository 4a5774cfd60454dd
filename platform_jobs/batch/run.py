"""A batch run, or what is left of it: from the plan to the manifest."""

import datetime
import itertools
import json
import math
import tempfile
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from platform_jobs import (
    artifact,
    fetch_model,
    layout,
    metrics,
    monitoring,
    prediction_log,
    release,
    telemetry,
    times,
)
from platform_jobs.artifact import LoadedModel
from platform_jobs.aws import Bucket, Clients
from platform_jobs.batch import manifest, scoring
from platform_jobs.batch.aside import Aside
from platform_jobs.batch.given import Given, LocalFiles
from platform_jobs.batch.manifest import Manifest
from platform_jobs.batch.population import Population
from platform_jobs.batch.progress import Chunk, Plan, Progress
from platform_jobs.batch.scope import History, Scope
from platform_jobs.batch.scoring import Scorer
from platform_jobs.batch.spill import Spill
from platform_jobs.batch.terms import BatchSettings
from platform_jobs.checkpoint import Interruption
from platform_jobs.errors import JobError, SettingsError
from platform_jobs.fetch_model import FetchSettings
from platform_jobs.hashing import sha256
from platform_jobs.log import WARNING, event
from platform_jobs.metrics import Metric
from platform_jobs.monitoring import LiveModel
from platform_jobs.offline import OfflineStore
from platform_jobs.telemetry import Datum
from platform_jobs.views import load_views

_JOB: Final = "predict-batch"
_MOST_TRIES: Final = 3
"""Features change while they are read now and then, not all the time."""


def run(
    clients: Clients,
    config: BatchSettings,
    interruption: Interruption | None = None,
    *,
    now: datetime.datetime | None = None,
) -> Manifest:
    """Scores one run, or what is left of it. A run that is through is not done again.

    Raises:
        SettingsError: both entities and rows are given.
        JobError: reason `nothing-live`; `empty` if there is nothing to score; `changed` if features change
            all the time; `gate` if too many rows are bad, and then none is scored; and what the version or
            the views are refused for.
        Interrupted: the machine is taken back; what is done is ticked off.
    """
    if config.entities and config.rows:
        raise SettingsError(["STAGECRAFT_ENTITIES_URI and STAGECRAFT_ROWS_URI are both set: set one of them"])
    identity = config.run or config.job or str(uuid.uuid4())
    try:
        return _Run(clients, config, identity, interruption or Interruption()).carry_out(
            now or datetime.datetime.now(datetime.UTC)
        )
    except JobError:
        _tell(clients, config, [(metrics.BATCH_FAILURES, 1)], datetime.datetime.now(datetime.UTC))
        raise


@dataclass(frozen=True)
class _Run:
    """One attempt at a run."""

    clients: Clients
    config: BatchSettings
    identity: str
    interruption: Interruption

    @property
    def artifacts(self) -> Bucket:
        """Where predictions go."""
        return self.clients.bucket(self.config.artifacts_bucket)

    @property
    def progress(self) -> Progress:
        """The run's checkpoint."""
        place = self.config.checkpoints
        return Progress(self.clients.bucket(place.bucket), f"{place.prefix}{self.identity}/")

    def carry_out(self, now: datetime.datetime) -> Manifest:
        """Everything from the plan to the manifest."""
        ended = manifest.read(self.artifacts, self.config.model, self.identity)
        if ended is not None:
            event(_JOB, "already-done", model=ended.model, of_run=ended.run)
            self.progress.clear()
            return ended
        begun = time.monotonic()
        earlier = self.progress.plan()
        version = self._version(earlier)
        with tempfile.TemporaryDirectory(prefix="predict-batch-") as folder:
            place = Path(folder)
            model = self._model(version, place)
            as_of = earlier.moment if earlier else (self.config.as_of or now)
            stores = self._stores()
            scope = Scope.of([store.view for store in stores], model, version.label, as_of)
            scoring.check_keys([key.name for key in scope.keys])
            plan, population = self._prepared(place, scope, stores, version, now)
            prepared = time.monotonic() - begun
            chunks = self._score(plan, version, Scorer(scope, model), population)
        found = self._manifest(plan, version, population, chunks, prepared)
        found.write(self.artifacts)
        self._publish(found)
        self.progress.clear()
        return found

    def _version(self, earlier: Plan | None) -> LiveModel:
        """The live version, or the one that was when the run began."""
        config = self.config
        if earlier is not None:
            return monitoring.known_version(self.clients, config.model, earlier.version)
        arn = release.read(self.clients, release.PointerNames.of(config.pointer_prefix, config.model)).live
        if arn == release.NONE:
            raise JobError("nothing-live", f"model {config.model} has no live version: release one first")
        return monitoring.known_version(self.clients, config.model, arn)

    def _model(self, version: LiveModel, folder: Path) -> LoadedModel:
        place = folder / "model"
        digest = fetch_model.fetch(
            self.clients,
            FetchSettings(version=version.arn, model_dir=place, digest_file=folder / "digest"),
        )
        return artifact.load(place, digest, optimised=self.config.optimised)

    def _stores(self) -> list[OfflineStore]:
        config, bucket = self.config, self.clients.bucket(self.config.features_bucket)
        views = load_views(self.clients, config.views_prefix, config.model_views)
        return [OfflineStore(bucket, view) for view in views]

    def _prepared(
        self,
        folder: Path,
        scope: Scope,
        stores: Sequence[OfflineStore],
        version: LiveModel,
        now: datetime.datetime,
    ) -> tuple[Plan, Population]:
        """The plan, and everyone to be scored; from the start if the features change under it."""
        files = self._files(folder)
        whole = files is not None and files.given.whole
        for number in itertools.count(1):
            histories = [] if whole else [scope.history(store) for store in stores]
            plan = self._plan(version, scope, histories, files, now)
            try:
                return plan, self._population(folder / f"try-{number}", plan, scope, histories, files)
            except JobError as error:
                if error.reason != "changed" or number == _MOST_TRIES:
                    raise
                event(_JOB, "features-changed", WARNING, cause=str(error))
        raise AssertionError("counting ends")

    def _files(self, folder: Path) -> LocalFiles | None:
        place = self.config.rows or self.config.entities
        if place is None:
            return None
        given = Given(self.clients.bucket(place.bucket), place.prefix, whole=self.config.rows is not None)
        return LocalFiles.fetch(given, folder / "given")

    def _plan(
        self,
        version: LiveModel,
        scope: Scope,
        histories: Sequence[History],
        files: LocalFiles | None,
        now: datetime.datetime,
    ) -> Plan:
        inputs = _inputs(scope, histories, files)
        earlier = self.progress.plan()
        if earlier is None:
            plan = Plan(
                run=self.identity,
                model=self.config.model,
                version=version.arn,
                as_of=times.iso(scope.as_of),
                started_at=times.iso(now),
                chunks=self._chunks(scope, histories, files),
                inputs=inputs,
            )
        elif earlier.inputs == inputs:
            return earlier
        else:
            # The same chunks of other data: what was written is written over, under the same names.
            event(_JOB, "inputs-changed", WARNING, model=earlier.model, of_run=earlier.run)
            plan = replace(earlier, inputs=inputs)
        self.progress.begin(plan)
        return plan

    def _chunks(self, scope: Scope, histories: Sequence[History], files: LocalFiles | None) -> int:
        """So many that a chunk's rows, and what is known of them, fit into memory."""
        if not scope.shared:
            return 1  # no key divides all the views, so nothing can be kept apart
        counts = [history.rows for history in histories] + ([] if files is None else [files.rows()])
        return max(1, math.ceil(max(counts) / self.config.chunk_rows))

    def _population(
        self,
        folder: Path,
        plan: Plan,
        scope: Scope,
        histories: Sequence[History],
        files: LocalFiles | None,
    ) -> Population:
        """Everyone to be scored, if not too many are bad."""
        spill = Spill(folder / "spill", plan.chunks, scope.shared)
        population = Population(scope, spill, Aside(folder / "aside"), files)
        population.gather(histories)
        population.judge()
        aside = population.aside
        event(
            _JOB,
            "judged",
            model=plan.model,
            rows=population.rows,
            put_aside=aside.rows,
            reasons=dict(sorted(aside.reasons.items())),
            chunks=plan.chunks,
        )
        place = layout.batch_aside_prefix(plan.model, plan.run)
        aside.upload(self.artifacts, place)
        if not population.rows:
            raise JobError(
                "empty", f"model {plan.model} has nobody to score: nothing is known as of {plan.as_of}"
            )
        share = aside.rows / population.rows
        if share > self.config.max_bad_fraction:
            causes = ", ".join(f"{name} {count}" for name, count in sorted(aside.reasons.items()))
            raise JobError(
                "gate",
                f"{aside.rows} of {population.rows} rows are bad ({share:.1%}, at most "
                f"{self.config.max_bad_fraction:.1%}), so none is scored: {causes}; they are in "
                f"{self.artifacts.uri(place)}. Remedy: mend the rows, or allow more",
            )
        return population

    def _score(self, plan: Plan, version: LiveModel, scorer: Scorer, population: Population) -> list[Chunk]:
        done = self.progress.done(plan)
        event(_JOB, "scoring", model=plan.model, version=version.digest, chunks=plan.chunks, done=len(done))
        for number in range(plan.chunks):
            if number not in done:
                self.interruption.check()
                done[number] = self._score_chunk(plan, version, scorer, population, number)
        return [done[number] for number in range(plan.chunks)]

    def _score_chunk(
        self, plan: Plan, version: LiveModel, scorer: Scorer, population: Population, number: int
    ) -> Chunk:
        """Writes and logs a chunk's predictions, then ticks it off: done again, it comes to the same."""
        begun = time.monotonic()
        name = f"batch-{plan.run}-{number:05d}"
        scored = scorer.score(population.part(number), name)
        key = layout.batch_part_key(plan.model, version.number, plan.run, number)
        self.artifacts.put(key, scored.body, content_type="application/vnd.apache.parquet")
        prediction_log.write_hour(self.artifacts, plan.model, plan.moment, scored.records, name)
        chunk = Chunk(
            number=number,
            inputs=plan.inputs,
            key=key,
            rows=len(scored.records),
            sha256=sha256(scored.body),
            seconds=round(time.monotonic() - begun, 3),
        )
        self.progress.record(chunk)
        event(_JOB, "chunk", model=plan.model, number=number, rows=chunk.rows)
        return chunk

    def _manifest(
        self, plan: Plan, version: LiveModel, population: Population, chunks: Sequence[Chunk], prepared: float
    ) -> Manifest:
        predictions = sum(chunk.rows for chunk in chunks)
        if predictions + population.aside.rows != population.rows:
            raise AssertionError("rows were lost between what was there and what was scored")
        seconds = round(prepared + sum(chunk.seconds for chunk in chunks), 3)
        hourly = self.config.hourly_cost
        return Manifest(
            run=plan.run,
            model=plan.model,
            version=plan.version,
            version_number=version.number,
            model_version=version.digest,
            as_of=plan.as_of,
            inputs=plan.inputs,
            started_at=plan.started_at,
            finished_at=times.iso(datetime.datetime.now(datetime.UTC)),
            rows=population.rows,
            predictions=predictions,
            put_aside=population.aside.rows,
            reasons=dict(sorted(population.aside.reasons.items())),
            seconds=seconds,
            cost_usd=None if hourly is None else round(hourly * seconds / 3600, 6),
            chunks=tuple(chunks),
        )

    def _publish(self, found: Manifest) -> None:
        values: list[tuple[Metric, float]] = [
            (metrics.BATCH_PREDICTIONS, found.predictions),
            (metrics.BATCH_PUT_ASIDE, found.put_aside),
            (metrics.BATCH_SECONDS, found.seconds),
            (metrics.BATCH_FAILURES, 0),
        ]
        if found.cost_per_thousand is not None:
            values.append((metrics.BATCH_COST_PER_THOUSAND, found.cost_per_thousand))
        _tell(self.clients, self.config, values, times.parse(found.finished_at))
        event(
            _JOB,
            "finished",
            model=found.model,
            of_run=found.run,
            predictions=found.predictions,
            put_aside=found.put_aside,
            seconds=found.seconds,
        )


def _inputs(scope: Scope, histories: Sequence[History], files: LocalFiles | None) -> str:
    """A hash of everything that predictions are made from, beside the version and the time."""
    views = [[view.name, view.version] for view in scope.views]
    objects = [[item.key, item.etag] for item in files.objects] if files else []
    content = [views, [history.content() for history in histories], objects]
    return sha256(json.dumps(content).encode())[:32]


def _tell(
    clients: Clients,
    config: BatchSettings,
    values: Sequence[tuple[Metric, float]],
    at: datetime.datetime,
) -> None:
    telemetry.put(clients, [Datum.of(metric, value, config.dimensions, at) for metric, value in values])
