"""No input may break a pack: what a rule cannot read it says, or leaves."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policies.packs import PACKS, all_rules
from policies.testing import UNKNOWN, PackUnderTest, resource

TYPES = sorted(
    {kind for rule in all_rules() for kind in rule.types if kind.startswith("kubernetes:")}
) + sorted(
    {kind for rule in all_rules() if rule.id != "G1" for kind in rule.types if kind.startswith("aws:")}
)
NAMES = [
    "policy",
    "assumeRolePolicy",
    "tags",
    "rules",
    "ingress",
    "environment",
    "metadata",
    "spec",
    "template",
    "containers",
    "securityContext",
    "productionVariants",
    "vpcConfig",
    "encryptionConfig",
    "bucket",
    "kmsKeyId",
    "serverSideEncryption",
    "computeResources",
    "instanceTypes",
    "requirements",
    "limits",
    "definition",
    "content",
    "inlinePolicies",
    "managedPolicyArns",
    "resourceId",
    "dataCaptureConfig",
    "containerProperties",
    "replicas",
    "Statement",
    "Principal",
    "Condition",
    "Action",
    "Resource",
    "userData",
    "blockDeviceMappings",
    "name",
]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.sampled_from(
        [UNKNOWN, "*", "{", "[]", '{"Statement": 3}', "s3://", "${raw.id}", "arn:aws:iam::*:root"]
    ),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from(NAMES), st.text(max_size=8)), inner, max_size=4),
    ),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def packs():
    with PackUnderTest(*PACKS) as running:
        yield running


def answered(packs, resources):
    """The verdict, in which no rule says that it failed."""
    verdict = packs.judge(resources)
    assert not [item.message for item in verdict.cannot_judge if "the rule failed" in item.message]
    return verdict


def deep(levels, kind):
    value = "bottom"
    for _ in range(levels):
        value = {"a": value} if kind is dict else [value]
    return value


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_the_properties_are_every_pack_answers(packs, data):
    kinds = data.draw(st.lists(st.sampled_from(TYPES), min_size=1, max_size=6))
    resources = [
        {
            **resource(kind, f"r{index}"),
            "properties": data.draw(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6)),
            "dependencies": data.draw(st.lists(st.sampled_from(["r0", "r1", "nobody"]), max_size=2)),
        }
        for index, kind in enumerate(kinds)
    ]
    answered(packs, resources)
    packs.repair(resources)


@pytest.mark.parametrize(
    "wrong", ["text", 3, True, [], {}, [[]], [None], UNKNOWN, {"a": [UNKNOWN]}], ids=repr
)
def test_wrong_types_everywhere_are_answered(packs, wrong):
    properties = dict.fromkeys(NAMES, wrong)
    answered(packs, [resource(kind, f"r{index}", **properties) for index, kind in enumerate(TYPES)])


@pytest.mark.parametrize("kind", [dict, list])
@pytest.mark.parametrize("levels", [50, 200, 900])
def test_deep_nesting_is_answered(packs, kind, levels):
    nested = deep(levels, kind)
    document = json.dumps({"Statement": nested}) if levels < 900 else "[" * 100_000
    verdict = answered(
        packs,
        [
            resource("aws:s3/bucket:Bucket", tags=nested, policy=nested),
            resource("aws:iam/policy:Policy", policy=document),
            resource("kubernetes:apps/v1:Deployment", spec=nested),
        ],
    )
    assert "C11" in verdict.ids


def test_a_document_of_a_megabyte_is_judged_by_all_packs(packs):
    statements = [
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject", f"s3:Put{number}"],
            "Resource": f"arn:aws:s3:::b/{number}",
        }
        for number in range(11_000)
    ]
    document = json.dumps({"Statement": [*statements, {"Effect": "Allow", "Action": "*", "Resource": "*"}]})
    assert len(document) > 900_000
    verdict = packs.judge([resource("aws:iam/policy:Policy", policy=document)])
    assert {"S8", "S9", "S10", "S11"} <= verdict.ids


def test_ten_thousand_tags_are_answered(packs):
    packs.judge([resource("aws:s3/bucket:Bucket", tags={f"tag-{number}": "x" for number in range(10_000)})])
