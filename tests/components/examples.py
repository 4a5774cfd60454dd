"""One realistic set of inputs for each component."""

from typing import Any

import pulumi

import components

TAGS = {"owner": "ml", "costCentre": "cc-1", "dataClassification": "internal", "environment": "dev"}
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/platform:1.0.0"
PINNED = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/platform@sha256:{'0' * 64}"
PACKAGE = "arn:aws:sagemaker:us-east-1:123456789012:model-package/stagecraft-test-churn/1"
KEY = "arn:aws:kms:us-east-1:123456789012:key/brought"

CODE = pulumi.AssetArchive({"platform_jobs/__init__.py": pulumi.StringAsset("")})
JOB = {
    "job_definition_arn": "arn:aws:batch:us-east-1:123456789012:job-definition/job:1",
    "queue_arn": "arn:aws:batch:us-east-1:123456789012:job-queue/queue",
}


def view(**changes: Any) -> dict[str, Any]:
    """A feature view."""
    return {
        "name": "activity",
        "entity": "customer",
        "join_keys": ["customer_id"],
        "event_time": "observed_at",
        "ttl_days": 30,
        "fields": [
            {"name": "sessions", "type": "int", "min": 0},
            {"name": "minutes", "type": "float", "nullable": True, "max_null_fraction": 0.1},
            {"name": "plan", "type": "string", "allowed": ["free", "paid"]},
            {"name": "churned", "type": "bool", "label": True},
        ],
        **changes,
    }


def watched(**changes: Any) -> dict[str, Any]:
    """A model of which everything is watched."""
    model = {
        "name": "churn",
        "live": True,
        "feature_views": ["activity"],
        "slo": {"availability": 99.9, "latency_p95_ms": 300},
        "drift_threshold": 0.2,
        "accuracy": {"metric": "f1", "limit": 0.8},
        "max_calibration_error": 0.1,
        "feedback_rows": 5000,
        "bias": {"attribute": "age_band", "max_disparity": 0.1},
        "business": [{"metric": "conversionRate", "floor": 0.02}, {"metric": "returnOnCost"}],
        "unit_cost": {"max_usd_per_thousand": 0.5},
        "batch": True,
        "serving_cost": {"hourly_usd": 0.23, "request_usd": 4e-06},
        **changes,
    }
    return {"endpoint_name": f"stagecraft-test-endpoint-{model['name']}", **model}


