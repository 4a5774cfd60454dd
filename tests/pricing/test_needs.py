"""A need becomes machines, limits, quota and cost, and all of them agree to the dollar."""

from decimal import Decimal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from components.pool_objects import Pool, Request
from pricing import HOURS_PER_MONTH, estimate
from pricing.accelerators import ACCELERATORS, NEURON, NVIDIA, ZONES
from pricing.needs import Checkpoints, Need, NeedError, PoolPlan, divided, plan_pool

SAFE = Checkpoints("s3://lake/checkpoints/")
CENT = Decimal("0.01")

NEEDS = st.builds(
    Need,
    accelerator=st.sampled_from(sorted(ACCELERATORS)),
    accelerators=st.integers(1, 4),
    vcpus=st.none() | st.integers(1, 32),
    memory_mib=st.none() | st.integers(512, 120000),
    spot=st.booleans(),
    spot_share=st.decimals("0.05", "1", places=2),
    max_nodes=st.none() | st.integers(1, 60),
    max_hourly_usd=st.none() | st.decimals("0.5", "500", places=2),
    max_vcpus=st.integers(1, 4000),
    checkpoints=st.just(SAFE),
)
REGIONS = st.sampled_from(sorted(ZONES))


def planned(need: Need, region: str = "us-east-1") -> PoolPlan:
    try:
        return plan_pool(need, region=region)
    except NeedError:
        assume(False)
        raise


def node_pools(plan: PoolPlan) -> list[dict]:
    """The plan as the component makes it."""
    pool = Pool("it", plan.instance_types, plan.resource, (), None)
    kinds = {"spot": "spot", "on-demand": "on_demand"}
    return [
        {
            "type": "kubernetes:karpenter.sh/v1:NodePool",
            "urn": f"urn:pulumi:s::p::kubernetes:karpenter.sh/v1:NodePool::it-{bought.capacity_type}",
            "custom": True,
            "inputs": {
                "spec": pool.node_pool(
                    kinds[bought.capacity_type],
                    Request(bought.vcpus, bought.memory_mib, bought.accelerators),
                )
            },
        }
        for bought in plan.purchases
    ]


@settings(max_examples=40)
@given(NEEDS, REGIONS)
def test_limits_quotas_budget_and_estimate_agree_to_the_dollar(need, region):
    plan = planned(need, region)
    lines = [
        line
        for priced in estimate(node_pools(plan), region=region).resources
        for line in priced.lines
        if line.unit == "pool-hour"
    ]
    worst, expected = (
        sum((getattr(line.amounts, month) for line in lines), Decimal(0)) for month in ("worst", "expected")
    )
    # A bill rounds each of its lines to the cent.
    assert abs(worst - plan.worst_monthly) <= CENT * len(plan.purchases)
    assert abs(expected - plan.expected_monthly) <= CENT * len(plan.purchases)
    shares = plan.shares({"a": Decimal(1), "b": Decimal("2.5"), "c": Decimal(100)})
    assert sum(share.worst_monthly_usd for share in shares.values()) == round(plan.worst_monthly, 2)
    for bought in plan.purchases:
        quotas = [share.quota[bought.capacity_type] for share in shares.values()]
        assert [sum(part) for part in zip(*quotas, strict=True)] == [
            bought.accelerators,
            bought.vcpus,
            bought.memory_mib,
        ]


@settings(max_examples=60)
@given(NEEDS)
def test_a_cap_is_never_exceeded_and_a_pool_keeps_what_was_asked_for(need):
    plan = planned(need)
    if need.max_hourly_usd is not None:
        assert plan.worst_hourly <= need.max_hourly_usd + Decimal("1e-9")
    nodes = sum(bought.nodes for bought in plan.purchases)
    assert need.max_nodes is None or nodes <= need.max_nodes
    assert nodes * plan.types[0].vcpu <= need.max_vcpus
    assert (plan.spot is not None) is need.spot
    assert plan.on_demand.nodes >= 1
    for item in plan.types:
        assert item.vcpu > (need.vcpus or 0) - 1
        assert item.accelerators >= plan.job_accelerators
        assert bool(item.accelerators) is bool(plan.resource)
    if plan.spot is not None:
        unit = "accelerators" if plan.resource else "vcpu"
        limit = plan.spot.accelerators if plan.resource else plan.spot.vcpus
        assert sum(getattr(item, unit) <= limit for item in plan.types) >= 3
    assert plan.expected_monthly <= plan.worst_monthly
    assert plan.worst_monthly == plan.worst_hourly * HOURS_PER_MONTH


@settings(max_examples=10)
@given(NEEDS)
def test_the_same_need_is_the_same_pool(need):
    assert planned(need) == planned(need)


@given(st.integers(0, 10**6), st.lists(st.integers(1, 1000).map(Decimal), min_size=1, max_size=9))
def test_parts_add_up_and_no_part_is_off_by_one_whole(total, weights):
    parts = divided(total, weights)
    assert sum(parts) == total
    whole = sum(weights)
    assert all(abs(part - total * weight / whole) < 1 for part, weight in zip(parts, weights, strict=True))


