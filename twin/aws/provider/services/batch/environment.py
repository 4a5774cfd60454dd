"""Compute environments."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from twin.aws.provider.adapter import Adapter, State
from twin.aws.provider.diff import is_zero
from twin.aws.provider.names import AutoName
from twin.aws.provider.operation import Operation
from twin.aws.provider.services.batch.common import (
    TAGGING,
    check_name,
    check_state,
    find,
    remove,
    settle,
)
from twin.providers.problems import Problems
from twin.wire import UNKNOWN

_CALL: Final = "DescribeComputeEnvironments"
_MEMBERS: Final = "computeEnvironments"
_FARGATE: Final = ("FARGATE", "FARGATE_SPOT")
_NOT_FOR_FARGATE: Final = (
    "allocationStrategy",
    "bidPercentage",
    "desiredVcpus",
    "ec2Configurations",
    "ec2KeyPair",
    "imageId",
    "instanceRole",
    "instanceTypes",
    "launchTemplate",
    "minVcpus",
    "placementGroup",
    "spotIamFleetRole",
    "tags",
)
_SPOT_STRATEGIES: Final = ("SPOT_CAPACITY_OPTIMIZED", "SPOT_PRICE_CAPACITY_OPTIMIZED")
_RENEWABLE: Final = frozenset({"BEST_FIT_PROGRESSIVE", *_SPOT_STRATEGIES})
"""Strategies whose environments Batch can change while they stand, machines and all."""
_SIZES: Final = frozenset({"desiredVcpus", "maxVcpus", "minVcpus"})
_FARGATE_CHANGES: Final = _SIZES | {"securityGroupIds", "subnets"}
_ANY_TYPE: Final = frozenset({"optimal", "default_x86_64", "default_arm64"})
_ARM: Final = re.compile(r"^(a1|[a-z]+\d+g[a-z]*)$")
_ROLE: Final = re.compile(r"^(arn:[\w-]+:iam::\d{12}:instance-profile/.+|[\w+=,.@-]+)$")


class ComputeEnvironment(Adapter):
    """Machines for jobs; its id is its name."""

    token = "aws:batch/computeEnvironment:ComputeEnvironment"
    service = "batch"
    auto_name = AutoName(max_length=128)
    create_shapes = ("CreateComputeEnvironment.input",)
    rename: ClassVar[Mapping[str, str]] = {
        "arn": "computeEnvironmentArn",
        "name": "computeEnvironmentName",
        "computeResources.ec2Configurations": "ec2Configuration",
    }
    handled = frozenset({"updatePolicy"})
    in_place = frozenset({"computeResources", "serviceRole", "state", "updatePolicy"})
    defaults: ClassVar[Mapping[str, Any]] = {"state": "ENABLED"}
    tagging = TAGGING

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """What goes with each kind of capacity."""
        check_name(inputs, problems)
        check_state(inputs, problems)
        resources, kind = inputs.get("computeResources"), inputs.get("type")
        if kind == "MANAGED" and resources is None:
            problems.add("computeResources", "is missing", "a MANAGED environment needs it")
        if kind == "UNMANAGED" and resources is not None:
            problems.add("computeResources", "is for MANAGED environments", "leave it out")
        if inputs.get("eksConfiguration") and kind == "UNMANAGED":
            problems.add("eksConfiguration", "is for MANAGED environments", "leave it out")
        if isinstance(resources, dict):
            _check_resources(op, resources, problems)

    def forces_replacement(self, name: str, old: Any, new: Any) -> bool:
        """What Batch cannot change in machines that stand."""
        if name != "computeResources" or not isinstance(old, dict) or not isinstance(new, dict):
            return False
        changed = {key for key in {*old, *new} if old.get(key) != new.get(key)}
        fargate = [each.get("type") in _FARGATE for each in (old, new)]
        if changed <= (_FARGATE_CHANGES if all(fargate) else _SIZES):
            return False
        if any(fargate) or "spotIamFleetRole" in changed:
            return True
        return not all(each.get("allocationStrategy") in _RENEWABLE for each in (old, new))

    def create(self, op: Operation, inputs: State) -> State | None:
        """Creates the environment and waits until it is valid."""
        op.call("CreateComputeEnvironment", self.request(op, "CreateComputeEnvironment.input", inputs))
        op.id = inputs["name"]
        data = settle(op, _CALL, _MEMBERS, op.id)
        if inputs.get("updatePolicy"):
            self._update(op, {"updatePolicy": inputs["updatePolicy"]})
            data = settle(op, _CALL, _MEMBERS, op.id)
        return self._state(op, data)

    def _update(self, op: Operation, changes: State) -> None:
        parameters = self.request(op, "UpdateComputeEnvironment.input", changes)
        op.call("UpdateComputeEnvironment", {"computeEnvironment": op.id, **parameters})

    def read(self, op: Operation, known: State) -> State | None:
        """Describes the environment."""
        data = find(op, _CALL, _MEMBERS, op.id)
        return None if data is None else self._state(op, data)

    def _state(self, op: Operation, data: Mapping[str, Any]) -> State:
        return {**self.properties(op, "ComputeEnvironmentDetail", data), "tagsAll": data.get("tags") or {}}

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Only what differs: a mention of machines' settings would start them anew."""
        plain = ("serviceRole", "state", "updatePolicy")
        changes: State = {name: news[name] for name in plain if name in changed and name in news}
        if "computeResources" in changed:
            before, after = olds.get("computeResources") or {}, news.get("computeResources") or {}
            differing = {key: value for key, value in after.items() if before.get(key) != value}
            if differing:
                changes["computeResources"] = differing
        if changes:
            self._update(op, changes)
            settle(op, _CALL, _MEMBERS, op.id)

    def delete(self, op: Operation, known: State) -> None:
        """Disables the environment first."""
        remove(op, "ComputeEnvironment", "computeEnvironment", _MEMBERS)


