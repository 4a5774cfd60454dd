"""Manifests that a server accepts: one of each kind that a stack of ours may hold."""

from copy import deepcopy
from typing import Any

LABELS = {"app": "web"}
DIGEST = "registry.example/web@sha256:" + "a" * 64

POD: dict[str, Any] = {
    "automountServiceAccountToken": False,
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [
        {
            "name": "web",
            "image": DIGEST,
            "ports": [{"containerPort": 8080, "name": "http"}],
            "env": [{"name": "MODE", "value": "live"}],
            "resources": {
                "requests": {"cpu": "500m", "memory": "1Gi", "nvidia.com/gpu": 1},
                "limits": {"cpu": 1, "memory": "1Gi", "nvidia.com/gpu": "1"},
            },
            "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 5},
            "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
        }
    ],
    "volumes": [{"name": "scratch", "emptyDir": {"sizeLimit": "1Gi"}}],
    "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
    "topologySpreadConstraints": [
        {
            "maxSkew": 1,
            "topologyKey": "topology.kubernetes.io/zone",
            "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchLabels": LABELS},
        }
    ],
}
TEMPLATE = {"metadata": {"labels": LABELS}, "spec": POD}


def manifest(api_version: str, kind: str, spec: Any = None, **more: Any) -> dict[str, Any]:
    metadata = {"name": "it", "labels": {"app.kubernetes.io/part-of": "stagecraft"}}
    made = {"apiVersion": api_version, "kind": kind, "metadata": metadata, **more}
    return deepcopy({**made, "spec": spec} if spec is not None else made)


