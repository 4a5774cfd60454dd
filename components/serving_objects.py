"""The Kubernetes objects of serving, as pure functions: pods, their scaling, who may talk to whom."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from components import kubernetes_objects
from components.kubernetes_objects import DOMAIN
from components.pool_objects import NVIDIA, POOL, Pool, Request

MODEL_PORT: Final = 8080
GATEWAY_PORT: Final = 8090
PART: Final = f"{DOMAIN}/serving"
"""Label of everything that one component serves with."""
LAYER: Final = f"{DOMAIN}/layer"
"""`application` or `model`."""
MODEL: Final = f"{DOMAIN}/model"
VARIANT: Final = f"{DOMAIN}/variant"
IMAGE: Final = f"{DOMAIN}/image"
PLATFORM: Final = "platform"
"""Annotation of pods whose containers run the platform's own image: the twin runs those for real."""
FALLBACK: Final = f"{DOMAIN}/fallback"
"""Annotation: what users get while the model has no answer."""
MODEL_FOLDER: Final = "/opt/ml/model"
DIGEST_FILE: Final = "/opt/ml/version/digest"
IN_FLIGHT: Final = "stagecraft_requests_in_flight"
WAITING: Final = "vllm:num_requests_waiting"
DRAIN_SECONDS: Final = 5
"""How long a pod that must go still answers, until everybody has heard that it goes."""
GRACE_SECONDS: Final = 60
_NAMESPACE: Final = "kubernetes.io/metadata.name"
_SPREAD: Final[Mapping[str, Mapping[str, Any]]] = {
    # A preference: a zone that is gone must not keep pods from starting in another.
    "topology.kubernetes.io/zone": {"whenUnsatisfiable": "ScheduleAnyway"},
    # Were this one too, a second replica would land beside the first where there is room. So it needs another
    # machine, and Karpenter buys that in another zone if it can.
    "kubernetes.io/hostname": {"whenUnsatisfiable": "DoNotSchedule", "minDomains": 2},
}
_HOLD: Final = "trap 'exit 0' TERM INT; while :; do sleep 3600 & wait $!; done"


@dataclass(frozen=True)
class Container:
    """What a pod runs."""

    name: str
    image: str
    request: Request
    arguments: Sequence[str] = ()
    command: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int | None = None
    ready: str = ""
    """Path that says whether it wants requests."""
    alive: str = ""
    """Path that says whether it is well."""
    start_seconds: int = 300
    """How long it may take to come up."""


@dataclass(frozen=True)
class Pods:
    """The pods of one Deployment."""

    name: str
    namespace: str
    account: str
    labels: Mapping[str, str]
    container: Container
    pool: Pool
    scratch_gib: int = 1
    fetch: Container | None = None
    """What puts a model where the container looks for it, before it starts."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    priority_class: str = ""

    def deployment(self, replicas: int | None) -> dict[str, Any]:
        """A Deployment's spec; without replicas, their number is a scaler's."""
        spec: dict[str, Any] = {
            "selector": {"matchLabels": dict(self.labels)},
            # A new pod answers before an old one goes.
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {
                "metadata": {"labels": dict(self.labels), "annotations": dict(self.annotations)},
                "spec": self._spec(),
            },
        }
        return spec if replicas is None else {"replicas": replicas, **spec}

    def _spec(self) -> dict[str, Any]:
        spec: dict[str, Any] = {
            "serviceAccountName": self.account,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": kubernetes_objects.pod_security(),
            "nodeSelector": {POOL: self.pool.name},
            "tolerations": self.pool.tolerations,
            "topologySpreadConstraints": [
                {
                    "maxSkew": 1,
                    "topologyKey": key,
                    **otherwise,
                    "labelSelector": {"matchLabels": dict(self.labels)},
                    "matchLabelKeys": ["pod-template-hash"],
                }
                for key, otherwise in _SPREAD.items()
            ],
            "terminationGracePeriodSeconds": GRACE_SECONDS,
            "containers": [self._container(self.container)],
            "volumes": self._volumes(),
        }
        if self.fetch is not None:
            spec["initContainers"] = [self._container(self.fetch)]
        if self.priority_class:
            spec["priorityClassName"] = self.priority_class
        return spec

    def _volumes(self) -> list[dict[str, Any]]:
        volumes: list[dict[str, Any]] = [{"name": "scratch", "emptyDir": {"sizeLimit": "1Gi"}}]
        if self.fetch is not None:
            size = {"sizeLimit": f"{self.scratch_gib}Gi"}
            volumes += [{"name": "model", "emptyDir": size}, {"name": "version", "emptyDir": {}}]
        if self.pool.resource:
            # PyTorch's workers hand tensors to each other through shared memory, of which there are 64 MiB.
            memory = {"medium": "Memory", "sizeLimit": "1Gi"}
            volumes.append({"name": "shared-memory", "emptyDir": memory})
        return volumes

    def _container(self, container: Container) -> dict[str, Any]:
        fetching = container is self.fetch
        mounts: list[dict[str, Any]] = [{"name": "scratch", "mountPath": "/tmp"}]  # noqa: S108  # in the container
        if self.fetch is not None:
            mounts += [
                {"name": "model", "mountPath": MODEL_FOLDER, "readOnly": not fetching},
                {"name": "version", "mountPath": DIGEST_FILE.rpartition("/")[0], "readOnly": not fetching},
            ]
        if self.pool.resource:
            mounts.append({"name": "shared-memory", "mountPath": "/dev/shm"})  # noqa: S108  # in the container
        described: dict[str, Any] = {
            "name": container.name,
            "image": container.image,
            "env": [{"name": key, "value": value} for key, value in sorted(container.environment.items())],
            "resources": _resources(container.request, "" if fetching else self.pool.resource),
            "securityContext": dict(kubernetes_objects.CONTAINER_SECURITY),
            "volumeMounts": mounts,
        }
        if container.command:
            described["command"] = list(container.command)
        if container.arguments:
            described["args"] = list(container.arguments)
        if container.port is not None:
            described |= _answering(container)
        elif not fetching:
            well = {"exec": {"command": ["/bin/true"]}, "periodSeconds": 30}
            described |= {"livenessProbe": well, "readinessProbe": well}
        return described


def _resources(request: Request, accelerator: str) -> dict[str, Any]:
    """Memory and accelerators are never more than asked for; a burst of CPU is."""
    asked = {"cpu": str(request.vcpus), "memory": f"{request.memory_mib}Mi"}
    most = {"cpu": str(request.vcpus * 2), "memory": f"{request.memory_mib}Mi"}
    if accelerator:
        asked[accelerator] = most[accelerator] = str(request.accelerators)
    return {"requests": asked, "limits": most}


def _answering(container: Container) -> dict[str, Any]:
    def asked(path: str) -> dict[str, Any]:
        return {"path": path, "port": "http"}

    return {
        "ports": [{"name": "http", "containerPort": container.port, "protocol": "TCP"}],
        "lifecycle": {"preStop": {"sleep": {"seconds": DRAIN_SECONDS}}},
        "startupProbe": {
            "httpGet": asked(container.ready),
            "periodSeconds": 5,
            "timeoutSeconds": 2,
            "failureThreshold": -(-container.start_seconds // 5),
        },
        "readinessProbe": {
            "httpGet": asked(container.ready),
            "periodSeconds": 5,
            "timeoutSeconds": 2,
            "failureThreshold": 2,
        },
        "livenessProbe": {
            "httpGet": asked(container.alive),
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": 6,
        },
    }


def holding(image: str, request: Request) -> Container:
    """Does nothing where a replica would be, with a replica's image, until one needs the place."""
    return Container("hold", image, request, command=("/bin/sh", "-c", _HOLD))


