"""Every emulated type goes through its whole life: check, create, read, update, delete."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from tests.twin.aws.provider import (
    samples,
    samples_batch,
    samples_costs,
    samples_ec2,
    samples_ecr,
    samples_eks,
    samples_flow,
    samples_sagemaker,
)
from tests.twin.aws.provider.plugin import Plugin, Resource
from tests.twin.aws.provider.samples import Sample, values
from twin.aws.provider import schema
from twin.aws.provider.clients import Cloud
from twin.aws.provider.configuration import Configuration
from twin.aws.provider.diff import is_zero
from twin.aws.provider.lifecycle import Lifecycle
from twin.aws.provider.registry import adapter_for, all_tokens
from twin.providers.naming import Naming
from twin.providers.problems import Problems
from twin.wire import UNKNOWN, Archive, Asset

SAMPLES = [
    *samples.SAMPLES,
    *samples_batch.BATCH,
    *samples_costs.COSTS,
    *samples_ec2.EC2,
    *samples_ecr.ECR,
    *samples_eks.EKS,
    *samples_flow.FLOW,
    *samples_sagemaker.SAGEMAKER,
]


def test_every_type_has_a_sample() -> None:
    assert {sample.token for sample in SAMPLES} == set(all_tokens())


def names(sample: Sample) -> str:
    return f"{sample.token.split(':')[1]}{'-' + sample.label if sample.label else ''}"


@pytest.mark.parametrize("sample", SAMPLES, ids=names)
def test_life(plugin: Plugin, sample: Sample) -> None:
    made: dict[str, Resource] = {}
    for name, (token, needed) in sample.needs.items():
        made[name] = plugin.make(token, values(needed, made), name=name)
    given = values(sample.inputs, made)

    inputs = plugin.checked(sample.token, given)
    assert plugin.checked(sample.token, given, olds=inputs) == inputs, "a second check changes nothing"

    preview = plugin.create(sample.token, inputs, preview=True).state
    outputs = schema.resource_type(sample.token)
    computed = set(outputs.outputs) - set(outputs.inputs.properties) - {"tagsAll"}
    assert {name for name in computed if preview.get(name) is not UNKNOWN} == set()

    resource = plugin.create(sample.token, inputs)
    assert resource.id
    if "arn" in outputs.outputs:
        assert resource.state["arn"].startswith("arn:aws:")
    local = adapter_for(sample.token).local
    missing = {
        name for name in given if name not in local and not covers(resource.state.get(name), given[name])
    }
    assert not missing, "inputs come back as they were given"

    assert_unchanged(plugin, resource)
    if sample.importable:
        found = plugin.look_up(sample.token, resource.id)
        assert found is not None, "an id is enough to find it"
        missing = {name for name in given if name not in found.inputs and not is_zero(given[name])}
        assert missing == sample.unreadable | (missing & local), "what an import finds"

    if "tags" in outputs.inputs.properties:
        resource = change(plugin, resource, {"tags": {"owner": "b", "more": "c"}})
        assert resource.state["tagsAll"] == {"owner": "b", "more": "c"}
        resource = change(plugin, resource, {"tags": None})
    changes = values(sample.change, made)
    if changes:
        resource = change(plugin, resource, changes)
        if sample.reversible:
            resource = change(plugin, resource, {name: given.get(name) for name in changes})

    for name, value in sample.replaces.items():
        news = {key: each for key, each in {**given, name: value}.items() if each is not None}
        checked = plugin.check(sample.token, news, olds=resource.inputs).inputs
        difference = plugin.diff(resource, checked)
        assert name in difference.replaces

    plugin.delete(resource)
    if not sample.lasting:
        assert plugin.read(resource) is None
        plugin.delete(resource)
    for resource in reversed(made.values()):
        plugin.delete(resource)
        assert plugin.read(resource) is None or resource.urn.split("::")[2] in LASTING


def covers(actual: Any, given: Any) -> bool:
    """Whether the given value is there as it was written; the cloud may have added to objects."""
    if isinstance(given, dict) and isinstance(actual, dict):
        return all(covers(actual.get(key), value) for key, value in given.items())
    if isinstance(given, list) and isinstance(actual, list):
        return len(actual) == len(given) and all(map(covers, actual, given))
    if isinstance(given, Archive | Asset):
        return type(actual) is type(given)
    return bool(actual == given) or (is_zero(given) and is_zero(actual))


LASTING = {sample.token for sample in SAMPLES if sample.lasting}


def assert_unchanged(plugin: Plugin, resource: Resource) -> None:
    """What was just written is read back the same: neither refresh nor update has anything to do."""
    found = plugin.read(resource)
    assert found is not None
    assert found.state == resource.state
    assert found.inputs == resource.inputs
    assert not plugin.diff(found, resource.inputs).changed


def change(plugin: Plugin, resource: Resource, changes: dict) -> Resource:
    news = {name: value for name, value in {**resource.inputs, **changes}.items() if value is not None}
    checked = plugin.checked(resource.urn.split("::")[2], news, olds=resource.inputs)
    difference = plugin.diff(resource, checked)
    assert difference.changed
    assert difference.replaces == []
    updated = plugin.update(resource, checked)
    assert_unchanged(plugin, updated)
    return updated


def with_unknowns(value: Any) -> Iterator[Any]:
    """The value with one of its parts unknown, each in turn."""
    yield UNKNOWN
    if isinstance(value, dict):
        for key, part in value.items():
            for changed in with_unknowns(part):
                yield {**value, key: changed}
    elif isinstance(value, list):
        for place, part in enumerate(value):
            for changed in with_unknowns(part):
                yield [*value[:place], changed, *value[place + 1 :]]


class Anything(dict[str, Resource]):
    """Stands for what a sample needs: only the shape of its inputs matters here."""

    def __missing__(self, name: str) -> Resource:
        state = {
            "arn": f"arn:aws:service:us-east-1:123456789012:{name}",
            "ipv6CidrBlock": "2600:1f00::/56",
            "name": name,
        }
        return Resource(name, name, {}, defaultdict(lambda: name, state))


@pytest.mark.parametrize("sample", SAMPLES, ids=names)
def test_any_input_may_be_unknown(endpoint: str, sample: Sample) -> None:
    """A preview knows little: what is unknown is taken as it is, at any place."""
    lives = Lifecycle(Cloud(endpoint), Configuration())
    adapter = adapter_for(sample.token)
    assert adapter is not None
    given = values(sample.inputs, Anything())
    naming = Naming("it", seed=b"seed")
    before = Problems()  # what stands for another resource may not look like one
    complete = lives.check(adapter, "urn", given, naming, before)
    for inputs in with_unknowns(given):
        if inputs is UNKNOWN:
            continue
        problems = Problems()
        checked = lives.check(adapter, "urn", inputs, naming, problems)
        assert set(problems) <= set(before)
        assert lives.diff(adapter, "urn", complete, checked).changes
        lives.preview_create(adapter, checked)
