"""Runs a program against Pulumi's own mocks and keeps what it registered, in order."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi.runtime import mocks as runtime_mocks
from pulumi.runtime.settings import SETTINGS, set_root_resource

from twin.wire import ARCHIVE, SECRET, SIGNATURE

ACCOUNT = "123456789012"
REGION = "us-east-1"

_ANSWERS: dict[str, dict[str, Any]] = {
    "aws:index/getCallerIdentity:getCallerIdentity": {
        "accountId": ACCOUNT,
        "arn": f"arn:aws:iam::{ACCOUNT}:user/test",
        "id": ACCOUNT,
        "userId": "AIDA",
    },
    "aws:index/getRegion:getRegion": {
        "region": REGION,
        "name": REGION,
        "id": REGION,
        "description": "",
        "endpoint": "",
    },
    "aws:index/getAvailabilityZones:getAvailabilityZones": {
        "names": [f"{REGION}{zone}" for zone in "abcdef"],
        "zoneIds": [],
        "groupNames": [],
        "id": REGION,
    },
}


@dataclass(frozen=True)
class Registration:
    """One resource as the program registered it."""

    type: str
    name: str
    inputs: dict[str, Any]

    @property
    def kind(self) -> str:
        """`Bucket` of `aws:s3/bucket:Bucket`."""
        return self.type.rpartition(":")[2]


class Monitor(runtime_mocks.MockMonitor):
    """The mocks' monitor, which also keeps what a request says beside its inputs."""

    def __init__(self, recording: "Recording") -> None:
        super().__init__(recording)
        self._recording = recording

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802  # the protocol's own name
        answer = super().RegisterResource(request)
        self._recording.requests[request.name] = {
            "urn": answer.urn,
            "parent": request.parent,
            "protect": bool(request.protect),
            "dependencies": sorted(request.dependencies),
            "propertyDependencies": {
                key: sorted(value.urns) for key, value in request.propertyDependencies.items()
            },
        }
        return answer

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802  # the protocol's own name
        self._recording.registered_outputs[request.urn.rpartition("::")[2]] = set(request.outputs)
        return super().RegisterResourceOutputs(request)


