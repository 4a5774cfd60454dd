"""ECR's types."""

import json

from tests.twin.aws.provider.samples import ACCOUNT, Sample

REPOSITORY = ("aws:ecr/repository:Repository", {"forceDelete": True})


def lifecycle(keep: int) -> str:
    untagged = {
        "rulePriority": 1,
        "selection": {
            "tagStatus": "untagged",
            "countType": "sinceImagePushed",
            "countUnit": "days",
            "countNumber": 7,
        },
        "action": {"type": "expire"},
    }
    rest = {
        "rulePriority": 2,
        "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": keep},
        "action": {"type": "expire"},
    }
    return json.dumps({"rules": [untagged, rest]})


def pulling(*actions: str) -> str:
    principal = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    statement = {"Sid": "pull", "Effect": "Allow", "Principal": principal, "Action": list(actions)}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


ECR = [
    Sample(
        "aws:ecr/repository:Repository",
        {
            "imageTagMutability": "IMMUTABLE",
            "imageScanningConfiguration": {"scanOnPush": True},
            "encryptionConfigurations": [
                {"encryptionType": "KMS", "kmsKey": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1"}
            ],
            "forceDelete": True,
            "tags": {"a": "b"},
        },
        {
            "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
            "imageTagMutabilityExclusionFilters": [{"filter": "latest*", "filterType": "WILDCARD"}],
            "imageScanningConfiguration": {"scanOnPush": False},
        },
        replaces={"encryptionConfigurations": [{"encryptionType": "AES256"}], "name": "other"},
    ),
    Sample(
        "aws:ecr/lifecyclePolicy:LifecyclePolicy",
        lambda made: {"repository": made["r"].id, "policy": lifecycle(5)},
        {"policy": lifecycle(6)},
        {"r": REPOSITORY},
        {"repository": "other"},
    ),
    Sample(
        "aws:ecr/repositoryPolicy:RepositoryPolicy",
        lambda made: {"repository": made["r"].id, "policy": pulling("ecr:BatchGetImage")},
        {"policy": pulling("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")},
        {"r": REPOSITORY},
        {"repository": "other"},
    ),
]
