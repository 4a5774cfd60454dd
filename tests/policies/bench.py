"""How long judging takes: `python -m tests.policies.bench` prints JSON.

The resources are production's own, as many times over as needed, each copy under names of its own.
"""

import json
import sys
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


def measure() -> dict[str, Any]:
    """Seconds for each size with all packs started, and how much more ten times as many take."""
    seconds: dict[int, float] = {}
    with Evaluator() as evaluator:
        for stacks in STACKS:
            judged = resources(stacks)
            began = time.perf_counter()
            verdict = evaluator.judge(judged)
            seconds[len(judged)] = round(time.perf_counter() - began, 3)
            if "S1" in verdict.ids:
                raise AssertionError("production's stack is such that it is allowed")
    few, many = seconds.values()
    return {"rules": len(all_rules()), "seconds": seconds, "growth": round(many / few, 2)}


if __name__ == "__main__":
    json.dump(measure(), sys.stdout)
    sys.stdout.write("\n")
