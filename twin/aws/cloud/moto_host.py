"""moto, set up as the twin needs it and called without its web framework.

Import nothing of moto elsewhere before `prepare` has run: clock and randomness must be in place first.
"""

import json
import logging
import os
import secrets
import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from twin.aws.cloud import clock, randomness
from twin.aws.cloud.http import HttpRequest, HttpResponse, as_bytes
from twin.aws.cloud.import_hook import when_imported

ACCOUNT: Final = "123456789012"
_AMIS: Final = Path(__file__).with_name("amis.json")
"""A few current images for every region; moto's 1,300 old ones would take half a second and 3 MB of state."""
_METHODS: Final = ["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"]
_log = logging.getLogger(__name__)
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
    _configure()
    _speed_up()
    _seed_backends()
    when_imported("moto.kms.models", _mend_keys)
    when_imported("moto.s3.models", _mend_bucket_policies)


def _configure() -> None:
    from moto.core.config import default_user_config

    default_user_config["stepfunctions"] = {"execute_state_machine": True}
    default_user_config["lambda"] = {"use_docker": False}
    default_user_config["iam"] = {"load_aws_managed_policies": True}


def _speed_up() -> None:
    """Mends what a profile of the serving path showed to cost the most."""
    from botocore.session import Session
    from moto.core import common_models, responses

    # Every call listed the handler class's methods anew (milliseconds for EC2).
    responses.method_names_from_class = lru_cache(maxsize=None)(responses.method_names_from_class)

    # Request ids took 52 draws of the seeded generator each; they need not be repeatable.
    def request_id(headers: dict[str, Any] | None = None) -> str:
        identity = secrets.token_hex(16)
        if isinstance(headers, dict):
            headers["x-amzn-requestid"] = identity
        return identity

    responses.gen_amzn_requestid_long = request_id

    # Modules ask for the regions as they are imported, each with a new session that reads EC2's model anew.
    regions = lru_cache(maxsize=None)(Session().get_available_regions)
    Session.get_available_regions = lambda _self, *asked, **named: list(regions(*asked, **named))

    # Every model object ever made was kept in a list for moto's dashboard, which is not served here.
    def untracked(cls: type, *_args: Any, **_kwargs: Any) -> Any:
        return object.__new__(cls)

    common_models.BaseModel.__new__ = untracked


def _seed_backends() -> None:
    """What a service has from the start (the default VPC, say) depends on nothing but service and region."""
    from moto.core.base_backend import AccountSpecificBackend

    original = AccountSpecificBackend.__getitem__

    def get(self: Any, region: str) -> Any:
        if dict.__contains__(self, region):
            return dict.__getitem__(self, region)
        with randomness.seeded("backend", self.service_name, self.account_id, region), clock.frozen(EPOCH):
            return original(self, region)

    AccountSpecificBackend.__getitem__ = get


EPOCH: Final = 1_767_225_600.0  # 2026-01-01: when the twin's account was opened


def _mend_keys(models: Any) -> None:
    """Symmetric KMS keys come from the seeded source: after a replay they decrypt what they encrypted.

    moto also makes an RSA key pair (60 ms) for each of them, which nothing uses, and forgets the default usage.
    """
    from moto.moto_api._internal import mock_random

    original = models.generate_private_key
    models.generate_master_key = lambda: mock_random.getrandbits(256).to_bytes(32)
    models.generate_private_key = lambda spec: (
        None if spec == "SYMMETRIC_DEFAULT" or spec.startswith("HMAC") else original(spec)
    )
    begin = models.Key.__init__

    def __init__(self: Any, policy: Any, key_usage: Any, *more: Any, **named: Any) -> None:
        begin(self, policy, key_usage or "ENCRYPT_DECRYPT", *more, **named)

    models.Key.__init__ = __init__


def _mend_bucket_policies(models: Any) -> None:
    """A bucket policy's statements with conditions do not apply here.

    moto knows no condition and takes each for one that refuses, so that "deny without TLS", which every bucket
    of ours has, refused everything; loopback stands for TLS.
    """
    original = models.FakeBucket.get_permission

    def get_permission(self: Any, action: str, resource: str) -> Any:
        if self.policy is None or b'"Condition"' not in self.policy:
            return original(self, action, resource)
        document = json.loads(self.policy)
        listed = document.get("Statement") or []
        listed = listed if isinstance(listed, list) else [listed]
        kept = [statement for statement in listed if not statement.get("Condition")]
        whole, self.policy = self.policy, json.dumps({**document, "Statement": kept}).encode()
        try:
            return original(self, action, resource)
        finally:
            self.policy = whole

    models.FakeBucket.get_permission = get_permission


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
        from moto.core.utils import ClientError
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


def _url_map(service: str) -> Any:
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

    class CloudRequest(Request):  # type: ignore[misc]
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
