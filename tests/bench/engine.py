"""What the engine takes for simple resources, every step durable; the toy provider itself costs little."""

import os
import tempfile
import time
from pathlib import Path

from tests.twin.engine.world import PASSPHRASE, World
from twin.engine.events import Result

SIZES = (200, 1000, 5000)
SOURCE = 'for i in range({0}):\n    Thing(f"t{{i}}", label="x", tags={{"owner": "bench", "number": i}})'


def measure() -> dict[str, float]:
    """Seconds for 200, 1,000 and 5,000 resources made, and for 1,000 unchanged; how the time grows."""
    os.environ["PULUMI_CONFIG_PASSPHRASE"] = PASSPHRASE
    measured: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            world = World(Path(folder) / f"{size} things")
            measured[f"engine_{size}_create_seconds"] = _seconds(world, size, "create")
            if size == 1000:
                measured["engine_1000_unchanged_seconds"] = _seconds(world, size, "same")
                measured["engine_1000_destroy_seconds"] = _destroyed(world)
    per_small = measured["engine_1000_create_seconds"] / 1000
    per_large = measured["engine_5000_create_seconds"] / 5000
    return {**measured, "engine_linear_ratio": per_large / per_small}


def _seconds(world: World, size: int, kind: str) -> float:
    began = time.perf_counter()
    result = world.deployed(SOURCE.format(size)).result
    seconds = time.perf_counter() - began
    assert result.changes == {kind: size + 2}, result.changes
    return seconds


def _destroyed(world: World) -> float:
    began = time.perf_counter()
    result: Result = world.destroy().result
    assert result.ok
    return time.perf_counter() - began
