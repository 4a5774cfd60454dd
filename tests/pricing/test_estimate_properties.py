"""Of every estimate: it adds up to the cent, worst >= expected >= idle >= 0, and it never crashes."""

import json
import random
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing import Amounts, Estimate, Resource, Usage, estimate
from pricing.estimators import registry
from pricing.resources import Inventory
from tests.pricing.stack import component, node_pool, resource

TYPES = sorted(registry())
INSTANCES = ["m5.xlarge", "p5.48xlarge", "g5.xlarge", "c7g.large", "m7i.2xlarge", "none.such", ""]
WORDS = [
    *INSTANCES,
    *(f"ml.{name}" for name in INSTANCES),
    "SPOT",
    "EC2",
    "PAY_PER_REQUEST",
    "EXPRESS",
    "config",
]
KEYS = [
    "scalingConfig",
    "minSize",
    "maxSize",
    "desiredSize",
    "instanceTypes",
    "instanceType",
    "capacityType",
    "computeResources",
    "maxVcpus",
    "minVcpus",
    "type",
    "billingMode",
    "pointInTimeRecovery",
    "enabled",
    "replicas",
    "productionVariants",
    "serverlessConfig",
    "memorySizeInMb",
    "maxConcurrency",
    "variantName",
    "initialInstanceCount",
    "endpointConfigName",
    "name",
    "volumeSize",
    "volumeType",
    "iops",
    "throughput",
    "blockDeviceMappings",
    "ebs",
    "launchTemplate",
    "id",
    "size",
    "shardCount",
    "memorySize",
    "timeout",
    "architectures",
    "spec",
    "limits",
    "template",
    "requirements",
    "key",
    "operator",
    "values",
    "cpu",
    "memory",
    "nvidia.com/gpu",
    "metadata",
    "annotations",
    "retentionInDays",
    "metricQueries",
    "metric",
    "period",
    "region",
]
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 10**6),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from(WORDS),
    st.text(max_size=6),
    st.sampled_from(["100Gi", "500m", "1e9", "04da6b54-80e4-46f7-96ec-b56ff0331ba9"]),
)
trees = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
    ),
    max_leaves=12,
)
properties = st.dictionaries(st.sampled_from(KEYS), trees, max_size=6)


@st.composite
def stacks(draw: st.DrawFn) -> list[Resource]:
    count = draw(st.integers(0, 8))
    components = [component(f"c{index}") for index in range(2)]
    nested = component("c2", parent=components[0].urn)
    parents = [None, *(item.urn for item in [*components, nested])]
    resources = [
        resource(draw(st.sampled_from(TYPES)), f"r{index}", parent=draw(st.sampled_from(parents)))
        for index in range(count)
    ]
    filled = [Resource(item.urn, item.type, item.name, draw(properties), item.parent) for item in resources]
    return [*components, nested, *filled]


def total(amounts: list[Amounts]) -> Amounts:
    return sum(amounts, Amounts())


def assert_adds_up(found: Estimate) -> None:
    lines = [line.amounts for item in found.resources for line in item.lines]
    assert total(lines) == total([item.amounts for item in found.resources])
    assert total(lines) == total([item.amounts for item in found.components])
    assert total(lines) == found.amounts
    for amounts in [*lines, found.amounts]:
        assert 0 <= amounts.idle <= amounts.expected <= amounts.worst
        for amount in (amounts.idle, amounts.expected, amounts.worst):
            assert amount == amount.quantize(Decimal("0.01"))


@given(stacks(), st.sampled_from(["us-east-1", "eu-central-1", "ap-southeast-1", "mars-north-1"]))
@settings(max_examples=150, deadline=None)
def test_any_stack_adds_up_and_never_crashes(resources: list[Resource], region: str) -> None:
    found = estimate(resources, region=region)
    assert_adds_up(found)
    document = json.loads(json.dumps(found.to_json()))
    assert Decimal(document["worst"]) == found.worst
    assert sum(Decimal(item["expected"]) for item in document["byComponent"]) == found.expected


