"""Replays a load on a running cluster: hands jobs in, takes spot away, watches what comes of it."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from twin.kubernetes.cluster.api import Api, ApiError
from twin.kubernetes.cluster.files import ClusterFiles, write_json
from twin.kubernetes.simulation import load
from twin.kubernetes.simulation.ledger import SPOT, JobRecord, Ledger, Node
from twin.kubernetes.simulation.pools import NODE_POOL, Group, group_named, hurried
from twin.kubernetes.simulation.spot import NOTICE_HOURS, Interruption, SpotPlan
from twin.kubernetes.simulation.trace import Job, Serving, Trace, TraceError

BOOT_HOURS: Final = 90 / 3600
"""From buying an instance to its node being ready: about a minute and a half for one with GPUs."""
_LOOK_SECONDS: Final = 0.1
_CLAIMS: Final = "/apis/karpenter.sh/v1/nodeclaims"
_PODS: Final = f"/api/v1/namespaces/{load.NAMESPACE}/pods"
_DEPLOYMENTS: Final = f"/apis/apps/v1/namespaces/{load.NAMESPACE}/deployments"
_PATIENCE_HOURS: Final = 6.0
"""How long after the trace's end what still runs is waited for, at least."""


class Replay:
    """One run of a trace. `run` once."""

    def __init__(
        self,
        api: Api,
        folder: Path,
        groups: Sequence[Group],
        trace: Trace,
        plan: SpotPlan,
        *,
        seed: int,
        speed: float,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Args as follows.

        Args:
            api: A cluster whose Karpenter runs at this speed.
            folder: The cluster's folder.
            groups: Pools to try out.
            trace: The load.
            plan: When spot is missing.
            seed: Decides which instances an interruption takes.
            speed: Simulated seconds in a second.
            say: Told what happens.

        Raises:
            TraceError: the trace names pools that are not there.
        """
        self._groups_of_load = _placed(trace, groups)
        self._api, self._files, self._groups, self._trace = api, ClusterFiles(folder), groups, trace
        self._plan, self._speed, self._say = plan, speed, say
        self._chance = random.Random(seed)  # noqa: S311 - a choice to be repeated, no secret
        self._to_come = list(trace.jobs)
        self._interruptions = list(plan.interruptions)
        self._taken: dict[str, float] = {}
        """Instances that were given notice, and when they will be gone."""
        self._without_spot: bool | None = None
        self._replicas: dict[str, int] = {}
        self._replica_waiting: dict[str, float] = {}
        self._began = 0.0
        self.ledger = Ledger()
        self.ended_early = False

    def run(self, manifests: Sequence[Mapping[str, Any]]) -> float:
        """Applies the pools, replays the trace, and waits until every node is gone.

        Args:
            manifests: The objects that the pools need, in any order.

        Returns:
            The simulated hour at which it ended.

        Raises:
            ApiError: the API server refuses one of the pools' objects, or the load.
        """
        self._prepare(manifests)
        self._began = time.monotonic()
        give_up = max(self._trace.hours * 1.5, self._trace.hours + _PATIENCE_HOURS)
        while not self._settled():
            now = self._now()
            if now > give_up:
                self.ended_early = True
                break
            self._step(now)
            time.sleep(_LOOK_SECONDS)
        return self._now()

    def _prepare(self, manifests: Sequence[Mapping[str, Any]]) -> None:
        self._api.apply(load.namespace())
        self._sell(without_spot=False)
        # Node classes before the pools that name them.
        for manifest in sorted(manifests, key=lambda item: item.get("kind") == NODE_POOL):
            pool = manifest.get("kind") == NODE_POOL
            self._api.apply(hurried(manifest, self._speed) if pool else manifest)
        for serving in self._trace.serving:
            self._api.apply(load.deployment(serving, self._groups_of_load[serving.name]))

    def _now(self) -> float:
        return (time.monotonic() - self._began) * self._speed / 3600

    def _settled(self) -> bool:
        over = self._now() >= self._trace.hours and not self._to_come and not self.ledger.unfinished
        return over and not self.ledger.running() and not any(self._replicas.values())

    def _step(self, now: float) -> None:
        self._sell(without_spot=self._plan.missing_at(now))
        self._hand_in(now)
        self._scale(now)
        claims = self._api.items(_CLAIMS)
        self.ledger.see_nodes(now, _nodes(claims, now))
        self._interrupt(now)
        pods = self._api.items(_PODS)
        self._take_back(now, claims, pods)
        self._work(now, pods)
        self._serve(now, pods)

    def _sell(self, *, without_spot: bool) -> None:
        """Tells the cloud what it has: Karpenter reads the file before it buys."""
        if without_spot == self._without_spot:
            return
        boot = BOOT_HOURS * 3600 / self._speed
        gone = [{"capacityType": SPOT}] if without_spot else []
        write_json(self._files.capacity, {"bootSeconds": boot, "soldOut": gone})
        if self._without_spot is not None:
            self._say(f"hour {self._now():6.2f}: spot is {'sold out' if without_spot else 'back'}")
        self._without_spot = without_spot

    def _hand_in(self, now: float) -> None:
        while self._to_come and self._to_come[0].at <= now:
            job = self._to_come.pop(0)
            group = self._groups_of_load[job.name]
            self._api.create(load.job(job, group))
            self.ledger.jobs[job.name] = JobRecord(job, group.name, job.hours, waiting_since=now)

    def _scale(self, now: float) -> None:
        for serving in self._trace.serving:
            wanted = serving.count_at(now) if now < self._trace.hours else 0
            if self._replicas.get(serving.name, 0) != wanted:
                self._api.merge(f"{_DEPLOYMENTS}/{serving.name}", {"spec": {"replicas": wanted}})
            self._replicas[serving.name] = wanted

    def _interrupt(self, now: float) -> None:
        """Gives notice to spot instances, as Karpenter does when EC2 tells of an interruption."""
        while self._interruptions and self._interruptions[0].at <= now:
            for node in self._chosen(self._interruptions.pop(0)):
                self._say(f"hour {now:6.2f}: {node.instance_type} of {node.pool} will be taken back")
                self._taken[node.name] = now + NOTICE_HOURS
                self._api.delete(f"{_CLAIMS}/{node.name}")

    def _chosen(self, interruption: Interruption) -> list[Node]:
        spot = sorted(
            (node for node in self.ledger.running() if node.capacity_type == SPOT),
            key=lambda node: (node.since, node.name),
        )
        return self._chance.sample(spot, round(len(spot) * interruption.share))

    def _take_back(
        self, now: float, claims: Sequence[Mapping[str, Any]], pods: Sequence[Mapping[str, Any]]
    ) -> None:
        """What ran on an instance that is gone is gone with it."""
        gone = {name for name, at in self._taken.items() if at <= now}
        machines = {
            claim.get("status", {}).get("nodeName") for claim in claims if claim["metadata"]["name"] in gone
        }
        for pod in pods:
            if pod["spec"].get("nodeName") in machines and _runs(pod):
                self._api.delete(f"{_PODS}/{pod['metadata']['name']}", grace_seconds=0)

    def _work(self, now: float, pods: Sequence[dict[str, Any]]) -> None:
        workers: dict[str, list[dict[str, Any]]] = {}
        for pod in pods:
            name = pod["metadata"].get("labels", {}).get(load.JOB_LABEL)
            if name is not None and _runs(pod):
                workers.setdefault(name, []).append(pod)
        for record in self.ledger.unfinished:
            running = workers.get(record.job.name, [])
            if record.due(now):
                record.finished()
                self._complete(running)
            elif len(running) >= record.job.workers:
                record.started(now)
            else:
                record.lost_workers(now)

    def _complete(self, pods: Sequence[dict[str, Any]]) -> None:
        for pod in pods:
            try:
                self._api.merge(f"{_PODS}/{pod['metadata']['name']}/status", load.succeeded(pod))
            except ApiError as error:
                if error.reason != "NotFound":  # taken back at this very moment
                    raise

    def _serve(self, now: float, pods: Sequence[Mapping[str, Any]]) -> None:
        for pod in pods:
            name, labels = pod["metadata"]["name"], pod["metadata"].get("labels", {})
            group = self._groups_of_load.get(labels.get("app", ""))
            if group is None:
                continue
            since = self._replica_waiting.setdefault(name, now)
            if _runs(pod) and since >= 0:
                self.ledger.replica_waits.setdefault(group.name, []).append(now - since)
                self._replica_waiting[name] = -1.0  # counted


def check_placement(trace: Trace, groups: Sequence[Group]) -> tuple[str, ...]:
    """What is wrong with the pools that the trace names."""
    try:
        _placed(trace, groups)
    except TraceError as error:
        return error.problems
    return ()


def _placed(trace: Trace, groups: Sequence[Group]) -> dict[str, Group]:
    """The group that each job and deployment runs in, by its name. Raises TraceError."""
    placed: dict[str, Group] = {}
    problems = []
    everything: list[Job | Serving] = [*trace.jobs, *trace.serving]
    for item in everything:
        group = group_named(groups, item.pool)
        if group is not None:
            placed[item.name] = group
            continue
        known = ", ".join(pool.name for each in groups for pool in each.pools)
        stands = repr(item.pool) if item.pool else "missing"
        problems.append(f"{item.name}: pool is {stands}; it must be one of {known}")
    if problems:
        raise TraceError(problems)
    return placed


def _nodes(claims: Sequence[Mapping[str, Any]], now: float) -> list[Node]:
    """The instances behind the claims; a claim whose instance is not bought yet has none."""
    found = []
    for claim in claims:
        labels = claim["metadata"].get("labels") or {}
        bought = claim.get("status", {}).get("providerID")
        if bought and "node.kubernetes.io/instance-type" in labels:
            found.append(
                Node(
                    claim["metadata"]["name"],
                    labels["karpenter.sh/nodepool"],
                    labels["karpenter.sh/capacity-type"],
                    labels["node.kubernetes.io/instance-type"],
                    now,
                )
            )
    return found


def _runs(pod: Mapping[str, Any]) -> bool:
    phase = pod.get("status", {}).get("phase")
    return phase == "Running" and "deletionTimestamp" not in pod["metadata"]
