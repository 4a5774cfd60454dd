"""The gateway, run for the time of a load: the platform's own, in a process of its own, against the twin."""

import http.client
import json
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from twin.aws.cloud.live.processes import container_environment
from twin.engine import tether

_READY_SECONDS: Final = 60.0
_END_SECONDS: Final = 20.0
_POLL_SECONDS: Final = 0.05
_TAIL: Final = 1500


class GatewayError(Exception):
    """The gateway could not be brought up, or does not answer; the text says why, with its last words."""


@dataclass(frozen=True)
class RunningGateway:
    """A gateway that answers."""

    port: int

    @property
    def address(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """One request. Raises OSError, HTTPException."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


@contextmanager
def running_gateway(
    cloud: str, region: str, stack: str, models: Mapping[str, Any], told: Mapping[str, str]
) -> Iterator[RunningGateway]:
    """A gateway of these models, which ends with the block, or with this process however that ends.

    Args:
        cloud: The twin's cloud.
        region: The stack's region.
        stack: Its name.
        models: Model → declaration, as docs/serving.md says.
        told: More of its environment.

    Raises:
        GatewayError: it does not come up.
    """
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    environment = container_environment(
        cloud,
        region,
        {
            "STAGECRAFT_GATEWAY_MODELS": json.dumps(models),
            "STAGECRAFT_STACK": stack,
            "STAGECRAFT_GATEWAY_PORT": str(port),
            "STAGECRAFT_DRAIN_SECONDS": "0.2",
            **told,
        },
    )
    with tempfile.TemporaryDirectory(prefix="stagecraft-gateway-") as folder:
        log = Path(folder, "gateway.log")
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*tether.command("platform_jobs"), "gateway"],
                env=environment,
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is this command's to handle
            )
        try:
            gateway = RunningGateway(port)
            _wait_until_ready(gateway, process, log)
            yield gateway
        finally:
            _end(process)


def _wait_until_ready(gateway: RunningGateway, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            if gateway.ask("GET", "/readyz")[0] == 200:
                return
        except (OSError, http.client.HTTPException):
            pass
        time.sleep(_POLL_SECONDS)
    words = log.read_bytes()[-_TAIL:].decode(errors="replace").strip() or "(none)"
    raise GatewayError(f"the gateway does not come up; its last words: {words}")


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdin is not None:
        process.stdin.close()
