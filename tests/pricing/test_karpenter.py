"""Node pools: requirements, limits, spot and what stands in for it."""

from decimal import Decimal

import pytest

from pricing import Capacity, Estimate, Resource, Usage, catalogue, estimate
from pricing.node_pools import allowed_types, quantity
from pricing.pools import ACCELERATORS, VCPU, hourly, pool_cost
from tests.pricing.stack import node_class, node_pool

D = Decimal
TYPES = catalogue("us-east-1")


def priced(*resources: Resource) -> Estimate:
    return estimate([*resources, node_class()], region="us-east-1", usage=Usage(pool_share=D("0.5")))


def worst(*resources: Resource) -> Decimal:
    return priced(*resources).resources[0].lines[0].worst_unit_price


@pytest.mark.parametrize(
    ("text", "value"),
    [("500m", "0.5"), ("16", "16"), ("64Gi", str(64 * 2**30)), ("1k", "1000"), ("2M", "2000000"), (8, "8")],
)
def test_kubernetes_quantities(text: object, value: str) -> None:
    assert quantity(text) == D(value)


@pytest.mark.parametrize("text", ["", "many", "1.2.3", None, [], True, "10 Gi"])
def test_what_is_no_quantity(text: object) -> None:
    assert quantity(text) is None


def test_the_tightest_limit_counts_and_only_whole_nodes() -> None:
    kind = "g5.12xlarge"  # 48 vCPU, 192 GiB, 4 GPUs, 5.672
    assert worst(node_pool(types=[kind], limits={"nvidia.com/gpu": 11})) == 2 * D("5.672")
    assert worst(node_pool(types=[kind], limits={"nvidia.com/gpu": 11, "cpu": 95})) == D("5.672")
    assert worst(node_pool(types=[kind], limits={"memory": "800Gi", "nodes": 9})) == 4 * D("5.672")
    none = priced(node_pool(types=[kind], limits={"cpu": 10}))
    assert none.resources == ()
    assert "no limits that bound it" in none.unpriced[0].reason


def test_of_several_types_no_mix_can_cost_more() -> None:
    kinds = ["g5.xlarge", "g5.2xlarge", "g5.12xlarge"]
    found = worst(node_pool(types=kinds, limits={"nvidia.com/gpu": 8}))
    # One GPU is dearest in a g5.12xlarge: 5.672 / 4.
    assert found == 8 * D("5.672") / 4
    best = max(
        a * D("1.006") + b * D("1.212") + c * D("5.672")
        for a in range(9)
        for b in range(9)
        for c in range(3)
        if a + b + 4 * c <= 8
    )
    assert best <= found


def test_the_expected_month_takes_the_cheapest_way_to_what_is_limited() -> None:
    found = priced(node_pool(families=["g5"], limits={"nvidia.com/gpu": 4}))
    line = found.resources[0].lines[0]
    assert line.unit_price == 4 * D("1.006")
    assert line.expected == D("0.5") * 730
    assert "g5.xlarge" in line.what


def allowed(**requirements: object) -> set[str]:
    spec = node_pool(**requirements).properties["spec"]
    return {item.name for item in allowed_types(spec, region="us-east-1")}


def requirement(label: str, operator: str, *values: str) -> dict[str, object]:
    return {"key": f"karpenter.k8s.aws/instance-{label}", "operator": operator, "values": list(values)}


def test_requirements_narrow_the_pool() -> None:
    small = requirement("cpu", "Lt", "5")
    assert allowed(families=["m7i"], requirements=[small]) == {"m7i.large", "m7i.xlarge"}
    newest = allowed(categories=["m"], requirements=[requirement("generation", "Gt", "7")])
    assert newest
    assert {name[1] for name in newest} <= {"8", "9"}
    not_large = allowed(families=["m7i"], requirements=[requirement("size", "NotIn", "large")])
    assert "m7i.large" not in not_large
    assert "m7i.xlarge" in not_large
    without_disk = allowed(families=["m5", "m5d"], requirements=[requirement("local-nvme", "DoesNotExist")])
    assert {name.split(".")[0] for name in without_disk} == {"m5"}
    assert allowed(families=["m5", "m5d"], requirements=[requirement("local-nvme", "Exists")])
    assert allowed(families=["trn1"], requirements=[requirement("accelerator-name", "In", "trainium")])


def test_amd64_and_no_bare_metal_unless_asked_for() -> None:
    types = allowed(families=["m7i", "m7g"])
    assert types
    assert {name.split(".")[0] for name in types} == {"m7i"}
    assert not any("metal" in name for name in types)
    assert {name.split(".")[0] for name in allowed(families=["m7i", "m7g"], arch=["arm64"])} == {"m7g"}
    assert allowed(types=["m7i.metal-24xl"]) == {"m7i.metal-24xl"}


def test_gpus_by_name() -> None:
    found = priced(node_pool(gpu=["l40s"], limits={"nvidia.com/gpu": 1}))
    assert "g6e.xlarge" in found.resources[0].lines[0].what


def test_a_requirement_that_is_not_modelled_is_said() -> None:
    odd = {"key": "karpenter.k8s.aws/instance-ebs-bandwidth", "operator": "Gt", "values": ["1000"]}
    found = priced(node_pool(types=["m7i.large"], limits={"nodes": 1}, requirements=[odd]))
    assert any("instance-ebs-bandwidth is not modelled" in text for text in found.assumptions)


def test_an_on_demand_pool_that_stands_in_for_spot_counts_once_in_the_expected_month() -> None:
    gpu = [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}]
    spot = node_pool(
        "spot", capacity=["spot"], types=["g5.xlarge"], limits={"nodes": 4}, weight=50, taints=gpu
    )
    fallback = node_pool("fallback", types=["g5.xlarge"], limits={"nodes": 4}, weight=10, taints=gpu)
    other = node_pool("other", types=["g5.xlarge"], limits={"nodes": 4}, weight=10)
    found = {item.name: item.amounts for item in priced(spot, fallback, other).resources}
    assert found["fallback"].expected == 0
    assert found["fallback"].worst == found["other"].worst > 0
    assert found["other"].expected > 0
    assert 0 < found["spot"].expected < found["other"].expected


def test_a_static_pool_stands_all_month() -> None:
    found = priced(node_pool(types=["m7i.large"], limits={"nodes": 4}, replicas=2))
    machines = found.resources[0].lines[0].amounts
    assert machines.idle == machines.expected == D("147.17")  # 2 x 0.1008 x 730
    assert machines.worst == D("294.34")


def test_a_blended_hour_lies_between_spot_and_on_demand() -> None:
    for item in list(TYPES.values())[::50]:
        assert item.spot is not None
        assert item.spot.hourly <= hourly(item, spot=True) <= hourly(item, spot=False) == item.hourly


def test_nothing_bounds_a_pool_by_what_its_types_do_not_have() -> None:
    assert pool_cost(Capacity([TYPES["m7i.large"]], {ACCELERATORS: D(8)})) is None
    assert pool_cost(Capacity([], {VCPU: D(8)})) is None
