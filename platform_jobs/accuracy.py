"""`accuracy`: how good and how well calibrated the live version's answers were, now that labels are known."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from platform_jobs import calibration, labelled, metrics, monitoring, settings
from platform_jobs.aws import Clients
from platform_jobs.calibration import Calibration
from platform_jobs.evaluate import DECLARED_NAMES, scores
from platform_jobs.labelled import Answers, LabelSettings
from platform_jobs.log import event
from platform_jobs.monitoring import Findings
from platform_jobs.telemetry import Datum


@dataclass(frozen=True)
class Accuracy:
    """What a window's labels say; no measures where they are too few."""

    answers: int
    labelled: int
    measures: dict[str, float]
    calibration: Calibration | None


def run(clients: Clients, config: LabelSettings) -> Accuracy | None:
    """Measures one window and publishes what it found; None where no version is live.

    Raises:
        JobError: as `labelled.answers` says.
    """
    answers = labelled.answers(clients, config)
    if answers is None:
        return None
    found = measure(answers)
    _findings(config, answers, found).publish(clients, clients.bucket(config.artifacts_bucket), config.model)
    event("accuracy", "measured", model=config.model, answers=found.answers, labelled=found.labelled)
    return found


def measure(answers: Answers) -> Accuracy:
    """The quality of a window's answers."""
    frame, task = answers.labelled, answers.version.task
    if len(frame) < labelled.FEWEST_ROWS:
        return Accuracy(len(answers.frame), len(frame), {}, None)
    truth, predicted = frame["truth"].to_numpy(), frame["prediction"].to_numpy()
    if task == "regression":
        return Accuracy(len(answers.frame), len(frame), scores(task, truth, predicted), None)
    sure = frame["probability"].to_numpy(dtype=float, na_value=np.nan)
    stated = ~np.isnan(sure)
    calibrated = None
    if stated.sum() >= labelled.FEWEST_ROWS:
        calibrated = calibration.measure(sure[stated], (truth == predicted)[stated])
    places = np.arange(len(answers.known.classes))
    measures = scores(task, truth, predicted, _probabilities(predicted, sure, places, stated))
    return Accuracy(len(answers.frame), len(frame), measures, calibrated)


def _probabilities(predicted: Any, sure: Any, places: Any, stated: Any) -> Any:
    """Each class's probability, which the log lets know for two classes only: it has the chosen one's."""
    if len(places) != 2 or not stated.all():
        return None
    return np.where(predicted[:, None] == places, sure[:, None], 1 - sure[:, None])


def _findings(config: LabelSettings, answers: Answers, found: Accuracy) -> Findings:
    end = config.window().end
    whole: list[tuple[metrics.Metric, float]] = [(metrics.LABELLED_PREDICTIONS, found.labelled)]
    if found.calibration is not None:
        whole.append((metrics.CALIBRATION_ERROR, found.calibration.error))
    data = monitoring.of_model(config, end, whole)
    data += [
        Datum.of(
            metrics.MODEL_QUALITY,
            value,
            {**config.dimensions, metrics.MEASURE: DECLARED_NAMES.get(name, name)},
            end,
        )
        for name, value in sorted(found.measures.items())
    ]
    result = {
        "window": answers.window.to_json(),
        "model": config.model,
        "version": answers.version.arn,
        **asdict(found),
    }
    return Findings("accuracy", end, result, data)


def main(_argv: Sequence[str]) -> int:
    """`accuracy`: everything comes from the environment."""
    run(Clients(), settings.load(LabelSettings))
    return 0
