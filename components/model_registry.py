"""ModelRegistry: versions of models, what became of them, and which of them is live."""

import json
from collections.abc import Callable
from typing import Any, Final, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import iam, naming
from components.checks import NAME, NAME_REMEDY, Problems
from components.context import by_name, current_cloud, data_options, declared_outputs, scope
from components.encryption import data_key
from components.topic import alert_topic

Known = dict[str, Any]

NO_VERSION: Final = "none"
"""What a pointer says that points to no version."""

POINTERS: Final = ("live", "previous")


class RegisteredModel(TypedDict):
    """One model whose versions are registered."""

    name: str
    """Name of the model: lower case letters, digits and single hyphens."""
    description: NotRequired[str]
    """What it predicts, for the registry's own pages. Default: its name."""
    tags: NotRequired[dict[str, pulumi.Input[str]]]
    """Tags of what is this model's, beside the component's."""


class ModelRegistryArgs(TypedDict):
    """Inputs of ModelRegistry."""

    models: list[RegisteredModel]
    """Models to register versions of; at least one."""
    artifacts_bucket: pulumi.Input[str]
    """Name of the bucket for model artifacts; each model has `models/<model>/`."""
    namespace: NotRequired[str]
    """Tells this registry's pointers (`/stagecraft/<namespace>/models/`) from others'. Default: the stack."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """Key for data at rest, also the artifacts bucket's. Default: a key is made, rotated yearly."""
    approval_emails: NotRequired[list[str]]
    """Addresses that are told when a version waits for approval or was decided on. Default: none."""
    mlflow: NotRequired[bool]
    """Whether to run MLflow tracking: a serverless MLflow App, not billed by the hour. Default: false."""
    allow_data_loss: NotRequired[bool]
    """Lets a deletion of the component take its data along. Default: false; what holds data is protected."""
    tags: NotRequired[dict[str, pulumi.Input[str]]]
    """Tags of everything that takes tags."""


