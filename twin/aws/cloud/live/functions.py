"""Lambda functions that really run: Python from a zip by `lambda_entry`; an image by its entrypoint.

An image-based function runs `<image command> lambda <handler>`; both speak Lambda's runtime API.
"""

import base64
import hashlib
import io
import json
import logging
import shutil
import sys
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, unquote

from twin.aws.cloud.client import ACCOUNT
from twin.aws.cloud.gateway import Gateway
from twin.aws.cloud.http import HttpResponse
from twin.aws.cloud.import_hook import when_imported
from twin.aws.cloud.live.environments import Environments, Function, Start
from twin.aws.cloud.live.processes import ProcessGroup, image_command
from twin.aws.cloud.protocol import AwsError, Call

_ENTRY: Final = Path(__file__).with_name("lambda_entry.py")
_log = logging.getLogger(__name__)


class FunctionRunner:
    """Runs a cloud's functions."""

    def __init__(self, directory: Path, endpoint: str, processes: ProcessGroup, *, live: bool) -> None:
        self._folder = directory / "functions"
        self._environments = Environments(endpoint, processes, self._start)
        self._live = live
        self._background = ThreadPoolExecutor(max_workers=4, thread_name_prefix="lambda")
        self._pending = 0
        self._guard = threading.Lock()
        self._unpacking = threading.Lock()
        self._gateway: Gateway | None = None

    def attach(self, gateway: Gateway) -> None:
        """Tells the gateway and moto whom to ask."""
        self._gateway = gateway
        gateway.intercept(self._intercept)
        # Other services of moto (topics, rules, buckets, queues) invoke functions from inside of a call,
        # under the lock, and have no use for an answer.
        when_imported("moto.awslambda.models", self._patch_function)
        when_imported("moto.awslambda_simple.models", self._patch_backend)

    def _patch_function(self, module: Any) -> None:
        def invoke(function: Any, body: str, *_headers: Any, **_named: Any) -> tuple[str, bool, str]:
            self.queue(_described(function), body.encode())
            return "", False, ""

        module.LambdaFunction.invoke = invoke

    def _patch_backend(self, module: Any) -> None:
        # moto hands the headers over by name in some places and by order in others.
        def invoke(
            backend: Any, function_name: str, qualifier: str | None, body: Any, *_headers: Any, **_named: Any
        ) -> bytes:
            function = backend.get_function(function_name, qualifier)
            self.queue(_described(function), body if isinstance(body, bytes) else str(body or "{}").encode())
            return b""

        module.LambdaSimpleBackend.invoke = invoke

    def start(self) -> None:
        """Forgets code unpacked by an earlier process."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def busy(self) -> bool:
        """Whether an invocation is under way or waits."""
        return self._pending > 0 or self._environments.busy()

    def stop(self) -> None:
        """Takes no more invocations."""
        self._background.shutdown(wait=False, cancel_futures=True)
        self._environments.close()

    def queue(self, function: Function, event: bytes) -> None:
        """Invokes the function in the background."""
        if self._gateway is None or self._gateway.replaying or not self._live:
            return
        with self._guard:
            self._pending += 1
        try:
            self._background.submit(self._run_queued, function, event)
        except RuntimeError:  # the cloud is ending
            with self._guard:
                self._pending -= 1

    def _run_queued(self, function: Function, event: bytes) -> None:
        try:
            outcome = self._environments.invoke(function, event)
            if outcome.error:
                _log.warning("function %s failed: %s", function.name, outcome.payload[:500])
        except Exception:
            _log.exception("function %s", function.name)
        finally:
            with self._guard:
                self._pending -= 1

    def _intercept(self, call: Call) -> HttpResponse | None:
        path, _, query = call.request.target.partition("?")
        parts = path.split("/")
        if call.signer != "lambda" or call.request.method != "POST" or parts[-1] != "invocations":
            return None
        name = unquote(parts[-2])
        qualifier = parse_qs(query).get("Qualifier", [None])[0]
        function = self._find(call, name, qualifier)
        kind = call.request.header("X-Amz-Invocation-Type") or "RequestResponse"
        event = call.request.body or b"{}"
        try:
            json.loads(event)
        except ValueError as problem:
            raise AwsError(
                "InvalidRequestContentException", f"Could not parse request body: {problem}"
            ) from problem
        if kind == "DryRun":
            return HttpResponse(204)
        if kind == "Event":
            self.queue(function, event)
            return HttpResponse(202)
        if not self._live:
            raise AwsError(
                "ServiceException", "this cloud runs no processes: it was started for planning only", 500
            )
        with self._guard:
            self._pending += 1
        try:
            outcome = self._environments.invoke(function, event)
        finally:
            with self._guard:
                self._pending -= 1
        headers = {"Content-Type": "application/json", "X-Amz-Executed-Version": function.version}
        if outcome.error:
            headers["X-Amz-Function-Error"] = outcome.error
        if call.request.header("X-Amz-Log-Type") == "Tail":
            headers["X-Amz-Log-Result"] = base64.b64encode(outcome.log[-4096:]).decode()
        return HttpResponse(200, outcome.payload, headers)

    def _find(self, call: Call, name: str, qualifier: str | None) -> Function:
        from moto.awslambda.exceptions import LambdaClientError
        from moto.awslambda.utils import get_backend

        assert self._gateway is not None  # noqa: S101
        with self._gateway.lock:
            try:
                found = get_backend(ACCOUNT, call.region).get_function(name, qualifier)
            except LambdaClientError as problem:
                raise AwsError("ResourceNotFoundException", f"Function not found: {name}", 404) from problem
            return _described(found)

    def _start(self, function: Function) -> Start:
        if function.image:
            return Start(image_command(["lambda", function.handler]), None)
        if not function.runtime.startswith("python"):
            raise AwsError(
                "InvalidRuntimeException",
                f"the twin's cloud runs Python functions and images only, not {function.runtime}",
                502,
            )
        return Start([sys.executable, str(_ENTRY), function.handler], self._unpacked(function))

    def _unpacked(self, function: Function) -> Path:
        """The folder that the function's code is unpacked in; once for the same code."""
        folder = self._folder / hashlib.sha256(function.code).hexdigest()
        with self._unpacking:
            if not folder.exists():
                partial = folder.with_suffix(".partial")
                shutil.rmtree(partial, ignore_errors=True)
                partial.mkdir(parents=True)
                with zipfile.ZipFile(io.BytesIO(function.code)) as archive:
                    archive.extractall(partial)  # zipfile keeps members inside of the folder
                partial.rename(folder)
        return folder


def _described(function: Any) -> Function:
    """Moto's function, as far as it is needed to run it."""
    image = function.package_type == "Image"
    command = getattr(function.image_config, "cmd", None) or [""]
    return Function(
        name=function.function_name,
        arn=function.function_arn,
        version=str(function.version),
        region=function.region,
        handler=str(command[0] if image else function.handler),
        runtime=str(function.run_time or ""),
        image=image,
        code=getattr(function, "code_bytes", b"") or b"",
        environment={str(key): str(value) for key, value in (function.environment_vars or {}).items()},
        seconds=int(function.timeout or 3),
        memory=int(function.memory_size or 128),
    )
