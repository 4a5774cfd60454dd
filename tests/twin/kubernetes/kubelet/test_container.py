"""A container's life, with real processes of the platform's own image."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from twin.aws.cloud.live.processes import container_environment
from twin.kubernetes.kubelet.container import Container
from twin.kubernetes.kubelet.pod_spec import ContainerSpec

MODELS = {"churn": {"keys": ["customer_id"], "variants": [{"name": "live", "url": "http://127.0.0.1:9"}]}}
TOLD = {
    "STAGECRAFT_GATEWAY_MODELS": json.dumps(MODELS),
    "STAGECRAFT_STACK": "test",
    "STAGECRAFT_DRAIN_SECONDS": "0.1",
}


def gateway(folder: Path, told: dict[str, str], **changes: Any) -> Container:
    def probe(path: str, seconds: float) -> dict[str, Any]:
        asked = {"path": path, "port": "http"}
        return {"httpGet": asked, "periodSeconds": seconds, "timeoutSeconds": 2, "failureThreshold": 60}

    spec = ContainerSpec.of(
        {
            "name": "gateway",
            "image": "any",
            "args": ["gateway"],
            "ports": [{"containerPort": 8090}],
            "env": [{"name": name, "value": value} for name, value in told.items()],
            "startupProbe": probe("/readyz", 1),
            "readinessProbe": probe("/readyz", 0.2),
            **changes,
        }
    )

    def environment(port: int | None) -> dict[str, str]:
        known = spec.environment(folder, port, lambda *_: "")
        return container_environment("http://127.0.0.1:9", "us-east-1", known)

    return Container(spec, folder, environment, lambda: None)


async def until(what: str, check: Callable[[], Any], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, what
        await asyncio.sleep(0.05)


def test_a_server_that_is_killed_is_not_ready_until_it_is_there_again(tmp_path):
    async def live() -> None:
        container = gateway(tmp_path, TOLD)
        life = asyncio.create_task(container.keep())
        await until("it is ready", lambda: container.ready)
        first = container.pid
        assert first is not None
        assert container.status()["restartCount"] == 0
        os.kill(first, signal.SIGKILL)
        await until("it is felt", lambda: not container.ready)
        await until("it is back", lambda: container.ready)
        status = container.status()
        assert (status["restartCount"], status["lastState"]["terminated"]["exitCode"]) == (1, 137)
        second = container.pid
        assert second not in (None, first)
        await container.end(30)
        await life
        assert container.pid is None
        assert '"ended"' in container.log.read_text(), "it drained, and wrote what was left"

    asyncio.run(live())


def test_one_that_cannot_start_says_why_and_is_left_alone_for_longer_and_longer(tmp_path):
    async def live() -> None:
        container = gateway(tmp_path, {})
        life = asyncio.create_task(container.keep())
        await until("it waits", lambda: "waiting" in container.status()["state"] and container.pid is None)
        await until("it backs off", lambda: container.status()["restartCount"] == 2)
        status = container.status()
        assert status["state"]["waiting"]["reason"] == "CrashLoopBackOff"
        assert "10s" in status["state"]["waiting"]["message"]
        ended = status["lastState"]["terminated"]
        assert ended["exitCode"] == 2
        assert "STAGECRAFT_STACK is not set" in ended["message"]
        assert not container.ready
        life.cancel()

    asyncio.run(live())


@pytest.mark.parametrize("grace", [0.0, 0.5])
def test_one_that_does_not_want_to_go_is_made_to(tmp_path, grace):
    async def live() -> None:
        container = gateway(tmp_path, {**TOLD, "STAGECRAFT_DRAIN_SECONDS": "600"})
        life = asyncio.create_task(container.keep())
        await until("it is ready", lambda: container.ready)
        began = time.monotonic()
        await container.end(grace)
        assert time.monotonic() - began < grace + 5
        assert container.pid is None
        await life

    asyncio.run(live())


def test_one_that_prepares_another_runs_to_its_end_and_again_until_that_is_good(tmp_path):
    async def live() -> None:
        container = gateway(tmp_path, {}, args=["demo-data", str(tmp_path / "data.csv")], ports=[])
        assert await container.complete()
        assert container.status()["state"]["terminated"]["reason"] == "Completed"
        assert (tmp_path / "data.csv").exists()

    asyncio.run(live())
