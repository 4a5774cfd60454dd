"""moto, set up as the twin needs it and called without its web framework.

Import nothing of moto elsewhere before `prepare` has run: clock and randomness must be in place first.
"""

import importlib
import os
import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from twin.aws.cloud import clock, moto_patches, randomness
from twin.aws.cloud.client import ACCOUNT
from twin.aws.cloud.http import HttpRequest, HttpResponse, as_bytes

_AMIS: Final = Path(__file__).with_name("amis.json")
"""A few current images for every region; moto's 1,300 old ones would take half a second and 3 MB of state."""
_METHODS: Final = ["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"]
_prepared = threading.Event()


def prepare(port: int, region: str) -> None:
    """Configures moto for this process: call once, before the first request.

    Args:
        port: The cloud's own port.
        region: The region of whatever names none.
    """
    if _prepared.is_set():
        raise RuntimeError("moto is already set up in this process")
    _prepared.set()
    for name in [name for name in os.environ if name.startswith(("AWS_", "MOTO_"))]:
        del os.environ[name]  # whatever account the user works with, it is not this one
    os.environ.update(
        AWS_ACCESS_KEY_ID="twin",
        AWS_SECRET_ACCESS_KEY="twin",  # noqa: S106
        AWS_DEFAULT_REGION=region,
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
        AWS_EC2_METADATA_DISABLED="true",
        MOTO_PORT=str(port),
        MOTO_IAM_LOAD_MANAGED_POLICIES="true",
        MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION="1",
        MOTO_ACCOUNT_ID=ACCOUNT,
        MOTO_AMIS_PATH=str(_AMIS),
        S3_IGNORE_SUBDOMAIN_BUCKETNAME="true",
    )
    clock.install()
    randomness.install()
    moto_patches.apply()


def backends_in_use() -> list[Any]:
    """Moto's tables of backends (account → region → backend) that something has asked for."""
    base: Any = importlib.import_module("moto.core.base_backend")
    return list(base.BackendDict._instances)


class MotoApps:
    """Finds and calls the moto handler of a request, as moto's own server does but without Flask."""

    def __init__(self) -> None:
        from moto.moto_server import werkzeug_app

        self._dispatcher = werkzeug_app.DomainDispatcherApplication(werkzeug_app.create_backend_app)
        self._backend_of_host: Callable[[str], Any] = lru_cache(maxsize=None)(
            self._dispatcher.get_backend_for_host
        )
        self._maps: dict[str, Any] = {}

    def call(self, environ: dict[str, Any]) -> HttpResponse:
        """The response of moto. Raises NotImplementedError where moto lacks the operation."""
        from botocore.exceptions import ClientError
        from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

        service = self._service(environ)
        if service is None:
            raise NotImplementedError
        request = _request_type()(environ)
        try:
            handler, _ = self._map(service).bind("127.0.0.1").match(request.path, request.method)
        except (NotFound, MethodNotAllowed) as error:
            raise NotImplementedError from error
        try:
            result = handler(request, request.raw_url, dict(request.headers))
        except ClientError as error:
            result = 400, {}, error.response["Error"]["Message"]
        except HTTPException as error:
            answer = error.get_response(environ)
            return HttpResponse(answer.status_code, answer.get_data(), dict(answer.headers))
        status, headers, body = result if len(result) == 3 else (200, {}, result)
        return HttpResponse(int(status), as_bytes(body), {key: str(value) for key, value in headers.items()})

    def _service(self, environ: dict[str, Any]) -> str | None:
        host = self._dispatcher.infer_service_region_host(environ, environ["PATH_INFO"])
        backend: str | None = self._backend_of_host(host or "s3.us-east-1.amazonaws.com")
        return backend

    def _map(self, service: str) -> Any:
        known = self._maps.get(service)
        if known is None:
            known = self._maps[service] = _url_map(service)
        return known


def _url_map(service: Any) -> Any:
    """Moto's URL table of a service; rule order and weights are werkzeug's, as in moto's server."""
    from moto.backends import get_backend
    from moto.moto_server.utilities import RegexConverter
    from werkzeug.routing import Map, Rule

    try:
        regions = get_backend(service)[ACCOUNT]
    except ModuleNotFoundError as error:
        raise NotImplementedError from error  # moto would need a library that the twin does without
    backend = regions["us-east-1" if "us-east-1" in regions else "aws"]
    rules = [
        Rule(path, endpoint=handler, methods=_METHODS, strict_slashes=False)
        for path, handler in backend.flask_paths.items()
        if path
    ]
    return Map(rules, converters={"regex": RegexConverter}, merge_slashes=False)


@lru_cache(maxsize=1)
def _request_type() -> type:
    from moto.core.request import Request

    class CloudRequest(Request):
        """moto's request, received by a real server."""

        from_wsgi_server = True

    return CloudRequest


def moto_request(environ: dict[str, Any]) -> Any:
    """The request in the form that moto's router and parsers read."""
    return _request_type()(environ)


def environ_of(request: HttpRequest) -> dict[str, Any]:
    """The WSGI environment of a request, as moto's own request handler would build it."""
    from io import BytesIO
    from urllib.parse import unquote_to_bytes

    path, _, query = request.target.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "RAW_URI": request.target,
        "REQUEST_URI": request.target,
        "QUERY_STRING": query,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": os.environ["MOTO_PORT"],
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(request.body),
        "wsgi.errors": None,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "CONTENT_LENGTH": str(len(request.body)),
    }
    preserved: dict[str, str] = {}
    for name, value in request.headers:
        key = name.upper().replace("-", "_")
        if key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            environ[key] = value
            continue
        key = f"HTTP_{key}"
        if "_" in name:
            if not name.lower().startswith("x-amz-meta-"):
                continue  # else X_Foo could stand in for X-Foo
            preserved[key] = name
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    environ["moto.preserved_header_names"] = preserved
    return environ
