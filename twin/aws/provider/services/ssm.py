"""AWS Systems Manager: parameters."""

import re
from collections.abc import Mapping
from typing import Any, Final

from twin.aws.provider.adapter import Adapter, State, found
from twin.aws.provider.names import AutoName
from twin.aws.provider.operation import Operation
from twin.aws.provider.tagging import Tagging
from twin.providers.problems import Problems
from twin.wire import UNKNOWN

_NAME: Final = re.compile(r"^/?[\w.-]+(/[\w.-]+)*$")
_LIMITS: Final = {"Standard": 4096, "Advanced": 8192}


class Parameter(Adapter):
    """A parameter; its id is its name."""

    token = "aws:ssm/parameter:Parameter"
    service = "ssm"
    auto_name = AutoName(max_length=2048)
    create_shapes = ("PutParameter.input",)
    handled = frozenset({"value", "insecureValue"})
    local = frozenset({"overwrite"})
    in_place = frozenset(
        {"allowedPattern", "dataType", "description", "insecureValue", "keyId", "tier", "type", "value"}
    )
    volatile = frozenset({"version"})
    tagging = Tagging(
        resource="ResourceId",
        add="add_tags_to_resource",
        remove="remove_tags_from_resource",
        answer="TagList",
        target="name",
        fixed={"ResourceType": "Parameter"},
    )

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """One value, of the size that the tier allows, under an allowed name."""
        name = inputs.get("name")
        if isinstance(name, str):
            bare = name.strip("/").lower()
            if not _NAME.match(name) or bare.startswith(("aws", "ssm")) or name.count("/") > 15:
                problems.add(
                    "name",
                    f"{name!r} is not allowed",
                    "letters, digits, . - _ and up to 15 /, not aws or ssm first",
                )
            elif "/" in name and not name.startswith("/"):
                problems.add("name", f"{name!r} is a path", "begin it with /")
        given = [key for key in ("value", "insecureValue") if inputs.get(key) is not None]
        if len(given) != 1:
            problems.add("value", "there must be one value", "give exactly one of value and insecureValue")
        if inputs.get("insecureValue") is not None and inputs.get("type") == "SecureString":
            problems.add("insecureValue", "a SecureString's value is secret", "give value")
        limit = _LIMITS.get(inputs.get("tier") or "Standard", 8192)
        for key in given:
            value = inputs[key]
            if value is not UNKNOWN and isinstance(value, str) and not 1 <= len(value.encode()) <= limit:
                problems.add(key, f"has {len(value.encode())} bytes", f"give 1 to {limit}")
            pattern = inputs.get("allowedPattern")
            if isinstance(pattern, str) and isinstance(value, str) and not re.search(pattern, value):
                problems.add(key, f"does not match allowedPattern {pattern}", "give a value that does")

    def create(self, op: Operation, inputs: State) -> State | None:
        """One call; the state follows from it."""
        parameters = self._parameters(op, inputs)
        if inputs.get("tags") and not inputs.get("overwrite"):
            parameters["Tags"] = [
                {"Key": key, "Value": inputs["tags"][key]} for key in sorted(inputs["tags"])
            ]
        answer = op.client().put_parameter(**parameters)
        op.id = inputs["name"]
        if inputs.get("tags") and inputs.get("overwrite"):
            self.tagging.change(op, op.id, {}, inputs["tags"])
        return self._state(op, inputs, answer["Version"], answer.get("Tier") or "Standard")

    def _parameters(self, op: Operation, inputs: Mapping[str, Any]) -> dict[str, Any]:
        parameters = self.request(op, "PutParameter.input", {**inputs, "tags": None})
        parameters["Value"] = inputs["value"] if inputs.get("value") is not None else inputs["insecureValue"]
        return parameters

    def _state(self, op: Operation, inputs: Mapping[str, Any], version: int, tier: str) -> State:
        name = inputs["name"]
        value = inputs["value"] if inputs.get("value") is not None else inputs["insecureValue"]
        return {
            "dataType": "text",
            "tier": tier,
            "arn": op.arn("ssm", f"parameter{name if name.startswith('/') else f'/{name}'}"),
            "hasValueWo": False,
            **({"keyId": "alias/aws/ssm"} if inputs["type"] == "SecureString" else {}),
            **inputs,
            "value": value,
            "version": version,
            "tagsAll": inputs.get("tags") or {},
        }

    def read(self, op: Operation, known: State) -> State | None:
        """The value, and what describes it."""
        client = op.client()
        answer = found(client.get_parameter, Name=op.id, WithDecryption=True)
        if answer is None:
            return None
        filters = [{"Key": "Name", "Option": "Equals", "Values": [op.id]}]
        described = client.describe_parameters(ParameterFilters=filters)["Parameters"]
        more = described[0] if described else {}
        parameter = answer["Parameter"]
        inputs = {
            "name": parameter["Name"],
            "type": parameter["Type"],
            "value": parameter["Value"],
            "description": more.get("Description") or None,
            "allowedPattern": more.get("AllowedPattern") or None,
            "dataType": parameter.get("DataType") or "text",
        }
        state = self._state(op, inputs, parameter["Version"], more.get("Tier") or "Standard")
        state["tagsAll"] = self.tagging.current(op, op.id)
        if more.get("KeyId"):
            state["keyId"] = more["KeyId"]
        if known.get("insecureValue") is not None:
            state["insecureValue"] = parameter["Value"]
        return state

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Puts a new version."""
        if changed - {"tags", "overwrite"}:
            op.client().put_parameter(**{**self._parameters(op, news), "Overwrite": True})

    def delete(self, op: Operation, known: State) -> None:
        """Deletes the parameter."""
        op.client().delete_parameter(Name=op.id)
