"""Exceptions, and who answers for them."""

from policies.catalogue import About, Findings, stack_rule
from policies.resources import Stack
from policies.settings import Settings


@stack_rule(
    About(
        id="G8",
        name="waiver-is-complete",
        title="A waiver has an owner, a reason and an expiry, and has not expired",
        remedy="Complete or renew the waiver in `stagecraft:waivers`, or mend what it waives.",
    )
)
def waiver_is_complete(_stack: Stack, settings: Settings) -> Findings:
    """A waiver that is not complete waives nothing, and is itself a violation."""
    for index, waiver in enumerate(settings.waivers):
        if waiver.problems:
            subject = f"waiver {index + 1}" + (f" (of {waiver.rule})" if waiver.rule else "")
            yield f"{subject} {' and '.join(waiver.problems)}"
