"""How long judging takes.

The resources are production's own, as many times over as needed, each copy under names of its own.
"""

import json
import time
from typing import Any

from policies.evaluation import Evaluator
from policies.inputs import Judged, read_resources
from policies.packs import all_rules
from tests.stacks.test_program import deployed

STACKS = (2, 20)
"""How many stacks of production's size are judged as one: about 300 and 3,000 resources."""


def resources(stacks: int) -> list[Judged]:
    """The resources of so many stacks."""
    once = deployed("prod", live=True).judged()
    copies: list[dict[str, Any]] = []
    for number in range(stacks):
        text = json.dumps(once).replace("urn:pulumi:prod::", f"urn:pulumi:prod-{number}::")
        copies += json.loads(text.replace("-id", f"-{number}-id"))
    return read_resources(copies)


def measure() -> dict[str, float]:
    """Seconds for each size with all packs started, and how much more ten times as many take."""
    seconds: dict[int, float] = {}
    with Evaluator() as evaluator:
        for stacks in STACKS:
            judged = resources(stacks)
            began = time.perf_counter()
            verdict = evaluator.judge(judged)
            seconds[len(judged)] = time.perf_counter() - began
            if "S1" in verdict.ids:
                raise AssertionError("production's stack is such that it is allowed")
    few, many = seconds.values()
    by_size = {f"policies_{size}_resources_seconds": value for size, value in seconds.items()}
    return {"policies_rules": len(all_rules()), **by_size, "policies_growth": many / few}
