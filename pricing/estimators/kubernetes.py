"""Kubernetes objects that make AWS resources: load balancers and volumes. The others run on the nodes."""

from decimal import Decimal
from typing import Final

from pricing.bill import Bill
from pricing.estimators import load_balancing, volumes
from pricing.node_pools import quantity

_SCHEME: Final = "service.beta.kubernetes.io/aws-load-balancer-scheme"
_ALB_SCHEME: Final = "alb.ingress.kubernetes.io/scheme"


def _service(bill: Bill) -> None:
    if bill.properties.text("spec.type") == "LoadBalancer":
        load_balancing.charge(bill, "network", public=_annotation(bill, _SCHEME) == "internet-facing")


def _ingress(bill: Bill) -> None:
    if bill.properties.text("spec.ingressClassName") == "alb":
        load_balancing.charge(bill, "application", public=_annotation(bill, _ALB_SCHEME) == "internet-facing")


def _gateway(bill: Bill) -> None:
    name = bill.properties.text("spec.gatewayClassName")
    if "alb" in name or "nlb" in name:
        load_balancing.charge(bill, "application" if "alb" in name else "network", public=False)
    else:
        bill.assume(
            f"{bill.resource.name}: gateway class {name or 'unknown'} makes no load balancer of its own"
        )


def _volume_claim(bill: Bill) -> None:
    requested = quantity(bill.properties.raw("spec.resources.requests.storage"))
    if requested is None:
        bill.unpriced("the size of the volume is not known")
        return
    volumes.charge(bill, "volume", [volumes.Volume(requested / Decimal(1024**3))])
    bill.assume(f"{bill.resource.name}: a volume of gp3")


def _annotation(bill: Bill, key: str) -> str:
    annotations = bill.properties.block("metadata.annotations").values
    value = annotations.get(key, "")
    return value if isinstance(value, str) else ""


ESTIMATORS: Final = {
    "kubernetes:core/v1:Service": _service,
    "kubernetes:networking.k8s.io/v1:Ingress": _ingress,
    "kubernetes:gateway.networking.k8s.io/v1:Gateway": _gateway,
    "kubernetes:core/v1:PersistentVolumeClaim": _volume_claim,
}
