"""A deployed endpoint in a cloud that settles endpoints at once and runs no models, and versions for it."""

import datetime
import itertools
import json
from dataclasses import dataclass
from typing import Any

import boto3

from platform_jobs import layout, registry, settings
from platform_jobs.aws import Clients
from platform_jobs.gate.evidence import Labelled
from platform_jobs.loop.gate import CanarySettings
from twin.aws.cloud.client import session

GROUP, LINEAGE, ENDPOINT = "churn", "lineage", "stagecraft-test-endpoint-churn"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/platform:1"
TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})
TAGS = [{"Key": "model", "Value": "stagecraft-test/churn"}]


@dataclass
class World:
    """A deployed endpoint on two machines, and versions to put on it."""

    clients: Clients
    role: str
    artifacts: str
    """Name of the bucket that counted labels lie in."""

    def version(self, *, f1: float = 0.9, run: str = "run", status: str = registry.PENDING) -> str:
        """A version with one metric, its floor 0.8."""
        sagemaker: Any = self.clients.sagemaker
        arn: str = sagemaker.create_model_package(
            ModelPackageGroupName=GROUP,
            ModelApprovalStatus=status,
            InferenceSpecification={
                "Containers": [{"Image": IMAGE, "ModelDataUrl": "s3://artifacts/model.tar.gz"}],
                "SupportedContentTypes": ["text/csv"],
                "SupportedResponseMIMETypes": ["text/csv"],
            },
            CustomerMetadataProperties={"run": run, "metric.f1": str(f1), "floor.f1": "0.8"},
        )["ModelPackageArn"]
        self.clients.dynamodb.put_item(TableName=LINEAGE, Item={registry.LINEAGE_KEY: {"S": arn}})
        return arn

    def deploy(self, *, serverless: bool = False) -> None:
        """What the components make of an endpoint."""
        sagemaker: Any = self.clients.sagemaker
        sagemaker.create_model(
            ModelName="deployed",
            ExecutionRoleArn=self.role,
            EnableNetworkIsolation=True,
            Containers=[{"ModelPackageName": self.version(run="first", status=registry.APPROVED)}],
            Tags=TAGS,
        )
        hosting: dict[str, Any] = {"InstanceType": "ml.m5.large", "InitialInstanceCount": 4}
        if serverless:
            hosting = {"ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 5}}
        sagemaker.create_endpoint_config(
            EndpointConfigName="deployed",
            ProductionVariants=[{"VariantName": "live", "ModelName": "deployed", **hosting}],
            Tags=TAGS,
        )
        sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName="deployed", Tags=TAGS)

    def serving(self) -> dict[str, tuple[str, float, int]]:
        """Variant → model, share of the traffic in percent, machines."""
        described: Any = self.clients.sagemaker.describe_endpoint(EndpointName=ENDPOINT)
        configured: Any = self.clients.sagemaker.describe_endpoint_config(
            EndpointConfigName=described["EndpointConfigName"]
        )
        models = {each["VariantName"]: each["ModelName"] for each in configured["ProductionVariants"]}
        variants = described["ProductionVariants"]
        total = sum(each["CurrentWeight"] for each in variants)
        return {
            each["VariantName"]: (
                models[each["VariantName"]],
                round(100 * each["CurrentWeight"] / total, 3),
                each.get("CurrentInstanceCount", 0),
            )
            for each in variants
        }

    def made(self) -> list[str]:
        """Everything of SageMaker's that endpoints stand on."""
        sagemaker = self.clients.sagemaker
        return sorted(
            [each["EndpointConfigName"] for each in sagemaker.list_endpoint_configs()["EndpointConfigs"]]
            + [each["ModelName"] for each in sagemaker.list_models()["Models"]]
        )

    def served(
        self,
        variant: str,
        calls: int,
        *,
        at: datetime.datetime,
        errors: int = 0,
        refused: int = 0,
        slow: int = 0,
    ) -> None:
        """What SageMaker tells CloudWatch of a variant's requests in a minute; slow ones took 900 ms."""
        dimensions = [
            {"Name": "EndpointName", "Value": ENDPOINT},
            {"Name": "VariantName", "Value": variant},
        ]

        def datum(metric: str, total: int) -> dict[str, Any]:
            counted = {
                "SampleCount": calls,
                "Sum": total,
                "Minimum": float(total == calls),
                "Maximum": float(total > 0),
            }
            return {"MetricName": metric, "StatisticValues": counted}

        latencies = {20_000.0: calls - slow, 900_000.0: slow}
        known = {value: float(count) for value, count in latencies.items() if count}
        data = [
            datum("Invocations", calls),
            datum("Invocation5XXErrors", errors),
            datum("Invocation4XXErrors", refused),
            {"MetricName": "ModelLatency", "Values": list(known), "Counts": list(known.values())},
        ]
        told: Any = [{**each, "Dimensions": dimensions, "Timestamp": at} for each in data]
        self.clients.cloudwatch.put_metric_data(Namespace="AWS/SageMaker", MetricData=told)

    def gate_settings(self, **overrides: str) -> CanarySettings:
        """The gate's settings, as a stack would tell them."""
        told = {
            "STAGECRAFT_MODEL": "churn",
            "STAGECRAFT_LINEAGE_TABLE": LINEAGE,
            "STAGECRAFT_ARTIFACTS_BUCKET": self.artifacts,
            "STAGECRAFT_SLO_AVAILABILITY": "99.9",
            "STAGECRAFT_GATE_SLOW_MS": "150",
        }
        return settings.load(CanarySettings, told | overrides)

    def labels(self, number: int, canary: Labelled, live: Labelled) -> None:
        """What `gate-labels` leaves in the bucket."""
        quality = {"canary": canary.__dict__, "live": live.__dict__}
        self.clients.bucket(self.artifacts).put(
            layout.gate_labels_key("churn", number),
            json.dumps({"quality": quality}).encode(),
            content_type="application/json",
        )


REGIONS = itertools.cycle(boto3.Session().get_available_regions("sagemaker"))


def loop_world(endpoint_url: str) -> World:
    """One of its own in a cloud: in another region than the last."""
    region = next(REGIONS)
    aws = session(endpoint_url, region)
    role = aws.client("iam").create_role(RoleName=f"serving-{region}", AssumeRolePolicyDocument=TRUST)
    aws.client("sagemaker").create_model_package_group(ModelPackageGroupName=GROUP)
    aws.client("dynamodb").create_table(
        TableName=LINEAGE,
        KeySchema=[{"AttributeName": registry.LINEAGE_KEY, "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": registry.LINEAGE_KEY, "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    bucket = f"artifacts-{region}"
    where: Any = (
        {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    )
    aws.client("s3").create_bucket(Bucket=bucket, **where)
    return World(Clients(session=aws), role["Role"]["Arn"], bucket)
