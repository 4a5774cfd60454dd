"""K4, K5, K7 to K12: pods that can be placed, moved and replaced."""

from tests.policies.cases import (
    UNKNOWN,
    depends,
    fails,
    missing,
    open_question,
    parametrized,
    passes,
    resource,
)

DEPLOYMENT = "kubernetes:apps/v1:Deployment"
STATEFUL = "kubernetes:apps/v1:StatefulSet"
CRON = "kubernetes:batch/v1:CronJob"
JOB = "kubernetes:batch/v1:Job"
POD = "kubernetes:core/v1:Pod"
BUDGET = "kubernetes:policy/v1:PodDisruptionBudget"
SCALER = "kubernetes:autoscaling/v2:HorizontalPodAutoscaler"
KEDA = "kubernetes:keda.sh/v1alpha1:ScaledObject"
SERVICE = "kubernetes:core/v1:Service"
POOL = "kubernetes:karpenter.sh/v1:NodePool"

LABELS = {"app": "shop"}
AMOUNTS = {"cpu": "500m", "memory": "1Gi"}
PROBED = {"livenessProbe": {"httpGet": {"path": "/"}}, "readinessProbe": {"httpGet": {"path": "/"}}}
SAFE = {"name": "app", "resources": {"requests": AMOUNTS, "limits": AMOUNTS}, **PROBED}
GPU_TAINT = {"key": "nvidia.com/gpu", "effect": "NoSchedule"}
GPU_TOLERATION = {"key": "nvidia.com/gpu", "operator": "Exists"}


def without(container, *names):
    return {name: value for name, value in container.items() if name not in names}


def deployment(container=SAFE, kind=DEPLOYMENT, replicas=2, **spec):
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": [container], **spec}}
    body = {"template": template} if replicas is None else {"template": template, "replicas": replicas}
    return resource(kind, "shop", metadata={"name": "shop"}, spec=body)


def cron(container):
    return resource(CRON, spec={"jobTemplate": {"spec": {"template": {"spec": {"containers": [container]}}}}})


def budget(labels=LABELS, **spec):
    return resource(BUDGET, "budget", spec={"selector": {"matchLabels": labels}, **spec})


def scaler(kind=SCALER, name="shop", **spec):
    return resource(kind, "scaler", spec={"scaleTargetRef": {"kind": "Deployment", "name": name}, **spec})


def service(**selector):
    return resource(SERVICE, spec={"selector": selector or LABELS})


def gpus(limit=1, request=None):
    resources = {"limits": {**AMOUNTS, **({} if limit is None else {"nvidia.com/gpu": limit})}}
    resources["requests"] = {**AMOUNTS, **({} if request is None else {"nvidia.com/gpu": request})}
    return {**SAFE, "resources": resources}


def pool(*taints, name="gpu", family="g5", capacity=("on-demand",)):
    requirements = [
        {"key": "karpenter.k8s.aws/instance-family", "operator": "In", "values": [family]},
        {"key": "karpenter.sh/capacity-type", "operator": "In", "values": list(capacity)},
    ]
    return resource(
        POOL, name, spec={"template": {"spec": {"requirements": requirements, "taints": list(taints)}}}
    )


SPOT_TAINT = {"key": "capacity", "value": "spot", "effect": "NoSchedule"}
SPOT_POOL = pool(SPOT_TAINT, name="spot", family="m7i", capacity=["spot"])
ON_SPOT = {"nodeSelector": {"karpenter.sh/capacity-type": "spot"}}
SPREAD = {"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone"}]}
HALF = {**SAFE, "resources": {"requests": AMOUNTS, "limits": {"memory": "1Gi"}}}

