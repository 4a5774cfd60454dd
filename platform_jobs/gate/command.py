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

from platform_jobs import metrics, settings, times
from platform_jobs.aws import Clients
from platform_jobs.errors import SettingsError
from platform_jobs.gate.evidence import Labelled, counted, read_quality
from platform_jobs.gate.judge import Verdict, judge
from platform_jobs.gate.record import to_json
from platform_jobs.gate.terms import TermsSettings
from platform_jobs.log import event
from platform_jobs.prediction_log import CANARY, LIVE
from platform_jobs.settings import Env


@dataclass(frozen=True, kw_only=True)
class GateSettings(TermsSettings):
    """What `gate` reads from its environment."""

    stack: Annotated[str, Env("STAGECRAFT_STACK")]
    model: Annotated[str, Env("STAGECRAFT_MODEL")]
    since: Annotated[datetime.datetime, Env("STAGECRAFT_GATE_SINCE", times.parse)]
    """When the canary got its present share of users."""
    bake_minutes: Annotated[float, Env("STAGECRAFT_BAKE_MINUTES", settings.positive_float)] = 15.0
    canary: Annotated[str, Env("STAGECRAFT_GATE_CANARY")] = CANARY
    live: Annotated[str, Env("STAGECRAFT_GATE_LIVE")] = LIVE


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

    baked = now - config.since >= datetime.timedelta(minutes=config.bake_minutes)
    return judge(tally(config.canary), tally(config.live), config.terms, baked=baked)


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
