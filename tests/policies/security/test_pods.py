"""K1, K2, K3, K6, K13, K14: what pods may do, inside whatever runs them."""

import pytest

from tests.policies.cases import (
    UNKNOWN,
    Case,
    depends,
    fails,
    missing,
    open_question,
    parametrized,
    passes,
    resource,
)

DEPLOYMENT = "kubernetes:apps/v1:Deployment"
NAMESPACE = "kubernetes:core/v1:Namespace"
POLICY = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
KINDS = {
    "kubernetes:core/v1:Pod": lambda template: template,
    DEPLOYMENT: lambda template: {"spec": {"template": template}},
    "kubernetes:apps/v1:StatefulSet": lambda template: {"spec": {"template": template}},
    "kubernetes:apps/v1:DaemonSet": lambda template: {"spec": {"template": template}},
    "kubernetes:apps/v1:ReplicaSet": lambda template: {"spec": {"template": template}},
    "kubernetes:core/v1:ReplicationController": lambda template: {"spec": {"template": template}},
    "kubernetes:batch/v1:Job": lambda template: {"spec": {"template": template}},
    "kubernetes:batch/v1:CronJob": lambda template: {
        "spec": {"jobTemplate": {"spec": {"template": template}}}
    },
    "kubernetes:core/v1:PodTemplate": lambda template: {"template": template},
}
SAFE = {
    "name": "app",
    "image": "registry/app@sha256:0000",
    "securityContext": {
        "privileged": False,
        "allowPrivilegeEscalation": False,
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
        "capabilities": {"drop": ["ALL"]},
    },
}


def template(container=SAFE, **spec):
    return {
        "metadata": {"labels": {"app": "shop"}},
        "spec": {"containers": [container], "automountServiceAccountToken": False, **spec},
    }


def workload(kind=DEPLOYMENT, container=SAFE, **spec):
    return resource(kind, "shop", **KINDS[kind](template(container, **spec)))


def context(**change):
    merged = {key: value for key, value in {**SAFE["securityContext"], **change}.items() if value is not None}
    return {**SAFE, "securityContext": merged}


BARE = {"name": "app", "image": "app"}


def tokens(**spec):
    """A workload that leaves its token to its service account."""
    left = {"automountServiceAccountToken": None, "serviceAccountName": "reader", **spec}
    return workload(**left)


def account(name, withheld=True, **properties):
    return resource(
        "kubernetes:core/v1:ServiceAccount", name, automountServiceAccountToken=not withheld, **properties
    )


def policy(labels=None, namespace=None, **properties):
    metadata = {} if namespace is None else {"namespace": namespace}
    selector = {} if labels is None else {"matchLabels": labels}
    return resource(
        POLICY,
        "deny",
        metadata=metadata,
        spec={"podSelector": selector, "policyTypes": ["Ingress"]},
        **properties,
    )


