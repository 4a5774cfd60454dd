"""ImageRepository: where the platform's container image lives."""

import json
import re
from typing import Final, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import iam, naming
from components.checks import Problems
from components.context import current_cloud, data_options, declared_outputs
from components.encryption import data_key

DEFAULT_KEEP_IMAGES: Final = 30
UNTAGGED_DAYS: Final = 7
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")


class ImageRepositoryArgs(TypedDict):
    """Inputs of ImageRepository."""

    version: NotRequired[str]
    """Tag, or digest (`sha256:…`), of the image that `image_uri` names. Default: none, and no `image_uri`."""
    keep_images: NotRequired[int]
    """Tagged images to keep, newest first; from 1 to 1000. Default: 30."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """Key for the images. Default: a key is made, rotated yearly."""
    allow_data_loss: NotRequired[bool]
    """Lets a deletion of the component take its images along. Default: false; the repository is protected."""
    tags: NotRequired[dict[str, pulumi.Input[str]]]
    """Tags of everything that takes tags."""


class ImageRepository(pulumi.ComponentResource):
    """An ECR repository: immutable tags, scanned on push, encrypted, with an end to what it keeps."""

    repository_arn: pulumi.Output[str]
    """ARN of the repository."""
    repository_url: pulumi.Output[str]
    """Where to push to."""
    image_uri: pulumi.Output[str | None]
    """The image of `version`, as SageMaker takes it."""
    job_image_uri: pulumi.Output[str | None]
    """The same image as IPv6-only networks pull it."""

    def __init__(
        self, name: str, args: ImageRepositoryArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stagecraft:index:ImageRepository", name, args, opts)
        _check(name, args)
        tags = args.get("tags", {})
        allow_data_loss = args.get("allow_data_loss", False)
        cloud = current_cloud(self)
        key = data_key(self, name, args, cloud, purpose="Images at rest")
        repository = aws.ecr.Repository(
            f"{name}-repository",
            image_tag_mutability="IMMUTABLE",
            image_scanning_configuration=aws.ecr.RepositoryImageScanningConfigurationArgs(scan_on_push=True),
            encryption_configurations=[
                aws.ecr.RepositoryEncryptionConfigurationArgs(encryption_type="KMS", kms_key=key)
            ],
            force_delete=allow_data_loss,
            tags=tags,
            opts=data_options(self, allow_data_loss),
        )
        aws.ecr.LifecyclePolicy(
            f"{name}-lifecycle",
            repository=repository.name,
            policy=lifecycle_policy(int(args.get("keep_images", DEFAULT_KEEP_IMAGES))),
            opts=pulumi.ResourceOptions(parent=self),
        )
        aws.ecr.RepositoryPolicy(
            f"{name}-functions",
            repository=repository.name,
            policy=cloud.arn("lambda", "function:*").apply(functions_policy),
            opts=pulumi.ResourceOptions(parent=self),
        )
        version = args.get("version")
        self.repository_arn = repository.arn
        self.repository_url = repository.repository_url
        self.image_uri = repository.repository_url.apply(lambda url: image_uri(url, version))
        self.job_image_uri = self.image_uri.apply(
            lambda uri: None if uri is None else naming.dual_stack_image(uri)
        )
        self.register_outputs(declared_outputs(self))


def image_uri(repository_url: str, version: str | None) -> str | None:
    """An image by tag or digest."""
    if version is None:
        return None
    return f"{repository_url}{'@' if version.startswith('sha256:') else ':'}{version}"


def functions_policy(functions: str) -> str:
    """Lambda fetches images for this account's functions, and asks the repository rather than their roles."""
    return iam.document(
        {
            "Sid": "Functions",
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            # A repository's policy names no resource: it is always the repository.
            "Condition": {"ArnLike": {"aws:SourceArn": functions}},
        }
    )


def lifecycle_policy(keep: int) -> str:
    """Untagged images go after a week, tagged ones when enough newer ones are there."""
    rules = [
        {
            "rulePriority": 1,
            "description": f"Untagged images go after {UNTAGGED_DAYS} days",
            "selection": {
                "tagStatus": "untagged",
                "countType": "sinceImagePushed",
                "countUnit": "days",
                "countNumber": UNTAGGED_DAYS,
            },
            "action": {"type": "expire"},
        },
        {
            "rulePriority": 2,
            "description": f"The newest {keep} images stay",
            "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": keep},
            "action": {"type": "expire"},
        },
    ]
    return json.dumps({"rules": rules}, sort_keys=True)


def _check(name: str, args: ImageRepositoryArgs) -> None:
    problems = Problems("ImageRepository", name)
    if problems.shape(args, ImageRepositoryArgs):
        problems.between("keepImages", args.get("keep_images"), 1, 1000)
        version = args.get("version")
        pattern = _DIGEST if isinstance(version, str) and version.startswith("sha256:") else _TAG
        problems.matches("version", version, pattern, "must be a tag, or a digest sha256:<64 hex digits>")
    problems.raise_if_any()
