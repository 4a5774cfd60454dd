"""What a gate is told of a release's terms, by whichever of its doors it is asked."""

from dataclasses import dataclass
from typing import Annotated, Final

from platform_jobs import settings
from platform_jobs.gate.judge import (
    DEFAULT_ERROR_RATE,
    DEFAULT_EXCESS_BURN,
    DEFAULT_QUALITY_TOLERANCE,
    Terms,
)
from platform_jobs.settings import Env

REQUIRED: Final = "required"
IF_KNOWN: Final = "if-known"


def availability(text: str) -> float:
    """An SLO in percent, as the stack declares it, as a share."""
    value = settings.positive_float(text)
    if not 50 <= value < 100:
        raise ValueError("expected a percentage from 50 to under 100, such as 99.9")
    # Rounded: 99.9 / 100 is 0.9990000000000001, and the digits would stand in every record.
    return round(value / 100, 9)


def share(text: str) -> float:
    """A share above 0 and below 1."""
    value = settings.fraction(text)
    if value in {0.0, 1.0}:
        raise ValueError("expected a number between 0 and 1, such as 0.05")
    return value


@dataclass(frozen=True, kw_only=True)
class TermsSettings:
    """The terms, from the environment."""

    availability: Annotated[float, Env("STAGECRAFT_SLO_AVAILABILITY", availability)]
    error_rate: Annotated[float, Env("STAGECRAFT_GATE_ERROR_RATE", share)] = DEFAULT_ERROR_RATE
    excess_burn: Annotated[float, Env("STAGECRAFT_GATE_EXCESS_BURN", settings.positive_float)] = (
        DEFAULT_EXCESS_BURN
    )
    quality_tolerance: Annotated[float, Env("STAGECRAFT_GATE_QUALITY_TOLERANCE", share)] = (
        DEFAULT_QUALITY_TOLERANCE
    )
    quality: Annotated[str, Env("STAGECRAFT_GATE_QUALITY", settings.one_of(REQUIRED, IF_KNOWN))] = REQUIRED
    """`if-known`: promotes without labels, where they come too late to wait for; known ones still count."""

    @property
    def terms(self) -> Terms:
        """As the judge takes them."""
        return Terms(
            availability=self.availability,
            error_rate=self.error_rate,
            excess_burn=self.excess_burn,
            quality_tolerance=self.quality_tolerance,
            quality_required=self.quality == REQUIRED,
        )
