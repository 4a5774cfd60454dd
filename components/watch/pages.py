"""Which dashboards there are and what they show: one of the stack, one of each model."""

from collections.abc import Iterator, Sequence
from typing import Final

from components.watch import metrics, slo
from components.watch.dashboards import Dashboard, Line, Panel, Row
from components.watch.endpoint import CONCURRENCY_LIMIT, MEMORY_LIMIT, Served
from components.watch.metrics import Metric, Series
from components.watch.quality import Fed, Judged

_MICROSECONDS: Final = "µs"
_DOLLARS: Final = "currencyUSD"
_JOBS_PERIOD: Final = 3_600


def of_model(served: Served | None, judged: Judged, *, runbooks: str) -> Dashboard:
    """A model's page: does it keep its promise, is it well, is it right, does it pay?"""
    rows = (
        [Row("Promise", tuple(_promise(served)), f"[Runbooks]({runbooks})"), *_service(served)]
        if served
        else []
    )
    worth = tuple(_worth(judged))
    if worth:
        rows.append(Row("Is it right?", worth))
    if judged.batch:
        rows.append(Row("Batch runs", tuple(_batch(judged))))
    rows.append(Row("Does it pay?", tuple(_value(judged))))
    return Dashboard(judged.model, f"{judged.stack} / {judged.model}", tuple(rows))


def of_stack(
    stack: str, served: Sequence[Served], judged: Sequence[Judged], fed: Sequence[Fed], *, runbooks: str
) -> Dashboard:
    """The stack's page: every model side by side, and the data they all read."""
    rows = []
    if served:
        rows.append(
            Row(
                "Models",
                (
                    Panel("Requests", tuple(Line(each.model, _calls(each)) for each in served)),
                    Panel("Failures", tuple(Line(each.model, _failures(each)) for each in served)),
                    Panel(
                        "Latency (p95)",
                        tuple(line for each in served for line in _latency(each)),
                        unit=_MICROSECONDS,
                    ),
                ),
                f"[Runbooks]({runbooks})",
            )
        )
    rows.append(
        Row(
            "Quality",
            (
                _of_all("Drift (largest of a feature)", judged, metrics.FEATURE_DRIFT_MAX),
                _of_all("Calibration error", judged, metrics.CALIBRATION_ERROR),
                _of_all("Age of the live version", judged, metrics.MODEL_AGE, unit="s"),
            ),
        )
    )
    if fed:
        rows.append(
            Row(
                "Data",
                (
                    _of_views("Rows over what is usual", fed, metrics.ROW_COUNT_RATIO),
                    _of_views("Age of the newest event", fed, metrics.FEATURE_AGE, unit="s"),
                    _of_views("Rise of empty values", fed, metrics.NULL_RATE_RISE, unit="percentunit"),
                    _of_views("Schema changes", fed, metrics.SCHEMA_CHANGES),
                ),
            )
        )
    rows.append(
        Row(
            "Money",
            (
                _of_all("Cost of 1,000 predictions", judged, metrics.COST_PER_THOUSAND, unit=_DOLLARS),
                _of_all("Revenue of a prediction", judged, metrics.REVENUE_PER_PREDICTION, unit=_DOLLARS),
                _of_all("Return on cost", judged, metrics.RETURN_ON_COST),
            ),
        )
    )
    return Dashboard("stack", f"{stack}: all models", tuple(rows))


def _calls(served: Served) -> Series:
    return served.line(metrics.REQUESTS if served.gateway else metrics.INVOCATIONS)


def _latency(served: Served) -> Iterator[Line]:
    """In microseconds, as SageMaker counts; a gateway counts milliseconds."""
    if served.endpoint is not None:
        yield Line(served.model, served.line(metrics.MODEL_LATENCY))
        return
    counted = f"ms_{served.model.replace('-', '_')}"
    yield Line(served.model, served.line(metrics.LATENCY), id=counted, hidden=True)
    yield Line(served.model, expression=f"{counted} * 1000", id=f"us_{counted}")


def _failures(served: Served) -> Series:
    return served.line(metrics.ERRORS if served.gateway else metrics.SERVER_ERRORS)


def _promise(served: Served) -> Iterator[Panel]:
    """How fast each error budget burns, beside what wakes someone."""
    for objective, base in served.objectives():
        lines = [Line(name, series, id=name, hidden=True) for name, series in base.series]
        burn = slo.short_expression(objective, bad=f"({base.expression})", total="calls")
        yield Panel(
            f"Burn rate: {objective.name} ({objective.percent:g} %)",
            (*lines, Line("burn rate", expression=burn, id="burn")),
            period_seconds=3_600,
            limits=tuple(
                (f"{window.name} burn", objective.factor(window)) for window in slo.WINDOWS if window.pages
            ),
        )
    yield Panel("Requests", (Line("requests", _calls(served)), Line("failures", _failures(served))))


def _service(served: Served) -> Iterator[Row]:
    if served.endpoint is not None:
        yield from _endpoint(served)
    if served.gateway:
        answers = tuple(Line(step, served.answers(step)) for step in metrics.STEPS)
        yield Row(
            "Gateway",
            (
                Panel("Who answered", answers),
                Panel("Latency (p95)", (Line("p95", served.line(metrics.LATENCY)),), unit="ms"),
                Panel("Waiting", (Line("waiting", served.line(metrics.WAITING)),)),
            ),
        )


