"""An overview with everything on its page, and one whose every text wants to break out."""

import datetime
import itertools
from decimal import Decimal
from typing import Any

from cli.overview.components import map_of
from cli.overview.facts import (
    AlarmFacts,
    BiasHistory,
    Burn,
    Distribution,
    DriftHistory,
    DriftLine,
    Explanation,
    Figure,
    Form,
    Group,
    Hour,
    Importance,
    Measure,
    ModelFacts,
    Overview,
    Promise,
    VariantWorth,
    ViewFacts,
    Worth,
)
from tests.cli.reports import samples
from twin.engine.deployment import ResourceState

AT = datetime.datetime(2026, 3, 1, 7, 15, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)


def urn(type_: str, name: str) -> str:
    return f"urn:pulumi:local::shop::{type_}::{name}"


def component(name: str, type_: str = "DataLake", parent: str = "") -> ResourceState:
    return ResourceState(urn(f"stagecraft:index:{type_}", name), f"stagecraft:index:{type_}", parent=parent)


def resource(name: str, parent: str = "", needs: tuple[str, ...] = ()) -> ResourceState:
    type_ = "aws:s3/bucket:Bucket"
    return ResourceState(urn(type_, name), type_, custom=True, parent=parent, dependencies=list(needs))


def environment(lake: str = "lake", endpoint: str = "endpoint-churn") -> list[ResourceState]:
    """A lake, and an endpoint that needs it."""
    below, above = component(lake), component(endpoint, "Endpoint")
    bucket = resource("raw", below.urn)
    return [below, above, bucket, resource("capture", above.urn, (bucket.urn,))]


def drift(name: str = "logins", values: tuple[float | None, ...] = (0.0, None, 0.35)) -> DriftHistory:
    shares = Distribution((f"up to {name}", "more", "missing"), (0.5, 0.4, 0.1), (0.1, 0.2, 0.7))
    return DriftHistory(
        ends=tuple(AT - DAY * back for back in reversed(range(len(values)))),
        predictions=(1000,) * len(values),
        threshold=0.2,
        features=(DriftLine(name, values, shares),),
        answers=(DriftLine("prediction", (0.01,) * len(values), shares),),
    )


def bias(name: str = "40-60", last: float | None = 0.25) -> BiasHistory:
    return BiasHistory(
        attribute="age_band",
        limit=0.1,
        ends=(AT - DAY, AT),
        disparity=(0.04, last),
        parity=0.25,
        odds=None,
        positive="1",
        groups=(Group(name, 400, 0.5), Group("60+", 600, 0.25), Group("under 20", 12, None)),
    )


def explanation(name: str = "logins", metric: str = "roc_auc") -> Explanation:
    importances = (
        Importance(name, 0.31, 0.02, 0.28),
        Importance("spend", 0.04, 0.01, 0.05),
        Importance("plan", -0.002, 0.003),
    )
    return Explanation(metric, 0.91, 250, same_data=False, importances=importances, agreement=0.5)


def worth(name: str = "live") -> Worth:
    return Worth(
        ends=(AT - DAY, AT),
        predictions=(900, 1000),
        figures=(
            Figure("conversion", Form.SHARE, (0.11, 0.075), 0.1, False, "no conversion was told"),
            Figure("retention", Form.SHARE, (None, None), None, False, "no retention was told"),
            Figure("cost of 1,000 predictions", Form.DOLLARS, (0.01, 0.009394), 0.5, True, "no price"),
            Figure("return on cost", Form.TIMES, (70.0, 79.6), 1.0, False, "no revenue"),
        ),
        variants=(VariantWorth(name, 800, 0.08, None, 0.00075), VariantWorth("b", 200, 0.05, None, None)),
    )


def promise(bad: float = 3.0, requests: float = 1000.0) -> Promise:
    burns = (Burn("fast", 60, 20.5, 14.4, fires=True), Burn("slow", 4320, 0.2, 1.0, fires=False))
    return Promise("availability", "99.9 % answered", requests, bad, 0.001, burns)


def model(name: str = "churn", **changes: Any) -> ModelFacts:
    told: dict[str, Any] = {
        "name": name,
        "description": f"who will leave {name}",
        "endpoint": "shop-churn",
        "status": "InService",
        "version": "7",
        "promises": (promise(),),
        "traffic": (Hour(AT - DAY / 24, 900.0, 3.0), Hour(AT, 100.0, 0.0)),
        "latency_p95_ms": 41.5,
        "drift": drift(),
        "quality": (Measure("f1", (0.9, 0.7), 0.8),),
        "watched": True,
        "bias_attribute": "age_band",
        "bias": bias(),
        "explanation": explanation(),
        "worth": worth(),
    }
    return ModelFacts(**(told | changes))


def overview(**changes: Any) -> Overview:
    components = map_of(environment())
    told: dict[str, Any] = {
        "stack": "local",
        "region": "us-east-1",
        "at": AT,
        "components": components,
        "component_costs": {components.components[0].urn: Decimal("12.05")},
        "models": (model(),),
        "views": (ViewFacts("activity", AT, 5, 20.0, 66_600.0, ("constant: plan",)), ViewFacts("orders")),
        "alarms": (
            AlarmFacts("churn-outage", "ALARM", "churn breaks its promise. Runbook: r.md", AT, True),
            AlarmFacts("churn-drift", "OK", "churn drifts", AT, False),
        ),
        "told": [
            {
                "at": "2026-03-01T07:14:00Z",
                "topic": "pages",
                "state": "ALARM",
                "title": "outage",
                "lines": ["Why: 2 of 2", ""],
            }
        ],
        "verdict": samples.report(),
    }
    return Overview(**(told | changes))


def hostile() -> tuple[Overview, list[str]]:
    """Every text from outside is its own break-out; and those texts."""
    numbers = itertools.count()
    texts: list[str] = []

    def text() -> str:
        texts.append(f'</style><script>x({next(numbers)})</script><img src="http://evil" onerror=y>\'"')
        return texts[-1]

    verdict = samples.hostile()
    found = overview(
        stack=text(),
        region=text(),
        components=map_of(environment(text(), text())),
        component_costs={},
        models=(
            model(
                text(),
                description=text(),
                endpoint=text(),
                status=text(),
                version=text(),
                drift=drift(text()),
                quality=(Measure(text(), (0.5,)),),
                bias=bias(text()),
                explanation=explanation(text(), text()),
                worth=worth(text()),
            ),
        ),
        views=(ViewFacts(text(), AT, 5, 20.0, 66_600.0, (text(),)),),
        alarms=(AlarmFacts(text(), "ALARM", text(), AT, True),),
        told=[{"at": text(), "topic": text(), "state": text(), "title": text(), "lines": [text()]}],
        verdict=verdict,
        unknown=(text(),),
    )
    return found, texts