CORE = [
    manifest("v1", "Namespace"),
    manifest("v1", "ServiceAccount", automountServiceAccountToken=False),
    manifest("v1", "ConfigMap", data={"a.json": "{}"}),
    manifest("v1", "Secret", stringData={"password": "secret"}, type="Opaque"),
    manifest("v1", "Service", {"selector": LABELS, "ports": [{"port": 80, "targetPort": "http"}]}),
    manifest(
        "apps/v1",
        "Deployment",
        {"replicas": 2, "selector": {"matchLabels": LABELS}, "template": TEMPLATE},
    ),
    manifest(
        "apps/v1",
        "StatefulSet",
        {
            "serviceName": "web",
            "selector": {"matchLabels": LABELS},
            "template": {
                **TEMPLATE,
                "spec": {
                    **{key: value for key, value in POD.items() if key != "volumes"},
                    "containers": POD["containers"],
                },
            },
            "volumeClaimTemplates": [
                {
                    "metadata": {"name": "scratch"},
                    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
                }
            ],
        },
    ),
    manifest(
        "batch/v1",
        "Job",
        {
            "backoffLimit": 3,
            "suspend": True,
            "template": {"spec": {**POD, "restartPolicy": "Never"}},
            "podFailurePolicy": {
                "rules": [
                    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
                ]
            },
        },
    ),
    manifest(
        "batch/v1",
        "CronJob",
        {
            "schedule": "0 3 * * 1",
            "jobTemplate": {"spec": {"template": {"spec": {**POD, "restartPolicy": "OnFailure"}}}},
        },
    ),
    manifest(
        "policy/v1", "PodDisruptionBudget", {"minAvailable": "50%", "selector": {"matchLabels": LABELS}}
    ),
    manifest(
        "networking.k8s.io/v1", "NetworkPolicy", {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    ),
    manifest(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "minReplicas": 1,
            "maxReplicas": 4,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}},
                }
            ],
        },
    ),
    manifest(
        "rbac.authorization.k8s.io/v1",
        "Role",
        rules=[{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
    ),
    manifest("scheduling.k8s.io/v1", "PriorityClass", value=1000, globalDefault=False),
    manifest(
        "v1",
        "ResourceQuota",
        {"hard": {"requests.nvidia.com/gpu": "8", "pods": 20}},
    ),
]

KARPENTER = [
    manifest(
        "karpenter.sh/v1",
        "NodePool",
        {
            "weight": 50,
            "limits": {"cpu": "64", "nvidia.com/gpu": 4},
            "disruption": {
                "consolidationPolicy": "WhenEmpty",
                "consolidateAfter": "60s",
                "budgets": [{"nodes": "10%"}],
            },
            "template": {
                "metadata": {"labels": {"pool": "training"}},
                "spec": {
                    "expireAfter": "720h",
                    "nodeClassRef": {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": "it"},
                    "requirements": [
                        {"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["spot"]},
                        {
                            "key": "karpenter.k8s.aws/instance-family",
                            "operator": "In",
                            "values": ["g5", "g6", "g6e"],
                            "minValues": 3,
                        },
                    ],
                    "taints": [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}],
                },
            },
        },
    ),
    manifest(
        "karpenter.k8s.aws/v1",
        "EC2NodeClass",
        {
            "role": "nodes",
            "amiFamily": "Bottlerocket",
            "amiSelectorTerms": [{"id": "ami-0123456789abcdef0"}],
            "subnetSelectorTerms": [{"tags": {"karpenter.sh/discovery": "it"}}],
            "securityGroupSelectorTerms": [{"id": "sg-0123456789abcdef0"}],
            "metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 1},
            "blockDeviceMappings": [
                {
                    "deviceName": "/dev/xvdb",
                    "ebs": {"volumeSize": "200Gi", "volumeType": "gp3", "encrypted": True},
                }
            ],
        },
    ),
]

KUEUE = [
    manifest(
        "kueue.x-k8s.io/v1beta2", "ResourceFlavor", {"nodeLabels": {"karpenter.sh/capacity-type": "spot"}}
    ),
    manifest(
        "kueue.x-k8s.io/v1beta2",
        "ClusterQueue",
        {
            "cohortName": "training",
            "namespaceSelector": {},
            "resourceGroups": [
                {
                    "coveredResources": ["cpu", "nvidia.com/gpu"],
                    "flavors": [
                        {
                            "name": "spot",
                            "resources": [
                                {"name": "cpu", "nominalQuota": 64},
                                {"name": "nvidia.com/gpu", "nominalQuota": "4", "borrowingLimit": 0},
                            ],
                        }
                    ],
                }
            ],
        },
    ),
    manifest("kueue.x-k8s.io/v1beta2", "LocalQueue", {"clusterQueue": "training"}),
    manifest("kueue.x-k8s.io/v1beta2", "Cohort", {"parentName": "all"}),
    manifest("kueue.x-k8s.io/v1beta2", "WorkloadPriorityClass", value=10, description="first"),
]

KEDA = [
    manifest(
        "keda.sh/v1alpha1",
        "ScaledObject",
        {
            "scaleTargetRef": {"name": "web"},
            "minReplicaCount": 0,
            "maxReplicaCount": 8,
            "triggers": [
                {
                    "type": "prometheus",
                    "metadata": {"query": "sum(vllm:num_requests_waiting)", "threshold": "4"},
                }
            ],
        },
    ),
    manifest(
        "keda.sh/v1alpha1",
        "ScaledJob",
        {
            "jobTargetRef": {"template": {"spec": {**POD, "restartPolicy": "Never"}}},
            "triggers": [{"type": "aws-sqs-queue", "metadata": {"queueLength": "5"}}],
        },
    ),
    manifest("keda.sh/v1alpha1", "TriggerAuthentication", {"podIdentity": {"provider": "aws"}}),
]

GATEWAY = [
    manifest("gateway.networking.k8s.io/v1", "GatewayClass", {"controllerName": "example.com/gateway"}),
    manifest(
        "gateway.networking.k8s.io/v1",
        "Gateway",
        {"gatewayClassName": "it", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]},
    ),
    manifest(
        "gateway.networking.k8s.io/v1",
        "HTTPRoute",
        {
            "parentRefs": [{"name": "it"}],
            "rules": [
                {
                    "backendRefs": [
                        {"name": "live", "port": 80, "weight": 95},
                        {"name": "canary", "port": 80, "weight": 5},
                    ]
                }
            ],
        },
    ),
    manifest(
        "gateway.networking.k8s.io/v1",
        "GRPCRoute",
        {"parentRefs": [{"name": "it"}], "rules": [{"backendRefs": [{"name": "live", "port": 80}]}]},
    ),
]

PROMETHEUS = [
    manifest(
        "monitoring.coreos.com/v1",
        "PrometheusRule",
        {
            "groups": [
                {
                    "name": "slo",
                    "interval": "30s",
                    "rules": [
                        {"alert": "Burning", "expr": "up == 0", "for": "5m", "labels": {"severity": "page"}}
                    ],
                }
            ]
        },
    ),
    manifest(
        "monitoring.coreos.com/v1",
        "ServiceMonitor",
        {"selector": {"matchLabels": LABELS}, "endpoints": [{"port": "http", "interval": "15s"}]},
    ),
    manifest(
        "monitoring.coreos.com/v1",
        "PodMonitor",
        {"selector": {"matchLabels": LABELS}, "podMetricsEndpoints": [{"port": "http"}]},
    ),
]

CUSTOM = [*KARPENTER, *KUEUE, *KEDA, *GATEWAY, *PROMETHEUS]
EVERY = [*CORE, *CUSTOM]


def of(kind: str) -> dict[str, Any]:
    """The sample of a kind."""
    return deepcopy(next(each for each in EVERY if each["kind"] == kind))


def token(sample: dict[str, Any]) -> str:
    """The resource type that Pulumi's SDK gives it."""
    version = sample["apiVersion"]
    return f"kubernetes:{version if '/' in version else f'core/{version}'}:{sample['kind']}"


def changed(sample: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The manifest with another value at a dotted path; numbers are places in lists."""
    copy = deepcopy(sample)
    at: Any = copy
    *parents, last = [int(key) if key.isdigit() else key for key in path.split("/")]
    for key in parents:
        at = at[key]
    at[last] = value
    return copy
