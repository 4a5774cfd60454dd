"""AWS Application Auto Scaling: targets that scale, and the policies that scale them."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from botocore.exceptions import ClientError

from twin.aws.provider.adapter import Adapter, State
from twin.aws.provider.clients import is_not_emulated
from twin.aws.provider.diff import is_zero
from twin.aws.provider.names import AutoName
from twin.aws.provider.operation import Operation
from twin.providers.problems import Problems

_SERVICE: Final = "application-autoscaling"
_NAMING: Final[Mapping[str, str]] = {
    "ServiceNamespace": "serviceNamespace",
    "ResourceId": "resourceId",
    "ScalableDimension": "scalableDimension",
}
_RESOURCES: Final[Mapping[str, tuple[str, ...]]] = {
    "dynamodb": ("table/",),
    "ecs": ("service/",),
    "kafka": ("arn:",),
    "lambda": ("function:",),
    "sagemaker": ("endpoint/", "inference-component/"),
}
_CONFIGURATIONS: Final[Mapping[str, str]] = {
    "PredictiveScaling": "predictiveScalingPolicyConfiguration",
    "StepScaling": "stepScalingPolicyConfiguration",
    "TargetTrackingScaling": "targetTrackingScalingPolicyConfiguration",
}


class _Scaled(Adapter):
    """What is said of a thing by its namespace, id and dimension."""

    service = _SERVICE

    def named(self, known: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters that name the thing."""
        return {member: known[name] for member, name in _NAMING.items()}

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """Namespace, id and dimension fit together."""
        namespace, resource, dimension = (inputs.get(name) for name in _NAMING.values())
        known = isinstance(namespace, str) and isinstance(dimension, str)
        if known and not str(dimension).startswith(f"{namespace}:"):
            said = f"{dimension!r} is none of {namespace}"
            problems.add("scalableDimension", said, f"give one that begins with {namespace}:")
        prefixes = _RESOURCES.get(namespace) if isinstance(namespace, str) else None
        if prefixes and isinstance(resource, str) and not resource.startswith(prefixes):
            said = f"{resource!r} is no id for {namespace}"
            problems.add("resourceId", said, f"begin with {' or '.join(prefixes)}")

    def parse_id(self, op: Operation, identifier: str) -> State:
        """`namespace/id/dimension`, as for an import."""
        namespace, _, rest = identifier.partition("/")
        resource, _, dimension = rest.rpartition("/")
        if not resource:
            return {}
        return {
            "serviceNamespace": namespace,
            "resourceId": resource,
            "scalableDimension": dimension,
        }


class Target(_Scaled):
    """A thing that scales; its id is the thing's."""

    token = "aws:appautoscaling/target:Target"
    create_shapes = ("RegisterScalableTarget.input",)
    rename: ClassVar[Mapping[str, str]] = {"arn": "ScalableTargetARN"}
    in_place = frozenset({"maxCapacity", "minCapacity", "roleArn", "suspendedState"})

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """From the least to the most."""
        super().check(op, inputs, problems)
        least, most = inputs.get("minCapacity"), inputs.get("maxCapacity")
        for name, value in (("minCapacity", least), ("maxCapacity", most)):
            if isinstance(value, int) and value < 0:
                problems.add(name, f"{value} is below 0", "give 0 or more")
        if isinstance(least, int) and isinstance(most, int) and least > most:
            problems.add("minCapacity", f"{least} is above maxCapacity ({most})", "give at most as much")

    def create(self, op: Operation, inputs: State) -> State | None:
        """Registers the target."""
        op.call("RegisterScalableTarget", self.request(op, "RegisterScalableTarget.input", inputs))
        op.id = inputs["resourceId"]
        return None

    def read(self, op: Operation, known: State) -> State | None:
        """Finds the target by its names."""
        if not known.get("serviceNamespace"):
            return None
        names = self.named(known)
        names["ResourceIds"] = [names.pop("ResourceId")]
        found = op.call("DescribeScalableTargets", names)["ScalableTargets"]
        if not found:
            return None
        state = self.properties(op, "ScalableTarget", found[0])
        if found[0].get("SuspendedState") and not known.get("suspendedState"):
            state.pop("suspendedState", None)
        return state

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Registers the target again."""
        if "tags" in changed:
            self._tag(op, olds, news)
        if changed & self.in_place:
            untagged = {name: value for name, value in news.items() if name != "tags"}
            op.call("RegisterScalableTarget", self.request(op, "RegisterScalableTarget.input", untagged))

    def _tag(self, op: Operation, olds: State, news: State) -> None:
        arn, before, after = olds.get("arn"), olds.get("tagsAll") or {}, news.get("tags") or {}
        try:
            gone = sorted(set(before) - set(after))
            if gone:
                op.call("UntagResource", {"ResourceARN": arn, "TagKeys": gone})
            if after:
                op.call("TagResource", {"ResourceARN": arn, "Tags": after})
        except ClientError as error:
            if not is_not_emulated(error):  # moto has no tags of targets: they stay as they were asked for
                raise

    def delete(self, op: Operation, known: State) -> None:
        """Deregisters the target; its policies go along."""
        if self.read(op, known) is not None:
            op.call("DeregisterScalableTarget", self.named(known))


class Policy(_Scaled):
    """When a target scales; its id is its name."""

    token = "aws:appautoscaling/policy:Policy"
    auto_name = AutoName(max_length=255)
    create_shapes = ("PutScalingPolicy.input",)
    rename: ClassVar[Mapping[str, str]] = {"arn": "PolicyARN", "name": "PolicyName"}
    in_place = frozenset({"policyType", *_CONFIGURATIONS.values()})
    defaults: ClassVar[Mapping[str, Any]] = {"policyType": "StepScaling"}

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """The configuration that goes with the type, and no other."""
        super().check(op, inputs, problems)
        kind = inputs.get("policyType")
        wanted = _CONFIGURATIONS.get(kind) if isinstance(kind, str) else None
        for name in _CONFIGURATIONS.values():
            if name == wanted and inputs.get(name) is None:
                problems.add(name, "is missing", f"{kind} needs it")
            elif wanted is not None and name != wanted and not is_zero(inputs.get(name)):
                problems.add(name, f"is not for {kind}", "leave it out, or give the policyType that fits")
        if kind == "PredictiveScaling":
            problems.add("policyType", "PredictiveScaling is not emulated by the twin", "use another")
        tracking = inputs.get(_CONFIGURATIONS["TargetTrackingScaling"])
        if isinstance(tracking, dict):
            metrics = ("customizedMetricSpecification", "predefinedMetricSpecification")
            given = [name for name in metrics if tracking.get(name) is not None]
            if len(given) != 1:
                path = _CONFIGURATIONS["TargetTrackingScaling"]
                problems.add(path, f"{len(given)} metrics are given", f"give one of {', '.join(metrics)}")

    def create(self, op: Operation, inputs: State) -> State | None:
        """Puts the policy."""
        op.call("PutScalingPolicy", self.request(op, "PutScalingPolicy.input", inputs))
        op.id = inputs["name"]
        return None

    def read(self, op: Operation, known: State) -> State | None:
        """Finds the policy by its names."""
        if not known.get("serviceNamespace"):
            return None
        found = op.call("DescribeScalingPolicies", {**self.named(known), "PolicyNames": [op.id]})
        policies = [each for each in found["ScalingPolicies"] if each["PolicyName"] == op.id]
        if not policies:
            return None
        state = self.properties(op, "ScalingPolicy", policies[0])
        state["alarmArns"] = [each["AlarmARN"] for each in policies[0].get("Alarms") or ()]
        steps = (state.get(_CONFIGURATIONS["StepScaling"]) or {}).get("stepAdjustments") or ()
        for step in steps:  # bounds are numbers in text
            for bound in ("metricIntervalLowerBound", "metricIntervalUpperBound"):
                if bound in step:
                    step[bound] = f"{float(step[bound]):g}"
        return state

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Puts the policy again."""
        op.call("PutScalingPolicy", self.request(op, "PutScalingPolicy.input", news))

    def delete(self, op: Operation, known: State) -> None:
        """Deletes the policy."""
        if self.read(op, known) is not None:
            op.call("DeleteScalingPolicy", {**self.named(known), "PolicyName": op.id})

    def parse_id(self, op: Operation, identifier: str) -> State:
        """`namespace/id/dimension/name`, as for an import."""
        target, _, name = identifier.rpartition("/")
        found = super().parse_id(op, target)
        if found:
            op.id = name
        return {**found, "name": name} if found else {}