class ModelRegistry(pulumi.ComponentResource):
    """SageMaker model package groups with lineage, approval events and pointers to the live version.

    The pointers' values belong to releases, not to the program: a deployment leaves them alone.
    """

    package_groups: pulumi.Output[dict[str, str]]
    """Model → name of its model package group."""
    artifact_uris: pulumi.Output[dict[str, str]]
    """Model → `s3://` prefix of its artifacts."""
    live_pointers: pulumi.Output[dict[str, str]]
    """Model → SSM parameter with the ARN of the live version, or `none`."""
    previous_pointers: pulumi.Output[dict[str, str]]
    """Model → SSM parameter with the ARN of the version to roll back to, or `none`."""
    pointer_prefix: pulumi.Output[str]
    """What the pointers' names start with."""
    lineage_table: pulumi.Output[str]
    """Name of the DynamoDB table with each version's lineage; hash key `model_package_arn`."""
    approval_topic_arn: pulumi.Output[str]
    """Topic that tells of versions that wait for approval or were decided on."""
    read_policy_arn: pulumi.Output[str]
    """Attach to any role that looks up versions, artifacts and lineage."""
    approve_policy_arn: pulumi.Output[str]
    """Attach to any role that approves versions and moves the pointers."""
    register_policy_arns: pulumi.Output[dict[str, str]]
    """Model → policy to attach to the role that registers its versions."""
    mlflow_arn: pulumi.Output[str | None]
    """ARN of the MLflow App, which is also its tracking URI; nothing without `mlflow`."""

    def __init__(
        self, name: str, args: ModelRegistryArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stagecraft:index:ModelRegistry", name, args, opts)
        _check(name, args)
        self._name = name
        self._models = args["models"]
        self._tags = args.get("tags", {})
        self._allow_data_loss = args.get("allow_data_loss", False)
        self._bucket = pulumi.Output.from_input(args["artifacts_bucket"])
        self._namespace = args.get("namespace", pulumi.get_stack())
        self._cloud = current_cloud(self)
        self._key = data_key(self, name, args, self._cloud, purpose="Models at rest")
        groups = {model["name"]: self._package_group(model) for model in self._models}
        pointers = {role: self._pointers(role) for role in POINTERS}
        lineage = self._lineage_table()
        self.package_groups = by_name(
            {model: group.model_package_group_name for model, group in groups.items()}
        )
        self.artifact_uris = by_name(
            {model: pulumi.Output.format("s3://{0}/models/{1}/", self._bucket, model) for model in groups}
        )
        self.live_pointers = by_name(pointers["live"])
        self.previous_pointers = by_name(pointers["previous"])
        self.pointer_prefix = pulumi.Output.from_input(naming.pointer_prefix(self._namespace))
        self.lineage_table = lineage.name
        self.approval_topic_arn = self._approvals(args.get("approval_emails", []))
        self._lineage_arn = lineage.arn
        self.read_policy_arn = self._policy("read", list(groups), self._read_statements)
        self.approve_policy_arn = self._policy("approve", list(groups), self._approve_statements)
        self.register_policy_arns = by_name(
            {model: self._policy(f"register-{model}", [model], self._register_statements) for model in groups}
        )
        self.mlflow_arn = self._mlflow(args.get("mlflow", False))
        self.register_outputs(declared_outputs(self))

    def _package_group(self, model: RegisteredModel) -> aws.sagemaker.ModelPackageGroup:
        return aws.sagemaker.ModelPackageGroup(
            f"{self._name}-{model['name']}",
            model_package_group_name=self._group_name(model["name"]),
            model_package_group_description=model.get("description", f"Versions of {model['name']}"),
            tags={**self._tags, **model.get("tags", {})},
            opts=data_options(self, self._allow_data_loss),
        )

    def _group_name(self, model: str) -> str:
        return naming.physical_name(scope(), model)

    def _pointers(self, role: str) -> dict[str, pulumi.Output[str]]:
        made = {}
        for model in self._models:
            pointer = aws.ssm.Parameter(
                f"{self._name}-{model['name']}-{role}",
                name=f"{naming.pointer_prefix(self._namespace)}{model['name']}/{role}",
                description=f"The {role} version of {model['name']}; a release moves it",
                type="String",
                value=NO_VERSION,
                tags={**self._tags, **model.get("tags", {})},
                opts=pulumi.ResourceOptions(parent=self, ignore_changes=["value"]),
            )
            made[model["name"]] = pointer.name
        return made

    def _lineage_table(self) -> aws.dynamodb.Table:
        return aws.dynamodb.Table(
            f"{self._name}-lineage",
            billing_mode="PAY_PER_REQUEST",
            hash_key="model_package_arn",
            attributes=[aws.dynamodb.TableAttributeArgs(name="model_package_arn", type="S")],
            point_in_time_recovery=aws.dynamodb.TablePointInTimeRecoveryArgs(enabled=True),
            server_side_encryption=aws.dynamodb.TableServerSideEncryptionArgs(
                enabled=True, kms_key_arn=self._key
            ),
            deletion_protection_enabled=not self._allow_data_loss,
            tags=self._tags,
            opts=data_options(self, self._allow_data_loss),
        )

    def _approvals(self, emails: list[str]) -> pulumi.Output[str]:
        topic_arn = alert_topic(
            self,
            f"{self._name}-approvals",
            cloud=self._cloud,
            kms_key_arn=self._key,
            services=["events.amazonaws.com"],
            emails=emails,
            tags=self._tags,
        )
        rule = aws.cloudwatch.EventRule(
            f"{self._name}-version-events",
            description=f"A version in {self._name} was registered, approved or rejected",
            event_pattern=json.dumps(
                {
                    "source": ["aws.sagemaker"],
                    "detail-type": ["SageMaker Model Package State Change"],
                    "detail": {
                        "ModelPackageGroupName": sorted(
                            self._group_name(model["name"]) for model in self._models
                        )
                    },
                },
                sort_keys=True,
            ),
            tags=self._tags,
            opts=pulumi.ResourceOptions(parent=self),
        )
        aws.cloudwatch.EventTarget(
            f"{self._name}-version-events-topic",
            rule=rule.name,
            arn=topic_arn,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return topic_arn

    def _policy(
        self, role: str, models: list[str], statements: Callable[[list[str], Known], list[iam.Statement]]
    ) -> pulumi.Output[str]:
        groups = [self._group_name(model) for model in models]
        pointers = naming.pointer_prefix(self._namespace).strip("/")
        known = pulumi.Output.all(
            bucket=self._cloud.bucket_arn(self._bucket),
            key=self._key,
            lineage=self._lineage_arn,
            groups=[self._cloud.arn("sagemaker", f"model-package-group/{group}") for group in groups],
            packages=[self._cloud.arn("sagemaker", f"model-package/{group}/*") for group in groups],
            pointers=[self._cloud.arn("ssm", f"parameter/{pointers}/{model}/*") for model in models],
            pointer_paths=[self._cloud.arn("ssm", f"parameter/{pointers}")],
        )
        return aws.iam.Policy(
            f"{self._name}-{role}",
            description=f"May {role.replace('-', ' ')} in {self._name}",
            policy=known.apply(lambda values: iam.document(*statements(models, values))),
            tags=self._tags,
            opts=pulumi.ResourceOptions(parent=self),
        ).arn

    def _read_statements(self, models: list[str], known: Known) -> list[iam.Statement]:
        return [
            iam.allow(
                ["sagemaker:DescribeModelPackage", "sagemaker:DescribeModelPackageGroup"],
                [*known["groups"], *known["packages"]],
            ),
            iam.allow(["sagemaker:ListModelPackages"], known["groups"]),
            iam.allow(
                ["ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath"],
                [*known["pointers"], *known["pointer_paths"]],
            ),
            iam.allow(["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query"], [known["lineage"]]),
            *iam.bucket_access(known["bucket"], read=[f"models/{model}/" for model in models]),
            iam.key_access(known["key"]),
        ]

    def _register_statements(self, models: list[str], known: Known) -> list[iam.Statement]:
        prefixes = [f"models/{model}/" for model in models]
        return [
            iam.allow(
                ["sagemaker:AddTags", "sagemaker:CreateModelPackage", "sagemaker:DescribeModelPackage"],
                [*known["groups"], *known["packages"]],
            ),
            iam.allow(["sagemaker:ListModelPackages"], known["groups"]),
            iam.allow(
                ["ssm:GetParameter", "ssm:GetParameters"],
                known["pointers"],
            ),
            iam.allow(["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"], [known["lineage"]]),
            *iam.bucket_access(known["bucket"], read=prefixes, write=prefixes),
            iam.key_access(known["key"]),
        ]

    def _approve_statements(self, models: list[str], known: Known) -> list[iam.Statement]:
        return [
            *self._read_statements(models, known),
            iam.allow(["sagemaker:UpdateModelPackage"], known["packages"]),
            iam.allow(["ssm:PutParameter"], known["pointers"]),
        ]

    def _mlflow(self, wanted: bool) -> pulumi.Output[str | None]:
        if not wanted:
            return pulumi.Output.from_input(None)
        options = pulumi.ResourceOptions(parent=self)
        role = aws.iam.Role(
            f"{self._name}-mlflow-role",
            description=f"What MLflow of {self._name} may do",
            assume_role_policy=self._cloud.account.apply(
                lambda account: iam.service_trust("sagemaker.amazonaws.com", account)
            ),
            tags=self._tags,
            opts=options,
        )
        aws.iam.RolePolicy(
            f"{self._name}-mlflow-policy",
            role=role.id,
            policy=pulumi.Output.all(self._cloud.bucket_arn(self._bucket), self._key).apply(
                lambda known: iam.document(
                    *iam.bucket_access(known[0], read=["mlflow/"], write=["mlflow/"], delete=["mlflow/"]),
                    iam.key_access(known[1]),
                )
            ),
            opts=options,
        )
        app = aws.sagemaker.MlflowApp(
            f"{self._name}-mlflow",
            artifact_store_uri=pulumi.Output.format("s3://{0}/mlflow", self._bucket),
            model_registration_mode="AutoModelRegistrationDisabled",
            role_arn=role.arn,
            tags=self._tags,
            opts=data_options(self, self._allow_data_loss),
        )
        return app.arn.apply(lambda arn: arn)


def _check(name: str, args: ModelRegistryArgs) -> None:
    problems = Problems("ModelRegistry", name)
    if problems.shape(args, ModelRegistryArgs):
        if not args["models"]:
            problems.add("models", [], "must hold at least one model")
        problems.distinct("models", [model["name"] for model in args["models"]])
        for index, model in enumerate(args["models"]):
            problems.matches(
                f"models[{index}].name",
                model["name"],
                NAME,
                NAME_REMEDY,
            )
    problems.raise_if_any()
