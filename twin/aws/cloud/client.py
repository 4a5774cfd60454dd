"""The twin's cloud as commands see it: find it, start it, stop it, talk to it.

Light to import: nothing of moto, and boto3 only when a session is asked for.
"""

import fcntl
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from twin import loopback

if TYPE_CHECKING:
    import boto3

ACCOUNT: Final = "123456789012"
"""Whose everything in the cloud is."""
ENDPOINT_FILE: Final = "endpoint.json"
LOG_FILE: Final = "cloud.log"
SNAPSHOT: Final = "state.snapshot"
LIFE_LOCK: Final = "life.lock"
"""Held by the cloud's process for as long as it lives: the one sure sign that it has ended."""
_START_LOCK: Final = "start.lock"
_CHECKOUT: Final = Path(__file__).resolve().parents[3]
_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 30.0
_CREDENTIAL: Final = "twin"


class CloudError(Exception):
    """The cloud can't be started, or does not end; the text says why and what to do."""


@dataclass(frozen=True)
class CloudHandle:
    """A running cloud."""

    endpoint: str
    pid: int


def require_loopback(endpoint: str) -> str:
    """Returns the endpoint if it is plain http on this machine.

    Raises:
        ValueError: it is not; the text says what would be right.
    """
    if not endpoint.startswith("http://"):
        raise ValueError(
            f"{endpoint!r} is not an address of the twin's cloud: expected http://127.0.0.1:PORT, as "
            "`stagecraft cloud` prints it; for a real cloud use the pulumi CLI"
        )
    return loopback.require_loopback(endpoint)


def ensure_cloud(directory: Path, idle_seconds: int = 600, *, live: bool = True) -> CloudHandle:
    """The cloud of that folder, started in the background if it isn't running.

    Args:
        directory: The cloud's own folder; made if missing.
        idle_seconds: After how long without requests or running work a newly started cloud saves and ends.
        live: Whether a newly started cloud runs jobs, functions and models. Without, they are only declared.

    Raises:
        CloudError: it could not be started: its saved state can't be read, say.
    """
    directory = directory.absolute()
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = running_cloud(directory)
    if handle is not None:
        return handle
    with _locked(directory / _START_LOCK, _START_SECONDS):
        handle = _settled(directory)
        if handle is None:
            _start(directory, idle_seconds, live=live)
            handle = running_cloud(directory)
    if handle is None:
        raise CloudError(f"the twin's cloud started and ended at once; see {directory / LOG_FILE}")
    return handle


def running_cloud(directory: Path) -> CloudHandle | None:
    """The running cloud of that folder, if there is one; a file left by a dead one counts for nothing."""
    told = _told(directory)
    if told is None:
        return None
    try:
        answer = _ask(told["endpoint"], "GET", "health")
    except (OSError, http.client.HTTPException, ValueError):
        return None
    if answer.get("instance") != told["instance"]:
        return None
    return CloudHandle(told["endpoint"], told["pid"])


def stop_cloud(directory: Path) -> bool:
    """Has the cloud of that folder save and end, and waits for it. Returns whether one was running.

    Raises:
        CloudError: it did not end in time.
    """
    directory = directory.absolute()
    handle = running_cloud(directory)
    if handle is None:
        return False
    _ask(handle.endpoint, "POST", "stop")
    _wait_for_end(directory, _STOP_SECONDS)
    return True


def save_cloud(endpoint: str) -> None:
    """Has the cloud write a snapshot now."""
    _ask(require_loopback(endpoint), "POST", "save")


def kill_endpoint(endpoint: str, region: str, name: str) -> list[int]:
    """Kills the processes behind a SageMaker endpoint, as a failing machine would; returns their ids."""
    told: list[int] = _ask(
        require_loopback(endpoint), "POST", "kill-endpoint", {"region": region, "endpoint": name}
    )["killed"]
    return told