CASES = [
    *(passes("K1", kind, workload(kind)) for kind in KINDS),
    *(Case("K1", "fails", kind, [workload(kind, context(privileged=True))]) for kind in KINDS),
    fails("K1", "escalates", workload(container=context(allowPrivilegeEscalation=True))),
    fails("K1", "an ephemeral container", workload(ephemeralContainers=[context(privileged=True)])),
    fails("K1", "an init container", workload(initContainers=[context(privileged=True)])),
    missing("K1", "escalates by default", workload(container=BARE)),
    open_question("K1", "unknown", workload(container=context(privileged=UNKNOWN))),
    *(passes("K2", kind, workload(kind)) for kind in KINDS),
    passes(
        "K2",
        "set for the pod",
        workload(
            container={**SAFE, "securityContext": {"capabilities": {"drop": ["all"]}}},
            securityContext={"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        ),
    ),
    passes("K2", "a user", workload(container=context(runAsNonRoot=None, runAsUser=1000))),
    fails("K2", "an init container as root", workload(initContainers=[context(runAsNonRoot=False)])),
    fails("K2", "an init container unfiltered", workload(initContainers=[context(seccompProfile=None)])),
    fails("K2", "an ephemeral container", workload(ephemeralContainers=[BARE])),
    fails("K2", "root", workload(container=context(runAsNonRoot=False))),
    fails("K2", "user 0", workload(container=context(runAsNonRoot=None, runAsUser=0))),
    fails(
        "K2",
        "the container undoes the pod's",
        workload(container=context(runAsNonRoot=False), securityContext={"runAsNonRoot": True}),
    ),
    fails("K2", "no filter", workload(container=context(seccompProfile={"type": "Unconfined"}))),
    fails("K2", "one capability dropped", workload(container=context(capabilities={"drop": ["NET_RAW"]}))),
    missing("K2", "nothing said", workload(container=BARE)),
    open_question("K2", "unknown", workload(container=context(runAsNonRoot=UNKNOWN))),
    *(passes("K3", kind, workload(kind)) for kind in KINDS),
    *(
        Case("K3", "fails", f"{name} in {kind}", [workload(kind, **{name: True})])
        for kind in KINDS
        for name in ("hostPID", "hostIPC", "hostNetwork")
    ),
    missing("K3", "a path of the node", workload(volumes=[{"name": "v", "hostPath": {"path": "/"}}])),
    open_question("K3", "unknown", workload(hostPID=UNKNOWN)),
    passes("K6", "a digest", workload()),
    passes("K6", "a tag and a digest", workload(container={**SAFE, "image": "app:1.2@sha256:0"})),
    fails("K6", "an ephemeral container's", workload(ephemeralContainers=[BARE])),
    fails("K6", "latest", workload(container={**SAFE, "image": "app:latest"})),
    fails("K6", "a tag", workload(container={**SAFE, "image": "registry:5000/app:1.2"})),
    missing("K6", "no tag", workload(container=BARE)),
    missing("K6", "no image", workload(container={"name": "app"})),
    open_question("K6", "unknown", workload(container={**SAFE, "image": UNKNOWN})),
    passes("K13", "selects all", workload(), policy()),
    passes("K13", "selects by label", workload(), policy({"app": "shop"})),
    passes("K13", "a namespace with one", resource(NAMESPACE, "ml"), policy(namespace="ml")),
    passes(
        "K13",
        "a namespace that is being made",
        resource(NAMESPACE, "ml", metadata={"name": UNKNOWN}),
        policy(namespace=UNKNOWN) | depends("ml", "metadata"),
    ),
    passes(
        "K13",
        "by expression",
        workload(),
        resource(
            POLICY,
            spec={
                "podSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["shop"]}]}
            },
        ),
    ),
    fails("K13", "selects others", workload(), policy({"app": "other"})),
    fails("K13", "in another namespace", workload(), policy(namespace="other")),
    missing("K13", "a pod without one", workload()),
    missing("K13", "a namespace without one", resource(NAMESPACE, "ml")),
    open_question(
        "K13",
        "an unknown namespace",
        resource(DEPLOYMENT, "x", metadata={"namespace": UNKNOWN}, spec={"template": template()}),
    ),
    *(passes("K14", kind, workload(kind)) for kind in KINDS),
    fails("K14", "asked for", workload(automountServiceAccountToken=True)),
    missing(
        "K14", "mounted by default", resource(DEPLOYMENT, spec={"template": {"spec": {"containers": [SAFE]}}})
    ),
    passes("K14", "withheld by its service account", tokens(), account("reader")),
    passes("K14", "by the namespace's own", tokens(serviceAccountName=None), account("default")),
    passes(
        "K14",
        "by a service account that is being made",
        tokens(serviceAccountName=UNKNOWN) | depends("reader", "spec"),
        account("reader", metadata={"name": UNKNOWN}),
    ),
    fails("K14", "the pod undoes it", tokens(automountServiceAccountToken=True), account("reader")),
    fails("K14", "another service account", tokens(), account("other")),
    fails("K14", "in another namespace", tokens(), account("reader", metadata={"namespace": "other"})),
    fails("K14", "a service account that hands it out", tokens(), account("reader", withheld=False)),
    open_question("K14", "unknown", workload(automountServiceAccountToken=UNKNOWN)),
]


@parametrized(CASES)
def test_rule(security, case):
    case.check(security)


@pytest.mark.parametrize("annotation", ["runtime/default", "docker/default"])
def test_the_old_way_to_filter_system_calls_counts(security, annotation):
    pod = template(context(seccompProfile=None))
    pod["metadata"]["annotations"] = {"seccomp.security.alpha.kubernetes.io/pod": annotation}
    assert "K2" not in security.judge([resource("kubernetes:core/v1:Pod", **pod)]).ids