def node_pool(pool: Pool, limits: Request) -> dict[str, Any]:
    """A Karpenter NodePool's spec: on-demand machines, put together when they are empty enough."""
    spec = pool.node_pool("on_demand", limits)
    spec["disruption"] = {
        "consolidationPolicy": "WhenEmptyOrUnderutilized",
        "consolidateAfter": "5m",
        # One at a time, and only as the disruption budgets of the pods allow.
        "budgets": [{"nodes": "1"}],
    }
    return spec


def service(labels: Mapping[str, str], port: int) -> dict[str, Any]:
    """A Service's spec: one address inside the cluster."""
    return {
        "type": "ClusterIP",
        "selector": dict(labels),
        "ports": [{"name": "http", "port": port, "targetPort": "http", "protocol": "TCP"}],
    }


def disruption_budget(labels: Mapping[str, str]) -> dict[str, Any]:
    """One pod may be moved at a time; one that is not well may always."""
    return {
        "maxUnavailable": 1,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": {"matchLabels": dict(labels)},
    }


def cpu_scaler(deployment: str, least: int, most: int, percent: int = 60) -> dict[str, Any]:
    """A HorizontalPodAutoscaler's spec."""
    return {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment},
        "minReplicas": least,
        "maxReplicas": most,
        "metrics": [
            {
                "type": "Resource",
                "resource": {
                    "name": "cpu",
                    "target": {"type": "Utilization", "averageUtilization": percent},
                },
            }
        ],
    }


def queue_scaler(
    deployment: str, least: int, most: int, *, prometheus: str, query: str, target: int
) -> dict[str, Any]:
    """A KEDA ScaledObject's spec: a replica for each `target` of what the query counts."""
    return {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment},
        "minReplicaCount": least,
        "maxReplicaCount": most,
        "pollingInterval": 15,
        # Without its numbers it takes nobody's replica away.
        "fallback": {"failureThreshold": 3, "replicas": least, "behavior": "currentReplicasIfHigher"},
        "advanced": {
            "horizontalPodAutoscalerConfig": {
                "behavior": {
                    "scaleUp": {"stabilizationWindowSeconds": 0},
                    "scaleDown": {
                        "stabilizationWindowSeconds": 300,
                        "policies": [{"type": "Percent", "value": 25, "periodSeconds": 60}],
                    },
                }
            }
        },
        "triggers": [
            {
                "type": "prometheus",
                "name": "queue",
                "metricType": "AverageValue",
                "metadata": {
                    # Else a Prometheus that has lost sight of the pods counts as nobody asking.
                    "ignoreNullValues": "false",
                    "query": query,
                    "serverAddress": prometheus,
                    "threshold": str(target),
                },
            }
        ],
    }