def copy_cloud(directory: Path, target: Path) -> None:
    """Copies what the running cloud of a folder holds into another folder, for a cloud of its own.

    Raises:
        CloudError: no cloud runs there, or it holds nothing.
    """
    handle = running_cloud(directory)
    if handle is None:
        raise CloudError(f"no cloud runs in {directory}")
    save_cloud(handle.endpoint)
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        shutil.copy(directory / SNAPSHOT, target / SNAPSHOT)
    except FileNotFoundError:
        raise CloudError(f"the cloud in {directory} holds nothing") from None


def reclaim_host(
    endpoint: str, region: str, job_id: str, *, grace_seconds: float, when: Sequence[str] = ()
) -> None:
    """Takes the host of a Batch job back, as EC2 does with spot: SIGTERM, then SIGKILL.

    Args:
        endpoint: The cloud's.
        region: The job's.
        job_id: The job.
        grace_seconds: Time between the two signals; 0 kills at once, as a lost machine does.
        when: Not before a line of the job's log holds one of these. Several such requests are carried out in
            their order, each on another attempt. Default: now.

    Raises:
        CloudError: the job has no host, and will have none.
    """
    told = {"region": region, "job": job_id, "graceSeconds": grace_seconds, "when": list(when)}
    _ask(require_loopback(endpoint), "POST", "reclaim", told)


def foresee(endpoint: str, region: str, *, parameters: Mapping[str, str], versions: Sequence[str]) -> None:
    """Has a cloud for planning take for given what the account that is planned for will hold.

    Args:
        endpoint: The cloud's.
        region: Where the parameters are.
        parameters: SSM parameters that are read by path: name → value. A stack may make its own of that name.
        versions: ARNs of approved model packages, each there in its own region.
    """
    told = {"region": region, "parameters": dict(parameters), "versions": list(versions)}
    _ask(require_loopback(endpoint), "POST", "foresee", told)


def inventory(endpoint: str) -> list[dict[str, str]]:
    """Everything in the cloud that a user made: `type`, `id`, `arn` (may be empty), `region` of each."""
    listed: list[dict[str, str]] = _ask(require_loopback(endpoint), "GET", "inventory")
    return listed


def inbox(endpoint: str) -> list[dict[str, Any]]:
    """What topics were told, oldest first: `at` (seconds since the epoch), `topic`, `subject`, `message`."""
    told: list[dict[str, Any]] = _ask(require_loopback(endpoint), "GET", "inbox")
    return told


