"""Manifests, good and bad, through the provider's Check."""

from typing import Any

import pytest

from tests.twin.aws.provider.plugin import Plugin
from tests.twin.kubernetes.samples import CORE, CUSTOM, EVERY, changed, manifest, of, token

UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


@pytest.mark.parametrize("sample", EVERY, ids=lambda each: each["kind"])
def test_a_good_manifest_passes(plugin: Plugin, sample: dict[str, Any]) -> None:
    assert plugin.check(token(sample), sample).failures == {}


@pytest.mark.parametrize("sample", EVERY, ids=lambda each: each["kind"])
def test_a_field_that_the_kind_lacks_is_named(plugin: Plugin, sample: dict[str, Any]) -> None:
    failures = plugin.check(token(sample), {**sample, "unheardOf": 1}).failures
    assert list(failures) == ["unheardOf"]
    assert sample["kind"] in failures["unheardOf"]


@pytest.mark.parametrize(
    ("kind", "path", "value", "where", "said"),
    [
        ("Deployment", "spec/replicas", "2", "spec.replicas", "whole number"),
        ("Deployment", "spec/replica", 2, "spec.replica", 'did you mean "replicas"?'),
        ("Deployment", "spec/strategy", {"type": "Rolling"}, "spec.strategy.type", "RollingUpdate"),
        (
            "Deployment",
            "spec/template/metadata/labels",
            {"app": "x"},
            "spec.selector.matchLabels.app",
            "label",
        ),
        (
            "Deployment",
            "spec/template/spec/containers/0/resources/requests/memory",
            "2Gi",
            "spec.template.spec.containers[0].resources.requests.memory",
            "more than its limit",
        ),
        (
            "Deployment",
            "spec/template/spec/containers/0/resources/limits/memory",
            "2GB",
            "spec.template.spec.containers[0].resources.limits.memory",
            "no quantity",
        ),
        (
            "Deployment",
            "spec/template/spec/containers/0/resources/limits/nvidia.com~1gpu",
            2,
            'spec.template.spec.containers[0].resources.requests["nvidia.com/gpu"]',
            "the same",
        ),
        (
            "Deployment",
            "spec/template/spec/containers/0/volumeMounts/0/name",
            "elsewhere",
            "spec.template.spec.containers[0].volumeMounts[0].name",
            "no volume",
        ),
        ("Deployment", "metadata/name", "Web", "metadata.name", "lower-case"),
        ("ConfigMap", "metadata/namespace", "No", "metadata.namespace", "lower-case"),
        ("Namespace", "metadata/labels", {"a b": "c"}, 'metadata.labels["a b"]', "no key"),
        ("Namespace", "metadata/labels", {"a": "b c"}, "metadata.labels.a", "label"),
        ("ConfigMap", "data", {"a": 1}, "data.a", "not text"),
        ("Secret", "data", {"a": "not base64!"}, "data.a", "base64"),
        ("Service", "spec/ports/0/port", 70000, "spec.ports[0].port", "1 to 65535"),
        (
            "Job",
            "spec/template/spec/restartPolicy",
            "Always",
            "spec.template.spec.restartPolicy",
            "OnFailure",
        ),
        ("CronJob", "spec/schedule", "every day", "spec.schedule", "schedule"),
        ("PodDisruptionBudget", "spec/maxUnavailable", 1, "spec", "one of them"),
        ("HorizontalPodAutoscaler", "spec/maxReplicas", None, "spec.maxReplicas", "required"),
        ("NodePool", "spec/limit", {"cpu": 1}, "spec.limit", 'did you mean "limits"?'),
        ("NodePool", "spec/weight", 500, "spec.weight", "at most 100"),
        (
            "NodePool",
            "spec/template/spec/requirements/0/key",
            "karpenter.sh/other",
            "spec.template.spec.requirements[0].key",
            "restricted",
        ),
        (
            "NodePool",
            "spec/template/spec/requirements/0/operator",
            "Is",
            "spec.template.spec.requirements[0].operator",
            "In",
        ),
        ("EC2NodeClass", "spec/instanceProfile", "x", "spec", "exactly one"),
        ("EC2NodeClass", "spec/amiSelectorTerms", [], "spec.amiSelectorTerms", "at least 1"),
        (
            "EC2NodeClass",
            "spec/amiSelectorTerms/0",
            {"alias": "al3@latest"},
            "spec.amiSelectorTerms[0].alias",
            "family is not supported",
        ),
        ("ClusterQueue", "spec/cohort", "training", "spec.cohort", 'did you mean "cohortName"?'),
        ("ClusterQueue", "spec/queueingStrategy", "Fifo", "spec.queueingStrategy", "StrictFIFO"),
        ("ResourceFlavor", "spec/nodeLabels", {"a": 1}, "spec.nodeLabels.a", "not text"),
        (
            "ScaledObject",
            "spec/triggers/0/metadata/threshold",
            4,
            "spec.triggers[0].metadata.threshold",
            "text",
        ),
        ("ScaledObject", "spec/scaleTargetRef", {}, "spec.scaleTargetRef.name", "required"),
        ("ScaledJob", "spec/jobTargetRef/template/spec/containrs", [], None, "did you mean"),
        ("HTTPRoute", "spec/rules/0/backendRefs/0", {"name": "x"}, "spec.rules[0].backendRefs[0]", "port"),
        ("HTTPRoute", "spec/rules/0/backendRefs/0/weight", -1, None, "at least 0"),
        (
            "Gateway",
            "spec/listeners/0/tls",
            {"certificateRefs": [{"name": "x"}]},
            "spec.listeners",
            "tls must not be specified",
        ),
        ("PrometheusRule", "spec/groups/0/rules/0/for", "soon", "spec.groups[0].rules[0].for", "form"),
        ("ServiceMonitor", "spec/endpoints/0/scheme", "ftp", "spec.endpoints[0].scheme", "https"),
    ],
)
def test_what_a_server_refuses_is_refused_here(
    plugin: Plugin, kind: str, path: str, value: Any, *, where: str | None, said: str
) -> None:
    sample = of(kind)
    bad = changed(sample, path, value) if "~1" not in path else _with_gpus(sample, value)
    failures = plugin.check(token(sample), bad).failures
    assert failures
    told = "\n".join(failures.values()) if where is None else failures[where]
    assert said in told, failures