def _endpoint(served: Served) -> Iterator[Row]:
    latency = tuple(Line(stat, served.line(metrics.MODEL_LATENCY, stat)) for stat in ("p50", "p95", "p99"))
    overhead = Line("overhead p95", served.line(metrics.OVERHEAD_LATENCY))
    limits: tuple[tuple[str, float], ...] = ()
    if served.latency_p95_ms is not None:
        limits = (("promised", served.latency_p95_ms * 1000.0),)
    yield Row(
        "Service",
        (
            Panel("Latency", (*latency, overhead), limits=limits, unit=_MICROSECONDS),
            Panel(
                "Errors",
                (
                    Line("server (5xx)", served.line(metrics.SERVER_ERRORS)),
                    Line("client (4xx)", served.line(metrics.CLIENT_ERRORS)),
                ),
            ),
            _saturation(served),
        ),
    )
    if served.serverless:
        setup = Panel(
            "Cold starts", (Line("setup p95", served.line(metrics.SETUP_TIME)),), unit=_MICROSECONDS
        )
        yield Row("Start-up", (setup,))
    if served.gpus:
        lines = (Line("busy", served.line(metrics.GPU)), Line("memory", served.line(metrics.GPU_MEMORY)))
        yield Row(
            "GPUs", (Panel(f"GPU utilisation (100 % for each of {served.gpus})", lines, unit="percent"),)
        )


def _saturation(served: Served) -> Panel:
    memory = Line("memory", served.line(metrics.MEMORY))
    if served.serverless:
        line = Line("concurrency in use", served.line(metrics.CONCURRENCY))
        return Panel("Saturation", (line, memory), limits=(("concurrency limit", CONCURRENCY_LIMIT),))
    lines = (
        Line("CPU (100 % for each core)", served.line(metrics.CPU)),
        memory,
        Line("requests an instance", served.line(metrics.PER_INSTANCE)),
    )
    return Panel("Saturation", lines, limits=(("memory limit", MEMORY_LIMIT),))


def _worth(judged: Judged) -> Iterator[Panel]:
    if judged.drift is not None:
        yield Panel(
            "Drift",
            (
                Line("features (largest)", judged.line(metrics.FEATURE_DRIFT_MAX)),
                Line("predictions", judged.line(metrics.PREDICTION_DRIFT)),
            ),
            _JOBS_PERIOD,
            (("too far", judged.drift),),
        )
    if judged.accuracy is not None:
        measure, limit = judged.accuracy
        lines = [
            Line(measure, judged.line(metrics.MODEL_QUALITY, Measure=measure)),
            Line("calibration error", judged.line(metrics.CALIBRATION_ERROR)),
        ]
        yield Panel("Accuracy on delayed labels", tuple(lines), _JOBS_PERIOD, (("limit", limit),))
        lines = [
            Line("predictions", judged.line(metrics.CAPTURED)),
            Line("labelled", judged.line(metrics.LABELLED)),
            Line("labels since the last training", judged.line(metrics.NEW_LABELS)),
        ]
        yield Panel("What that rests on", tuple(lines), _JOBS_PERIOD)
    if judged.bias is not None:
        attribute, gap = judged.bias
        line = Line(attribute, judged.line(metrics.BIAS_DISPARITY, Attribute=attribute))
        yield Panel("Disparity between groups", (line,), _JOBS_PERIOD, (("too wide", gap),))


def _batch(judged: Judged) -> Iterator[Panel]:
    scored = (
        Line("scored", judged.line(metrics.BATCH_PREDICTIONS)),
        Line("put aside", judged.line(metrics.BATCH_PUT_ASIDE)),
    )
    yield Panel("Rows", scored, _JOBS_PERIOD)
    yield Panel("Runs that gave up", (Line("failed", judged.line(metrics.BATCH_FAILURES)),), _JOBS_PERIOD)
    yield Panel("Time", (Line("worked", judged.line(metrics.BATCH_SECONDS)),), _JOBS_PERIOD, unit="s")
    yield Panel(
        "Cost of 1,000 predictions in batch",
        (Line("cost", judged.line(metrics.BATCH_COST_PER_THOUSAND)),),
        _JOBS_PERIOD,
        unit=_DOLLARS,
    )


def _value(judged: Judged) -> Iterator[Panel]:
    limit = judged.unit_cost_usd
    yield Panel(
        "Cost of 1,000 predictions",
        (Line("cost", judged.line(metrics.COST_PER_THOUSAND)),),
        _JOBS_PERIOD,
        () if limit is None else (("too much", limit),),
        _DOLLARS,
    )
    yield Panel(
        "What a prediction brings, and costs",
        (
            Line("revenue", judged.line(metrics.REVENUE_PER_PREDICTION)),
            Line("cost of 1,000", judged.line(metrics.COST_PER_THOUSAND), id="cost", hidden=True),
            Line("cost", expression="cost / 1000", id="each"),
        ),
        _JOBS_PERIOD,
        unit=_DOLLARS,
    )
    yield Panel(
        "Return on cost",
        (Line("return", judged.line(metrics.RETURN_ON_COST)),),
        _JOBS_PERIOD,
        (("pays for itself", 1),),
    )
    yield Panel(
        "What users do then",
        (
            Line("conversion", judged.line(metrics.CONVERSION_RATE)),
            Line("retention", judged.line(metrics.RETENTION_RATE)),
        ),
        _JOBS_PERIOD,
        unit="percentunit",
    )


def _of_all(title: str, judged: Sequence[Judged], metric: Metric, unit: str = "") -> Panel:
    lines = tuple(Line(each.model, each.line(metric)) for each in judged)
    return Panel(title, lines, _JOBS_PERIOD, unit=unit)


def _of_views(title: str, fed: Sequence[Fed], metric: Metric, unit: str = "") -> Panel:
    return Panel(title, tuple(Line(each.view, each.line(metric)) for each in fed), _JOBS_PERIOD, unit=unit)
