"""The change from one estimate to another."""

import json
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from pricing import Estimate, Resource, diff, estimate
from tests.pricing.stack import component, node_pool, resource


def stack(name: str, keys: int, *, gateway: bool = False) -> Estimate:
    """Components as stack `name` has them: URNs differ from stack to stack."""
    lake = Resource(f"urn:pulumi:{name}::shop::lake", "stagecraft:index:DataLake", "lake")
    network = Resource(f"urn:pulumi:{name}::shop::net", "stagecraft:index:Network", "net")
    resources = [lake, network]
    resources += [resource("aws:kms/key:Key", f"key-{index}", parent=lake.urn) for index in range(keys)]
    if gateway:
        resources.append(resource("aws:ec2/natGateway:NatGateway", parent=network.urn))
    return estimate(resources, region="us-east-1")


def test_components_are_matched_across_stacks() -> None:
    found = diff(stack("dev", 1), stack("prod", 3, gateway=True))
    assert [(item.name, item.change.idle) for item in found.components] == [
        ("net", Decimal("32.85")),
        ("lake", Decimal("2.00")),
    ]
    assert found.change.idle == Decimal("34.85")
    assert json.loads(json.dumps(found.to_json()))["change"]["idle"] == "34.85"


def test_the_same_estimate_has_no_difference() -> None:
    same = stack("dev", 2, gateway=True)
    found = diff(same, same)
    assert found.components == ()
    assert found.change.worst == 0


@given(st.integers(0, 4), st.integers(0, 4), st.booleans(), st.booleans())
def test_changes_add_up_and_turn_around(one: int, two: int, before: bool, after: bool) -> None:
    old, new = stack("a", one, gateway=before), stack("b", two, gateway=after)
    there, back = diff(old, new), diff(new, old)
    assert sum((item.change.expected for item in there.components), Decimal(0)) == new.expected - old.expected
    assert there.change.worst == -back.change.worst


def test_what_became_unpriced_is_said() -> None:
    known = estimate([component()], region="us-east-1")
    unknown = estimate([component(), node_pool(types=["m5.large"])], region="us-east-1")
    found = diff(known, unknown)
    assert [item.name for item in found.newly_unpriced] == ["pool"]
    assert [item.name for item in diff(unknown, known).no_longer_unpriced] == ["pool"]
