"""Job definitions."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from botocore.validate import ParamValidator

from twin.aws.provider import documents
from twin.aws.provider.adapter import Adapter, State
from twin.aws.provider.diff import is_zero
from twin.aws.provider.names import AutoName
from twin.aws.provider.operation import Operation
from twin.aws.provider.services.batch.common import TAGGING, check_name
from twin.providers.problems import Problems

_DOCUMENTS: Final[Mapping[str, str]] = {
    "containerProperties": "ContainerProperties",
    "ecsProperties": "EcsProperties",
    "nodeProperties": "NodeProperties",
}
"""Properties that are JSON documents → their shapes."""
_CONTENTS: Final = ("containerProperties", "ecsProperties", "eksProperties", "nodeProperties")
_CONDITIONS: Final = ("onExitCode", "onReason", "onStatusReason")
_NEEDS: Final = frozenset({"GPU", "MEMORY", "VCPU"})
_FARGATE_VCPUS: Final = frozenset({0.25, 0.5, 1, 2, 4, 8, 16})
_LEAST_SECONDS: Final = 60
_UNORDERED: Final = frozenset({"environment", "resourceRequirements", "secrets"})


class JobDefinition(Adapter):
    """What a job is, in revisions; its id is the ARN of the first revision made here."""

    token = "aws:batch/jobDefinition:JobDefinition"
    service = "batch"
    auto_name = AutoName(max_length=128)
    create_shapes = ("RegisterJobDefinition.input",)
    rename: ClassVar[Mapping[str, str]] = {
        "arn": "jobDefinitionArn",
        "name": "jobDefinitionName",
        **dict.fromkeys(_DOCUMENTS, ""),
    }
    handled = frozenset(_DOCUMENTS)
    local = frozenset({"deregisterOnNewRevision"})
    in_place = frozenset(
        {
            *_CONTENTS,
            "parameters",
            "platformCapabilities",
            "propagateTags",
            "retryStrategy",
            "schedulingPriority",
            "timeout",
        }
    )
    defaults: ClassVar[Mapping[str, Any]] = {"deregisterOnNewRevision": True, "propagateTags": False}
    volatile = frozenset({"arn", "revision"})
    tagging = TAGGING

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """What goes with the type, the documents, retries, the timeout."""
        check_name(inputs, problems)
        _check_type(inputs, problems)
        for name, shape in _DOCUMENTS.items():
            self._check_document(op, name, shape, inputs.get(name), problems)
        container = documents.parse(inputs.get("containerProperties"))
        if isinstance(container, dict):
            capabilities = inputs.get("platformCapabilities")
            fargate = isinstance(capabilities, list) and "FARGATE" in capabilities
            _check_container(container, fargate, problems)
        priority = inputs.get("schedulingPriority")
        if isinstance(priority, int) and not 0 <= priority <= 9999:
            problems.add("schedulingPriority", f"{priority} is out of range", "give 0 to 9999")
        timeout = inputs.get("timeout")
        seconds = timeout.get("attemptDurationSeconds") if isinstance(timeout, dict) else None
        if isinstance(seconds, int) and seconds < _LEAST_SECONDS:
            problems.add(
                "timeout.attemptDurationSeconds", f"{seconds} is too small", "give at least 60 seconds"
            )
        _check_retries(inputs.get("retryStrategy"), problems)

    def _check_document(self, op: Operation, name: str, shape: str, text: Any, problems: Problems) -> None:
        if not isinstance(text, str):
            return
        document = documents.parse(text)
        if not isinstance(document, dict):
            problems.add(name, "is not a JSON object", "give one as in Batch's RegisterJobDefinition")
            return
        report = ParamValidator().validate(_without_nulls(document), self.mapper(op.cloud).structure(shape))
        for line in report.generate_report().splitlines():
            problems.add(name, line.replace(" in input:", ":"), "see Batch's RegisterJobDefinition")

    def same(self, name: str, left: Any, right: Any) -> bool:
        """Documents that say the same to Batch, whatever it fills in."""
        if name not in _DOCUMENTS:
            return False
        first, second = documents.parse(left), documents.parse(right)
        return first is not None and second is not None and _canonical(first) == _canonical(second)

    def create(self, op: Operation, inputs: State) -> State | None:
        """Registers the first revision."""
        op.id = op.made["arn"] = self._register(op, inputs)
        return None

    def _register(self, op: Operation, inputs: State) -> str:
        parameters = self.request(op, "RegisterJobDefinition.input", inputs)
        for name in _DOCUMENTS:
            if inputs.get(name):
                parameters[name] = _without_nulls(documents.parse(inputs[name]))
        return str(op.call("RegisterJobDefinition", parameters)["jobDefinitionArn"])

    def read(self, op: Operation, known: State) -> State | None:
        """The revision that was registered last; a deregistered one counts as gone."""
        arn = str(known.get("arn") or op.id)
        found = op.call("DescribeJobDefinitions", {"jobDefinitions": [arn]})["jobDefinitions"]
        if not found or found[0].get("status") == "INACTIVE":
            return None
        data = found[0]
        state = self.properties(op, "JobDefinition", data)
        for name in _DOCUMENTS:
            state[name] = documents.dump(_cleared(data[name])) if data.get(name) else None
        state["arnPrefix"] = arn.rsplit(":", 1)[0]
        state["tagsAll"] = data.get("tags") or {}
        return state

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Registers a new revision and takes the old one away, if it is not to stay."""
        if not changed & self.in_place:
            return
        op.made["arn"] = self._register(op, news)
        if news.get("deregisterOnNewRevision") and olds.get("arn"):
            op.call("DeregisterJobDefinition", {"jobDefinition": olds["arn"]})

    def delete(self, op: Operation, known: State) -> None:
        """Deregisters every revision of the name."""
        active = {"jobDefinitionName": known["name"], "status": "ACTIVE"} if known.get("name") else None
        if active is None:
            op.call("DeregisterJobDefinition", {"jobDefinition": op.id})
            return
        for page in op.client().get_paginator("describe_job_definitions").paginate(**active):
            for definition in page["jobDefinitions"]:
                op.call("DeregisterJobDefinition", {"jobDefinition": definition["jobDefinitionArn"]})

    def parse_id(self, op: Operation, identifier: str) -> State:
        """The ARN of a revision."""
        name = identifier.rsplit("/", 1)[-1].rsplit(":", 1)[0]
        return {"arn": identifier, "name": name}


