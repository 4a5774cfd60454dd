"""What is watched of a cluster's GPUs, pool by pool: are they at work, are they well, are they full?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import pulumi

from components.watch import metrics
from components.watch.alarms import MINUTE, TICKET, Alarm
from components.watch.dashboards import Dashboard, Line, Panel, Row
from components.watch.metrics import Metric, Series

ROUND_SECONDS: Final = MINUTE
"""Each machine tells once in it, so that a sum over it is that of all machines."""
IDLE_PERIODS: Final = 6
"""Of five minutes; a GPU is idle after half an hour, so this is an hour of nothing in all. A machine that has
just come needs some of them until its exporter runs."""
HOT_CELSIUS: Final = 85
"""From about here on NVIDIA's data-centre GPUs slow down."""


@dataclass(frozen=True)
class GpuPool:
    """The GPUs of one pool of a cluster."""

    cluster: pulumi.Input[str]
    pool: str

    def line(self, metric: Metric, stat: str = "") -> Series:
        """One of its metrics."""
        return Series(metric, {"Cluster": self.cluster, "Pool": self.pool}, stat)


def alarms_of(gpus: GpuPool) -> Iterator[Alarm]:
    """What someone should look at; a pool without machines tells nothing, which is as it should be."""
    yield Alarm(
        f"{gpus.pool}-gpu-idle",
        "gpu-idle",
        f"GPUs of {gpus.pool} are paid for and have done nothing for an hour",
        (("idle", gpus.line(metrics.IDLE_GPUS, "Maximum")),),
        threshold=0,
        periods=IDLE_PERIODS,
        level=TICKET,
    )
    yield Alarm(
        f"{gpus.pool}-gpu-errors",
        "gpu-errors",
        f"A GPU of {gpus.pool} has told an error (XID)",
        (("errors", gpus.line(metrics.GPU_ERRORS, "Maximum")),),
        threshold=0,
        level=TICKET,
    )
    yield Alarm(
        f"{gpus.pool}-gpu-silent",
        "gpu-silent",
        f"Nobody knows what GPUs of {gpus.pool} do: a machine's exporter does not answer",
        (("silent", gpus.line(metrics.GPU_EXPORTER_SILENCE, "Maximum")),),
        threshold=0,
        periods=IDLE_PERIODS,
        level=TICKET,
    )


def of_gpus(stack: str, pools: Sequence[GpuPool], *, runbooks: str) -> Dashboard:
    """One page: a row for each pool."""
    rows = [
        Row(gpus.pool, tuple(_panels(gpus)), "" if number else f"[Runbooks]({runbooks})")
        for number, gpus in enumerate(pools)
    ]
    return Dashboard("gpus", f"{stack}: GPUs", tuple(rows))


def _panels(gpus: GpuPool) -> Iterator[Panel]:
    busy = tuple(
        Line(label, gpus.line(metrics.GPU_UTILISATION, stat))
        for label, stat in (("busiest", "Maximum"), ("average", "Average"), ("least busy", "Minimum"))
    )
    yield Panel("At work", busy, unit="percent")
    yield Panel("Memory (fullest)", (Line("memory", gpus.line(metrics.GPU_MEMORY_OF_POOL)),), unit="percent")
    yield Panel(
        "There, and idle",
        (
            Line("there", gpus.line(metrics.GPUS)),
            Line("idle", gpus.line(metrics.IDLE_GPUS)),
            Line("machines that do not tell", gpus.line(metrics.GPU_EXPORTER_SILENCE)),
        ),
        ROUND_SECONDS,
    )
    yield Panel("With an error (XID)", (Line("errors", gpus.line(metrics.GPU_ERRORS)),), ROUND_SECONDS)
    yield Panel(
        "Temperature (hottest)",
        (Line("hottest", gpus.line(metrics.GPU_TEMPERATURE)),),
        limits=(("slows down", HOT_CELSIUS),),
        unit="celsius",
    )
