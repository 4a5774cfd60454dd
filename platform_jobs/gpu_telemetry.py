"""`gpu-telemetry`: what a machine's GPUs do, from NVIDIA's exporter (DCGM) on the same machine to CloudWatch.

Runs until it is stopped, once on each machine with GPUs. A GPU that has done nothing for half an hour is
idle: a look at one moment would call every pause between two batches that.
"""

import datetime
import time
import urllib.request
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

from botocore.exceptions import BotoCoreError, ClientError

from platform_jobs import metrics, settings, telemetry
from platform_jobs.aws import Clients
from platform_jobs.log import WARNING, event
from platform_jobs.settings import Env
from platform_jobs.telemetry import Datum

BUSY_PERCENT: Final = 5.0
"""From here on a GPU is at work."""
IDLE_AFTER: Final = datetime.timedelta(minutes=30)
ALIVE: Final = Path("/tmp/gpu-telemetry-alive")  # noqa: S108  # in the container
"""Touched each round: a probe sees by its age whether rounds go on."""
_LARGEST: Final = 4 * 1024 * 1024
_TIMEOUT_SECONDS: Final = 10
_UTILISATION: Final = "DCGM_FI_DEV_GPU_UTIL"
_USED: Final = "DCGM_FI_DEV_FB_USED"
_FREE: Final = "DCGM_FI_DEV_FB_FREE"
_TEMPERATURE: Final = "DCGM_FI_DEV_GPU_TEMP"
_XID: Final = "DCGM_FI_DEV_XID_ERRORS"


@dataclass(frozen=True, kw_only=True)
class GpuSettings:
    """What `gpu-telemetry` reads from its environment."""

    cluster: Annotated[str, Env("STAGECRAFT_CLUSTER")]
    pool: Annotated[str, Env("STAGECRAFT_POOL")]
    """The pool that this machine belongs to."""
    url: Annotated[str, Env("STAGECRAFT_GPU_EXPORTER_URL", settings.http_url)]
    """Where the exporter of this machine answers."""
    seconds: Annotated[float, Env("STAGECRAFT_GPU_SECONDS", settings.positive_float)] = 60
    """Between two rounds."""


@dataclass(frozen=True)
class Gpu:
    """One GPU, or one slice of it (MIG), at one moment. What its driver does not tell is None."""

    id: str
    utilisation: float | None = None
    """Per cent of the time that any kernel ran."""
    memory: float | None = None
    """Per cent of its memory that is in use."""
    celsius: float | None = None
    xid: int = 0
    """NVIDIA's number of the last error since the driver was loaded; 0 for none."""


def parse(text: str) -> list[Gpu]:
    """The GPUs of an exporter's page, by id.

    Raises:
        ValueError: it is no page in the format that Prometheus reads.
    """
    from prometheus_client.parser import text_string_to_metric_families

    told: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = sample.labels
            if sample.name in (_UTILISATION, _USED, _FREE, _TEMPERATURE, _XID) and "UUID" in labels:
                slice_ = labels.get("GPU_I_ID", "")
                told.setdefault(labels["UUID"] + (f"/{slice_}" if slice_ else ""), {})[sample.name] = (
                    sample.value
                )
    return [_gpu(id_, values) for id_, values in sorted(told.items())]


def _gpu(id_: str, values: Mapping[str, float]) -> Gpu:
    used, free = values.get(_USED), values.get(_FREE)
    known = used is not None and free is not None and used + free > 0
    return Gpu(
        id=id_,
        utilisation=values.get(_UTILISATION),
        memory=100 * used / (used + free) if known and used is not None and free is not None else None,
        celsius=values.get(_TEMPERATURE),
        xid=int(values.get(_XID, 0)),
    )


@dataclass
class Watch:
    """What is remembered from round to round."""

    dimensions: Mapping[str, str]
    busy_at: dict[str, datetime.datetime] = field(default_factory=dict)
    """GPU → when it was last at work; of one that never was, when it was first seen."""

    def silence(self, silent: int, now: datetime.datetime) -> Datum:
        """Whether the exporter was silent: a machine that says nothing is not one that is well."""
        return Datum.of(metrics.GPU_EXPORTER_SILENCE, silent, self.dimensions, now)

    def data(self, gpus: Sequence[Gpu], now: datetime.datetime) -> list[Datum]:
        """A round's metrics."""
        for gpu in gpus:
            # One that does not tell is not called idle.
            if gpu.id not in self.busy_at or gpu.utilisation is None or gpu.utilisation >= BUSY_PERCENT:
                self.busy_at[gpu.id] = now
        idle = sum(now - self.busy_at[gpu.id] >= IDLE_AFTER for gpu in gpus)
        spread = {
            metrics.GPU_UTILISATION: [gpu.utilisation for gpu in gpus],
            metrics.GPU_MEMORY: [gpu.memory for gpu in gpus],
            metrics.GPU_TEMPERATURE: [gpu.celsius for gpu in gpus],
        }
        counts = {
            metrics.GPUS: len(gpus),
            metrics.IDLE_GPUS: idle,
            metrics.GPU_ERRORS: sum(gpu.xid != 0 for gpu in gpus),
        }
        return [
            *(
                Datum(metric, Counter(value for value in values if value is not None), self.dimensions, now)
                for metric, values in spread.items()
            ),
            *(Datum.of(metric, count, self.dimensions, now) for metric, count in counts.items()),
        ]


def look(config: GpuSettings) -> list[Gpu]:
    """What the exporter tells now.

    Raises:
        OSError: it does not answer.
        ValueError: what it answers is no page of its.
    """
    with urllib.request.urlopen(config.url, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310  # http only
        return parse(answer.read(_LARGEST).decode("utf-8"))


def round_of(clients: Clients, config: GpuSettings, watch: Watch, now: datetime.datetime) -> int:
    """Looks once and tells; returns how many GPUs there are. What fails is logged, and tried next time."""
    try:
        gpus = look(config)
    except (OSError, ValueError) as error:
        event("gpu-telemetry", "exporter-silent", WARNING, cause=str(error))
        _tell(clients, [watch.silence(1, now)])
        return 0
    for gpu in gpus:
        if gpu.xid:
            event("gpu-telemetry", "gpu-error", WARNING, gpu=gpu.id, xid=gpu.xid)
    _tell(clients, [*watch.data(gpus, now), watch.silence(0, now)])
    return len(gpus)


def _tell(clients: Clients, data: Sequence[Datum]) -> None:
    try:
        telemetry.put(clients, data)
    except (BotoCoreError, ClientError) as error:
        event("gpu-telemetry", "not-told", WARNING, cause=str(error))


def run(clients: Clients, config: GpuSettings, *, rounds: int | None = None) -> None:
    """Goes on for so many rounds; for ever by default."""
    watch = Watch({metrics.CLUSTER: config.cluster, metrics.POOL: config.pool})
    done = 0
    while rounds is None or done < rounds:
        round_of(clients, config, watch, datetime.datetime.now(datetime.UTC))
        ALIVE.touch()
        done += 1
        if rounds is None or done < rounds:
            time.sleep(config.seconds)


def main(_argv: Sequence[str]) -> int:
    """`gpu-telemetry`: everything comes from the environment."""
    run(Clients(), settings.load(GpuSettings))
    return 0