def _check_type(inputs: Mapping[str, Any], problems: Problems) -> None:
    given = [name for name in _CONTENTS if not is_zero(inputs.get(name))]
    if inputs.get("type") == "multinode":
        if "nodeProperties" not in given:
            problems.add("nodeProperties", "is missing", "a multinode definition needs it")
        for name in given:
            if name != "nodeProperties":
                problems.add(name, "is not for multinode definitions", "leave it out")
    elif inputs.get("type") == "container":
        if not given:
            problems.add("containerProperties", "is missing", "say what the container is")
        for name in given[1:]:
            problems.add(name, f"conflicts with {given[0]}", "give one of the two")


def _check_container(container: Mapping[str, Any], fargate: bool, problems: Problems) -> None:
    path = "containerProperties"
    if not container.get("image"):
        problems.add(path, "image is missing", "name the image to run")
    needs: dict[str, str] = {}
    for requirement in container.get("resourceRequirements") or ():
        kind, value = (requirement or {}).get("type"), str((requirement or {}).get("value"))
        if kind not in _NEEDS:
            problems.add(path, f"resourceRequirements: {kind!r} is not allowed", "use GPU, MEMORY or VCPU")
        elif not value.replace(".", "", 1).isdigit() or float(value) <= 0:
            problems.add(
                path, f"resourceRequirements: {kind} {value!r} is no amount", "give a number above 0"
            )
        needs[str(kind)] = value
    for kind, deprecated, unit in (("VCPU", "vcpus", "vCPUs"), ("MEMORY", "memory", "MiB of memory")):
        if kind not in needs and not container.get(deprecated):
            problems.add(path, f"says no {unit}", f"give a resourceRequirement {kind}")
    if fargate:
        if not container.get("executionRoleArn"):
            problems.add(path, "executionRoleArn is missing", "Fargate needs it to pull the image")
        if "GPU" in needs or container.get("privileged"):
            problems.add(
                path, "Fargate has neither GPUs nor privileged containers", "use EC2, or leave them out"
            )
        amount = needs.get("VCPU", "")
        if amount.replace(".", "", 1).isdigit() and float(amount) not in _FARGATE_VCPUS:
            problems.add(path, f"Fargate has no {amount} vCPUs", "give 0.25, 0.5, 1, 2, 4, 8 or 16")
    elif "VCPU" in needs and "." in needs["VCPU"]:
        problems.add(path, f"{needs['VCPU']} vCPUs", "EC2 jobs take whole vCPUs")


def _check_retries(strategy: Any, problems: Problems) -> None:
    if not isinstance(strategy, dict):
        return
    attempts = strategy.get("attempts")
    if isinstance(attempts, int) and not 1 <= attempts <= 10:
        problems.add("retryStrategy.attempts", f"{attempts} is out of range", "give 1 to 10")
    conditions = strategy.get("evaluateOnExits")
    if not isinstance(conditions, list):
        return
    if conditions and attempts is None:
        problems.add("retryStrategy.attempts", "is missing", "evaluateOnExits needs it")
    if len(conditions) > 5:
        problems.add("retryStrategy.evaluateOnExits", f"there are {len(conditions)}", "Batch takes five")
    for place, condition in enumerate(conditions):
        if not isinstance(condition, dict):
            continue
        path = f"retryStrategy.evaluateOnExits[{place}]"
        if not any(condition.get(name) is not None for name in _CONDITIONS):
            problems.add(path, "names no condition", f"give one of {', '.join(_CONDITIONS)}")
        for name in _CONDITIONS:
            text = condition.get(name)
            if isinstance(text, str) and "*" in text[:-1]:
                problems.add(f"{path}.{name}", f"{text!r}", "a * may only stand at the end")
        code = condition.get("onExitCode")
        if isinstance(code, str) and not code.rstrip("*").isdigit() and code != "*":
            problems.add(f"{path}.onExitCode", f"{code!r} is no exit code", "digits, perhaps a * at the end")


def _without_nulls(value: Any) -> Any:
    """The document without what says nothing: Batch's API has no nulls."""
    if isinstance(value, dict):
        return {key: _without_nulls(part) for key, part in value.items() if part is not None}
    return [_without_nulls(part) for part in value] if isinstance(value, list) else value


def _cleared(value: Any) -> Any:
    """The document without the empty lists that Batch fills in."""
    if isinstance(value, dict):
        return {key: _cleared(part) for key, part in value.items() if part not in (None, [], {})}
    return [_cleared(part) for part in value] if isinstance(value, list) else value


def _canonical(value: Any, name: str = "") -> Any:
    """The document as Batch means it: nothing empty, no order where there is none, amounts as text."""
    if isinstance(value, dict):
        parts = {key: _canonical(part, key) for key, part in value.items()}
        return {key: part for key, part in sorted(parts.items()) if not is_zero(part)}
    if isinstance(value, list):
        items = [_canonical(item) for item in value]
        if name == "environment":  # Batch drops variables without a value
            items = [item for item in items if not isinstance(item, dict) or item.get("value")]
        return sorted(items, key=documents.dump) if name in _UNORDERED else items
    return value
