"""Endpoints."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from twin.aws.provider.adapter import State
from twin.aws.provider.names import AutoName
from twin.aws.provider.operation import Operation
from twin.aws.provider.schema import nested
from twin.aws.provider.services.sagemaker.common import SageMakerResource
from twin.providers.problems import Problems

_POLICIES: Final = ("blueGreenUpdatePolicy", "rollingUpdatePolicy")


class Endpoint(SageMakerResource):
    """What answers; its id is its name. It is made when it is in service, and so is each change of it."""

    token = "aws:sagemaker/endpoint:Endpoint"
    auto_name = AutoName(max_length=63)
    create_call, read_call, delete_call = "CreateEndpoint", "DescribeEndpoint", "DeleteEndpoint"
    update_call = "UpdateEndpoint"
    key: ClassVar[Mapping[str, str]] = {"EndpointName": "name"}
    rename: ClassVar[Mapping[str, str]] = {"arn": "EndpointArn", "name": "EndpointName"}
    status = "EndpointStatus"

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """One way of changing over."""
        deployment = inputs.get("deploymentConfig")
        if not isinstance(deployment, dict):
            return
        given = [name for name in _POLICIES if deployment.get(name) is not None]
        if len(given) > 1:
            problems.add(f"deploymentConfig.{given[1]}", f"conflicts with {given[0]}", "give one of the two")
        traffic = (deployment.get(_POLICIES[0]) or {}) if _POLICIES[0] in given else {}
        routing = traffic.get("trafficRoutingConfiguration") if isinstance(traffic, dict) else None
        if isinstance(routing, dict):
            path = f"deploymentConfig.{_POLICIES[0]}.trafficRoutingConfiguration"
            for kind, size in (("CANARY", "canarySize"), ("LINEAR", "linearStepSize")):
                if routing.get("type") == kind and routing.get(size) is None:
                    problems.add(f"{path}.{size}", "is missing", f"{kind} needs it")

    def settle(self, op: Operation, known: Mapping[str, Any]) -> dict[str, Any]:
        """An endpoint whose change failed serves what it served before."""
        latest = super().settle(op, known)
        wanted = known["endpointConfigName"]
        if latest.get("EndpointConfigName") != wanted:
            reason = latest.get("FailureReason") or "no reason given"
            raise ValueError(
                f"{op.id} still serves {latest.get('EndpointConfigName')}, not {wanted}: {reason}"
            )
        return latest

    def adjust(self, op: Operation, state: State, data: Mapping[str, Any]) -> None:
        """How the last change was made is told once there was one."""
        state.pop("deploymentConfig", None)
        last = data.get("LastDeploymentConfig")
        kind = nested(self.described.inputs.properties["deploymentConfig"])
        if last and kind is not None:
            mapper = self.mapper(op.cloud)
            state["deploymentConfig"] = mapper.properties("DeploymentConfig", last, kind, "deploymentConfig")