def cloud_environment(endpoint: str, region: str) -> dict[str, str]:
    """The variables that lead AWS SDKs and tools to the twin's cloud, and nowhere else."""
    return {
        "AWS_ACCESS_KEY_ID": _CREDENTIAL,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_DEFAULT_REGION": region,
        "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": require_loopback(endpoint),
        "AWS_MAX_ATTEMPTS": "2",
        "AWS_REGION": region,
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
        "AWS_RETRY_MODE": "standard",
        "AWS_SECRET_ACCESS_KEY": _CREDENTIAL,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def process_environment(endpoint: str, region: str, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """A child's whole environment: `base` (default: this process's) with no AWS setting but the twin's."""
    inherited = os.environ if base is None else base
    kept = {
        name: value
        for name, value in inherited.items()
        if not name.startswith(("AWS_", "MOTO_")) and name.upper() not in _PROXIES
    }
    return kept | cloud_environment(endpoint, region)


_PROXIES: Final = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"})


def session(endpoint: str, region: str) -> "boto3.Session":
    """A boto3 session whose clients talk to the twin's cloud; it reads nothing of the user's AWS set-up.

    Make clients of it in one thread; clients themselves may be shared.
    """
    import boto3
    from botocore.config import Config
    from botocore.session import Session

    class TwinSession(boto3.Session):
        """Every client and resource of it goes to the twin's cloud, whatever the environment says."""

        def client(self, *args: Any, **kwargs: Any) -> Any:
            made = super().client(*args, **{"endpoint_url": endpoint, **kwargs})
            made.meta.events.register("before-sign.s3-control", _without_account_in_host)
            return made

        def resource(self, *args: Any, **kwargs: Any) -> Any:
            return super().resource(*args, **{"endpoint_url": endpoint, **kwargs})

    require_loopback(endpoint)
    core = Session(session_vars=_BLIND)
    core.set_credentials(_CREDENTIAL, _CREDENTIAL)
    core.set_default_client_config(
        Config(
            retries={"mode": "standard", "total_max_attempts": 2},
            connect_timeout=5,
            read_timeout=120,
            max_pool_connections=32,
            tcp_keepalive=True,
            inject_host_prefix=False,
            proxies={},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "path"},
        )
    )
    return TwinSession(botocore_session=core, region_name=region)


def _without_account_in_host(request: Any, **_: Any) -> None:
    """S3 Control's clients put the account before the host's name; no such name leads to this machine."""
    request.url = re.sub(r"^http://\d{12}\.", "http://", request.url)


_BLIND: Final[dict[str, Any]] = {
    # name → (configuration key, environment variable, default, conversion): nothing is looked up outside
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


def _told(directory: Path) -> dict[str, Any] | None:
    try:
        told = json.loads((directory / ENDPOINT_FILE).read_text())
        require_loopback(told["endpoint"])
        return {"endpoint": told["endpoint"], "pid": int(told["pid"]), "instance": told["instance"]}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _ask(endpoint: str, method: str, path: str, told: Any = None) -> Any:
    parts = urlsplit(endpoint)
    connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=_STOP_SECONDS)
    try:
        body = None if told is None else json.dumps(told)
        connection.request(method, f"/_stagecraft/{path}", body, {"Connection": "close"})
        answer = connection.getresponse()
        content = answer.read()
        if answer.status >= 300:
            raise CloudError(f"the twin's cloud answered {answer.status} to {path}: {content.decode()[:500]}")
        return json.loads(content)
    finally:
        connection.close()


def _start(directory: Path, idle_seconds: int, *, live: bool) -> None:
    """Runs the cloud's command, which returns when the cloud, gone into the background, answers."""
    command = [sys.executable, "-m", "twin.aws.cloud", "--directory", str(directory)]
    command += ["--idle-seconds", str(idle_seconds)]
    if not live:
        command.append("--no-processes")
    paths = [str(_CHECKOUT), *filter(None, [os.environ.get("PYTHONPATH")])]
    try:
        done = subprocess.run(
            command,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_START_SECONDS,
            check=False,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired as error:
        raise CloudError(
            f"the twin's cloud did not start within {_START_SECONDS:.0f} s; see {directory / LOG_FILE}"
        ) from error
    if done.returncode != 0:
        raise CloudError(done.stderr.strip() or f"the twin's cloud ended with {done.returncode}")


def _settled(directory: Path) -> CloudHandle | None:
    """The running cloud; one that is just starting or still saving is waited for."""
    end = time.monotonic() + _STOP_SECONDS
    while (handle := running_cloud(directory)) is None:
        try:
            with _locked(directory / LIFE_LOCK, 0.0):
                return None
        except TimeoutError as error:
            if time.monotonic() > end:
                raise _not_ending(directory) from error
            time.sleep(0.02)
    return handle


def _wait_for_end(directory: Path, seconds: float) -> None:
    try:
        with _locked(directory / LIFE_LOCK, seconds):
            return
    except TimeoutError as error:
        raise _not_ending(directory) from error


def _not_ending(directory: Path) -> CloudError:
    return CloudError(
        f"the twin's cloud of {directory} neither answers nor ends; its process id is in "
        f"{directory / ENDPOINT_FILE}: end it, then try again"
    )


@contextmanager
def _locked(path: Path, seconds: float) -> Iterator[None]:
    """Holds the file's lock; TimeoutError if another holds it for longer."""
    end = time.monotonic() + seconds
    with path.open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise TimeoutError(f"{path} is held by another process") from None
                time.sleep(0.01)
        yield
