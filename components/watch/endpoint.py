"""What is watched of an endpoint: its promise, its load, and what is not usual."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pulumi

from components.watch import metrics, slo
from components.watch.alarms import MINUTE, OUTSIDE, OVER_BAND, PAGE, TICKET, Alarm, Composite
from components.watch.metrics import Metric, Series

CONCURRENCY_LIMIT: Final = 0.8
"""Share of the concurrency that a serverless endpoint has, above which requests will soon be throttled."""
CPU_LIMIT: Final = 85
"""Per cent of all cores."""
MEMORY_LIMIT: Final = 90
GPU_LIMIT: Final = 90
ERRORS_PER_5_MINUTES: Final = 5
LATENCY_MS: Final = 1_000
"""What is watched where no objective says otherwise."""
DEGRADED_LIMIT: Final = 0.05
"""Share of answers from below the live model that is worth a look."""
TRAFFIC_BAND: Final = 4.0
WAITING_BAND: Final = 4.0
ERROR_BAND: Final = 3.0
SUPPRESSION_WAIT_SECONDS: Final = 2 * MINUTE
"""How long a model's page waits for the stack's own to come on."""


@dataclass(frozen=True)
class Served:
    """A model's endpoint, and the gateway before it, as far as they are watched."""

    stack: str
    model: str
    endpoint: pulumi.Input[str] | None
    """Its SageMaker endpoint; None of a model that answers from pods, of which only the gateway tells."""
    variant: str
    serverless: bool
    gateway: bool = False
    """Whether callers come through the gateway: what is promised is then judged where they stand."""
    vcpus: int = 0
    """Of one instance; SageMaker adds its cores up to 100 % each."""
    gpus: int = 0
    availability: float | None = None
    """Per cent of requests that are answered."""
    latency_p95_ms: int | None = None
    """What 95 % of requests are faster than."""

    def line(self, metric: Metric, stat: str = "") -> Series:
        """One of its metrics; SageMaker's only where it has an endpoint there."""
        if metric.namespace != metrics.PLATFORM:
            if self.endpoint is None:
                raise ValueError(f"{self.model} has no endpoint that emits {metric.name}")
            return Series(metric, {"EndpointName": self.endpoint, "VariantName": self.variant}, stat)
        return Series(metric, {"Stack": self.stack, "Model": self.model}, stat)

    def answers(self, step: str) -> Series:
        """The gateway's answers by one step of the ladder."""
        return Series(metrics.ANSWERS, {"Stack": self.stack, "Model": self.model, "Step": step})

    def objectives(self) -> list[tuple[slo.Objective, Alarm]]:
        """What is promised, each with the alarm that all its windows are made from."""
        found = []
        if self.availability is not None:
            found.append((slo.Objective("availability", self.availability), self._unanswered()))
        if self.latency_p95_ms is not None:
            found.append((slo.Objective("latency", 95), self._slow()))
        return found

    def _unanswered(self) -> Alarm:
        errors = metrics.ERRORS if self.gateway else metrics.SERVER_ERRORS
        calls = metrics.REQUESTS if self.gateway else metrics.INVOCATIONS
        series = (("errors", self.line(errors)), ("calls", self.line(calls)))
        return Alarm("", "slo-availability", f"{self.model} fails to answer", series, "FILL(errors, 0)")

    def _slow(self) -> Alarm:
        says = f"{self.model} answers slower than {self.latency_p95_ms} ms"
        if self.gateway:
            counted = (
                ("slow", self.line(metrics.SLOW_REQUESTS)),
                ("calls", self.line(metrics.REQUESTS)),
            )
            return Alarm("", "slo-latency", says, counted, "FILL(slow, 0)")
        # PR: the percentage of points in a range, here above the limit; SageMaker counts microseconds.
        above = f"PR({self.latency_p95_ms * 1000}:)" if self.latency_p95_ms is not None else ""
        series = (
            ("share", self.line(metrics.MODEL_LATENCY, above)),
            ("calls", self.line(metrics.MODEL_LATENCY, "SampleCount")),
        )
        return Alarm("", "slo-latency", says, series, "share * calls / 100")


