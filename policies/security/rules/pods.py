"""Pods: what they may do on their node and in their cluster."""

from collections.abc import Iterator
from typing import Final

from policies.catalogue import About, Findings, joined_rule, resource_rule
from policies.pods import (
    WORKLOADS,
    PodTemplate,
    label,
    namespace_name,
    namespace_of,
    pod_template,
    same_namespace,
    selects,
)
from policies.resources import Resource, Stack
from policies.settings import Settings
from policies.values import Props, any_of, for_each

NAMESPACE: Final = "kubernetes:Namespace"
SERVICE_ACCOUNT: Final = "kubernetes:ServiceAccount"
NETWORK_POLICY: Final = "kubernetes:NetworkPolicy"
_SECCOMP_ANNOTATION: Final = "seccomp.security.alpha.kubernetes.io/pod"


@resource_rule(
    About(
        id="K1",
        name="container-not-privileged",
        title="Containers are not privileged and cannot become it",
        remedy="Set securityContext.privileged and allowPrivilegeEscalation to false.",
        references=("CKV_K8S_16", "CKV_K8S_20"),
        severity="critical",
    ),
    types=WORKLOADS,
)
def container_not_privileged(resource: Resource, _settings: Settings) -> Findings:
    """Kubernetes lets a process gain more privileges than its parent unless told not to."""

    def check(container: Props) -> Findings:
        context = container.block("securityContext")
        if context.flag("privileged"):
            yield f"{label(container)} is privileged"
        if context.flag("allowPrivilegeEscalation", default=True):
            yield f"{label(container)} may gain privileges"

    yield from for_each(pod_template(resource).every_process, check)


@resource_rule(
    About(
        id="K2",
        name="container-confined",
        title="Containers run without root, with seccomp and without capabilities",
        remedy=(
            "Set securityContext.runAsNonRoot, seccompProfile.type to RuntimeDefault and, for each "
            "container, capabilities.drop to [ALL]."
        ),
        references=("CKV_K8S_23", "CKV_K8S_31", "CKV_K8S_37"),
        severity="high",
    ),
    types=WORKLOADS,
)
def container_confined(resource: Resource, _settings: Settings) -> Findings:
    """A container's own settings go over its pod's."""
    pod = pod_template(resource)
    yield from for_each(pod.every_process, lambda container: _root(container, pod))
    yield from _unfiltered(pod)
    yield from for_each(pod.every_process, _capable)


def _root(container: Props, pod: PodTemplate) -> Findings:
    contexts = (container.block("securityContext"), pod.spec.block("securityContext"))
    user = next((context.number("runAsUser") for context in contexts if context.given("runAsUser")), None)
    enforced = next(
        (context.flag("runAsNonRoot") for context in contexts if context.given("runAsNonRoot")), False
    )
    if not enforced and not (user is not None and user > 0):
        yield f"{label(container)} may run as root"


def _unfiltered(pod: PodTemplate) -> Findings:
    annotated = str(pod.metadata.mapping("annotations").get(_SECCOMP_ANNOTATION, ""))
    if annotated in ("runtime/default", "docker/default"):
        return
    profile = pod.spec.block("securityContext").block("seccompProfile").text("type")

    def check(container: Props) -> Findings:
        own = container.block("securityContext").block("seccompProfile").text("type") or profile
        if own != "RuntimeDefault":
            yield f"{label(container)} may make any system call: its seccomp profile is not RuntimeDefault"

    yield from for_each(pod.every_process, check)


def _capable(container: Props) -> Findings:
    dropped = container.block("securityContext").block("capabilities").texts("drop")
    if not any(item.upper() == "ALL" for item in dropped):
        yield f"{label(container)} keeps capabilities: it does not drop ALL"


