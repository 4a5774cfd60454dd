"""Tells CloudWatch how many machines each node pool of a cluster has: Karpenter tells only its cluster."""

import os
from collections import Counter
from typing import Any

import boto3

NODE_POOL_TAG = "karpenter.sh/nodepool"


def handler(_event: Any, _context: Any) -> dict[str, int]:
    """Counts, publishes, and answers with the count by node pool."""
    cluster, namespace = os.environ["STAGECRAFT_CLUSTER"], os.environ["STAGECRAFT_METRIC_NAMESPACE"]
    pages = (
        boto3.client("ec2")
        .get_paginator("describe_instances")
        .paginate(
            Filters=[
                {"Name": f"tag:kubernetes.io/cluster/{cluster}", "Values": ["owned"]},
                {"Name": "tag-key", "Values": [NODE_POOL_TAG]},
                {"Name": "instance-state-name", "Values": ["pending", "running"]},
            ]
        )
    )
    counts = Counter(
        tag["Value"]
        for page in pages
        for reservation in page["Reservations"]
        for instance in reservation["Instances"]
        for tag in instance["Tags"]
        if tag["Key"] == NODE_POOL_TAG
    )
    # CloudWatch takes a thousand values at once; a cluster has a handful of pools.
    data: list[Any] = [
        {
            "MetricName": "PoolNodes",
            "Dimensions": [{"Name": "Cluster", "Value": cluster}, {"Name": "NodePool", "Value": pool}],
            "Value": count,
            "Unit": "Count",
        }
        for pool, count in sorted(counts.items())
    ]
    if data:
        boto3.client("cloudwatch").put_metric_data(Namespace=namespace, MetricData=data)
    return dict(counts)
