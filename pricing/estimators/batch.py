"""AWS Batch: what its compute environments may launch."""

from decimal import Decimal
from typing import Final

from pricing.bill import Bill
from pricing.catalogue import InstanceType
from pricing.estimators import ec2, volumes
from pricing.money import HOURS_PER_MONTH
from pricing.pools import VCPU, Capacity, pool_cost
from pricing.resources import Resource

_ENVIRONMENT: Final = "aws:batch/computeEnvironment:ComputeEnvironment"
_QUEUE: Final = "aws:batch/jobQueue:JobQueue"
_ROOT_GB: Final = 30
"""Root volume of the ECS-optimised AMI that Batch uses."""
_OPTIMAL: Final = ("c4", "m4", "r4", "c5", "m5", "r5")
"""Families that Batch's `optimal` stands for."""


def _compute_environment(bill: Bill) -> None:
    properties = bill.properties
    resources = properties.block("computeResources")
    if properties.text("type", "MANAGED").upper() == "UNMANAGED":
        return
    kind = resources.text("type").upper()
    if kind.startswith("FARGATE"):
        bill.unpriced("Fargate compute environments are not in the price snapshot")
        return
    maximum = resources.number("maxVcpus", 0)
    types = _types(bill, resources.texts("instanceTypes"))
    if not types:
        bill.unpriced(f"none of its instance types has a known price in {bill.region}")
        return
    # Batch may go above maxVcpus by no more than one instance, and launches one however large it is.
    limit = max(maximum, Decimal(min(item.vcpu for item in types))) if maximum else maximum
    if not limit:
        return
    spot = kind == "SPOT"
    found = pool_cost(Capacity(types, {VCPU: limit}, spot=spot))
    if found is None:
        bill.unpriced("no instance type fits its maxVcpus")
        return
    minimum = min(limit, resources.number("minVcpus", 0))
    standing = minimum / limit
    leader = _stands_in_for(bill, spot=spot)
    share = standing if leader is not None else max(standing, bill.usage.pool_share)
    bought = "spot" if spot else "on demand"
    bill.amount(
        f"{limit.normalize():f} vCPUs of {found.likely_type.name}, {bought}; "
        f"at worst on demand at the price of {found.worst_type.name}",
        "pool-hour",
        found.likely_hourly,
        idle=standing * HOURS_PER_MONTH,
        expected=share * HOURS_PER_MONTH,
        worst=HOURS_PER_MONTH,
        worst_price=found.worst_hourly,
    )
    if leader is not None:
        bill.assume(
            f"{bill.resource.name} stands in for {leader.name} when spot is missing: its expected hours "
            f"are in {leader.name}'s"
        )
    elif share == bill.usage.pool_share:
        bill.assume(
            f"pools that scale to zero use {(share * 100).normalize():f} % of their limits (pool_share)"
        )
    if spot:
        ec2.assume_spot(bill, found.likely_type)
    template = ec2.template_of(bill, "computeResources.launchTemplate")
    volumes.charge(
        bill,
        "node volume",
        volumes.of_launch_template(template, _ROOT_GB),
        idle=standing * found.likely_nodes,
        expected=share * found.likely_nodes,
        worst=found.worst_nodes,
    )


def _stands_in_for(bill: Bill, *, spot: bool) -> Resource | None:
    """The spot environment that comes before this on-demand one in a job queue."""
    if spot:
        return None
    for queue in bill.inventory.of_type(_QUEUE):
        orders = bill.read(queue).blocks("computeEnvironmentOrders")
        ordered = sorted(orders, key=lambda item: item.number("order", 0))
        members = [_environment(bill, item.text("computeEnvironment")) for item in ordered]
        if bill.resource in members:
            for earlier in members[: members.index(bill.resource)]:
                if earlier is not None and _buys_spot(bill, earlier):
                    return earlier
    return None


def _environment(bill: Bill, arn: str) -> Resource | None:
    for key in ("arn", "name", "id"):
        for found in bill.inventory.having(_ENVIRONMENT, key, arn):
            return found
    return None


def _buys_spot(bill: Bill, environment: Resource) -> bool:
    return bill.read(environment).text("computeResources.type").upper() == "SPOT"


def _types(bill: Bill, names: list[str]) -> list[InstanceType]:
    known = bill.instance_types()
    found: dict[str, InstanceType] = {}
    for name in names or ["optimal"]:
        if name in known:
            found[name] = known[name]
            continue
        families = _OPTIMAL if name == "optimal" else (name,)
        matching = {
            key: item for key, item in known.items() if item.family in families and not item.bare_metal
        }
        if not matching:
            bill.unpriced(f"the price snapshot has no {name} in {bill.region}")
        found.update(matching)
    for item in found.values():
        bill.dates.append(bill.snapshot.instance_price_date("ec2", item.name, bill.region))
    return list(found.values())


ESTIMATORS: Final = {_ENVIRONMENT: _compute_environment}
