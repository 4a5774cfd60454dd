"""`gate-labels`: of a release's two versions, how many answers have a known truth, how many were wrong.

The gate's own function could not hold a day's log in its memory; this job can. What it counts lies in the
artifacts bucket, where the gate finds it.
"""

import datetime
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

from platform_jobs import attribution, labelled, layout, monitoring, registry, settings, times
from platform_jobs.aws import Clients
from platform_jobs.commits import json_bytes
from platform_jobs.errors import JobError
from platform_jobs.gate.evidence import Labelled
from platform_jobs.labelled import LabelSettings
from platform_jobs.log import event
from platform_jobs.monitoring import LiveModel
from platform_jobs.prediction_log import CANARY, LIVE
from platform_jobs.settings import Env
from platform_jobs.window import Window

if TYPE_CHECKING:
    import pandas as pd

_ERROR_OF_TRAINING = "rmse"


@dataclass(frozen=True, kw_only=True)
class GateLabelSettings(LabelSettings):
    """What `gate-labels` reads from its environment."""

    version: Annotated[str, Env("STAGECRAFT_GATE_VERSION")]
    """ARN of the version that is being released."""
    since: Annotated[datetime.datetime, Env("STAGECRAFT_GATE_SINCE", times.parse)]
    """From when on answers count."""

    def window(self) -> Window:
        """All of the release up to now: a gate cannot wait for labels that a monitor would."""
        return Window(self.since, self.window_end or datetime.datetime.now(datetime.UTC))

    def asked_window(self) -> Window:
        """The window of the predictions."""
        return self.window()


def count(clients: Clients, config: GateLabelSettings) -> dict[str, Labelled]:
    """Variant (`canary`, `live`) → what is known of the truth of its version's answers; written down too.

    An entity counts once a version, by its first answer whose truth is known: answers about the same one are
    not independent. Wrong is another class than the true one; of an amount, one that is further off than the
    live version was on average in training (its root mean squared error).

    Raises:
        JobError: reason `nothing-live` or `no-error-known`, and as `labelled.answers_of` says.
    """
    live = monitoring.live_model(clients, config)
    if live is None:
        raise JobError("nothing-live", f"{config.model} has no live version to compare with")
    canary = monitoring.known_version(clients, config.model, config.version)
    margin = _margin(clients, live)
    found = {
        name: _counted(labelled.answers_of(clients, config, version).labelled, margin)
        for name, version in ((CANARY, canary), (LIVE, live))
    }
    artifacts = clients.bucket(config.artifacts_bucket)
    key = layout.gate_labels_key(config.model, canary.number)
    told = {
        "window": config.window().to_json(),
        "versions": {CANARY: canary.arn, LIVE: live.arn},
        "quality": {name: asdict(known) for name, known in found.items()},
    }
    artifacts.put(key, json_bytes(told), content_type="application/json")
    event("gate", "labels-counted", model=config.model, result=artifacts.uri(key), **_flat(found))
    return found


def _margin(clients: Clients, live: LiveModel) -> float:
    """How far from the truth an answer may be; classes are right or wrong."""
    if live.task != "regression":
        return 0.0
    error = registry.describe(clients, live.arn).metrics.get(_ERROR_OF_TRAINING)
    if error is None:
        raise JobError(
            "no-error-known", f"version {live.number} tells no {_ERROR_OF_TRAINING} to judge amounts by"
        )
    return error


def _counted(frame: "pd.DataFrame", margin: float) -> Labelled:
    named = frame[attribution.ENTITY].notna()
    once = frame[~(named & frame.duplicated(attribution.ENTITY, keep="first"))]
    wrong = (once["prediction"].astype(float) - once["truth"].astype(float)).abs() > margin
    return Labelled(labelled=len(once), wrong=int(wrong.sum()))


def _flat(found: dict[str, Labelled]) -> dict[str, int]:
    return {
        f"{name}_{what}": number for name, known in found.items() for what, number in asdict(known).items()
    }


def main(_argv: Sequence[str]) -> int:
    """`gate-labels`: everything comes from the environment."""
    count(Clients(), settings.load(GateLabelSettings))
    return 0