@dataclass
class Recording(pulumi.runtime.Mocks):
    """What a program did, and what it is answered."""

    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    resources: list[Registration] = field(default_factory=list)
    invokes: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    options: dict[str, pulumi.ResourceOptions] = field(default_factory=dict)
    """Name → options, in the order of the program."""
    registered_outputs: dict[str, set[str]] = field(default_factory=dict)
    """Component → names of the outputs that it registered."""
    requests: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Name → what else was said when it was registered."""

    def call(self, args: pulumi.runtime.MockCallArgs) -> dict[str, Any]:
        self.invokes.append((args.token, dict(args.args)))
        answers = {**_ANSWERS, **self.answers}
        if args.token not in answers:
            raise AssertionError(f"unexpected invoke {args.token}")
        return answers[args.token]

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        registration = Registration(args.typ, args.name, _without_archives(args.inputs))
        self.resources.append(registration)
        return (f"{args.name}-id" if _is_custom(args.typ) else None), _state(registration)

    def judged(self) -> list[dict[str, Any]]:
        """The resources as entries of a state, which is how packs and the estimator take them."""
        return [
            {
                "type": each.type,
                "custom": _is_custom(each.type),
                "id": f"{each.name}-id",
                "inputs": _plain(each.inputs),
                "outputs": _plain(_state(each)),
                **self.requests[each.name],
            }
            for each in self.resources
        ]

    def judged_stack(self) -> list[dict[str, Any]]:
        """The same below their stack, without which nobody asks for what its stage adds (M1 to M3)."""
        root = {
            "urn": "urn:pulumi:test::stagecraft::pulumi:pulumi:Stack::stagecraft-test",
            "type": "pulumi:pulumi:Stack",
        }
        return [{**root, "inputs": {}, "outputs": {}}, *self.judged()]

    def of(self, kind: str) -> list[Registration]:
        """The resources of a type, by the end of its token."""
        return [resource for resource in self.resources if resource.type.endswith(f":{kind}")]

    def one(self, kind: str, name: str | None = None) -> Registration:
        """The one resource of a type, and of a name where there are several."""
        found = [resource for resource in self.of(kind) if name in (None, resource.name)]
        assert len(found) == 1, [resource.name for resource in self.of(kind)]
        return found[0]


def _is_custom(token: str) -> bool:
    """Whether a provider makes it; components and the stack are only names."""
    return token.startswith(("aws:", "kubernetes:", "pulumi:providers:"))


def _state(registration: Registration) -> dict[str, Any]:
    """What a resource became: its inputs, and what every service answers."""
    if not registration.type.startswith("aws:"):
        return dict(registration.inputs)
    name, service = registration.name, registration.type.split(":")[1].split("/")[0]
    if registration.kind == "Cluster":
        return {
            "arn": f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/{name}",
            "certificateAuthority": {"data": "Q0E="},
            "endpoint": f"https://{name}.eks.{REGION}.amazonaws.com",
            **registration.inputs,
            "vpcConfig": {"clusterSecurityGroupId": "sg-cluster", **registration.inputs["vpcConfig"]},
        }
    return {
        "arn": f"arn:aws:{service}:{REGION}:{ACCOUNT}:{name}",
        "name": name,
        "keyId": f"id-of-{name}",
        "repositoryUrl": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{name}",
        "ipv6CidrBlock": "2600:1f18:1234:5600::/56",
        "latestVersion": 1,
        "url": f"https://{service}.{REGION}.amazonaws.com/{ACCOUNT}/{name}",
        **registration.inputs,
    }


def _plain(properties: dict[str, Any]) -> dict[str, Any]:
    """Secrets without their mark: packs see through it."""
    return {
        key: value["value"] if isinstance(value, dict) and value.get(SIGNATURE) == SECRET else value
        for key, value in properties.items()
    }


def _without_archives(properties: dict[str, Any]) -> dict[str, Any]:
    """Archives as a state has them, less their content: what is recorded can be compared and written out."""
    return {key: _without_archive(value) for key, value in properties.items()}


def _without_archive(value: Any) -> Any:
    if isinstance(value, pulumi.Archive):
        return {SIGNATURE: ARCHIVE, "assets": {}}
    return _without_archives(value) if isinstance(value, dict) else value


@contextlib.contextmanager
def _fresh_runtime(recording: Recording, stack: str, preview: bool) -> Iterator[None]:
    _need_a_loop()
    # The root resource outlives a run, and with it the last run's transformations.
    set_root_resource(None)  # type: ignore[arg-type]  # what it is before the first run
    pulumi.runtime.set_mocks(
        recording, project="stagecraft", stack=stack, preview=preview, monitor=Monitor(recording)
    )
    SETTINGS.rpc_manager.clear()
    SETTINGS.outputs.clear()
    try:
        yield
    finally:
        SETTINGS.rpc_manager.clear()
        SETTINGS.outputs.clear()


def _need_a_loop() -> None:
    """Pulumi takes the thread's event loop, which `asyncio.run` of a test before this one takes away."""
    try:
        usable = not asyncio.get_event_loop_policy().get_event_loop().is_closed()
    except RuntimeError:
        usable = False
    if not usable:
        asyncio.set_event_loop(asyncio.new_event_loop())


def run(
    program: Callable[[], Any],
    *,
    stack: str = "test",
    preview: bool = False,
    answers: dict[str, dict[str, Any]] | None = None,
) -> Recording:
    """Runs a program; a dict or component that it returns becomes the recording's outputs."""
    recording = Recording(answers=answers or {})

    def wrapped() -> None:
        # Old transformations run in the process, so they also work under mocks.
        pulumi.runtime.register_stack_transformation(
            lambda args: recording.options.__setitem__(args.name, args.opts)
        )
        result = program()
        if isinstance(result, pulumi.ComponentResource):
            result = {
                key: value
                for key, value in vars(result).items()
                if isinstance(value, pulumi.Output) and key[0] != "_"
            }
            result.pop("urn", None)
        for key, value in (result or {}).items():
            pulumi.Output.from_input(value).apply(
                lambda known, key=key: recording.outputs.__setitem__(key, known)
            )

    with _fresh_runtime(recording, stack, preview):
        runtime_mocks.test(wrapped)()
    return recording
