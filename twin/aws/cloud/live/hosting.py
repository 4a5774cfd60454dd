"""SageMaker endpoints that answer: the registered model, served by the platform image's `serve` in a process.

SageMaker's own contract with a container is kept: the model unpacked in `SM_MODEL_DIR`, `GET /ping`,
`POST /invocations`.
"""

import contextlib
import http.client
import itertools
import json
import logging
import shutil
import socket
import subprocess
import tarfile
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from twin.aws.cloud.client import session
from twin.aws.cloud.gaps.services import sagemaker
from twin.aws.cloud.gaps.store import Record, RecordStore
from twin.aws.cloud.gateway import Event, Gateway
from twin.aws.cloud.http import HttpResponse
from twin.aws.cloud.live.endpoint_metrics import EndpointMetrics
from twin.aws.cloud.live.processes import ProcessGroup, container_environment, image_command
from twin.aws.cloud.protocol import AwsError, Call

_READY_SECONDS: Final = 60.0
_INVOKE_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.02
_LOG_TAIL: Final = 1_000
_RUNNING_VARIANTS: Final = frozenset({"InService", "Updating"})
_log = logging.getLogger(__name__)


class StartError(Exception):
    """A model's container could not be brought up; the text is the endpoint's FailureReason."""


@dataclass(frozen=True)
class Variant:
    """One variant of an endpoint's configuration, resolved to the container that serves it."""

    name: str
    model_data: str
    environment: Mapping[str, str]


@dataclass
class _Container:
    """A running container."""

    process: "subprocess.Popen[bytes]"
    port: int
    folder: Path
    idle: "deque[http.client.HTTPConnection]" = field(default_factory=deque)
    """Connections that wait for the next request: making one costs as much as a small model's answer."""


@dataclass
class _Service:
    """The containers of one endpoint under one configuration, started when first needed."""

    region: str
    endpoint: str
    config: str
    variants: dict[str, Variant]
    containers: dict[str, _Container] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=itertools.count)
    guard: threading.Lock = field(default_factory=threading.Lock)