class ScheduledAction(_Scaled):
    """When a target's least and most change; its id is `name-namespace-thing`, as officially."""

    token = "aws:appautoscaling/scheduledAction:ScheduledAction"
    create_shapes = ("PutScheduledAction.input",)
    rename: ClassVar[Mapping[str, str]] = {"arn": "ScheduledActionARN", "name": "ScheduledActionName"}
    in_place = frozenset({"endTime", "scalableTargetAction", "schedule", "startTime", "timezone"})
    defaults: ClassVar[Mapping[str, Any]] = {"timezone": "UTC"}
    auto_name = AutoName(max_length=255)

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """One of the kinds of schedule; a least that is at most the most."""
        super().check(op, inputs, problems)
        schedule = inputs.get("schedule")
        if isinstance(schedule, str) and not schedule.startswith(("at(", "cron(", "rate(")):
            problems.add("schedule", f"{schedule!r} is no schedule", 'such as "cron(0 20 ? * MON-FRI *)"')
        action = inputs.get("scalableTargetAction")
        if isinstance(action, dict):
            least, most = action.get("minCapacity"), action.get("maxCapacity")
            if least is None and most is None:
                problems.add("scalableTargetAction", "changes nothing", "give minCapacity or maxCapacity")
            if isinstance(least, int) and isinstance(most, int) and least > most:
                said = f"{least} is above maxCapacity ({most})"
                problems.add("scalableTargetAction.minCapacity", said, "give at most as much")

    def _request(self, op: Operation, inputs: State) -> dict[str, Any]:
        return self.request(op, "PutScheduledAction.input", inputs)

    def create(self, op: Operation, inputs: State) -> State | None:
        """Puts the action."""
        op.call("PutScheduledAction", self._request(op, inputs))
        op.id = "-".join(inputs[name] for name in ("name", "serviceNamespace", "resourceId"))
        return None

    def read(self, op: Operation, known: State) -> State | None:
        """Finds the action by its names."""
        if not known.get("serviceNamespace"):
            return None
        names = {**self.named(known), "ScheduledActionNames": [known["name"]]}
        found = op.call("DescribeScheduledActions", names)["ScheduledActions"]
        if not found:
            return None
        return self.properties(op, "ScheduledAction", found[0])

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Puts the action again."""
        op.call("PutScheduledAction", self._request(op, news))

    def delete(self, op: Operation, known: State) -> None:
        """Deletes the action."""
        if self.read(op, known) is not None:
            op.call("DeleteScheduledAction", {**self.named(known), "ScheduledActionName": known["name"]})

    def parse_id(self, op: Operation, identifier: str) -> State:
        """An id alone does not tell the dimension."""
        return {}
