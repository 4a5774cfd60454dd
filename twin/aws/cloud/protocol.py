"""What a request asks for in AWS's own terms (service, operation, parameters), and answers in its protocol.

Shapes and wire formats come from botocore's service models through moto's parsers and serialisers.
"""

import json
import re
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Final
from urllib.parse import parse_qs

from twin.aws.cloud.client import ACCOUNT
from twin.aws.cloud.http import HttpRequest, HttpResponse, as_bytes
from twin.aws.cloud.moto_host import environ_of, moto_request

_SCOPE: Final = re.compile(r"Credential=[^/]+/[^/]+/([^/]+)/([^/]+)/aws4_request")
_ACTION: Final = re.compile(rb"(?:^|&)Action=(\w+)")
_READ: Final = re.compile(
    r"(Describe|List|Get|Head|Search|Query|Scan|BatchGet|TransactGet|Select|Filter|Lookup|Validate|Estimate"
    r"|Check|Simulate|View|Preview|Decode|Verify|Encrypt$|Decrypt$|ReEncrypt$|AssumeRole)"
)
_CHANGING_READS: Final = frozenset({"GetQueryResults"})
_SERVICES_OF_SIGNER: Final = {
    "sagemaker": (
        "sagemaker",
        "sagemaker-runtime",
        "sagemaker-featurestore-runtime",
        "sagemaker-metrics",
    ),
    "monitoring": ("cloudwatch",),
    "states": ("stepfunctions",),
    "elasticloadbalancing": ("elbv2", "elb"),
    "aps": ("amp",),
    "access-analyzer": ("accessanalyzer",),
    "tagging": ("resourcegroupstaggingapi",),
    "email": ("sesv2", "ses"),
    "execute-api": ("apigatewaymanagementapi",),
}
"""botocore's services by the name in a signature, where that is another."""


class AwsError(Exception):
    """An error answer of AWS: `code` as the SDKs show it, and the message."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


class NotEmulatedError(AwsError):
    """The twin has nothing for this operation, and says so."""

    def __init__(self, service: str, operation: str) -> None:
        super().__init__(
            "NotEmulated",
            f"the twin's cloud does not emulate {service}:{operation} as it was asked for",
            501,
        )


@dataclass(slots=True)
class Call:
    """One request, read as far as is needed: what it asks for is looked up when somebody wants to know."""

    request: HttpRequest
    signer: str
    region: str
    environ: dict[str, Any]
    account: str = ACCOUNT
    _operation: Any = field(default=None, repr=False)
    _web_request: Any = field(default=None, repr=False)

    @property
    def action(self) -> str:
        """The operation's name if the request itself carries it (JSON and query protocols), else empty."""
        target: str = self.environ.get("HTTP_X_AMZ_TARGET", "")
        if target:
            return target.rpartition(".")[2]
        if self.environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
            match = _ACTION.search(self.request.body)
            return match.group(1).decode() if match else ""
        return ""

    def is_read(self) -> bool:
        """Whether the operation is one that only looks."""
        if self.request.method in ("GET", "HEAD"):
            return True
        action = self.action
        if not action and self.signer != "s3":  # of S3, what is neither GET nor HEAD is a write
            operation = self.operation()
            action = operation.name if operation is not None else ""
        return _READ.match(action) is not None and action not in _CHANGING_READS

    def web_request(self) -> Any:
        """The request as moto's router and parsers read it; made once, for it reads its body once."""
        if self._web_request is None:
            self._web_request = moto_request({**self.environ, "wsgi.input": BytesIO(self.request.body)})
        return self._web_request

    def operation(self) -> "Operation | None":
        """The operation by botocore's service models; None if no model knows it."""
        if self._operation is None:
            self._operation = _resolve(self) or False
        return self._operation or None


