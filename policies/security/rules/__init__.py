"""The security pack's rules."""

from typing import Final

from policies.catalogue import collect
from policies.security.rules import (
    containers,
    databases,
    ec2,
    eks,
    iam,
    kms,
    network,
    pods,
    s3,
    sagemaker,
    storage,
)

RULES: Final = collect(containers, databases, ec2, eks, iam, kms, network, pods, s3, sagemaker, storage)
"""In the catalogue's order."""
