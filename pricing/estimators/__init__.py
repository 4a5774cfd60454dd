"""Estimators: one file per service, each a table from Pulumi type tokens to functions that write a bill."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import Final

from pricing.bill import Estimator

_SERVICES: Final = (
    "athena",
    "audit",
    "batch",
    "cloudwatch",
    "dynamodb",
    "ec2",
    "ecr",
    "eks",
    "free",
    "global_accelerator",
    "glue",
    "grafana",
    "karpenter",
    "kinesis",
    "kms",
    "kubernetes",
    "lambda_functions",
    "load_balancing",
    "messaging",
    "network",
    "prometheus",
    "route53",
    "s3",
    "sagemaker",
    "secrets",
    "step_functions",
)


@cache
def registry() -> Mapping[str, Estimator]:
    """Every estimator by Pulumi type token. A type that is not in here is unknown, which is not free."""
    found: dict[str, Estimator] = {}
    for service in _SERVICES:
        for token, estimator in import_module(f"{__name__}.{service}").ESTIMATORS.items():
            if token in found:
                raise RuntimeError(f"two estimators claim {token}")
            found[token] = estimator
    return MappingProxyType(found)