def _check_resources(op: Operation, resources: Mapping[str, Any], problems: Problems) -> None:
    kind = resources.get("type")
    given = {key for key, value in resources.items() if not is_zero(value)}

    def add(name: str, wrong: str, remedy: str) -> None:
        problems.add(f"computeResources.{name}", wrong, remedy)

    for name in ("subnets", *(("securityGroupIds",) if kind in _FARGATE else ())):
        if resources.get(name) in (None, []):
            add(name, "is empty", "name at least one")
    most = resources.get("maxVcpus")
    for name in ("minVcpus", "desiredVcpus", "maxVcpus"):
        value = resources.get(name)
        if isinstance(value, int) and value < 0:
            add(name, f"{value} is below 0", "give 0 or more")
        elif isinstance(value, int) and isinstance(most, int) and value > most:
            add(name, f"{value} is above maxVcpus ({most})", "give at most as many")
    if kind in _FARGATE:
        for name in sorted(given & set(_NOT_FOR_FARGATE)):
            add(name, f"is not for {kind}", "leave it out")
    elif isinstance(kind, str):
        _check_machines(op, resources, given, problems)


def _check_machines(op: Operation, resources: Mapping[str, Any], given: set[str], problems: Problems) -> None:
    def add(name: str, wrong: str, remedy: str) -> None:
        problems.add(f"computeResources.{name}", wrong, remedy)

    kind, strategy = resources["type"], resources.get("allocationStrategy")
    role = resources.get("instanceRole")
    if role is None:
        add("instanceRole", "is missing", "machines need an instance profile")
    elif isinstance(role, str) and not _ROLE.match(role):
        add("instanceRole", f"{role!r} is no instance profile", "give its ARN or name, not a role's ARN")
    if not given & {"instanceTypes"} and resources.get("instanceTypes") is not UNKNOWN:
        add("instanceTypes", "is empty", 'name types or families, or "optimal"')
    _check_types(op, resources.get("instanceTypes"), problems)
    if kind == "EC2" and strategy in _SPOT_STRATEGIES:
        add("allocationStrategy", f"{strategy} is for SPOT", "use BEST_FIT_PROGRESSIVE, or type SPOT")
    if kind == "SPOT" and strategy in (None, "BEST_FIT") and not resources.get("spotIamFleetRole"):
        add(
            "spotIamFleetRole",
            "is missing",
            "BEST_FIT on spot needs it; SPOT_PRICE_CAPACITY_OPTIMIZED does not",
        )
    bid = resources.get("bidPercentage")
    if bid is not None and kind != "SPOT":
        add("bidPercentage", "is for SPOT", "leave it out")
    elif isinstance(bid, int) and not 1 <= bid <= 100:
        add("bidPercentage", f"{bid} is out of range", "give 1 to 100")
    template = resources.get("launchTemplate")
    if isinstance(template, dict):
        named = [
            name for name in ("launchTemplateId", "launchTemplateName") if template.get(name) is not None
        ]
        if len(named) != 1:
            add("launchTemplate", f"{len(named)} of id and name are given", "give exactly one of them")
    configurations = resources.get("ec2Configurations")
    if isinstance(configurations, list) and len(configurations) > 2:
        add("ec2Configurations", f"there are {len(configurations)}", "Batch takes two at most")


def _check_types(op: Operation, types: Any, problems: Problems) -> None:
    """Each is a type or family that EC2 has, and all have one architecture."""
    known = set(getattr(op.cloud.model("ec2").shape_for("InstanceType"), "enum", ()))
    families = {name.split(".")[0] for name in known}
    architectures: dict[bool, str] = {}
    for place, name in enumerate(types if isinstance(types, list) else []):
        if not isinstance(name, str):
            continue
        path = f"computeResources.instanceTypes[{place}]"
        if name not in known and name not in families and name not in _ANY_TYPE:
            problems.add(path, f"{name!r} is no type or family of EC2", "give one such as m6i.xlarge or m6i")
            continue
        arm = name == "default_arm64" or _ARM.match(name.split(".")[0]) is not None
        architectures.setdefault(arm, name)
        if len(architectures) == 2 and architectures[arm] == name:
            other = architectures[not arm]
            problems.add(path, f"{name!r} has another architecture than {other!r}", "use one architecture")
