"""The governance policy pack, as the Pulumi CLI and the twin's engine start it."""

import sys
from pathlib import Path

# Started by its folder, from anywhere: the packs' shared modules lie two folders up.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pulumi_policy import EnforcementLevel, PolicyPack

from policies.governance.rules import RULES
from policies.runtime import policies_of

PolicyPack(
    name="stagecraft-governance",
    description="Who answers for what, and what a stack must be able to show.",
    enforcement_level=EnforcementLevel.MANDATORY,
    policies=policies_of(RULES),
)
