"""SageMaker's types."""

from tests.twin.aws.provider.samples import ACCOUNT, ROLE, Made, Sample

KEY_ARN = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/5fd0b4c4-4a83-4d46-9c2e-0a4a70d6a6a5"
IMAGE = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/platform:1"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/monitor"

MODEL = (
    "aws:sagemaker/model:Model",
    lambda made: {"executionRoleArn": made["r"].state["arn"], "primaryContainer": {"image": IMAGE}},
)


def variant(made: Made, **more: object) -> dict:
    return {
        "variantName": "live",
        "modelName": made["m"].state["name"],
        "instanceType": "ml.m7i.large",
        "initialInstanceCount": 2,
        "initialVariantWeight": 1,
        **more,
    }


CONFIGURATION = (
    "aws:sagemaker/endpointConfiguration:EndpointConfiguration",
    lambda made: {"productionVariants": [variant(made)]},
)


def schedule(expression: str) -> dict:
    return {
        "monitoringScheduleConfig": {
            "monitoringType": "DataQuality",
            "scheduleConfig": {"scheduleExpression": expression},
            "monitoringJobDefinition": {
                "roleArn": ROLE_ARN,
                "baseline": {"statisticsResource": {"s3Uri": "s3://bucket/statistics.json"}},
                "monitoringAppSpecification": {"imageUri": IMAGE, "containerArguments": ["drift"]},
                "monitoringInputs": {"endpointInput": {"endpointName": "it", "localPath": "/opt/ml/in"}},
                "monitoringOutputConfig": {
                    "monitoringOutputs": {
                        "s3Output": {"s3Uri": "s3://bucket/out", "localPath": "/opt/ml/out"},
                    },
                },
                "monitoringResources": {
                    "clusterConfig": {
                        "instanceCount": 1,
                        "instanceType": "ml.m5.large",
                        "volumeSizeInGb": 20,
                    },
                },
                "stoppingConditions": [{"maxRuntimeInSeconds": 3600}],
            },
        },
    }


SAGEMAKER = [
    Sample(
        "aws:sagemaker/modelPackageGroup:ModelPackageGroup",
        {
            "modelPackageGroupName": "churn",
            "modelPackageGroupDescription": "Versions of churn",
            "tags": {"a": "b"},
        },
        replaces={"modelPackageGroupDescription": "others"},
    ),
    Sample(
        "aws:sagemaker/model:Model",
        lambda made: {
            "executionRoleArn": made["r"].state["arn"],
            "enableNetworkIsolation": True,
            "containers": [
                {
                    "image": IMAGE,
                    "environment": {"A": "b"},
                    "modelDataSource": {
                        "s3DataSources": [
                            {
                                "s3Uri": "s3://bucket/models/churn/",
                                "s3DataType": "S3Prefix",
                                "compressionType": "None",
                            }
                        ]
                    },
                }
            ],
            "vpcConfig": {"securityGroupIds": ["sg-1"], "subnets": ["subnet-1"]},
            "tags": {"a": "b"},
        },
        {},
        {"r": ROLE},
        {"containers": [{"image": "other"}], "name": "other"},
    ),
    Sample(
        "aws:sagemaker/endpointConfiguration:EndpointConfiguration",
        lambda made: {
            "kmsKeyArn": KEY_ARN,
            "productionVariants": [variant(made, routingConfigs=[{"routingStrategy": "RANDOM"}])],
            "dataCaptureConfig": {
                "enableCapture": True,
                "destinationS3Uri": "s3://bucket/captured/churn",
                "initialSamplingPercentage": 10,
                "kmsKeyId": KEY_ARN,
                "captureOptions": [{"captureMode": "Input"}, {"captureMode": "Output"}],
            },
            "tags": {"a": "b"},
        },
        {},
        {"r": ROLE, "m": MODEL},
        {"kmsKeyArn": None, "name": "other"},
    ),
    Sample(
        "aws:sagemaker/endpointConfiguration:EndpointConfiguration",
        lambda made: {
            "productionVariants": [
                {
                    "modelName": made["m"].state["name"],
                    "serverlessConfig": {"maxConcurrency": 5, "memorySizeInMb": 2048},
                }
            ],
        },
        {},
        {"r": ROLE, "m": MODEL},
        label="serverless",
    ),
    Sample(
        "aws:sagemaker/endpoint:Endpoint",
        lambda made: {"endpointConfigName": made["c"].state["name"], "tags": {"a": "b"}},
        lambda made: {
            "endpointConfigName": made["d"].state["name"],
            "deploymentConfig": {
                "blueGreenUpdatePolicy": {
                    "trafficRoutingConfiguration": {
                        "type": "CANARY",
                        "waitIntervalInSeconds": 300,
                        "canarySize": {"type": "CAPACITY_PERCENT", "value": 10},
                    },
                },
                "autoRollbackConfiguration": {"alarms": [{"alarmName": "it"}]},
            },
        },
        {"r": ROLE, "m": MODEL, "c": CONFIGURATION, "d": CONFIGURATION},
        {"name": "other"},
    ),
    Sample(
        "aws:sagemaker/mlflowApp:MlflowApp",
        {
            "artifactStoreUri": "s3://bucket/mlflow",
            "roleArn": ROLE_ARN,
            "weeklyMaintenanceWindowStart": "Sun:03:00",
            "tags": {"a": "b"},
        },
        {"modelRegistrationMode": "AutoModelRegistrationEnabled", "artifactStoreUri": "s3://bucket/other"},
        replaces={"roleArn": f"{ROLE_ARN}s"},
    ),
    Sample(
        "aws:sagemaker/mlflowTrackingServer:MlflowTrackingServer",
        {
            "trackingServerName": "runs",
            "artifactStoreUri": "s3://bucket/mlflow",
            "roleArn": ROLE_ARN,
            "trackingServerSize": "Medium",
            "tags": {"a": "b"},
        },
        {"trackingServerSize": "Large", "automaticModelRegistration": True},
        replaces={"trackingServerName": "other", "roleArn": f"{ROLE_ARN}s"},
    ),
    Sample(
        "aws:sagemaker/dataQualityJobDefinition:DataQualityJobDefinition",
        {
            "roleArn": ROLE_ARN,
            "dataQualityAppSpecification": {"imageUri": IMAGE, "environment": {"A": "b"}},
            "dataQualityBaselineConfig": {"statisticsResource": {"s3Uri": "s3://bucket/statistics.json"}},
            "dataQualityJobInput": {"endpointInput": {"endpointName": "it", "localPath": "/opt/ml/in"}},
            "dataQualityJobOutputConfig": {
                "kmsKeyId": KEY_ARN,
                "monitoringOutputs": {"s3Output": {"s3Uri": "s3://bucket/out", "localPath": "/opt/ml/out"}},
            },
            "jobResources": {
                "clusterConfig": {"instanceCount": 1, "instanceType": "ml.m5.large", "volumeSizeInGb": 20},
            },
            "stoppingCondition": {"maxRuntimeInSeconds": 3600},
            "tags": {"a": "b"},
        },
        replaces={"roleArn": f"{ROLE_ARN}s"},
    ),
    Sample(
        "aws:sagemaker/monitoringSchedule:MonitoringSchedule",
        {**schedule("cron(0 * ? * * *)"), "tags": {"a": "b"}},
        schedule("cron(0 3/6 ? * * *)"),
        replaces={"name": "other"},
    ),
]
