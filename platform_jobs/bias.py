"""`bias`: whether groups of people get other answers, or other mistakes, from the live version.

The groups are the values of a declared attribute. Demographic parity compares how often each group is told
the positive class; equalised odds, how often rightly and how often wrongly, where labels are known.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Final

from platform_jobs import labelled, metrics, settings
from platform_jobs.aws import Clients
from platform_jobs.errors import JobError
from platform_jobs.labelled import Answers, LabelSettings
from platform_jobs.log import WARNING, event
from platform_jobs.monitoring import Findings
from platform_jobs.outcomes import class_text
from platform_jobs.settings import Env
from platform_jobs.telemetry import Datum

if TYPE_CHECKING:
    import pandas as pd

FEWEST_ROWS: Final = 30
"""Smaller groups are left out: their rates are chance."""
MOST_GROUPS: Final = 50


@dataclass(frozen=True, kw_only=True)
class BiasSettings(LabelSettings):
    """What `bias` reads from its environment."""

    attribute: Annotated[str, Env("STAGECRAFT_MODEL_GROUP_BY")]
    """A feature of the model's."""


@dataclass(frozen=True)
class Bias:
    """What a window says about the groups."""

    attribute: str
    groups: dict[str, int]
    """Group → answers, those that are compared."""
    small: dict[str, int]
    """Those with too few answers to be compared."""
    demographic_parity: float | None
    """The widest difference between groups; None where fewer than two can be compared."""
    equalised_odds: float | None
    positive: str = ""
    """The class whose shares differ most between groups; of two classes the last one. Empty: none do."""
    told: dict[str, float] = field(default_factory=dict)
    """Group → share of its answers that are this class."""

    @property
    def disparity(self) -> float | None:
        """The larger of the two."""
        known = [item for item in (self.demographic_parity, self.equalised_odds) if item is not None]
        return max(known, default=None)


def run(clients: Clients, config: BiasSettings) -> Bias | None:
    """Measures one window and publishes what it found; None where no version is live.

    Raises:
        JobError: as `labelled.answers` says; reason `no-group` if the attribute is none of the model's
            features or has too many values, `no-classes` for a regression.
    """
    answers = labelled.answers(clients, config, [config.attribute])
    if answers is None:
        return None
    found = measure(answers, config.attribute)
    _findings(config, answers, found).publish(clients, clients.bucket(config.artifacts_bucket), config.model)
    if found.small:
        event("bias", "small-groups", WARNING, model=config.model, groups=len(found.small))
    event("bias", "measured", model=config.model, groups=len(found.groups), disparity=found.disparity)
    return found


def measure(answers: Answers, attribute: str) -> Bias:
    """Compares the groups of a window's answers."""
    if not answers.known.classes:
        raise JobError(
            "no-classes", "groups are compared by classes that they are told: this is a regression"
        )
    frame = answers.frame[answers.frame[attribute].notna()]
    groups, small = _groups(frame, attribute)
    frame = frame[frame[attribute].map(class_text).isin(groups.keys())]
    positives = _positives(answers)
    if len(groups) < 2:
        return Bias(attribute, groups, small, None, None)
    from fairlearn.metrics import demographic_parity_difference

    gaps = [
        _difference(demographic_parity_difference, frame, attribute, frame["prediction"], place)
        for place in positives
    ]
    widest = positives[gaps.index(max(gaps))]
    odds = _equalised_odds(frame[frame["truth"].notna()], attribute, positives)
    shares = (frame["prediction"] == widest).groupby(frame[attribute].map(class_text)).mean()
    told = {name: float(shares[name]) for name in groups}
    return Bias(attribute, groups, small, max(gaps), odds, class_text(answers.known.classes[widest]), told)


def _groups(frame: "pd.DataFrame", attribute: str) -> tuple[dict[str, int], dict[str, int]]:
    counts = frame[attribute].map(class_text).value_counts()
    sizes = {str(name): int(counts[name]) for name in sorted(counts.index)}
    if len(sizes) > MOST_GROUPS:
        raise JobError(
            "no-group",
            f"{attribute} has {len(sizes)} values, more than {MOST_GROUPS}: declare a field with groups, "
            "such as an age band",
        )
    large = {name: size for name, size in sizes.items() if size >= FEWEST_ROWS}
    return large, {name: size for name, size in sizes.items() if name not in large}


def _positives(answers: Answers) -> list[int]:
    """Of two classes the last one; of several each in turn is the one to be told."""
    count = len(answers.known.classes)
    return [1] if count == 2 else list(range(count))


def _equalised_odds(frame: "pd.DataFrame", attribute: str, positives: Sequence[int]) -> float | None:
    """None unless two groups or more have enough labels, of those told and of those not."""
    from fairlearn.metrics import equalized_odds_difference

    groups, _ = _groups(frame, attribute)
    frame = frame[frame[attribute].map(class_text).isin(groups.keys())]
    if len(groups) < 2:
        return None
    return max(
        _difference(equalized_odds_difference, frame, attribute, frame["truth"], place) for place in positives
    )


def _difference(function: Any, frame: "pd.DataFrame", attribute: str, truth: Any, place: int) -> float:
    return float(
        function(
            truth == place,
            frame["prediction"] == place,
            sensitive_features=frame[attribute].map(class_text),
        )
    )


def _findings(config: BiasSettings, answers: Answers, found: Bias) -> Findings:
    end = config.window().end
    values = {
        metrics.BIAS_DISPARITY: found.disparity,
        metrics.DEMOGRAPHIC_PARITY_DIFFERENCE: found.demographic_parity,
        metrics.EQUALISED_ODDS_DIFFERENCE: found.equalised_odds,
    }
    dimensions = {**config.dimensions, metrics.ATTRIBUTE: config.attribute}
    data = [Datum.of(metric, value, dimensions, end) for metric, value in values.items() if value is not None]
    result = {
        "window": answers.window.to_json(),
        "model": config.model,
        "version": answers.version.arn,
        "disparity": found.disparity,
        **asdict(found),
    }
    return Findings("bias", end, result, data)


def main(_argv: Sequence[str]) -> int:
    """`bias`: everything comes from the environment."""
    run(Clients(), settings.load(BiasSettings))
    return 0
