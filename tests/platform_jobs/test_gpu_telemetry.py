"""GPU telemetry: an exporter's page, over HTTP, to what CloudWatch then has."""

import datetime
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import pytest
from moto import mock_aws

from platform_jobs import gpu_telemetry, metrics, settings
from platform_jobs.aws import Clients
from platform_jobs.errors import SettingsError
from platform_jobs.gpu_telemetry import Gpu, GpuSettings, Watch, parse

NOW = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)
MINUTE = datetime.timedelta(minutes=1)
DIMENSIONS = {"Cluster": "shop", "Pool": "training-l4"}
LABELS = (
    'gpu="{gpu}",UUID="GPU-{gpu}",pci_bus_id="00000000:31:00.0",device="nvidia{gpu}",modelName="NVIDIA L4"'
)


def page(*gpus: dict[str, float]) -> str:
    """What DCGM's exporter answers, with some of what nobody here asks for."""
    fields = {
        "DCGM_FI_DEV_SM_CLOCK": ("gauge", "SM clock frequency (in MHz)."),
        "DCGM_FI_DEV_GPU_TEMP": ("gauge", "GPU temperature (in C)."),
        "DCGM_FI_DEV_GPU_UTIL": ("gauge", "GPU utilization (in %)."),
        "DCGM_FI_DEV_XID_ERRORS": ("gauge", "Value of the last XID error encountered."),
        "DCGM_FI_DEV_FB_FREE": ("gauge", "Framebuffer memory free (in MiB)."),
        "DCGM_FI_DEV_FB_USED": ("gauge", "Framebuffer memory used (in MiB)."),
    }
    lines = []
    for name, (kind, text) in fields.items():
        lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
        for number, values in enumerate(gpus):
            if name in values:
                pod = ',container="job",namespace="training",pod="churn-x"'
                lines.append(f"{name}{{{LABELS.format(gpu=number)}{pod}}} {values[name]:g}")
    return "\n".join([*lines, ""])


def gpu(utilisation: float, used: float = 1000, xid: float = 0) -> dict[str, float]:
    return {
        "DCGM_FI_DEV_SM_CLOCK": 1500,
        "DCGM_FI_DEV_GPU_TEMP": 61,
        "DCGM_FI_DEV_GPU_UTIL": utilisation,
        "DCGM_FI_DEV_XID_ERRORS": xid,
        "DCGM_FI_DEV_FB_FREE": 4000 - used,
        "DCGM_FI_DEV_FB_USED": used,
    }


def test_a_page_is_its_gpus():
    assert parse(page(gpu(93, used=3000), gpu(0, xid=79))) == [
        Gpu("GPU-0", 93, 75, 61, 0),
        Gpu("GPU-1", 0, 25, 61, 79),
    ]


def test_slices_of_a_gpu_are_told_apart_and_what_is_not_told_is_not_made_up():
    labels = 'gpu="0",UUID="GPU-0",GPU_I_PROFILE="1g.10gb",GPU_I_ID="{slice}"'
    text = "".join(f"DCGM_FI_DEV_FB_USED{{{labels.format(slice=number)}}} 5\n" for number in (7, 8))
    assert parse(text) == [Gpu("GPU-0/7"), Gpu("GPU-0/8")]
    assert parse("") == []


@pytest.mark.parametrize("text", ["<html>", "DCGM_FI_DEV_GPU_UTIL{ 3", "DCGM_FI_DEV_GPU_UTIL{} x"])
def test_what_is_no_page_is_refused(text):
    with pytest.raises(ValueError, match=r".*"):
        parse(text)


def values(watch: Watch, gpus: list[Gpu], minute: int) -> dict[str, dict[float, int]]:
    return {datum.metric.name: dict(datum.values) for datum in watch.data(gpus, NOW + minute * MINUTE)}


