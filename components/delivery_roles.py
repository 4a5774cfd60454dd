"""DeliveryRoles: CI plans and deploys without keys, and with no more rights than a delivery needs."""

import re
from typing import Final, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import delivery_documents as documents
from components.checks import Problems
from components.context import current_cloud, declared_outputs, scope
from components.naming import physical_name

PROVIDERS: Final = ("github",)
REPOSITORY: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})/[A-Za-z0-9._-]{1,100}")
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,254}")
DELIVERY_PATH: Final = "/stagecraft-delivery/"
"""Where the roles of deliveries are: not under any stack's own path, so that no delivery reaches them."""
PLAN_READERS: Final = ("SecurityAudit", "job-function/ViewOnlyAccess")
"""AWS's own policies that read settings of resources and no data in them."""
DEPLOY_SECONDS: Final = 2 * 3600
PLAN_SECONDS: Final = 3600


class DeliveryRolesArgs(TypedDict):
    """Inputs of DeliveryRoles."""

    repository: str
    """The one repository that delivers, `owner/name`."""
    provider: NotRequired[str]
    """Whose tokens are trusted: `github`. Default: github."""
    environment: NotRequired[str]
    """GitHub environment that deployments run in: its protection rules guard the role. Default: none;
    the branch does."""
    branch: NotRequired[str]
    """Branch that is planned and, without `environment`, deployed from. Default: main."""
    oidc_provider_arn: NotRequired[pulumi.Input[str]]
    """The account's identity provider for GitHub. Default: one is made; an account can have one only."""
    state_bucket: NotRequired[pulumi.Input[str]]
    """Bucket with Pulumi's state. Default: none; the state is with a service."""
    state_key_arn: NotRequired[pulumi.Input[str]]
    """Key of the state, also of its secrets. Default: none."""
    tags: NotRequired[dict[str, pulumi.Input[str]]]
    """Tags of everything that takes tags."""


class DeliveryRoles(pulumi.ComponentResource):
    """A role that reads for plans on pull requests, and one that deploys, under a permission boundary.

    The deploying role makes roles only under the stack's own path and only with the stack's boundary; the
    delivery's own roles it cannot change. Set `role_path` and `boundary_arn` on every role of the stack.
    """

    plan_role_arn: pulumi.Output[str]
    """For `pulumi preview` on pull requests and on the branch: reads settings, changes nothing."""
    deploy_role_arn: pulumi.Output[str]
    """For `pulumi up` from the environment or branch."""
    boundary_arn: pulumi.Output[str]
    """Permission boundary that every role of the stack needs, so that the deploying role may make it."""
    role_path: pulumi.Output[str]
    """Path that roles, policies and instance profiles of the stack need, likewise."""
    oidc_provider_arn: pulumi.Output[str]
    """The account's identity provider for GitHub, brought or made."""

    def __init__(
        self, name: str, args: DeliveryRolesArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stagecraft:index:DeliveryRoles", name, args, opts)
        _check(name, args)
        self._name = name
        self._args = args
        self._tags = args.get("tags", {})
        self._options = pulumi.ResourceOptions(parent=self)
        self._cloud = current_cloud(self)
        path = stack_path()
        self.role_path = pulumi.Output.from_input(path)
        self.oidc_provider_arn = self._oidc_provider()
        boundary = self._policy("boundary", self._cloud.region.apply(documents.ceiling))
        self.boundary_arn = boundary
        self.plan_role_arn = self._plan_role().arn
        self.deploy_role_arn = self._deploy_role(path, boundary).arn
        self.register_outputs(declared_outputs(self))

    def _oidc_provider(self) -> pulumi.Output[str]:
        if "oidc_provider_arn" in self._args:
            return pulumi.Output.from_input(self._args["oidc_provider_arn"])
        # AWS checks GitHub's certificate itself: a thumbprint here would be ignored.
        return aws.iam.OpenIdConnectProvider(
            f"{self._name}-github",
            url=documents.GITHUB_URL,
            client_id_lists=[documents.AUDIENCE],
            tags=self._tags,
            opts=self._options,
        ).arn

    def _policy(self, role: str, document: pulumi.Output[str]) -> pulumi.Output[str]:
        return aws.iam.Policy(
            f"{self._name}-{role}",
            path=DELIVERY_PATH,
            description=f"The {role} of {scope()}'s deliveries",
            policy=document,
            tags=self._tags,
            opts=self._options,
        ).arn

    def _role(
        self, role: str, what: str, claims: list[str], seconds: int, boundary: pulumi.Output[str] | None
    ) -> aws.iam.Role:
        return aws.iam.Role(
            f"{self._name}-{role}-role",
            path=DELIVERY_PATH,
            description=f"{what} {scope()} from {self._args['repository']}",
            assume_role_policy=self.oidc_provider_arn.apply(lambda arn: documents.github_trust(arn, claims)),
            permissions_boundary=boundary,
            max_session_duration=seconds,
            tags=self._tags,
            opts=self._options,
        )

    def _plan_role(self) -> aws.iam.Role:
        branch = self._args.get("branch", "main")
        claims = documents.subjects(
            self._args["repository"], pull_requests=True, branches=[branch], environment=""
        )
        role = self._role("plan", "Plans", claims, PLAN_SECONDS, None)
        for policy in PLAN_READERS:
            aws.iam.RolePolicyAttachment(
                f"{self._name}-plan-{policy.rpartition('/')[2].lower()}",
                role=role.name,
                policy_arn=pulumi.Output.format("arn:{0}:iam::aws:policy/{1}", self._cloud.partition, policy),
                opts=self._options,
            )
        aws.iam.RolePolicy(
            f"{self._name}-plan-policy",
            role=role.id,
            policy=pulumi.Output.all(**self._state()).apply(lambda state: documents.plan_rights(**state)),
            opts=self._options,
        )
        return role

    def _deploy_role(self, path: str, boundary: pulumi.Output[str]) -> aws.iam.Role:
        claims = documents.subjects(
            self._args["repository"],
            pull_requests=False,
            branches=[self._args.get("branch", "main")],
            environment=self._args.get("environment", ""),
        )
        known = pulumi.Output.all(
            partition=self._cloud.partition,
            account=self._cloud.account,
            region=self._cloud.region,
            boundary=boundary,
        )
        rights = self._policy(
            "deploy", known.apply(lambda place: documents.deploy_rights(path=path, **place))
        )
        # Its rights are its boundary, too: what else anyone attaches to the role gives it nothing.
        role = self._role("deploy", "Deploys", claims, DEPLOY_SECONDS, rights)
        aws.iam.RolePolicyAttachment(
            f"{self._name}-deploy-rights", role=role.name, policy_arn=rights, opts=self._options
        )
        return role

    def _state(self) -> dict[str, pulumi.Input[str | None]]:
        bucket = None
        if "state_bucket" in self._args:
            bucket = self._cloud.bucket_arn(self._args["state_bucket"])
        return {"state_bucket": bucket, "state_key": self._args.get("state_key_arn")}


def stack_path() -> str:
    """The IAM path of this stack's own roles, policies and instance profiles."""
    return f"/{physical_name(scope())}/"


def _check(name: str, args: DeliveryRolesArgs) -> None:
    problems = Problems("DeliveryRoles", name)
    if problems.shape(args, DeliveryRolesArgs):
        problems.one_of("provider", args.get("provider"), PROVIDERS)
        problems.matches("repository", args["repository"], REPOSITORY, "must be owner/name, without patterns")
        for key in ("branch", "environment"):
            value = args.get(key)
            problems.matches(key, value, NAME, "must be one name, without patterns")
    problems.raise_if_any()
