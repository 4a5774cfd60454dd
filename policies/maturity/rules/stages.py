"""A stack has what its stage and the stages below ask for, and takes them one at a time."""

from collections.abc import Iterable
from typing import Final

import pulumi

from policies.catalogue import About, Finding, Findings, stack_rule
from policies.maturity.controls import CONTROLS, Control
from policies.resources import Stack
from policies.settings import STAGES, Settings

_ROOT: Final = "pulumi:pulumi:Stack"
_NOT_YET: Final = {
    "notYet": {
        "type": "array",
        "items": {"type": "string"},
        "default": [],
        "description": "Controls that this installation cannot provide yet.",
    }
}


@stack_rule(
    About(
        id="M1",
        name="stage-is-complete",
        title="Every control of the stack's stage exists",
        remedy="Add what is missing, or declare a lower stage.",
        options=_NOT_YET,
    )
)
def stage_is_complete(stack: Stack, settings: Settings) -> Findings:
    """What the stage adds; a list of resources that is no stack is not asked for it."""
    yield from _missing(stack, settings, (item for item in CONTROLS if item.stage == settings.stage))


@stack_rule(
    About(
        id="M3",
        name="lower-stages-stay",
        title="Nothing of a lower stage is switched off",
        remedy="Switch it on again, or waive it: rule M3, owner, reason, expiry.",
        options=_NOT_YET,
    )
)
def lower_stages_stay(stack: Stack, settings: Settings) -> Findings:
    """What the stages below the stack's added."""
    below = STAGES[: STAGES.index(settings.stage)]
    yield from _missing(stack, settings, (item for item in CONTROLS if item.stage in below))


def _missing(stack: Stack, settings: Settings, controls: Iterable[Control]) -> Findings:
    if not stack.has(_ROOT):
        return
    for control in controls:
        if control.name not in settings["notYet"] and not control.present(stack):
            message = f"{control.title} ({control.name}, {control.stage}) is missing: {control.setting}"
            # What is switched off is one exception, also where it is the stage's own: settings ask for M3.
            yield Finding(message, subject=control.name, or_waived_by="M3")


@stack_rule(
    About(
        id="M2",
        name="no-stage-is-skipped",
        title="No stage is skipped",
        remedy="Go through the stages one at a time (`stagecraft promote`), or waive it: rule M2.",
        options={
            "lastStage": {
                "type": "string",
                "default": "",
                "description": "The stage the stack was last deployed at; empty: it was not, or not known.",
            }
        },
    )
)
def no_stage_is_skipped(_stack: Stack, settings: Settings) -> Findings:
    """What a stage teaches is what the next one is built on."""
    last = settings["lastStage"] or pulumi.Config("stagecraft").get("lastStage") or ""
    if last in STAGES and STAGES.index(settings.stage) - STAGES.index(last) > 1:
        between = STAGES[STAGES.index(last) + 1 : STAGES.index(settings.stage)]
        yield f"from {last} to {settings.stage}, past {' and '.join(between)}"
