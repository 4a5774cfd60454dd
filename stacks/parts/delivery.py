"""Who delivers the stack: roles for CI, and the boundary of every role that a delivery makes."""

import pulumi

from components import DeliveryRoles
from components.delivery_roles import DeliveryRolesArgs, stack_path
from stacks.parts.plan import Outputs, Plan

_UNDER_THE_PATH = {
    "aws:iam/instanceProfile:InstanceProfile",
    "aws:iam/policy:Policy",
    "aws:iam/role:Role",
}


def delivery_roles(plan: Plan) -> DeliveryRoles | None:
    """Registers them, if CI delivers; what is registered after is confined to what a delivery may make."""
    declared = plan.settings.delivery
    if declared is None or not plan.has("delivery-roles"):
        return None
    args: DeliveryRolesArgs = {
        "provider": declared.provider,
        "repository": declared.repository,
        "branch": declared.branch,
        "tags": plan.tags,
    }
    if declared.environment is not None:
        args["environment"] = declared.environment
    if declared.oidc_provider_arn is not None:
        args["oidc_provider_arn"] = declared.oidc_provider_arn
    if declared.state_bucket is not None:
        args["state_bucket"] = declared.state_bucket
    if declared.state_key_arn is not None:
        args["state_key_arn"] = declared.state_key_arn
    roles = DeliveryRoles("delivery", args)
    _confine(roles.boundary_arn)
    return roles


def delivery_outputs(roles: DeliveryRoles | None) -> Outputs:
    """What a workflow assumes, and what every role of the stack is bounded by."""
    if roles is None:
        return {}
    return {
        "delivery": {
            "planRole": roles.plan_role_arn,
            "deployRole": roles.deploy_role_arn,
            "boundary": roles.boundary_arn,
        }
    }


def _confine(boundary_arn: pulumi.Output[str]) -> None:
    """A delivery may make roles only under the stack's path and with its boundary: so all of them are."""

    def confined(
        args: pulumi.ResourceTransformationArgs,
    ) -> pulumi.ResourceTransformationResult | None:
        if args.type_ not in _UNDER_THE_PATH:
            return None
        more: dict[str, pulumi.Input[str]] = {"path": stack_path()}
        if args.type_ == "aws:iam/role:Role":
            more["permissions_boundary"] = boundary_arn
        return pulumi.ResourceTransformationResult({**args.props, **more}, args.opts)

    pulumi.runtime.register_stack_transformation(confined)