class EndpointHost:
    """Runs the models of a cloud's endpoints and sends requests to them."""

    def __init__(
        self, store: RecordStore, directory: Path, endpoint: str, processes: ProcessGroup, *, live: bool
    ) -> None:
        self._store = store
        self._folder = directory / "models"
        self._endpoint = endpoint
        self._processes = processes
        self._live = live
        self._services: dict[tuple[str, str], _Service] = {}
        self._guard = threading.Lock()
        self._gateway: Gateway | None = None
        self._deploying = 0
        self.metrics = EndpointMetrics()

    def attach(self, gateway: Gateway) -> None:
        """Tells the gateway what to send here."""
        self._gateway = gateway
        gateway.on_event("endpoint-settled", self._settled)
        gateway.on_event("endpoint-failed", self._failed)
        gateway.intercept(self._intercept)
        self.metrics.attach(gateway)

    def busy(self) -> bool:
        """Whether an endpoint is being brought into service."""
        return self._deploying > 0

    def start(self) -> None:
        """Goes on with what was under way when the last process ended."""
        shutil.rmtree(self._folder, ignore_errors=True)
        for service, noun, region, name, record in list(self._store.everywhere()):
            if (service, noun) == ("sagemaker", "Endpoint") and record["EndpointStatus"] in (
                "Creating",
                "Updating",
            ):
                self.deploy(region, name)

    def deploy(self, region: str, endpoint: str) -> None:
        """Brings the endpoint's new configuration into service, in the background."""
        if self._gateway is None or self._gateway.replaying:
            return
        if not self._live:
            sagemaker.settle_endpoint(self._store, region, endpoint, "")
            return
        self._deploying += 1
        threading.Thread(target=self._deploy, args=(region, endpoint), name="deploy", daemon=True).start()

    def kill(self, region: str, endpoint: str) -> list[int]:
        """Kills the endpoint's containers where they stand, as a failing machine would: for fault drills.

        Returns the ids of the processes; none if the endpoint has none running.
        """
        with self._guard:
            service = self._services.get((region, endpoint))
        if service is None:
            return []
        killed = []
        for container in list(service.containers.values()):
            if container.process.poll() is None:
                container.process.kill()
                killed.append(container.process.pid)
        return killed

    def retire(self, region: str, endpoint: str) -> None:
        """Ends the endpoint's containers."""
        with self._guard:
            service = self._services.pop((region, endpoint), None)
        if service is not None:
            threading.Thread(target=self._end, args=(service,), daemon=True).start()

    def _deploy(self, region: str, name: str) -> None:
        assert self._gateway is not None  # noqa: S101  (deploy has looked)
        failure = ""
        service: _Service | None = None
        try:
            service = self._resolve(region, name, pending=True)
            for variant in service.variants.values():
                self._container(service, variant)
        except StartError as problem:
            failure = str(problem)
        except Exception as problem:
            _log.exception("endpoint %s", name)
            failure = f"the twin's cloud failed: {problem!r}"
        if failure and service is not None:
            self._end(service)
        try:
            with self._gateway.lock:
                known = self._store.all_of("sagemaker", "Endpoint", region).get(name)
                if known is None or failure:
                    replaced = service if known is None else None
                else:
                    with self._guard:
                        replaced = self._services.get((region, name))
                        if service is not None:
                            self._services[region, name] = service
                self._gateway.happened("endpoint-settled", region=region, name=name, failure=failure)
            if replaced is not None:
                self._end(replaced)
        finally:
            self._deploying -= 1

    def _settled(self, event: Event) -> None:
        sagemaker.settle_endpoint(self._store, event["region"], event["name"], event["failure"])

    def _failed(self, event: Event) -> None:
        sagemaker.fail_endpoint(self._store, event["region"], event["name"], event["failure"])

    # --- what serves an endpoint ---

    def _resolve(self, region: str, name: str, *, pending: bool) -> _Service:
        """The endpoint's configuration down to its containers, from the records."""
        assert self._gateway is not None  # noqa: S101
        with self._gateway.lock:
            endpoint = self._store.all_of("sagemaker", "Endpoint", region).get(name)
            if endpoint is None:
                raise StartError(f"endpoint {name} is gone")
            config_name = (endpoint.get("_pending") if pending else None) or endpoint["EndpointConfigName"]
            config = self._store.all_of("sagemaker", "EndpointConfig", region).get(config_name)
            if config is None:
                raise StartError(f"endpoint configuration {config_name} is gone")
            variants = {
                variant["VariantName"]: self._variant(region, variant)
                for variant in config["ProductionVariants"]
            }
        return _Service(region, name, config_name, variants)

    def _variant(self, region: str, variant: Record) -> Variant:
        model = self._store.all_of("sagemaker", "Model", region).get(variant["ModelName"])
        if model is None:
            raise StartError(f"model {variant['ModelName']} is gone")
        container = model.get("PrimaryContainer") or model["Containers"][0]
        described = container
        named = container.get("ModelPackageName")
        if named is not None:
            packages = self._store.all_of("sagemaker", "ModelPackage", region)
            package = packages.get(named) or next(
                (each for each in packages.values() if each["ModelPackageArn"] == named), None
            )
            if package is None:
                raise StartError(f"model package {named} is gone")
            described = package["InferenceSpecification"]["Containers"][0]
        data = container.get("ModelDataUrl") or described.get("ModelDataUrl")
        source = described.get("ModelDataSource", {}).get("S3DataSource", {})
        data = data or source.get("S3Uri")
        if not data:
            raise StartError(f"the container of model {variant['ModelName']} has no ModelDataUrl")
        environment = {**described.get("Environment", {}), **container.get("Environment", {})}
        return Variant(variant["VariantName"], data, environment)

    def _service(self, region: str, name: str) -> _Service:
        with self._guard:
            known = self._services.get((region, name))
        if known is not None:
            return known
        made = self._resolve(region, name, pending=False)
        with self._guard:
            return self._services.setdefault((region, name), made)

    def _container(self, service: _Service, variant: Variant) -> _Container:
        """The variant's container, started if it isn't running."""
        with service.guard:
            known = service.containers.get(variant.name)
            if known is not None:
                if known.process.poll() is None:
                    return known
                _log.warning("endpoint %s: variant %s ended; restarting", service.endpoint, variant.name)
                self._processes.ended(known.process)
            return self._start_container(service, variant)

    def _start_container(self, service: _Service, variant: Variant) -> _Container:
        folder = self._folder / service.region / service.endpoint / service.config / variant.name
        model = folder / "model"
        shutil.rmtree(folder, ignore_errors=True)
        model.mkdir(parents=True)
        self._fetch(variant.model_data, service.region, folder / "model.tar.gz", model)
        port = _free_port()
        told = dict(variant.environment) | {
            "SAGEMAKER_BIND_TO_PORT": str(port),
            "SAGEMAKER_SAFE_PORT_RANGE": f"{port}-{port}",
            "SM_MODEL_DIR": str(model),
        }
        environment = container_environment(self._endpoint, service.region, told)
        log = folder / "container.log"
        try:
            with log.open("wb") as output:
                process = self._processes.start(image_command(["serve"]), environment, folder, output=output)
        except OSError as problem:
            raise StartError(f"the model container could not be started: {problem}") from problem
        container = _Container(process, port, folder)
        # Known before it is ready: a machine can fail while it starts, too.
        service.containers[variant.name] = container
        try:
            _wait_until_ready(container, log)
        except StartError:
            self._processes.end(process)
            raise
        return container

    def _fetch(self, uri: str, region: str, archive: Path, target: Path) -> None:
        parts = urlsplit(uri)
        if parts.scheme != "s3" or not parts.netloc or not parts.path.strip("/"):
            raise StartError(f"ModelDataUrl {uri!r} is not s3://bucket/key")
        client = session(self._endpoint, region).client("s3")
        try:
            client.download_file(parts.netloc, parts.path.lstrip("/"), str(archive))
        except Exception as problem:
            raise StartError(f"Failed to download model data from {uri}: {problem}") from problem
        try:
            with tarfile.open(archive) as opened:
                opened.extractall(target, filter="data")
        except (tarfile.TarError, OSError, EOFError) as problem:
            raise StartError(f"Failed to extract model data archive from {uri}: {problem}") from problem

    def _end(self, service: _Service) -> None:
        with service.guard:
            for container in service.containers.values():
                self._processes.end(container.process)
                while container.idle:
                    container.idle.pop().close()
                shutil.rmtree(container.folder, ignore_errors=True)
            service.containers.clear()

    # --- invocations ---

    def _intercept(self, call: Call) -> HttpResponse | None:
        if call.signer != "sagemaker" or not call.request.target.partition("?")[0].endswith("/invocations"):
            return None
        name = unquote(call.request.target.split("/")[2])
        return self._invoke(call, name)

    def _invoke(self, call: Call, name: str) -> HttpResponse:
        assert self._gateway is not None  # noqa: S101
        with self._gateway.lock:
            endpoint = self._store.all_of("sagemaker", "Endpoint", call.region).get(name)
            if endpoint is None:
                raise AwsError("ValidationError", f"Endpoint {name} of account {call.account} not found.")
            status = endpoint["EndpointStatus"]
            weights = {each["VariantName"]: each["CurrentWeight"] for each in endpoint["ProductionVariants"]}
        if status not in _RUNNING_VARIANTS:
            raise AwsError(
                "ValidationError" if status == "Creating" else "ModelError",
                f"Endpoint {name} is {status}. {endpoint.get('FailureReason', '')}".strip(),
                400 if status == "Creating" else 424,
            )
        if not self._live:
            raise AwsError(
                "ModelError", "this cloud runs no processes: it was started for planning only", 424
            )
        try:
            service = self._service(call.region, name)
            variant = _chosen(service, weights, call.request.header("X-Amzn-SageMaker-Target-Variant"))
            return self._measured(call, service, variant)
        except StartError as problem:
            self._gateway.happened("endpoint-failed", region=call.region, name=name, failure=str(problem))
            raise AwsError("ModelError", str(problem), 424) from problem

    def _measured(self, call: Call, service: _Service, variant: Variant) -> HttpResponse:
        """The answer, counted as SageMaker counts it; a model that gives none has failed."""
        begun, status = time.perf_counter(), 500
        try:
            response, status = self._answer(call, service, variant)
            return response
        finally:
            seconds = time.perf_counter() - begun
            self.metrics.answered(
                service.region, service.endpoint, variant.name, status=status, seconds=seconds
            )

    def _answer(self, call: Call, service: _Service, variant: Variant) -> tuple[HttpResponse, int]:
        """The container's answer; one that has died is restarted, once."""
        for last in (False, True):
            container = self._container(service, variant)
            try:
                return _post(call, container, variant.name)
            except (OSError, http.client.HTTPException) as problem:
                if last or isinstance(problem, TimeoutError):
                    raise AwsError(
                        "ModelError", f"the model container did not answer: {problem!r}", 424
                    ) from problem
                with contextlib.suppress(subprocess.TimeoutExpired):
                    container.process.wait(1.0)
        raise AssertionError


