"""Reads what an environment's cloud says of its models, views and alarms."""

import datetime
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from cli.overview import findings, judgements
from cli.overview.facts import AlarmFacts, Explanation, Hour, ModelFacts, ViewFacts
from cli.overview.metrics import MetricReader
from cli.overview.promises import NotCountedError, promises_of
from cli.overview.results import Stored
from components.endpoint import VARIANT
from components.model_registry import NO_VERSION
from components.watch import metrics
from components.watch.endpoint import Served
from platform_jobs import layout, registry
from platform_jobs.aws import Clients, in_parallel
from platform_jobs.errors import JobError
from platform_jobs.evaluate import DECLARED_NAMES
from stacks.parts.serving import in_cluster
from stacks.settings import Model

WINDOWS: Final = 60
"""How many windows of a job are drawn: two months of daily ones."""
TRAFFIC_HOURS: Final = 48
_HOUR_SECONDS: Final = 3600
_DAY_MINUTES: Final = 24 * 60


class CloudReader:
    """Asks the environment's cloud. What it refuses to tell is noted, and the rest is told."""

    def __init__(self, clients: Clients, outputs: Mapping[str, Any], now: datetime.datetime) -> None:
        self.unknown: list[str] = []
        self._clients = clients
        self._outputs = outputs
        self._metrics = MetricReader(clients.cloudwatch, now)

    def model(self, stack: str, declared: Model, *, fallback: bool = False) -> ModelFacts:
        """A model, where it answers, and what its jobs found.

        Args:
            stack: The stack's name.
            declared: The model.
            fallback: Whether callers come through the stack's gateway, where its promises are then judged.
        """
        known = (self._outputs.get("models") or {}).get(declared.name) or {}
        clustered = in_cluster(declared)
        gateway = fallback or clustered
        live_arn = ""
        with self._noting(f"the live version of {declared.name}"):
            live_arn = self._pointed(known.get("livePointer"))
        version = live_arn.rpartition("/")[2]
        endpoint = self._gateway_url() if clustered else str(known.get("endpoint") or NO_VERSION)
        live = endpoint != NO_VERSION and bool(version)
        served = Served(
            stack=stack,
            model=declared.name,
            endpoint=endpoint,
            variant=VARIANT,
            serverless=declared.serving.mode == "serverless",
            gateway=gateway,
            availability=declared.slo.availability if declared.slo else None,
            latency_p95_ms=declared.slo.latency_p95_ms if declared.slo else None,
        )
        status = ""
        # Without requests, until some are read.
        promises = promises_of(served, lambda _series, _minutes: None)
        traffic: tuple[Hour, ...] = ()
        p95: float | None = None
        with self._noting(f"the endpoint of {declared.name}"):
            if live and not clustered:
                status = str(
                    self._clients.sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointStatus"]
                )
        with self._noting(f"the metrics of {declared.name}"):
            if live:
                promises = promises_of(served, self._metrics.over)
                traffic = self._traffic(served)
                p95 = self._latency_p95_ms(served)
        monitor = declared.monitor
        drift = findings.drift_history(
            self._results(declared.name, "drift"),
            threshold=monitor.drift.threshold if monitor.drift else None,
        )
        quality, unreadable = findings.measures(
            self._results(declared.name, "accuracy"),
            names=DECLARED_NAMES,
            declared=monitor.accuracy.metric if monitor.accuracy else None,
            limit=monitor.accuracy.floor if monitor.accuracy else None,
        )
        bias, no_bias = judgements.bias_history(
            self._results(declared.name, "bias") if monitor.bias else [],
            attribute=monitor.bias.attribute if monitor.bias else "",
            limit=monitor.bias.max_disparity if monitor.bias else None,
        )
        worth, no_worth = judgements.worth(
            self._results(declared.name, "kpis"),
            floors={kpi.metric: kpi.floor for kpi in monitor.business},
            most_usd=float(monitor.unit_cost.max_usd_per_thousand) if monitor.unit_cost else None,
        )
        self._unreadable((*(drift.unreadable if drift else ()), *unreadable, *no_bias, *no_worth))
        return ModelFacts(
            name=declared.name,
            description=declared.description or "",
            endpoint=endpoint if live else "",
            status=status,
            version=version,
            promises=promises,
            traffic=traffic,
            latency_p95_ms=p95,
            drift=drift,
            quality=quality,
            watched=f"watch-{declared.name}" in (self._outputs.get("jobs") or {}),
            bias_attribute=monitor.bias.attribute if monitor.bias else "",
            bias=bias,
            explanation=self._explanation(declared.name, live_arn, known.get("previousPointer")),
            worth=worth,
        )

    def view(self, name: str) -> ViewFacts:
        """A feature view, as its job found it."""
        found, unreadable = findings.view_facts(name, self._results(name, "silent-failures"))
        self._unreadable(unreadable)
        return found

    def alarms(self) -> tuple[AlarmFacts, ...]:
        """The stack's alarms, by name."""
        names = {str(known): name for name, known in (self._outputs.get("alarms") or {}).items()}
        found: list[AlarmFacts] = []
        with self._noting("the alarms"):
            pages = self._clients.cloudwatch.get_paginator("describe_alarms").paginate(
                AlarmTypes=["MetricAlarm", "CompositeAlarm"]
            )
            for page in pages:
                for key in ("MetricAlarms", "CompositeAlarms"):
                    alarms: Sequence[Mapping[str, Any]] = page.get(key) or []  # type: ignore[assignment]
                    found += [
                        AlarmFacts(
                            name=names.get(alarm["AlarmName"], alarm["AlarmName"]),
                            state=alarm["StateValue"],
                            says=alarm.get("AlarmDescription") or "",
                            since=alarm.get("StateUpdatedTimestamp"),
                            composite=key == "CompositeAlarms",
                        )
                        for alarm in alarms
                    ]
        return tuple(sorted(found, key=lambda alarm: alarm.name))

    def _gateway_url(self) -> str:
        """Where models of the stack's own cluster answer."""
        cluster = self._outputs.get("servingCluster")
        return str(cluster["gatewayUrl"]) if isinstance(cluster, Mapping) else NO_VERSION

    def _pointed(self, pointer: str | None) -> str:
        """ARN of the version that a pointer names; empty if it names none."""
        if pointer is None:
            return ""
        value = self._clients.ssm.get_parameter(Name=pointer)["Parameter"]["Value"]
        return "" if value == NO_VERSION else value

    def _explanation(self, model: str, live: str, previous: str | None) -> Explanation | None:
        """What the live version's answers hang on, beside the version before it."""
        found = None
        with self._noting(f"the explanation of {model}"):
            if live:
                before = self._explained(model, self._pointed(previous))
                try:
                    found = judgements.explanation(self._explained(model, live), before)
                except ValueError as error:
                    self.unknown.append(f"the explanation of {model} cannot be read: {error}")
        return found

    def _explained(self, model: str, arn: str) -> bytes | None:
        """A version's explanation as its job left it; None where there is none."""
        bucket = (self._outputs.get("buckets") or {}).get("artifacts")
        if not arn or bucket is None:
            return None
        digest = registry.describe(self._clients, arn).properties.get("model_digest")
        return (
            self._clients.bucket(str(bucket)).get(layout.explanation_key(model, digest)) if digest else None
        )

    def _latency_p95_ms(self, served: Served) -> float | None:
        if served.gateway:
            return self._metrics.over(served.line(metrics.LATENCY), _DAY_MINUTES)
        microseconds = self._metrics.over(served.line(metrics.MODEL_LATENCY), _DAY_MINUTES)
        return None if microseconds is None else microseconds / 1000

    def _traffic(self, served: Served) -> tuple[Hour, ...]:
        def hourly(metric: metrics.Metric) -> dict[datetime.datetime, float]:
            points = self._metrics.points(
                served.line(metric), minutes=TRAFFIC_HOURS * 60, period_seconds=_HOUR_SECONDS
            )
            sums: dict[datetime.datetime, float] = defaultdict(float)
            for at, value in points:
                sums[at.replace(minute=0, second=0, microsecond=0)] += value
            return sums

        counted = (
            (metrics.REQUESTS, metrics.ERRORS)
            if served.gateway
            else (metrics.INVOCATIONS, metrics.SERVER_ERRORS)
        )
        calls, errors = (hourly(metric) for metric in counted)
        if not calls:
            return ()
        step, at, last = datetime.timedelta(hours=1), min(calls), max(calls)
        hours = []
        while at <= last:
            hours.append(Hour(at, calls.get(at, 0.0), errors.get(at, 0.0)))
            at += step
        return tuple(hours)

    def _results(self, about: str, job: str) -> list[Stored]:
        """A job's newest results, oldest first: their keys sort by time."""
        buckets = self._outputs.get("buckets") or {}
        if "artifacts" not in buckets:
            return []
        bucket = self._clients.bucket(str(buckets["artifacts"]))
        found: list[Stored] = []
        with self._noting(f"what {job} found of {about}"):
            listed = [item.key for item in bucket.list(f"monitoring/{about}/{job}/")]
            keys = [key for key in listed if key.endswith(".json")][-WINDOWS:]
            bodies = in_parallel(bucket.get, keys)
            found += [(key, body) for key, body in zip(keys, bodies, strict=True) if body is not None]
        return found

    def _unreadable(self, keys: Sequence[str]) -> None:
        self.unknown += [f"{key} in the artifacts bucket is no result of its job" for key in keys]

    @contextmanager
    def _noting(self, what: str) -> Iterator[None]:
        try:
            yield
        except (ClientError, BotoCoreError, JobError, NotCountedError) as error:
            self.unknown.append(f"{what} cannot be read: {error}")
