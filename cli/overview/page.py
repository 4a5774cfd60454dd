"""Draws an overview as one HTML page that needs nothing else: no script, no network, no other file.

Every text goes through the template engine's escaping, and the page's own policy (CSP) lets the browser fetch
and run nothing, so a name from outside can be no more than a name.
"""

import base64
import datetime
import hashlib
from decimal import Decimal
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from cli.overview import charts
from cli.overview.facts import Form, Overview
from cli.reports import money
from cli.reports.controls import shown
from cli.reports.report import count, grouped

NOT_KNOWN: Final = "\N{EN DASH}"
SHOWN_FINDINGS: Final = 10
SHOWN_LINES: Final = 12
"""Columns whose drift is not folded away: the furthest from training."""
SHOWN_FEATURES: Final = 12
"""Features of an explanation that are not folded away: what answers hang on most."""
SHOWN_DISTRIBUTIONS: Final = 6
"""Features whose distributions are drawn: the furthest from training."""


def page(overview: Overview) -> str:
    """The page. The same overview gives the same text."""
    environment = Environment(
        loader=PackageLoader("cli.overview"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_clean,
    )
    environment.filters |= {
        "number": number,
        "percent": percent,
        "moment": moment,
        "span": span,
        "figure": figure,
        "dollars": money.dollars,
    }
    source, _, _ = PackageLoader("cli.overview").get_source(environment, "style.css")
    style = source.strip()
    return environment.get_template("page.html").render(
        overview=overview,
        report=overview.verdict,
        costs=overview.verdict.cost,
        drawing=charts.drawing(overview.components),
        box=(charts.BOX_WIDTH, charts.BOX_HEIGHT),
        charts=charts,
        dollars_form=Form.DOLLARS,
        component_name=money.component,
        budget_line=money.budget_line,
        price_dates=money.price_dates,
        count=count,
        grouped=grouped,
        shown_findings=SHOWN_FINDINGS,
        shown_lines=SHOWN_LINES,
        shown_distributions=SHOWN_DISTRIBUTIONS,
        shown_features=SHOWN_FEATURES,
        style=style,
        # Of exactly what stands between the tags: no other style is obeyed.
        style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
    )


def number(value: float | None, digits: int = 3) -> str:
    """`1,234`, `0.0123`; a dash for what is not known."""
    if value is None:
        return NOT_KNOWN
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.{digits}g}"


def percent(value: float | Decimal | None, digits: int = 0) -> str:
    """A share as per cent; a dash for what is not known."""
    return NOT_KNOWN if value is None else f"{value * 100:.{digits}f} %"


def figure(value: float | None, form: Form) -> str:
    """A business figure: `7.5 %`, `$0.0094`, `79.6`; a dash for what is not known."""
    if value is None:
        return NOT_KNOWN
    if form is Form.SHARE:
        return percent(value, 1)
    if form is Form.DOLLARS:
        return f"{'-' if value < 0 else ''}${number(abs(value))}"
    return number(value)


def moment(value: datetime.datetime | None) -> str:
    """`2026-03-01 07:15 UTC`; a dash for what is not known."""
    return NOT_KNOWN if value is None else f"{value.astimezone(datetime.UTC):%Y-%m-%d %H:%M} UTC"


def span(seconds: float | None) -> str:
    """`3.5 h`, `12 days`; a dash for what is not known."""
    if seconds is None:
        return NOT_KNOWN
    hours = seconds / 3600
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.0f} days"


def _clean(value: Any) -> Any:
    """Text from outside without what a browser would obey instead of show; marked-up text is ours."""
    return shown(value) if type(value) is str else value