def depth_query(*, namespace: str, deployment: str, gpu: bool) -> str:
    """What waits (vLLM batches what it has begun) or, on CPUs, is under way, in all pods of a Deployment."""
    pods = f'namespace="{namespace}",pod=~"{deployment}-[a-z0-9]+-[a-z0-9]+"'
    return f"sum({WAITING if gpu else IN_FLIGHT}{{{pods}}})"


def scraped(port: int) -> dict[str, str]:
    """Annotations by which a Prometheus finds a pod's metrics."""
    return {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(port),
        "prometheus.io/path": "/metrics",
    }


def network_policies(
    name: str, *, callers: Sequence[str], prometheus: str, routed: bool, entrance: str
) -> dict[str, dict[str, Any]]:
    """Role → NetworkPolicy's spec. Nothing in or out, but what serving needs.

    Args:
        name: The component; its pods are labelled with it.
        callers: Namespaces that ask the gateway.
        prometheus: Namespace that scrapes metrics; empty for none.
        routed: Whether the entrance sends requests to models too.
        entrance: Namespace of the entrance's proxies; empty for none.
    """
    every = {"matchLabels": {PART: name}}
    gateway, models = ({"matchLabels": {PART: name, LAYER: layer}} for layer in ("application", "model"))
    to_gateway = sorted({*callers, *filter(None, (entrance, prometheus))})
    to_models = sorted({*filter(None, (prometheus, entrance if routed else ""))})
    asked: dict[str, dict[str, Any]] = {
        "closed": {"podSelector": every, "policyTypes": ["Ingress", "Egress"]},
        "aws": {**kubernetes_objects.egress_to_aws(), "podSelector": every},
        "gateway-to-models": {
            "podSelector": gateway,
            "policyTypes": ["Egress"],
            "egress": [{"to": [{"podSelector": models}], "ports": [_tcp(MODEL_PORT)]}],
        },
        "models": {
            "podSelector": models,
            "policyTypes": ["Ingress"],
            "ingress": [
                {
                    "from": [{"podSelector": gateway}, *(_from(namespace) for namespace in to_models)],
                    "ports": [_tcp(MODEL_PORT)],
                }
            ],
        },
    }
    if to_gateway:
        asked["gateway"] = {
            "podSelector": gateway,
            "policyTypes": ["Ingress"],
            "ingress": [
                {"from": [_from(namespace) for namespace in to_gateway], "ports": [_tcp(GATEWAY_PORT)]}
            ],
        }
    return asked


def scaler_egress(namespace: str, port: int) -> dict[str, Any]:
    """What lets the scaler ask Prometheus; it is in a namespace of its own."""
    return {
        "podSelector": {},
        "policyTypes": ["Egress"],
        "egress": [{"to": [_from(namespace)], "ports": [_tcp(port)]}],
    }


def _from(namespace: str) -> dict[str, Any]:
    return {"namespaceSelector": {"matchLabels": {_NAMESPACE: namespace}}}


def _tcp(port: int) -> dict[str, Any]:
    return {"protocol": "TCP", "port": port}


def route(
    *,
    gateway: str,
    namespace: str,
    hostnames: Sequence[str],
    application: str,
    weights: Mapping[str, Mapping[str, int]],
) -> dict[str, Any]:
    """An HTTPRoute's spec: users to the application layer, and callers without a user to models by weight.

    Args:
        gateway: Name of the Gateway.
        namespace: Namespace of the Gateway.
        hostnames: Host names that it is for; none for all.
        application: Service of the application layer.
        weights: Model → Service of a variant → its share.
    """
    rules: list[dict[str, Any]] = [
        {
            "matches": [{"path": {"type": "PathPrefix", "value": "/v1/models"}}],
            "backendRefs": [{"name": application, "port": GATEWAY_PORT}],
        }
    ]
    for model, shares in weights.items():
        rules.append(
            {
                "matches": [
                    {"path": {"type": "Exact", "value": f"/models/{model}/invocations"}, "method": "POST"}
                ],
                "filters": [
                    {
                        "type": "URLRewrite",
                        "urlRewrite": {
                            "path": {"type": "ReplaceFullPath", "replaceFullPath": "/invocations"}
                        },
                    }
                ],
                "backendRefs": [
                    {"name": variant, "port": MODEL_PORT, "weight": weight}
                    for variant, weight in shares.items()
                ],
            }
        )
    spec: dict[str, Any] = {"parentRefs": [{"name": gateway, "namespace": namespace}], "rules": rules}
    if hostnames:
        spec["hostnames"] = list(hostnames)
    return spec


def serving_pool(name: str, instance_types: Sequence[str], *, gpu: bool) -> Pool:
    """The machines of one runtime; nothing else lands on them."""
    return Pool(
        name=f"{name}-{'gpu' if gpu else 'cpu'}",
        instance_types=tuple(instance_types),
        resource=NVIDIA if gpu else "",
        zones=(),
        contract=None,
        quotas=False,
    )
