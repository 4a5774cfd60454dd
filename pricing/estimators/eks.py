"""EKS: control planes and managed node groups."""

from typing import Final

from pricing.bill import Bill
from pricing.estimators import ec2, volumes


def _cluster(bill: Bill) -> None:
    bill.hours("control plane", "eks", "cluster-hour")
    # AWS's default is EXTENDED: a version past its standard support goes on, at a surcharge.
    if bill.properties.text("upgradePolicy.supportType", "EXTENDED") != "STANDARD":
        bill.charge(
            "extended version support, if the version is let grow old",
            "eks",
            "extended-support-hour",
            worst=730,
        )

    if bill.properties.flag("computeConfig.enabled"):
        bill.unpriced("the nodes of EKS Auto Mode, and its charge on them, are not declared in the cluster")


def _node_group(bill: Bill) -> None:
    properties = bill.properties
    minimum = properties.number("scalingConfig.minSize", 1)
    maximum = max(minimum, properties.number("scalingConfig.maxSize", minimum))
    likely = min(maximum, max(minimum, properties.number("scalingConfig.desiredSize", minimum)))
    template = ec2.template_of(bill, "launchTemplate")
    names = properties.texts("instanceTypes")
    if not names and template is not None and template.has("instanceType"):
        names = [template.text("instanceType")]
    # AWS's own default for a managed node group that names no type.
    types = [found for name in names or ["t3.medium"] if (found := bill.instance_type(name)) is not None]
    if template is not None:
        disks = volumes.of_launch_template(template)
    else:
        disks = [volumes.Volume(properties.number("diskSize", volumes.DEFAULT_NODE_GB))]
    if types:
        ec2.machines(
            bill,
            types,
            spot=properties.text("capacityType") == "SPOT",
            minimum=minimum,
            likely=likely,
            maximum=maximum,
            disks=disks,
        )
    else:
        volumes.charge(bill, "node volume", disks, idle=minimum, expected=likely, worst=maximum)


def _fargate_profile(bill: Bill) -> None:
    bill.unpriced("Fargate is billed by the pods that run on it, which the profile does not declare")


ESTIMATORS: Final = {
    "aws:eks/cluster:Cluster": _cluster,
    "aws:eks/nodeGroup:NodeGroup": _node_group,
    "aws:eks/fargateProfile:FargateProfile": _fargate_profile,
}
