"""One simulation, whole: a cluster of its own, the replay on it, the report."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from twin.kubernetes.cluster import cluster
from twin.kubernetes.cluster.api import Api
from twin.kubernetes.simulation.estimate import usual_missing_share
from twin.kubernetes.simulation.pools import Group
from twin.kubernetes.simulation.replay import Replay
from twin.kubernetes.simulation.report import Report, group_report
from twin.kubernetes.simulation.spot import draw_plan
from twin.kubernetes.simulation.trace import Trace

SPEED: Final = 120.0


@dataclass(frozen=True)
class Request:
    """What to simulate."""

    manifests: Sequence[Mapping[str, Any]]
    """NodePools and what they need."""
    groups: Sequence[Group]
    trace: Trace
    region: str
    seed: int = 1
    speed: float = SPEED
    """Simulated seconds in a second."""
    missing_share: float | None = None
    """Share of the time without spot. Default: what the price snapshot takes it to be for these pools."""


def simulate(folder: Path, request: Request, say: Callable[[str], None] = lambda _: None) -> Report:
    """Starts a cluster in the folder, replays the load on it, and takes it down, whatever happens.

    Args:
        folder: The cluster's own; made, and removed.
        request: What to simulate.
        say: Told what happens.

    Raises:
        TraceError: the trace names pools that are not there.
        ApiError: the API server refuses an object.
        programs.NoGoError, programs.BuildError, cluster.ClusterError: there is no cluster to run it on.
    """
    missing = request.missing_share
    if missing is None:
        missing = usual_missing_share(request.groups, request.region)
    plan = draw_plan(request.seed, request.trace.hours, missing)
    try:
        found = cluster.up(folder, region=request.region, speed=request.speed, say=say)
        with Api(found.kubeconfig) as api:
            replay = Replay(
                api,
                folder,
                request.groups,
                request.trace,
                plan,
                seed=request.seed,
                speed=request.speed,
                say=say,
            )
            end = replay.run(request.manifests)
    finally:
        cluster.down(folder)
    return Report(
        seed=request.seed,
        region=request.region,
        speed=request.speed,
        hours=end,
        spot_plan=plan,
        groups=tuple(
            group_report(group, replay.ledger, request.trace, plan, region=request.region, end=end)
            for group in request.groups
        ),
        ended_early=replay.ended_early,
    )