def test_a_gpu_is_idle_when_it_did_nothing_for_half_an_hour():
    watch = Watch(DIMENSIONS)
    both = [Gpu("a", 0.0), Gpu("b", 4.9)]
    assert values(watch, both, 0)["IdleGpus"] == {0: 1}
    assert values(watch, both, 29)["IdleGpus"] == {0: 1}
    assert values(watch, [Gpu("a", 60.0), Gpu("b", 0.0)], 30)["IdleGpus"] == {1: 1}
    assert values(watch, both, 59)["IdleGpus"] == {1: 1}
    assert values(watch, both, 60)["IdleGpus"] == {2: 1}
    silent = Watch(DIMENSIONS)
    for minute in (0, 60):
        assert values(silent, [Gpu("a", None)], minute)["IdleGpus"] == {0: 1}


def test_each_gpu_is_a_value_of_its_own():
    told = values(Watch(DIMENSIONS), [Gpu("a", 90, 50, 70), Gpu("b", 90, None, 80, xid=79)], 0)
    assert told == {
        "GpuUtilisation": {90: 2},
        "GpuMemoryUtilisation": {50: 1},
        "GpuTemperature": {70: 1, 80: 1},
        "Gpus": {2: 1},
        "IdleGpus": {0: 1},
        "GpuErrors": {1: 1},
    }
    emitted = {metric.name for metric in metrics.ALL if metric.emitted_by == "gpu-telemetry"}
    assert told.keys() | {metrics.GPU_EXPORTER_SILENCE.name} == emitted


class Exporter(BaseHTTPRequestHandler):
    body = ""

    def do_GET(self):
        self.send_response(200 if self.body else 503)
        self.end_headers()
        self.wfile.write(self.body.encode())

    def log_message(self, *_):
        """Nothing."""


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch) -> Iterator[GpuSettings]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Exporter)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environ = {
        "STAGECRAFT_CLUSTER": "shop",
        "STAGECRAFT_POOL": "training-l4",
        "STAGECRAFT_GPU_EXPORTER_URL": f"http://127.0.0.1:{server.server_port}/metrics",
        "STAGECRAFT_GPU_SECONDS": "0.01",
    }
    yield settings.load(GpuSettings, environ)
    server.shutdown()
    server.server_close()


def test_what_the_exporter_tells_is_in_cloudwatch_and_its_silence_ends_nothing(
    config: GpuSettings, monkeypatch: pytest.MonkeyPatch, tmp_path, caplog: pytest.LogCaptureFixture
):
    alive = tmp_path / "alive"
    monkeypatch.setattr(gpu_telemetry, "ALIVE", alive)
    pages = iter([page(gpu(93, used=3000), gpu(0, xid=79)), "", page(gpu(41))])
    look = gpu_telemetry.look

    def next_page(given: GpuSettings) -> list[Gpu]:
        Exporter.body = next(pages)
        return look(given)

    monkeypatch.setattr(gpu_telemetry, "look", next_page)
    with mock_aws():
        gpu_telemetry.run(Clients(session=boto3.Session(region_name="us-east-1")), config, rounds=3)
        cloudwatch = boto3.client("cloudwatch", region_name="us-east-1")
        now = datetime.datetime.now(datetime.UTC)

        def statistic(name: str, kind: str) -> float:
            points = cloudwatch.get_metric_statistics(
                Namespace="Stagecraft",
                MetricName=name,
                Dimensions=[{"Name": key, "Value": value} for key, value in DIMENSIONS.items()],
                StartTime=now - 5 * MINUTE,
                EndTime=now + MINUTE,
                Period=3600,
                Statistics=[kind],
            )["Datapoints"]
            return {point[kind] for point in points}.pop()

        assert statistic("GpuUtilisation", "Maximum") == 93
        assert statistic("GpuUtilisation", "Minimum") == 0
        assert statistic("GpuErrors", "Maximum") == 1
        assert statistic("Gpus", "Sum") == 3
        assert statistic("GpuExporterSilence", "Sum") == 1
        assert statistic("GpuExporterSilence", "Minimum") == 0
    assert alive.exists()


def test_bad_settings_are_said_at_once():
    with pytest.raises(SettingsError) as caught:
        settings.load(
            GpuSettings, {"STAGECRAFT_POOL": "p", "STAGECRAFT_GPU_EXPORTER_URL": "file:///etc/passwd"}
        )
    assert len(caught.value.problems) == 2
