"""What ECR refuses."""

import json

import boto3
import grpc
import pytest

from tests.twin.aws.provider.plugin import Plugin
from tests.twin.aws.provider.samples_ecr import REPOSITORY, lifecycle

LIFECYCLE = "aws:ecr/lifecyclePolicy:LifecyclePolicy"


def rule(priority: int = 1, **selection: object) -> str:
    found = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 3, **selection}
    entry = {"rulePriority": priority, "selection": found, "action": {"type": "expire"}}
    return json.dumps({"rules": [entry]})


@pytest.mark.parametrize(
    ("token", "inputs", "path", "said"),
    [
        (REPOSITORY[0], {"name": "Upper"}, "name", "does not match"),
        (REPOSITORY[0], {"imageTagMutability": "FROZEN"}, "imageTagMutability", "IMMUTABLE"),
        (
            REPOSITORY[0],
            {"encryptionConfigurations": [{"kmsKey": "arn:aws:kms:us-east-1:1:key/1"}]},
            "encryptionConfigurations[0].kmsKey",
            "KMS",
        ),
        (
            REPOSITORY[0],
            {"imageTagMutabilityExclusionFilters": [{"filter": "a*", "filterType": "WILDCARD"}]},
            "imageTagMutabilityExclusionFilters",
            "MUTABLE_WITH_EXCLUSION",
        ),
        (LIFECYCLE, {"repository": "r", "policy": "keep five"}, "policy", "rules"),
        (LIFECYCLE, {"repository": "r", "policy": rule(0)}, "policy", "rulePriority is 0"),
        (LIFECYCLE, {"repository": "r", "policy": rule(tagStatus="some")}, "policy", "untagged"),
        (LIFECYCLE, {"repository": "r", "policy": rule(tagStatus="tagged")}, "policy", "tagPrefixList"),
        (LIFECYCLE, {"repository": "r", "policy": rule(countNumber=0)}, "policy", "countNumber is 0"),
        (LIFECYCLE, {"repository": "r", "policy": rule(countType="sinceImagePushed")}, "policy", "days"),
        (
            LIFECYCLE,
            {"repository": "r", "policy": lifecycle(3).replace('"rulePriority": 2', '"rulePriority": 1')},
            "policy",
            "used twice",
        ),
    ],
)
def test_what_ecr_would_refuse_is_refused(
    plugin: Plugin, token: str, inputs: dict, path: str, said: str
) -> None:
    failures = plugin.check(token, inputs).failures
    assert said in failures.get(path, ""), failures


def test_images_keep_their_repository(plugin: Plugin, endpoint: str) -> None:
    repository = plugin.make(REPOSITORY[0], {"name": "kept/images"})
    ecr = boto3.client(
        "ecr",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="twin",
        aws_secret_access_key="twin",
    )
    manifest = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json"})
    ecr.put_image(repositoryName=repository.id, imageManifest=manifest, imageTag="1")
    with pytest.raises(grpc.RpcError) as refused:
        plugin.delete(repository)
    assert "RepositoryNotEmpty" in str(refused.value.details())
    forced = plugin.update(repository, {**repository.inputs, "forceDelete": True})
    plugin.delete(forced)
    assert plugin.read(forced) is None