def example(name: str) -> dict[str, Any]:
    """Inputs of a component, with everything switched on that it has."""
    examples: dict[str, dict[str, Any]] = {
        "BatchInference": {
            "model": "churn",
            "feature_views": ["activity"],
            "image_uri": IMAGE,
            "artifacts_bucket": "artifacts",
            "features_bucket": "features",
            "views_uri": "s3://features/_views/",
            "pointer_prefix": "/stagecraft/test/models/",
            "checkpoint_uri": "s3://artifacts/checkpoints/",
            "policy_arns": ["arn:read-features", "arn:read-models"],
            "schedule": "cron(0 5 * * ? *)",
            "entities_uri": "s3://marketing/churn/who/",
            "hourly_cost_usd": 0.09,
            "alarm": {
                "topic_arn": "arn:aws:sns:us-east-1:123456789012:tickets",
                "runbook_url": "docs/runbooks/batch-predictions.md",
            },
        },
        "BatchTrainingPool": {
            "jobs": [
                {"name": "train-churn", "image_uri": IMAGE, "command": ["train"], "policy_arns": ["arn:p"]}
            ],
            "checkpoint_uri": "s3://artifacts/checkpoints/",
        },
        "Cluster": {
            "admin_arns": ["arn:aws:iam::123456789012:role/admin"],
            "network": {"vpc_id": "vpc-1", "subnet_ids": ["subnet-1", "subnet-2"]},
            "namespaces": ["training"],
        },
        "CostGuard": {
            "monthly_limit_usd": 100.0,
            "tag_filter": {"stack": "stagecraft-test"},
            "models": [{"name": "churn", "monthly_limit_usd": 20.0, "tag_filter": {"model": "churn"}}],
            "emails": ["ml@example.com"],
            "anomaly_usd": 10.0,
            "reaper": {"code": CODE, "stop_idle": True},
        },
        "DataLake": {},
        "Endpoint": {
            "model": "churn",
            "artifacts_bucket": "artifacts",
            "model_package_arn": PACKAGE,
            "alarms": {"topic_arn": "arn:t", "runbook_url": "https://runbooks.example.com/endpoint"},
        },
        "EventStream": {"raw_bucket": "raw", "code": CODE},
        "FeatureStore": {
            "views": [view()],
            "features_bucket": "features",
            "catalog_database": "lake",
            "materialisation": {"image_uri": IMAGE, "source_bucket": "curated"},
        },
        "Gateway": {
            "image_uri": IMAGE,
            "models": {
                "churn": {
                    "keys": ["customer_id"],
                    "variants": [
                        {"name": "live", "endpoint": "stagecraft-test-endpoint-churn", "weight": 100}
                    ],
                    "ladder": ["live", "previous", "default-answer"],
                    "previous": {"endpoint": "stagecraft-test-previous-churn"},
                    "defaultAnswer": False,
                    "timeoutMs": 600,
                    "slowMs": 300,
                }
            },
            "artifacts_bucket": "artifacts",
            "policy_arns": ["arn:p"],
        },
        "GpuTelemetry": {
            "cluster": {"name": "stagecraft-test", "kubeconfig": "{}"},
            "pools": ["training-l4", "models-serving-gpu"],
            "image_uri": PINNED,
            "emails": ["on-call@example.com"],
            "grafana_bucket": "artifacts",
        },
        "ImageRepository": {"version": "1.0.0"},
        "DeliveryRoles": {
            "repository": "acme/product",
            "environment": "prod",
            "state_bucket": "state",
            "state_key_arn": KEY,
        },
        "ModelLoop": {
            "model": "churn",
            "views": ["activity", "orders"],
            "quality": JOB,
            "materialise": JOB,
            "train": JOB,
            "package_group": "stagecraft-test-churn",
            "lineage_table": "lineage",
            "pointer_prefix": "/stagecraft/test/models/",
            "endpoint_name": "stagecraft-test-endpoint-churn",
            "endpoint_role_arn": "arn:aws:iam::123456789012:role/endpoint-churn",
            "code": CODE,
            "canary_percent": [5, 25, 100],
            "bake_limit_minutes": 720,
            "gate": {"availability": 99.9, "latency_p95_ms": 150, "quality_margin": 0.01},
            "labels": {
                "image_uri": IMAGE,
                "queue_arn": JOB["queue_arn"],
                "artifacts_bucket": "artifacts",
                "environment": {"STAGECRAFT_MODEL_VIEWS": '["activity"]'},
                "policy_arns": ["arn:p"],
            },
            "gate_alarm_names": ["churn-burn"],
            "schedule": "cron(0 3 ? * MON *)",
            "retrain_alarm_names": ["churn-drift"],
            "emails": ["ml@example.com"],
        },
        "ModelRegistry": {
            "models": [{"name": "churn"}],
            "artifacts_bucket": "artifacts",
            "approval_emails": ["ml@example.com"],
            "mlflow": True,
        },
        "Monitoring": {
            "models": [
                watched(),
                watched(name="ranking", serverless=False, vcpus=4, gpus=1, gateway=True),
                {"name": "plain", "endpoint_name": "stagecraft-test-plain"},
            ],
            "views": [{"name": "activity"}],
            "emails": ["on-call@example.com"],
            "grafana_bucket": "artifacts",
            "jobs": {
                "image_uri": IMAGE,
                "queue_arn": "arn:aws:batch:us-east-1:123456789012:job-queue/pool",
                "artifacts_bucket": "artifacts",
                "curated_bucket": "curated",
                "environment": {"STAGECRAFT_POINTER_PREFIX": "/stagecraft/test/models/"},
                "policy_arns": ["arn:p"],
            },
        },
        "Network": {},
        "ServingCluster": {
            "cluster": {
                "name": "stagecraft-test",
                "kubeconfig": "{}",
                "subnet_ids": ["subnet-1", "subnet-2"],
                "security_group_id": "sg-1",
                "instance_profile": "nodes",
            },
            "namespace": "serving",
            "image_uri": PINNED,
            "artifacts_bucket": "artifacts",
            "models": [
                {
                    "name": "churn",
                    "package_group": "stagecraft-test-churn",
                    "keys": ["customer_id"],
                    "variants": [
                        {"name": "live", "model_package_arn": PACKAGE, "percent": 90},
                        {"name": "challenger", "model_package_arn": f"{PACKAGE[:-1]}2", "percent": 10},
                        {"name": "previous", "model_package_arn": f"{PACKAGE[:-1]}3"},
                        {
                            "name": "shadow",
                            "model_package_arn": f"{PACKAGE[:-1]}4",
                            "percent": 5,
                            "shadow": True,
                        },
                    ],
                    "ladder": ["previous", "last-good", "default-answer"],
                    "default_answer": "false",
                    "warm_replicas": 2,
                },
                {
                    "name": "assistant",
                    "package_group": "stagecraft-test-assistant",
                    "keys": ["user_id"],
                    "runtime": "gpu",
                    "image_uri": PINNED.replace("platform", "vllm"),
                    "variants": [{"name": "live", "model_package_arn": PACKAGE}],
                    "vcpus": 3,
                    "memory_mib": 12000,
                    "model_gib": 40,
                },
            ],
            "gateway": {
                "environment": {"STAGECRAFT_GATEWAY_METRICS": "cloudwatch"},
                "policy_arns": ["arn:p"],
            },
            "callers": ["apps"],
            "entrance": {
                "gateway": "public",
                "namespace": "gateways",
                "hostnames": ["predict.example.com"],
                "models": True,
            },
            "prometheus": {"url": "http://prometheus.monitoring.svc:9090", "namespace": "monitoring"},
        },
        "TrainingPool": {
            "cluster": {
                "name": "stagecraft-test",
                "kubeconfig": "{}",
                "subnet_ids": ["subnet-1", "subnet-2"],
                "security_group_id": "sg-1",
                "instance_profile": "nodes",
            },
            "namespace": "training",
            "accelerator_resource": "nvidia.com/gpu",
            "instance_types": ["g6.xlarge", "g6.2xlarge", "g6.4xlarge"],
            "spot": {"vcpus": 48, "memory_mib": 196608, "accelerators": 3},
            "on_demand": {"vcpus": 16, "memory_mib": 65536, "accelerators": 1},
            "contract": {"checkpoint_uri": "s3://artifacts/checkpoints/"},
            "queues": [
                {
                    "name": "train-churn",
                    "spot": {"vcpus": 48, "memory_mib": 196608, "accelerators": 3},
                    "on_demand": {"vcpus": 16, "memory_mib": 65536, "accelerators": 1},
                    "image_uri": IMAGE,
                    "command": ["train"],
                    "policy_arns": ["arn:p"],
                    "vcpus": 3,
                    "memory_mib": 14000,
                    "accelerators": 1,
                }
            ],
            "fallback_alarm": {
                "topic_arn": "arn:t",
                "runbook_url": "docs/runbooks/spot-fall-back.md",
            },
        },
    }
    return {**examples[name], "tags": TAGS}


def make(name: str, **changes: Any) -> Any:
    """The component, to be called in a program."""
    component = getattr(components, name)
    return component("it", {**example(name), **changes})


NAMES = tuple(component.__name__ for component in components.COMPONENTS)
