"""Helm releases: what the table of charts allows, and their life in the records."""

from typing import Any

import pytest

from tests.twin.aws.provider.plugin import Plugin

TOKEN = "kubernetes:helm.sh/v3:Release"
KARPENTER = {
    "chart": "oci://public.ecr.aws/karpenter/karpenter",
    "version": "1.14.0",
    "name": "karpenter",
    "namespace": "kube-system",
    "values": {"settings": {"clusterName": "it", "featureGates": {"nodeRepair": True}}, "replicas": 1},
}


@pytest.mark.parametrize(
    "release",
    [
        KARPENTER,
        {
            "chart": "kueue",
            "repositoryOpts": {"repo": "oci://registry.k8s.io/kueue/charts/"},
            "version": "0.17.0",
            "values": {
                "controllerManager": {"replicas": 2, "manager": {"resources": {"limits": {"cpu": 1}}}}
            },
        },
        {
            "chart": "keda",
            "repositoryOpts": {"repo": "https://kedacore.github.io/charts"},
            "version": "2.21.0",
            "values": {"whatever": {"it": "takes"}},
        },
    ],
    ids=lambda each: each["chart"],
)
def test_a_pinned_chart_passes(plugin: Plugin, release: dict[str, Any]) -> None:
    assert plugin.check(TOKEN, release).failures == {}


@pytest.mark.parametrize(
    ("change", "path", "said"),
    [
        ({"version": None}, "version", 'give "1.14.0"'),
        ({"version": "1.13.0"}, "version", 'give "1.14.0"'),
        ({"chart": None}, "chart", "is missing"),
        ({"chart": "oci://public.ecr.aws/karpenter/karpentr"}, "chart", 'did you mean "karpenter"?'),
        ({"chart": "oci://elsewhere.example/karpenter"}, "chart", "oci://public.ecr.aws/karpenter"),
        ({"chart": "oci://elsewhere.example/xyz"}, "chart", "charts.json"),
        ({"chrt": "x"}, "chrt", 'did you mean "chart"?'),
        ({"values": {"setings": {}}}, "values.setings", 'did you mean "settings"?'),
        ({"values": {"settings": {"clusterNam": "x"}}}, "values.settings.clusterNam", "clusterName"),
        ({"values": {"settings": "x"}}, "values.settings", "an object"),
    ],
)
def test_what_is_wrong_is_told_with_what_would_be_right(
    plugin: Plugin, change: dict[str, Any], path: str, said: str
) -> None:
    failures = plugin.check(TOKEN, {**KARPENTER, **change}).failures
    assert list(failures) == [path]
    assert said in failures[path]


def test_a_release_lives_in_the_records(plugin: Plugin) -> None:
    made = plugin.make(TOKEN, KARPENTER)
    assert made.id == "kube-system/karpenter"
    assert made.state["status"] == {
        "chart": "karpenter",
        "name": "karpenter",
        "namespace": "kube-system",
        "revision": 1,
        "status": "deployed",
        "version": "1.14.0",
    }
    found = plugin.read(made)
    assert found is not None
    assert found.inputs == made.inputs
    assert not plugin.diff(made, made.inputs).changed
    news = {**made.inputs, "values": {"replicas": 2}}
    difference = plugin.diff(made, news)
    assert difference.changed
    assert not difference.replaces
    updated = plugin.update(made, news)
    assert updated.state["status"]["revision"] == 2
    assert plugin.diff(made, {**made.inputs, "namespace": "other"}).replaces == ["namespace"]
    plugin.delete(updated)
    assert plugin.read(updated) is None


def test_a_release_is_named_once(plugin: Plugin) -> None:
    unnamed = {key: value for key, value in KARPENTER.items() if key != "name"}
    first = plugin.checked(TOKEN, unnamed, name="scaler", seed=b"1")
    assert first["name"].startswith("scaler-")
    assert plugin.checked(TOKEN, unnamed, name="scaler", seed=b"2", olds=first)["name"] == first["name"]