@pytest.mark.parametrize(
    ("need", "path", "says"),
    [
        (Need(max_nodes=4), "checkpoints", "location, an interval and a grace period"),
        (Need(max_nodes=4, checkpoints=Checkpoints("lake/")), "checkpoints.uri", "s3:// prefix"),
        (Need(max_nodes=4, checkpoints=Checkpoints(SAFE.uri, 0)), "checkpoints.minutes", "from 1 to 240"),
        (
            Need(max_nodes=4, checkpoints=Checkpoints(SAFE.uri, 15, 300)),
            "checkpoints.grace_seconds",
            "from 10 to 115",
        ),
        (Need("l4", families=("m7i",), max_nodes=4, checkpoints=SAFE), "families", "has no l4; take g6"),
        (Need("l4", families=("g66",), max_nodes=4, checkpoints=SAFE), "families", "did you mean"),
        (Need(families=("g5",), max_nodes=4, checkpoints=SAFE), "families", "accelerators a CPU pool"),
        (Need(min_nodes=5, max_nodes=4, checkpoints=SAFE), "min_nodes", "from 0 to max_nodes (4)"),
        (Need("l44", max_nodes=4, checkpoints=SAFE), "accelerator", "must be one of"),
        (Need(zones=("us-east-1z",), max_nodes=4, checkpoints=SAFE), "zones", "is no zone of us-east-1"),
        (Need(checkpoints=SAFE), "max_nodes", "how far it may grow"),
        (Need("a100", max_nodes=4, checkpoints=SAFE), "families", "at least three instance types"),
        (Need("h100", max_nodes=4, checkpoints=SAFE), "max_nodes", "holds no machine but p5.4xlarge on spot"),
        (Need(max_hourly_usd=Decimal("0.3"), checkpoints=SAFE), "max_hourly_usd", "may cost $0.40 an hour"),
        (Need("l4", accelerators=16, spot=False, max_nodes=4), "accelerator", "no machine"),
        (Need("l4", families=("gr6f",), efa=True, spot=False, max_nodes=4), "families", "EFA"),
        (
            Need("l4", instance_types=("g6.xlarge", "g6.2xlarge"), max_nodes=4, checkpoints=SAFE),
            "instance_types",
            "three types",
        ),
    ],
)
def test_a_need_that_cannot_be_met_is_one_clear_error(need, path, says):
    with pytest.raises(NeedError) as raised:
        plan_pool(need, region="us-east-1")
    (problem,) = raised.value.problems
    assert problem.path == path
    assert says in problem.remedy


def test_an_unknown_region_is_named():
    with pytest.raises(NeedError, match=r"region: 'mars-1'; has no known prices: one of ap-southeast-1"):
        plan_pool(Need(max_nodes=4, checkpoints=SAFE), region="mars-1")


def test_everything_wrong_is_told_at_once():
    with pytest.raises(NeedError) as raised:
        plan_pool(Need("l44", accelerators=0, spot_share=Decimal(2)), region="us-east-1")
    assert {problem.path for problem in raised.value.problems} == {
        "accelerator",
        "accelerators",
        "checkpoints",
        "max_nodes",
        "spot_share",
    }


def test_an_efa_pool_names_every_family():
    plan = plan_pool(Need("h100", accelerators=8, efa=True, spot=False, max_nodes=2), region="us-east-1")
    assert plan.families == ("p5", "p5en")
    assert all(item.efa for item in plan.types)


@pytest.mark.parametrize(
    ("accelerator", "resource"), [("none", ""), ("l4", NVIDIA), ("trainium", NEURON), ("inferentia2", NEURON)]
)
def test_each_kind_is_counted_by_its_own_name(accelerator, resource):
    plan = plan_pool(Need(accelerator, max_nodes=60, checkpoints=SAFE), region="us-east-1")
    assert plan.resource == resource
    assert (plan.purchases[0].accelerators > 0) is bool(resource)


@given(NEEDS, REGIONS)
@settings(max_examples=40, deadline=None)
def test_a_job_pays_for_its_part_of_the_machines_and_all_parts_for_the_whole(need, region):
    plan = planned(need, region)
    first = plan.purchases[0]
    assert plan.hourly_of(first.vcpus, 0) == first.likely_hourly
    assert plan.hourly_of(1, first.memory_mib) == first.likely_hourly
    assert float(plan.hourly_of(2, 1)) == pytest.approx(2 * float(plan.hourly_of(1, 1)))


def test_half_of_an_on_demand_machine_costs_half_of_it():
    need = Need(vcpus=2, memory_mib=4000, spot=False, max_vcpus=8, instance_types=("m6i.xlarge",))
    assert planned(need).hourly_of(2, 4000) == Decimal("0.192") / 2