@resource_rule(
    About(
        id="K3",
        name="pod-keeps-off-host",
        title="Pods use neither the host's namespaces nor its files",
        remedy="Leave out hostPID, hostIPC, hostNetwork and hostPath volumes.",
        references=("CKV_K8S_17", "CKV_K8S_18", "CKV_K8S_19"),
        severity="critical",
    ),
    types=WORKLOADS,
)
def pod_keeps_off_host(resource: Resource, _settings: Settings) -> Findings:
    """All off unless asked for."""
    spec = pod_template(resource).spec
    shared = [name for name in ("hostPID", "hostIPC", "hostNetwork") if spec.flag(name)]
    if shared:
        yield f"its pods share the node's {', '.join(shared)}"
    for volume in spec.blocks("volumes"):
        if volume.stated("hostPath"):
            yield f"volume {volume.text('name')} is a path of the node"


@resource_rule(
    About(
        id="K6",
        name="image-pinned",
        title="Images are pinned by digest",
        remedy="Write the image as repository@sha256:….",
        references=("CKV_K8S_14", "CKV_K8S_43"),
    ),
    types=WORKLOADS,
)
def image_pinned(resource: Resource, _settings: Settings) -> Findings:
    """A tag, `latest` or not, can be moved to another image."""

    def check(container: Props) -> Findings:
        image = container.text("image")
        if "@" not in image:
            yield f"{label(container)} runs whatever {image or 'no image'} is at the time"

    yield from for_each(pod_template(resource).every_process, check)


@joined_rule(
    About(
        id="K13",
        name="network-policy-exists",
        title="A network policy holds in every namespace, for every pod",
        remedy="Add a NetworkPolicy to the namespace that selects the pods (an empty podSelector is all).",
        references=("CKV2_K8S_6",),
        severity="high",
    ),
    types=(NAMESPACE, *WORKLOADS),
)
def network_policy_exists(resource: Resource, stack: Stack, _settings: Settings) -> Findings:
    """Without one, every pod of the cluster may talk to every other."""
    if resource.type == NAMESPACE:
        here = namespace_name(resource)
        if not any(namespace_of(policy, stack) == here for policy in stack.of(NETWORK_POLICY)):
            yield "no network policy holds in this namespace"
        return
    labels = pod_template(resource).labels
    policies = same_namespace(stack, resource, NETWORK_POLICY)
    if not any(selects(policy.props.block("spec").block("podSelector"), labels) for policy in policies):
        yield "no network policy selects its pods"


@joined_rule(
    About(
        id="K14",
        name="no-default-token",
        title="Pods have no service account token they did not ask for",
        remedy="Set automountServiceAccountToken to false in the pod's spec, or on its service account.",
        references=("CKV_K8S_38",),
    ),
    types=WORKLOADS,
)
def no_default_token(resource: Resource, stack: Stack, _settings: Settings) -> Findings:
    """Kubernetes mounts one unless told not to, by the pod or else by its service account."""
    spec = pod_template(resource).spec
    if not spec.stated("automountServiceAccountToken"):
        mounted = not any_of(_accounts(resource, spec, stack), _withholds_token)
    else:
        mounted = spec.flag("automountServiceAccountToken")
    if mounted:
        yield "every container in it holds a token for the cluster's API"


def _accounts(resource: Resource, spec: Props, stack: Stack) -> Iterator[Resource]:
    """The service account of a workload's pods, if it is part of the stack."""
    if spec.unknown("serviceAccountName"):
        holder = "template" if resource.type == "kubernetes:PodTemplate" else "spec"
        yield from stack.targets(resource, holder, (SERVICE_ACCOUNT,), "")
        return
    if not stack.has(SERVICE_ACCOUNT):
        return
    name = spec.text("serviceAccountName", "serviceAccount", default="default")
    for account in same_namespace(stack, resource, SERVICE_ACCOUNT):
        if name in (account.name, account.props.block("metadata").text("name")):
            yield account


def _withholds_token(account: Resource) -> bool:
    return not account.props.flag("automountServiceAccountToken", default=True)