def _chosen(service: _Service, weights: Mapping[str, float], target: str) -> Variant:
    """The variant that answers next: the one asked for, else each in proportion to its weight."""
    if target:
        if target not in service.variants:
            raise AwsError("ValidationError", f"Variant {target} not found in endpoint {service.endpoint}")
        return service.variants[target]
    names = [name for name in service.variants if weights.get(name, 0.0) > 0]
    if not names:
        raise AwsError("ValidationError", f"no variant of endpoint {service.endpoint} has a weight above 0")
    total = sum(weights[name] for name in names)
    # Golden-ratio steps through [0, 1) spread evenly for any weights, and repeat exactly from run to run.
    place = (next(service.numbers) * 0.618_033_988_749_894_9 % 1.0) * total
    for name in names:
        place -= weights[name]
        if place < 0:
            return service.variants[name]
    return service.variants[names[-1]]


def _post(call: Call, container: _Container, variant: str) -> tuple[HttpResponse, int]:
    """What the caller gets, and the status that the container gave."""
    headers = {"Content-Type": call.request.header("Content-Type") or "application/octet-stream"} | {
        name: value
        for name, value in call.request.headers
        if name.lower() == "accept" or name.lower().startswith("x-amzn-sagemaker-")
    }
    answer, body = _exchange(container, call.request.body, headers)
    if answer.status >= 300:
        return _model_error(answer.status, body, variant), answer.status
    content_type = answer.getheader("Content-Type") or "application/octet-stream"
    told = {"Content-Type": content_type, "x-Amzn-Invoked-Production-Variant": variant}
    return HttpResponse(200, body, told), 200


