"""Where machines are."""

from components import Network
from components.network import NetworkArgs
from stacks.parts.base import Base
from stacks.parts.plan import Plan


def network_of(plan: Plan, base: Base) -> Network:
    """Registers it: nothing that bills by the hour, until a cluster needs IPv4."""
    args: NetworkArgs = {"kms_key_arn": base.lake.kms_key_arn, "tags": plan.tags}
    if plan.has("cluster"):
        args["dual_stack"] = True
        args["nat"] = plan.settings.cluster.nat
    return Network("network", args)