def alarms_of(served: Served) -> Iterator[Alarm]:
    """Every alarm of an endpoint."""
    promised = set()
    for objective, base in served.objectives():
        promised.add(objective.name)
        for window in slo.WINDOWS:
            yield from _burns(served, objective, base, window)
    yield from _unpromised(served, promised)
    yield from _saturation(served)
    yield from _degraded(served)
    yield from _unusual(served)


def composites_of(served: Served) -> Iterator[Composite]:
    """What people hear of an endpoint: one page for all that is urgent, one ticket for what is not."""
    names = [objective.name for objective, _ in served.objectives()]
    if not names:
        return
    yield Composite(
        f"{served.model}-outage",
        "model-outage",
        f"{served.model} breaks its promise (SLO) now: its error budget burns fast",
        tuple(_pair(served, name, window) for name in names for window in slo.WINDOWS if window.pages),
        level=PAGE,
        suppressed_by="outage",
    )
    yield Composite(
        f"{served.model}-slow-burn",
        "slow-burn",
        f"{served.model} will break its promise (SLO): its error budget burns slowly but surely",
        tuple(_pair(served, name, window) for name in names for window in slo.WINDOWS if not window.pages),
        level=TICKET,
        suppressed_by=f"{served.model}-outage",
    )


def outage(all_served: list[Served]) -> Composite | None:
    """One page for everything at once, in place of one a model; None with fewer than two promises."""
    fast = slo.WINDOWS[0]
    pairs = [
        _pair(served, served.objectives()[0][0].name, fast) for served in all_served if served.objectives()
    ]
    if len(pairs) < 2:
        return None
    return Composite(
        "outage",
        "stack-outage",
        "No model keeps its promise: look for what they share, before any one of them",
        (tuple(name for pair in pairs for name in pair),),
        level=PAGE,
    )


def _pair(served: Served, objective: str, window: slo.Window) -> tuple[str, str]:
    base = f"{served.model}-{objective}-{window.name}"
    return f"{base}-long", f"{base}-short"


def _burns(served: Served, objective: slo.Objective, base: Alarm, window: slo.Window) -> Iterator[Alarm]:
    factor = objective.factor(window)
    long, short = _pair(served, objective.name, window)
    bad = f"({base.expression})"
    for name, minutes, expression in (
        (long, window.long_minutes, slo.long_expression(objective, bad=bad, total="calls")),
        (short, window.short_minutes, slo.short_expression(objective, bad=bad, total="calls")),
    ):
        yield Alarm(
            name,
            base.kind,
            f"{base.says}: over {_spoken(minutes)} the error budget of its SLO "
            f"({objective.percent:g} %) burns more than {factor:g} times too fast",
            base.series,
            expression,
            threshold=factor,
            period_seconds=minutes * MINUTE,
        )


def _spoken(minutes: int) -> str:
    if minutes % (24 * 60) == 0:
        return f"{minutes // (24 * 60)} days"
    return f"{minutes // 60} h" if minutes % 60 == 0 else f"{minutes} min"


def _unpromised(served: Served, promised: set[str]) -> Iterator[Alarm]:
    """Plain limits for what no objective speaks of; with one, the symptom is judged once, by it."""
    if "availability" not in promised:
        yield Alarm(
            f"{served.model}-errors",
            "endpoint-errors",
            f"{served.model} failed to answer {ERRORS_PER_5_MINUTES} times in 5 minutes",
            (("errors", served.line(metrics.ERRORS if served.gateway else metrics.SERVER_ERRORS)),),
            threshold=ERRORS_PER_5_MINUTES - 1,
            level=TICKET,
        )
    if "latency" not in promised:
        yield Alarm(
            f"{served.model}-latency",
            "endpoint-latency",
            f"{served.model} answers slowly: the 95th percentile is above {LATENCY_MS} ms",
            (("latency", served.line(metrics.LATENCY if served.gateway else metrics.MODEL_LATENCY)),),
            threshold=LATENCY_MS if served.gateway else LATENCY_MS * 1000,
            periods=3,
            level=TICKET,
        )