def _with_gpus(sample: dict[str, Any], count: int) -> dict[str, Any]:
    limits = sample["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
    limits["nvidia.com/gpu"] = count
    return sample


def test_every_problem_is_told_at_once(plugin: Plugin) -> None:
    bad = of("Deployment")
    bad["metadata"]["labels"]["a b"] = "c"
    bad["spec"]["replicas"] = True
    bad["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] = "Sometimes"
    bad["spec"]["template"]["spec"]["hostNetwrk"] = True
    assert set(plugin.check(token(bad), bad).failures) == {
        'metadata.labels["a b"]',
        "spec.replicas",
        "spec.template.spec.containers[0].imagePullPolicy",
        "spec.template.spec.hostNetwrk",
    }


@pytest.mark.parametrize(
    ("api_version", "kind", "said"),
    [
        ("apps/v2", "Deployment", "apps/v1"),
        ("apps/v1", "Deploymnt", 'did you mean "Deployment" of apps/v1?'),
        ("karpenter.sh/v1beta1", "NodePool", "karpenter.sh/v1"),
        ("example.com/v1", "Robot", "CustomResourceDefinition"),
    ],
)
def test_an_unknown_kind_is_an_error_that_names_it(
    plugin: Plugin, api_version: str, kind: str, said: str
) -> None:
    found = plugin.check(f"kubernetes:{api_version}:{kind}", manifest(api_version, kind, {}))
    assert list(found.failures) == [""]
    assert f"{api_version} {kind}" in found.failures[""]
    assert said in found.failures[""]


@pytest.mark.parametrize("kind", ["kubernetes:apps/v1:DeploymentPatch", "kubernetes:core/v1:PodList"])
def test_patches_and_lists_are_no_resources_here(plugin: Plugin, kind: str) -> None:
    assert "not emulated" in plugin.check(kind, {}).failures[""]


def test_what_a_secret_keeps_is_not_shown(plugin: Plugin) -> None:
    failures = plugin.check(
        "kubernetes:core/v1:Secret", changed(of("Secret"), "data", {"a": "hunter2!"})
    ).failures
    assert "base64" in failures["data.a"]
    assert "hunter2" not in failures["data.a"]


def test_values_that_are_not_known_yet_pass(plugin: Plugin) -> None:
    for sample in (*CORE, *CUSTOM):
        if "spec" in sample:
            unknown = {**sample, "spec": dict.fromkeys(sample["spec"], UNKNOWN_TEXT)}
            assert plugin.check(token(sample), unknown).failures == {}
            assert plugin.check(token(sample), {**sample, "spec": UNKNOWN_TEXT}).failures == {}


def test_a_rule_waits_for_what_it_reads(plugin: Plugin) -> None:
    sample = changed(of("EC2NodeClass"), "spec/instanceProfile", UNKNOWN_TEXT)
    assert plugin.check(token(sample), sample).failures == {}


def test_a_program_may_define_kinds_of_its_own(plugin: Plugin) -> None:
    definition = manifest(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        {
            "group": "toys.example",
            "scope": "Namespaced",
            "names": {"kind": "Toy", "plural": "toys", "singular": "toy"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "properties": {
                                "spec": {
                                    "type": "object",
                                    "properties": {"size": {"type": "integer", "maximum": 3}},
                                }
                            },
                        }
                    },
                }
            ],
        },
    )
    wrong = plugin.check(token(definition), definition).failures
    assert 'give "toys.toys.example"' in wrong["metadata.name"]
    definition["metadata"]["name"] = "toys.toys.example"
    assert plugin.check(token(definition), definition).failures == {}
    toy = manifest("toys.example/v1", "Toy", {"size": 4, "colour": "red"})
    assert set(plugin.check("kubernetes:toys.example/v1:Toy", toy).failures) == {"spec.size", "spec.colour"}


def test_what_the_type_says_need_not_be_repeated(plugin: Plugin) -> None:
    found = plugin.check("kubernetes:core/v1:ConfigMap", {"metadata": {"name": "it"}, "data": {"a": "b"}})
    assert not found.failures
    assert found.inputs["apiVersion"] == "v1"
    assert found.inputs["kind"] == "ConfigMap"
    assert found.inputs["metadata"]["namespace"] == "default"
