"""Properties of the schema check: what a schema allows passes, and one unknown field is one problem."""

import re
from collections.abc import Iterator
from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.twin.kubernetes.samples import EVERY, of
from twin.kubernetes import quantities
from twin.kubernetes.checks import structure
from twin.kubernetes.checks.defaults import with_defaults
from twin.kubernetes.kinds import Kind, Kinds
from twin.kubernetes.provider.difference import as_found, changes
from twin.providers.problems import Problems

KINDS = Kinds()
DEEPEST = 5
EXAMPLES = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def kind_of(manifest: dict[str, Any]) -> Kind:
    found = KINDS.find(manifest["apiVersion"], manifest["kind"])
    assert found is not None
    return found


def problems_of(manifest: dict[str, Any]) -> list[tuple[str, str]]:
    problems = Problems()
    structure.check(kind_of(manifest), manifest, problems)
    return list(problems)


def values(kind: Kind, schema: Any, depth: int) -> st.SearchStrategy[Any]:
    """Values that a schema allows; of what may be left out, a part."""
    schema = kind.resolved(schema)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if schema.get("x-kubernetes-int-or-string") or schema.get("format") == "int-or-string":
        return st.integers(1, 100)
    if schema.get("oneOf") and "type" not in schema:
        return st.sampled_from(["1", "500m", "2Gi", 3])
    match schema.get("type"):
        case "object" | None:
            return objects(kind, schema, depth)
        case "array":
            least = schema.get("minItems", 0)
            if schema.get("x-kubernetes-list-type") in ("map", "set"):
                # Entries must differ: one at most.
                return st.lists(values(kind, schema["items"], depth + 1), min_size=min(least, 1), max_size=1)
            most = min(schema.get("maxItems", 2), least + 1)
            return st.lists(values(kind, schema["items"], depth + 1), min_size=least, max_size=most)
        case "boolean":
            return st.booleans()
        case "integer" | "number":
            low = schema.get("minimum", 0) + (1 if schema.get("exclusiveMinimum") else 0)
            return st.integers(low, min(schema.get("maximum", low + 100), low + 100))
        case _:
            return texts(schema)


def texts(schema: Any) -> st.SearchStrategy[str]:
    if schema.get("format") == "byte":
        return st.just("YQ==")
    if schema.get("format") == "date-time":
        return st.just("2026-01-31T08:00:00Z")
    least, most = schema.get("minLength", 0), schema.get("maxLength", 60)
    if "pattern" in schema:
        return st.from_regex(schema["pattern"]).filter(
            lambda text: least <= len(text) <= most and re.search(schema["pattern"], text) is not None
        )
    return st.text("abc-.", min_size=least, max_size=min(most, least + 5))


def objects(kind: Kind, schema: Any, depth: int) -> st.SearchStrategy[Any]:
    properties, required = schema.get("properties", {}), schema.get("required", ())
    rest = schema.get("additionalProperties")
    if not properties and isinstance(rest, dict):
        return st.dictionaries(st.sampled_from(["a", "b"]), values(kind, rest, depth + 1), max_size=2)
    wanted = {name: values(kind, properties[name], depth + 1) for name in required if name in properties}
    plain = {
        name: described
        for name, described in properties.items()
        if name not in wanted and depth < DEEPEST and "pattern" not in described and "anyOf" not in described
    }
    if any(word in schema for word in ("anyOf", "oneOf", "allOf", "not")) or not plain:
        return st.fixed_dictionaries(wanted)
    chosen = st.lists(st.sampled_from(sorted(plain)), max_size=3, unique=True)
    return chosen.flatmap(
        lambda names: st.fixed_dictionaries(
            {**wanted, **{name: values(kind, plain[name], depth + 1) for name in names}}
        )
    )


GENERATED = [
    kind
    for kind in EVERY
    if kind["kind"]
    in ("NodePool", "ClusterQueue", "ScaledObject", "PrometheusRule", "Deployment", "NetworkPolicy")
]