@dataclass(slots=True)
class Operation:
    """An operation of a service, with what the request says to it."""

    service: str
    name: str
    model: Any
    uri_parameters: dict[str, Any]
    call: Call
    _parameters: dict[str, Any] | None = field(default=None, repr=False)

    @property
    def parameters(self) -> dict[str, Any]:
        """The request's parameters by botocore's names."""
        if self._parameters is None:
            self._parameters = self._parse()
        return self._parameters

    def _parse(self) -> dict[str, Any]:
        from moto.core.parse import PROTOCOL_PARSERS
        from moto.core.request import determine_request_protocol

        request = self.call.web_request()
        protocol = determine_request_protocol(self.model.service_model, request.content_type)
        parsed: dict[str, Any] = PROTOCOL_PARSERS[protocol](self.model).parse(
            {
                "method": request.method,
                "values": request.values,
                "headers": request.headers,
                "body": self.call.request.body,
                "url_path": request.path,
                "url_params": self.uri_parameters,
            }
        )
        return parsed

    def answer(self, result: dict[str, Any] | None) -> HttpResponse:
        """The result in the service's protocol."""
        return _serialized(self.model, result or {}, self._protocol())

    def error(self, problem: AwsError) -> HttpResponse:
        """The error in the service's protocol."""
        response = _serialized(self.model, problem, self._protocol())
        if problem.status != 400:
            response.status = problem.status
        return response

    def result_of(self, response: HttpResponse) -> dict[str, Any]:
        """What a response in the service's protocol says, by botocore's names."""
        from botocore.parsers import create_parser

        parsed: dict[str, Any] = create_parser(self._protocol()).parse(
            {
                "status_code": response.status,
                "headers": {key.lower(): value for key, value in response.headers.items()},
                "body": response.body,
            },
            self.model.output_shape,
        )
        parsed.pop("ResponseMetadata", None)
        return parsed

    def _protocol(self) -> str:
        from moto.core.request import determine_request_protocol

        content_type = self.call.environ.get("CONTENT_TYPE", "")
        return str(determine_request_protocol(self.model.service_model, content_type))


def unresolved_error(problem: AwsError) -> HttpResponse:
    """The error where not even the protocol is known: in a form that most SDKs read."""
    body = json.dumps({"__type": problem.code, "message": problem.message}).encode()
    headers = {"Content-Type": "application/x-amz-json-1.1", "x-amzn-errortype": problem.code}
    return HttpResponse(problem.status, body, headers)


def _serialized(model: Any, result: Any, protocol: str) -> HttpResponse:
    from moto.core.serialize import get_serializer_class

    serializer = get_serializer_class(model.service_model.service_name, protocol)
    answer = serializer(operation_model=model).serialize(result)
    headers = {key: str(value) for key, value in answer["headers"].items()}
    return HttpResponse(int(answer["status_code"]), as_bytes(answer["body"]), headers)


def _resolve(call: Call) -> Operation | None:
    """Asks the service models of whoever signs with that name which operation the request is."""
    from botocore.exceptions import UnknownServiceError
    from moto.core.routing import get_service_router
    from werkzeug.exceptions import NotFound

    request = call.web_request()
    for service in _candidates(call):
        try:
            model, uri_parameters = get_service_router(service).match(request)
        except (NotFound, NotImplementedError, UnknownServiceError):
            continue
        return Operation(service, model.name, model, uri_parameters, call)
    return None


def _candidates(call: Call) -> tuple[str, ...]:
    if call.signer == "s3":
        return ("s3control",) if call.request.target.startswith("/v20180820/") else ("s3",)
    if call.signer == "dynamodb" and call.environ.get("HTTP_X_AMZ_TARGET", "").startswith("DynamoDBStreams"):
        return ("dynamodbstreams",)
    if call.signer == "elasticloadbalancing" and b"Version=2012-06-01" in call.request.body:
        return ("elb",)
    return _SERVICES_OF_SIGNER.get(call.signer, (call.signer,))


def read_call(request: HttpRequest) -> Call:
    """Who is asked, and where, from the signature's scope; an unsigned request counts as S3's."""
    environ = environ_of(request)
    match = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    if match is None and "X-Amz-Credential" in request.target:
        scope = parse_qs(environ["QUERY_STRING"]).get("X-Amz-Credential", [""])[0].split("/")
        region, signer = (scope[2], scope[3]) if len(scope) == 5 else ("us-east-1", "s3")
    else:
        region, signer = match.groups() if match else ("us-east-1", "s3")
    return Call(request, signer.lower(), region, environ)


def signer_of(service: str) -> str:
    """The name that clients of a botocore service sign with."""
    for signer, services in _SERVICES_OF_SIGNER.items():
        if service in services:
            return signer
    return "s3" if service == "s3control" else service


def not_emulated(call: Call) -> NotEmulatedError:
    """The error for a call nobody answers, naming service and operation as well as can be."""
    operation = call.operation()
    if operation is not None:
        return NotEmulatedError(operation.service, operation.name)
    path = call.request.target.partition("?")[0]
    return NotEmulatedError(call.signer, call.action or f"{call.request.method} {path}")