@given(stacks(), st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_the_order_of_resources_does_not_matter_to_the_totals(
    resources: list[Resource], shuffled: random.Random
) -> None:
    other = list(resources)
    shuffled.shuffle(other)
    one, two = estimate(resources, region="us-east-1"), estimate(other, region="us-east-1")
    # Resources that refer to one of several look-alikes may find another one: compare stacks without those.
    if len({item.type for item in resources}) == len(resources):
        assert one.amounts == two.amounts
        assert one.assumptions == two.assumptions


@given(st.integers(0, 50), st.integers(0, 50), st.sampled_from(["m5.xlarge", "p5.48xlarge", "g5.xlarge"]))
def test_a_larger_limit_never_costs_less(low: int, more: int, kind: str) -> None:
    small = estimate([node_pool(limits={"nodes": low}, types=[kind])], region="us-east-1")
    large = estimate([node_pool(limits={"nodes": low + more}, types=[kind])], region="us-east-1")
    assert small.worst <= large.worst
    assert small.expected <= large.expected


@given(st.decimals(0, 10**6, places=2), st.decimals(0, 10**6, places=2))
def test_more_use_never_costs_less(one: Decimal, two: Decimal) -> None:
    bucket = resource("aws:s3/bucket:Bucket")
    low, high = sorted((one, two))
    few = estimate([bucket], region="us-east-1", usage=Usage(s3_storage_gb=low))
    many = estimate([bucket], region="us-east-1", usage=Usage(s3_storage_gb=high))
    assert few.expected <= many.expected
    assert few.worst <= many.worst
    assert few.idle == many.idle == 0


def test_the_caller_s_decimal_context_changes_nothing() -> None:
    from decimal import ROUND_FLOOR, Context, localcontext

    group = resource(
        "aws:eks/nodeGroup:NodeGroup",
        scalingConfig={"minSize": 3, "desiredSize": 3, "maxSize": 3},
        instanceTypes=["m5.xlarge"],
    )
    usual = estimate([group], region="us-east-1").to_json()
    with localcontext(Context(prec=3, rounding=ROUND_FLOOR)):
        assert estimate([group], region="us-east-1").to_json() == usual


def test_a_hundred_thousand_small_sums_lose_no_cent() -> None:
    keys = [resource("aws:kms/key:Key", f"key-{index}") for index in range(5_000)]
    found = estimate(keys, region="us-east-1")
    assert_adds_up(found)
    assert found.idle == 5_000


def test_time_grows_no_faster_than_the_stack() -> None:
    import time

    def seconds(count: int) -> float:
        kinds = [TYPES[index % len(TYPES)] for index in range(count)]
        resources = [resource(kind, f"r{index}") for index, kind in enumerate(kinds)]
        start = time.process_time()
        estimate(resources, region="us-east-1")
        return time.process_time() - start

    seconds(100)
    small = min(seconds(500) for _ in range(3))
    assert seconds(5_000) < 25 * small


@pytest.mark.parametrize("entry", [{}, {"urn": 5, "type": None}, {"type": "aws:kms/key:Key", "inputs": "x"}])
def test_malformed_entries_are_taken_as_they_are(entry: dict[str, Any]) -> None:
    assert_adds_up(estimate([entry], region="us-east-1"))


@pytest.mark.parametrize("days", [1e308, 10**400, "1e999999", float("inf")])
def test_more_than_there_is_of_anything_is_no_quantity(days: Any) -> None:
    group = resource("aws:cloudwatch/logGroup:LogGroup", retentionInDays=days)
    assert_adds_up(estimate([group], region="us-east-1"))


def test_deep_and_huge_properties_are_read_in_passing() -> None:
    tree: Any = {"spec": {}}
    for _ in range(5_000):
        tree = {"spec": tree}
    pool = Resource("urn:a", "kubernetes:karpenter.sh/v1:NodePool", "pool", tree)
    huge = resource("aws:iam/policy:Policy", policy="x" * 2**20)
    found = estimate([pool, huge], region="us-east-1")
    assert [item.name for item in found.unpriced] == ["pool"]


def test_parents_in_a_circle_end() -> None:
    one = component("one", parent="urn:pulumi:dev::shop::stagecraft:index:Platform::two")
    two = component("two", parent=one.urn)
    aws = resource("aws:kms/key:Key", parent="urn:nowhere")
    assert Inventory([one, two, aws]).component_of(one) == two
    assert estimate([one, two, aws], region="us-east-1").components[0].name == ""