CASES = [
    passes("K4", "both", deployment()),
    passes("K4", "in a CronJob", cron(SAFE)),
    fails("K4", "no CPU limit", deployment(HALF)),
    fails("K4", "in a CronJob", cron(HALF)),
    fails("K4", "an init container", deployment(initContainers=[{"name": "setup"}])),
    missing("K4", "nothing said", deployment({"name": "app"})),
    open_question("K4", "unknown", deployment({**SAFE, "resources": UNKNOWN})),
    passes("K5", "both", deployment()),
    passes("K5", "a job", resource(JOB, spec={"template": {"spec": {"containers": [{"name": "job"}]}}})),
    passes("K5", "a CronJob", cron({"name": "job"})),
    fails("K5", "no liveness", deployment(without(SAFE, "livenessProbe"))),
    fails("K5", "no readiness", resource(POD, spec={"containers": [without(SAFE, "readinessProbe")]})),
    missing("K5", "nothing said", deployment({"name": "app"})),
    open_question(
        "K5", "unknown", resource(DEPLOYMENT, spec={"template": {"spec": {"containers": UNKNOWN}}})
    ),
    passes("K7", "a budget", deployment(), budget()),
    passes("K7", "one pod", deployment(replicas=1)),
    passes("K7", "one pod by default", deployment(replicas=None)),
    fails("K7", "for others", deployment(), budget({"app": "other"})),
    fails("K7", "a stateful set", deployment(kind=STATEFUL, replicas=3)),
    missing("K7", "no budget", deployment()),
    missing("K7", "scaled", deployment(replicas=None), scaler()),
    open_question("K7", "unknown", deployment(replicas=UNKNOWN)),
    passes("K8", "one may go", deployment(replicas=3), budget(minAvailable=2)),
    passes("K8", "by share", deployment(replicas=4), budget(minAvailable="50%")),
    passes("K8", "one at a time", deployment(), budget(maxUnavailable=1)),
    passes("K8", "scaled from two", deployment(replicas=None), budget(minAvailable=1), scaler(minReplicas=2)),
    fails("K8", "none may go", deployment(replicas=2), budget(minAvailable=2)),
    fails("K8", "all of them", deployment(replicas=2), budget(minAvailable="100%")),
    fails("K8", "zero may be away", deployment(), budget(maxUnavailable=0)),
    missing("K8", "one by default", deployment(replicas=None), budget(minAvailable=1)),
    *(
        open_question("K8", f"neither: {text}", deployment(), budget(minAvailable=text))
        for text in ("*", "most")
    ),
    open_question("K8", "unknown", deployment(), budget(minAvailable=UNKNOWN)),
    passes("K9", "an autoscaler", deployment(), service(), scaler()),
    passes("K9", "KEDA", deployment(), service(), scaler(KEDA, minReplicaCount=0)),
    passes("K9", "by dependency", deployment(), service(), scaler(name=UNKNOWN) | depends("shop", "spec")),
    passes("K9", "serves nothing", deployment()),
    fails("K9", "scales another", deployment(), service(), scaler(name="other")),
    missing("K9", "nothing scales it", deployment(), service()),
    open_question("K9", "an unknown selector", deployment(), resource(SERVICE, spec={"selector": UNKNOWN})),
    passes("K10", "spread", deployment(**SPREAD)),
    passes(
        "K10",
        "kept apart",
        deployment(affinity={"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{}]}}),
    ),
    passes("K10", "one pod", deployment(replicas=1)),
    fails("K10", "an empty list", deployment(topologySpreadConstraints=[])),
    missing("K10", "nothing said", deployment()),
    open_question("K10", "unknown", deployment(replicas=UNKNOWN)),
    passes("K11", "only a limit", deployment(gpus(limit=1))),
    passes("K11", "the same", deployment(gpus(limit="2", request=2))),
    passes("K11", "no GPU", deployment()),
    fails("K11", "less", deployment(gpus(limit=2, request=1))),
    missing("K11", "no limit", deployment(gpus(limit=None, request=1))),
    open_question("K11", "unknown", deployment({**SAFE, "resources": {"requests": UNKNOWN}})),
    passes("K12", "tainted and tolerated", pool(GPU_TAINT), deployment(gpus(), tolerations=[GPU_TOLERATION])),
    passes(
        "K12",
        "tolerates everything",
        pool(GPU_TAINT),
        deployment(gpus(), tolerations=[{"operator": "Exists"}]),
    ),
    passes("K12", "no pool here", deployment(gpus())),
    passes(
        "K12",
        "spot, tolerated",
        SPOT_POOL,
        deployment(**ON_SPOT, tolerations=[{"key": "capacity", "value": "spot"}]),
    ),
    fails("K12", "not tolerated", pool(GPU_TAINT), deployment(gpus())),
    fails(
        "K12",
        "another value",
        SPOT_POOL,
        deployment(**ON_SPOT, tolerations=[{"key": "capacity", "value": "other"}]),
    ),
    fails("K12", "spot, not tolerated", SPOT_POOL, deployment(**ON_SPOT)),
    missing("K12", "not tainted", pool()),
    open_question("K12", "unknown", pool(GPU_TAINT), deployment(gpus(), tolerations=UNKNOWN)),
]


@parametrized(CASES)
def test_rule(reliability, case):
    case.check(reliability)
