"""Gives every model of a scratch stack approved versions, so that all of its endpoints are planned too."""

from collections.abc import Mapping
from typing import Any


def seed_approved_versions(outputs: Mapping[str, Any], cloud: str, region: str) -> None:
    """Registers two approved versions per model, live and previous, in the scratch cloud only."""
    from twin.aws.cloud.client import session
    from twin.wire import unwrap

    plain = unwrap(dict(outputs)).value
    models: Mapping[str, Mapping[str, str]] = plain.get("models") or {}
    if not models:
        return
    aws = session(cloud, region)
    sagemaker: Any = aws.client("sagemaker")
    ssm = aws.client("ssm")
    for name in sorted(models):
        told = models[name]
        container = {
            "Image": plain["image"],
            "ModelDataUrl": f"{told['artifactUri'].rstrip('/')}/check/model.tar.gz",
        }
        for pointer in ("previous", "live"):
            arn = sagemaker.create_model_package(
                ModelPackageGroupName=told["packageGroup"],
                ModelPackageDescription=f"stands for the version that will be {pointer}",
                ModelApprovalStatus="Approved",
                InferenceSpecification={
                    "Containers": [container],
                    "SupportedContentTypes": ["text/csv"],
                    "SupportedResponseMIMETypes": ["application/json"],
                },
            )["ModelPackageArn"]
            ssm.put_parameter(Name=told[f"{pointer}Pointer"], Value=arn, Type="String", Overwrite=True)