def _saturation(served: Served) -> Iterator[Alarm]:
    def limit(name: str, kind: str, says: str, metric: Metric, threshold: float) -> Alarm:
        return Alarm(
            f"{served.model}-{name}",
            kind,
            f"{served.model} is nearly full: {says}",
            ((name, served.line(metric)),),
            threshold=threshold,
            periods=6,
            points=4,
            level=TICKET,
        )

    if served.endpoint is None:
        yield _waiting(served)
        return
    if served.serverless:
        says = f"more than {CONCURRENCY_LIMIT:.0%} of its concurrency is in use"
        yield limit("concurrency", "saturation", says, metrics.CONCURRENCY, CONCURRENCY_LIMIT)
    elif served.vcpus:
        says = f"its busiest instance uses more than {CPU_LIMIT} % of its cores"
        yield limit("cpu", "saturation", says, metrics.CPU, CPU_LIMIT * served.vcpus)
    says = f"more than {MEMORY_LIMIT} % of its memory is in use"
    yield limit("memory", "saturation", says, metrics.MEMORY, MEMORY_LIMIT)
    if served.gpus:
        says = f"its GPUs are more than {GPU_LIMIT} % busy"
        yield limit("gpu", "gpu-saturation", says, metrics.GPU, GPU_LIMIT * served.gpus)
        says = f"more than {GPU_LIMIT} % of its GPUs' memory is in use"
        yield limit("gpu-memory", "gpu-saturation", says, metrics.GPU_MEMORY, GPU_LIMIT * served.gpus)


def _waiting(served: Served) -> Alarm:
    """Pods have no limit of requests that anyone could name; they are full when many wait."""
    return Alarm(
        f"{served.model}-waiting",
        "saturation",
        f"{served.model} is nearly full: more requests wait for it in its gateway than is usual",
        (("waiting", served.line(metrics.WAITING)),),
        band=WAITING_BAND,
        comparison=OVER_BAND,
        periods=6,
        points=4,
        level=TICKET,
    )


def _degraded(served: Served) -> Iterator[Alarm]:
    """Users still get answers, but not the live model's: nothing else would tell."""
    if not served.gateway:
        return
    ids = [step.replace("-", "_") for step in metrics.STEPS]
    # A step that answered nothing in a period has no point in it, not a 0.
    live, *rest = [f"FILL({name}, 0)" for name in ids]
    degraded = " + ".join(rest)
    yield Alarm(
        f"{served.model}-degraded",
        "degraded-answers",
        f"{served.model}: more than {DEGRADED_LIMIT:.0%} of the answers come from below the live model",
        tuple((name, served.answers(step)) for name, step in zip(ids, metrics.STEPS, strict=True)),
        f"IF({degraded} >= {slo.MINIMUM_BAD}, ({degraded}) / ({live} + {degraded}), 0)",
        threshold=DEGRADED_LIMIT,
        periods=3,
        points=2,
        level=TICKET,
    )


def _unusual(served: Served) -> Iterator[Alarm]:
    """The long tail: what has no limit that anyone could name, only a past."""
    yield Alarm(
        f"{served.model}-traffic",
        "unusual-traffic",
        f"{served.model} is asked far more, or far less, than is usual at this hour",
        (("calls", served.line(metrics.INVOCATIONS if served.endpoint is not None else metrics.REQUESTS)),),
        band=TRAFFIC_BAND,
        comparison=OUTSIDE,
        period_seconds=15 * MINUTE,
        periods=4,
        points=3,
        missing="ignore",
        level=TICKET,
    )
    if served.endpoint is None:
        return
    yield Alarm(
        f"{served.model}-client-errors",
        "client-errors",
        f"{served.model} refuses more requests (4xx) than is usual",
        (("refused", served.line(metrics.CLIENT_ERRORS)),),
        band=ERROR_BAND,
        comparison=OVER_BAND,
        period_seconds=15 * MINUTE,
        periods=4,
        points=3,
        level=TICKET,
    )