@pytest.mark.parametrize("sample", GENERATED, ids=lambda each: each["kind"])
@EXAMPLES
@given(data=st.data())
def test_what_a_schema_allows_passes_and_one_unknown_field_does_not(
    sample: dict[str, Any], data: Any
) -> None:
    kind = kind_of(sample)
    manifest = {
        **sample,
        "spec": data.draw(values(kind, kind.resolved(kind.schema)["properties"]["spec"], 0)),
    }
    assert problems_of(manifest) == []
    _one_field_more(manifest, data)


@pytest.mark.parametrize("sample", EVERY, ids=lambda each: each["kind"])
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_one_unknown_field_anywhere_is_one_problem_there(sample: dict[str, Any], data: Any) -> None:
    _one_field_more(deepcopy(sample), data)


def _one_field_more(manifest: dict[str, Any], data: Any) -> None:
    closed = list(_closed(kind_of(manifest), manifest))
    path, place = data.draw(st.sampled_from(closed))
    name = data.draw(st.sampled_from(["unheardOf", "x", "Spec"]))
    place[name] = data.draw(st.sampled_from([1, "x", {}, [], True]))
    found = problems_of(manifest)
    del place[name]
    assert [where for where, _ in found] == [f"{path}.{name}" if path else name]
    assert "is not a field" in found[0][1]


def _closed(kind: Kind, manifest: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a manifest whose fields its schema lists."""

    def walk(schema: Any, value: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
        schema = kind.resolved(schema)
        if isinstance(value, dict):
            properties, rest = schema.get("properties", {}), schema.get("additionalProperties")
            free = schema.get("x-kubernetes-preserve-unknown-fields") or rest is not None
            if properties and not free:
                yield path, value
            for name, item in value.items():
                if re.fullmatch(r"\w+", name) and (name in properties or isinstance(rest, dict)):
                    yield from walk(properties.get(name, rest), item, f"{path}.{name}" if path else name)
        elif isinstance(value, list):
            for place, item in enumerate(value):
                yield from walk(schema.get("items", {}), item, f"{path}[{place}]")

    yield "", manifest
    for name in ("spec", "rules"):
        described = kind.resolved(kind.schema).get("properties", {}).get(name)
        if name in manifest and described is not None:
            yield from walk(described, manifest[name], name)


@pytest.mark.parametrize("sample", EVERY, ids=lambda each: each["kind"])
def test_a_manifest_found_as_it_was_applied_has_not_changed(sample: dict[str, Any]) -> None:
    kind = kind_of(sample)
    live = with_defaults(kind, deepcopy(sample))
    live["metadata"] |= {"uid": "x", "generation": 3}
    live["status"] = {"conditions": []}
    assert as_found(kind, sample, live) == sample
    assert list(changes(sample, as_found(kind, sample, live))) == []


def test_defaults_are_those_of_the_schema() -> None:
    pool = of("NodePool")
    del pool["spec"]["disruption"]
    filled = with_defaults(kind_of(pool), pool)
    assert filled["spec"]["disruption"]["consolidateAfter"] == "0s"
    assert "disruption" not in pool["spec"]
    deployment = of("Deployment")
    assert with_defaults(kind_of(deployment), deployment) == deployment


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("500m", "0.5"),
        ("2Gi", "2147483648"),
        ("1e3", "1000"),
        (4, "4"),
        (0.5, "0.5"),
        (".5", "0.5"),
        ("-1k", "-1000"),
    ],
)
def test_quantities_are_numbers(text: Any, number: str) -> None:
    assert quantities.parse(text) == Decimal(number)


@pytest.mark.parametrize("text", ["", "1GB", "a", "1 Gi", True, None, "1e", "--1"])
def test_other_texts_are_no_quantities(text: Any) -> None:
    assert quantities.parse(text) is None


@given(
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 2)),
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 2)),
)
def test_differences_are_told_from_both_sides(old: dict[str, int], new: dict[str, int]) -> None:
    there, back = list(changes(old, new)), list(changes(new, old))
    assert [each.path for each in there] == [each.path for each in back]
    assert {each.path for each in there} == {key for key in "abc" if old.get(key) != new.get(key)}
