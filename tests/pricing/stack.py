"""Resources for pricing tests, as a Pulumi state holds them."""

from typing import Any

from pricing import Resource

STACK = "urn:pulumi:dev::shop::pulumi:pulumi:Stack::shop-dev"


def resource(kind: str, name: str = "it", /, *, parent: str | None = STACK, **properties: Any) -> Resource:
    """One resource below the stack, or below `parent`; `name=` is a property, not the resource's name."""
    return Resource(
        urn=f"urn:pulumi:dev::shop::{kind}::{name}",
        type=kind,
        name=name,
        properties=properties,
        parent=parent,
    )


def component(name: str = "platform", **values: Any) -> Resource:
    """A component below the stack."""
    return resource("stagecraft:index:Platform", name, **values)


def node_pool(
    name: str = "pool", *, limits: Any = None, capacity: Any = ("on-demand",), **extra: Any
) -> Resource:
    """A Karpenter node pool; requirements by keyword (`types=[...]`, `families=[...]`)."""
    keys = {
        "types": "node.kubernetes.io/instance-type",
        "families": "karpenter.k8s.aws/instance-family",
        "categories": "karpenter.k8s.aws/instance-category",
        "gpu": "karpenter.k8s.aws/instance-gpu-name",
        "arch": "kubernetes.io/arch",
    }
    requirements = [
        {"key": keys[key], "operator": "In", "values": list(values)}
        for key, values in extra.items()
        if key in keys
    ]
    requirements.append({"key": "karpenter.sh/capacity-type", "operator": "In", "values": list(capacity)})
    requirements.extend(extra.get("requirements", []))
    spec: dict[str, Any] = {
        "template": {
            "spec": {
                "nodeClassRef": {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": "default"},
                "requirements": requirements,
                "taints": extra.get("taints", []),
            }
        }
    }
    if limits is not None:
        spec["limits"] = limits
    if "weight" in extra:
        spec["weight"] = extra["weight"]
    if "replicas" in extra:
        spec["replicas"] = extra["replicas"]
    return resource(
        "kubernetes:karpenter.sh/v1:NodePool",
        name,
        apiVersion="karpenter.sh/v1",
        kind="NodePool",
        metadata={"name": name},
        spec=spec,
    )


def node_class(gigabytes: str = "100Gi") -> Resource:
    """The node class `default`, with one gp3 volume."""
    return resource(
        "kubernetes:karpenter.k8s.aws/v1:EC2NodeClass",
        "default",
        metadata={"name": "default"},
        spec={"blockDeviceMappings": [{"ebs": {"volumeSize": gigabytes, "volumeType": "gp3"}}]},
    )
