"""EC2: instances, auto scaling groups, volumes, addresses, snapshots."""

from decimal import Decimal
from typing import Final

from pricing.bill import Bill
from pricing.catalogue import InstanceType
from pricing.estimators import volumes
from pricing.money import HOURS_PER_MONTH, ZERO
from pricing.pools import hourly
from pricing.resources import Properties

LAUNCH_TEMPLATE: Final = "aws:ec2/launchTemplate:LaunchTemplate"


def machines(
    bill: Bill,
    types: list[InstanceType],
    *,
    spot: bool,
    minimum: Decimal,
    likely: Decimal,
    maximum: Decimal,
    disks: list[volumes.Volume],
) -> None:
    """Machines between a minimum and a maximum: of the cheapest of the types, at worst the dearest."""
    cheapest = min(types, key=lambda item: (hourly(item, spot=spot), item.name))
    dearest = max(types, key=lambda item: (item.hourly, item.name))
    bought = "spot" if spot else "on demand"
    worst = "" if dearest is cheapest and not spot else f"; at worst {dearest.name} on demand"
    bill.amount(
        f"{cheapest.name}, {bought}{worst}",
        "instance-hour",
        hourly(cheapest, spot=spot),
        idle=minimum * HOURS_PER_MONTH,
        expected=likely * HOURS_PER_MONTH,
        worst=maximum * HOURS_PER_MONTH,
        worst_price=dearest.hourly,
    )
    if spot:
        assume_spot(bill, cheapest)
    volumes.charge(bill, "node volume", disks, idle=minimum, expected=likely, worst=maximum)


def assume_spot(bill: Bill, instance: InstanceType) -> None:
    """Say what is taken for granted of a spot price."""
    if instance.spot is None:
        bill.assume(f"{instance.family} has no known spot price in {bill.region}; on-demand prices are used")
        return
    bill.dates.append(instance.spot.as_of)
    basis = "seen in the spot price history" if instance.spot.observed else "the family's usual share"
    share = instance.spot.interruption * 100
    bill.assume(
        f"spot {instance.family} in {bill.region}: {basis} ({instance.spot.as_of}), and on demand for the "
        f"{share.normalize():f} % of hours that spot is missing"
    )


def template_of(bill: Bill, path: str) -> Properties | None:
    """The launch template that the block at `path` names, if it is among the resources."""
    block = bill.properties.block(path)
    if not block.values:
        return None
    for key, target in (
        ("id", "id"),
        ("launchTemplateId", "id"),
        ("name", "name"),
        ("launchTemplateName", "name"),
    ):
        value = block.text(key)
        if value:
            found = bill.inventory.referred(bill.resource, path, value, LAUNCH_TEMPLATE, (target,))
            if found is not None:
                return bill.read(found)
    found = bill.inventory.referred(bill.resource, path, "", LAUNCH_TEMPLATE, ())
    return None if found is None else bill.read(found)


def _instance(bill: Bill) -> None:
    properties = bill.properties
    kind = bill.instance_type(properties.text("instanceType"))
    disks = [
        volumes.declared(block, "volumeSize", 8, "gp2" if not block.has("volumeType") else "gp3")
        for block in properties.blocks("ebsBlockDevices")
    ]
    disks.append(volumes.declared(properties.block("rootBlockDevice"), "volumeSize", 8))
    if kind is None:
        volumes.charge(bill, "volume", disks)
    else:
        spot = properties.text("instanceMarketOptions.marketType") == "spot"
        one = Decimal(1)
        machines(bill, [kind], spot=spot, minimum=one, likely=one, maximum=one, disks=disks)
    if properties.flag("associatePublicIpAddress"):
        bill.hours("public IPv4 address", "network", "public-ipv4-hour")


def _auto_scaling_group(bill: Bill) -> None:
    properties = bill.properties
    minimum = properties.number("minSize", 0)
    maximum = max(minimum, properties.number("maxSize", minimum))
    likely = min(maximum, max(minimum, properties.number("desiredCapacity", minimum)))
    mixed = properties.block("mixedInstancesPolicy")
    nested = "mixedInstancesPolicy.launchTemplate.launchTemplateSpecification"
    template = template_of(bill, nested if mixed.values else "launchTemplate")
    overrides = mixed.block("launchTemplate").blocks("overrides")
    names = [block.text("instanceType") for block in overrides if block.has("instanceType")]
    if not names and template is not None:
        names = [template.text("instanceType")]
    if not names:
        bill.unpriced("its instance type is not declared, or its launch template is not among the resources")
        return
    types = [found for name in names if (found := bill.instance_type(name)) is not None]
    disks = volumes.of_launch_template(template, 8)
    if not types:
        volumes.charge(bill, "node volume", disks, idle=minimum, expected=likely, worst=maximum)
        return
    distribution = mixed.block("instancesDistribution")
    on_demand = distribution.number("onDemandPercentageAboveBaseCapacity", 100)
    spot = on_demand < 100 or (
        template is not None and template.text("instanceMarketOptions.marketType") == "spot"
    )
    if spot and 0 < on_demand < 100:
        bill.assume(
            f"{bill.resource.name}: its on-demand share of {on_demand:f} % is priced as spot in an "
            "expected month, and all of it on demand in the worst"
        )
    machines(
        bill,
        types,
        spot=spot,
        minimum=minimum,
        likely=likely,
        maximum=maximum,
        disks=disks,
    )


def _volume(bill: Bill) -> None:
    volumes.charge(bill, "volume", [volumes.declared(bill.properties, "size", 1, "gp2")])


def _address(bill: Bill) -> None:
    bill.hours("public IPv4 address", "network", "public-ipv4-hour")


def _snapshot(bill: Bill) -> None:
    size = bill.properties.number("volumeSize", 0)
    if size:
        bill.standing("snapshot, at most", "ebs", "snapshot", size)
    else:
        bill.unpriced("the size of the snapshot is not known")


def _spot_request(bill: Bill) -> None:
    kind = bill.instance_type(bill.properties.text("instanceType"))
    if kind is not None:
        root = volumes.declared(bill.properties.block("rootBlockDevice"), "volumeSize", 8)
        machines(bill, [kind], spot=True, minimum=ZERO, likely=Decimal(1), maximum=Decimal(1), disks=[root])


ESTIMATORS: Final = {
    "aws:ec2/instance:Instance": _instance,
    "aws:ec2/spotInstanceRequest:SpotInstanceRequest": _spot_request,
    "aws:autoscaling/group:Group": _auto_scaling_group,
    "aws:ebs/volume:Volume": _volume,
    "aws:ebs/snapshot:Snapshot": _snapshot,
    "aws:ec2/eip:Eip": _address,
}
