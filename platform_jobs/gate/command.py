"""`gate`: compares a canary with what is live, and says promote, wait or roll back, and by what numbers.

It decides; it changes nothing. Whoever runs the release acts on it, and asks again after `wait`.
"""

import argparse
import datetime
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from platform_jobs import metrics, settings
from platform_jobs.aws import Clients
from platform_jobs.errors import SettingsError
from platform_jobs.gate.evidence import Labelled, counted, read_quality
from platform_jobs.gate.judge import (
    DEFAULT_ERROR_RATE,
    DEFAULT_EXCESS_BURN,
    DEFAULT_QUALITY_TOLERANCE,
    Finding,
    Terms,
    Verdict,
    judge,
)
from platform_jobs.gate.sequences import Interval
from platform_jobs.log import event
from platform_jobs.prediction_log import CANARY, LIVE
from platform_jobs.settings import Env


def availability(text: str) -> float:
    """An SLO in percent, as the stack declares it, as a share."""
    value = settings.positive_float(text)
    if not 50 <= value < 100:
        raise ValueError("expected a percentage from 50 to under 100, such as 99.9")
    return value / 100


def moment(text: str) -> datetime.datetime:
    """An ISO 8601 time with its zone."""
    try:
        value = datetime.datetime.fromisoformat(text)
    except ValueError:
        value = None
    if value is None or value.tzinfo is None:
        raise ValueError("expected a time with its zone, such as 2026-11-29T15:00:00Z")
    return value.astimezone(datetime.UTC)


def share(text: str) -> float:
    """A share above 0 and below 1."""
    value = settings.fraction(text)
    if value in {0.0, 1.0}:
        raise ValueError("expected a number between 0 and 1, such as 0.05")
    return value


@dataclass(frozen=True, kw_only=True)
class GateSettings:
    """What `gate` reads from its environment."""

    stack: Annotated[str, Env("STAGECRAFT_STACK")]
    model: Annotated[str, Env("STAGECRAFT_MODEL")]
    availability: Annotated[float, Env("STAGECRAFT_SLO_AVAILABILITY", availability)]
    since: Annotated[datetime.datetime, Env("STAGECRAFT_GATE_SINCE", moment)]
    """When the canary got its present share of users."""
    bake_minutes: Annotated[float, Env("STAGECRAFT_BAKE_MINUTES", settings.positive_float)] = 15.0
    canary: Annotated[str, Env("STAGECRAFT_GATE_CANARY")] = CANARY
    live: Annotated[str, Env("STAGECRAFT_GATE_LIVE")] = LIVE
    error_rate: Annotated[float, Env("STAGECRAFT_GATE_ERROR_RATE", share)] = DEFAULT_ERROR_RATE
    excess_burn: Annotated[float, Env("STAGECRAFT_GATE_EXCESS_BURN", settings.positive_float)] = (
        DEFAULT_EXCESS_BURN
    )
    quality_tolerance: Annotated[float, Env("STAGECRAFT_GATE_QUALITY_TOLERANCE", share)] = (
        DEFAULT_QUALITY_TOLERANCE
    )
    quality: Annotated[str, Env("STAGECRAFT_GATE_QUALITY", settings.one_of("required", "if-known"))] = (
        "required"
    )
    """`if-known`: promotes without labels, where they come too late to wait for; known ones still count."""


def decide(
    clients: Clients, config: GateSettings, quality: Mapping[str, Labelled], now: datetime.datetime
) -> Verdict:
    """The gate's verdict at a moment, by the gateway's metrics and what is known of quality."""

    def tally(variant: str) -> Any:
        dimensions = {
            metrics.STACK: config.stack,
            metrics.MODEL: config.model,
            metrics.VARIANT: variant,
        }
        return counted(clients, dimensions, config.since, now, quality.get(variant, Labelled()))

    terms = Terms(
        availability=config.availability,
        error_rate=config.error_rate,
        excess_burn=config.excess_burn,
        quality_tolerance=config.quality_tolerance,
        quality_required=config.quality == "required",
    )
    baked = now - config.since >= datetime.timedelta(minutes=config.bake_minutes)
    return judge(tally(config.canary), tally(config.live), terms, baked=baked)


def to_json(verdict: Verdict) -> dict[str, Any]:
    """The verdict for machines, and for the record of the release."""
    return {
        "decision": verdict.decision.value,
        "reason": verdict.reason,
        "findings": [_finding(finding) for finding in verdict.findings],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    def counts(pair: tuple[int, int]) -> dict[str, int]:
        return {"bad": pair[0], "of": pair[1]}

    def ends(interval: Interval | None) -> list[float] | None:
        return None if interval is None else [round(interval.low, 6), round(interval.high, 6)]

    return {
        "measure": finding.measure,
        "standing": finding.standing.value,
        "canary": {**counts(finding.canary_counted), "share": ends(finding.canary)},
        "live": {**counts(finding.live_counted), "share": ends(finding.live)},
        "difference": ends(finding.difference),
        "tolerance": finding.tolerance,
        "burnRate": ends(finding.burn),
    }


def main(argv: Sequence[str]) -> int:
    """`gate [--quality FILE]`: the verdict as JSON on stdout; exit code 0 whatever it is."""
    parser = argparse.ArgumentParser(prog="platform_jobs gate", description=__doc__)
    parser.add_argument(
        "--quality",
        type=Path,
        metavar="FILE",
        help='labels known by now: {"canary": {"labelled": 900, "wrong": 41}, "live": {…}}',
    )
    arguments = parser.parse_args(argv)
    config = settings.load(GateSettings)
    try:
        quality = {} if arguments.quality is None else read_quality(arguments.quality)
    except ValueError as error:
        raise SettingsError([str(error)]) from None
    verdict = decide(Clients(), config, quality, datetime.datetime.now(datetime.UTC))
    event("gate", "judged", model=config.model, decision=verdict.decision.value, reason=verdict.reason)
    sys.stdout.write(json.dumps(to_json(verdict), indent=2) + "\n")
    return 0