def _exchange(
    container: _Container, body: bytes, headers: Mapping[str, str]
) -> tuple[http.client.HTTPResponse, bytes]:
    """One request to the container, on a connection that waits or on a new one."""
    with contextlib.suppress(IndexError):
        waiting = container.idle.pop()
        try:
            return _ask(container, waiting, body, headers)
        except TimeoutError:
            raise
        except (OSError, http.client.HTTPException):
            pass  # the container may have closed it meanwhile; a new one tells whether it lives
    fresh = http.client.HTTPConnection("127.0.0.1", container.port, timeout=_INVOKE_SECONDS)
    return _ask(container, fresh, body, headers)


def _ask(
    container: _Container, connection: http.client.HTTPConnection, body: bytes, headers: Mapping[str, str]
) -> tuple[http.client.HTTPResponse, bytes]:
    try:
        connection.request("POST", "/invocations", body, dict(headers))
        answer = connection.getresponse()
        told = answer.read()
    except BaseException:
        connection.close()
        raise
    if answer.will_close:
        connection.close()
    else:
        container.idle.append(connection)
    return answer, told


def _model_error(status: int, body: bytes, variant: str) -> HttpResponse:
    text = body.decode(errors="replace")
    message = f'Received client error ({status}) from {variant} with message "{text[:1000]}".'
    if status >= 500:
        message = message.replace("client error", "server error")
    told = {"Message": message, "OriginalMessage": text, "OriginalStatusCode": status}
    return HttpResponse(
        424,
        json.dumps(told).encode(),
        {"Content-Type": "application/json", "x-amzn-ErrorType": "ModelError"},
    )


def _wait_until_ready(container: _Container, log: Path) -> None:
    end = time.monotonic() + _READY_SECONDS
    while time.monotonic() < end:
        if container.process.poll() is not None:
            raise StartError(
                f"The model container ended with exit code {container.process.returncode} before it passed "
                f"its ping health check. Its last words: {_tail(log)}"
            )
        connection = http.client.HTTPConnection("127.0.0.1", container.port, timeout=2.0)
        try:
            connection.request("GET", "/ping")
            if connection.getresponse().status == 200:
                return
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        time.sleep(_POLL_SECONDS)
    raise StartError(
        f"The model container did not pass its ping health check within {_READY_SECONDS:.0f} s. "
        f"Its last words: {_tail(log)}"
    )


def _tail(log: Path) -> str:
    text = log.read_bytes()[-_LOG_TAIL:].decode(errors="replace").strip()
    return text or "(none)"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
