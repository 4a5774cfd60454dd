"""G1: who answers for a resource, who pays for it, what data it holds and where it runs."""

import pytest

from tests.policies.cases import UNKNOWN, fails, missing, open_question, parametrized, passes, resource

BUCKET = "aws:s3/bucket:Bucket"
TAGS = {"owner": "growth", "costCentre": "cc-114", "dataClassification": "personal", "environment": "prod"}
KNOWN = {"resource-is-labelled": {"known": TAGS}}


def without(*names):
    return {name: value for name, value in TAGS.items() if name not in names}


def provided_by(**tags):
    return {"provider": {"type": "pulumi:providers:aws", "properties": {"defaultTags": tags}}}


CASES = [
    passes("G1", "all four", resource(BUCKET, tags=TAGS)),
    passes(
        "G1",
        "other spellings",
        resource(
            BUCKET,
            tags={
                "Owner": "growth",
                "acme:cost-center": "114",
                "stagecraft:data_classification": "public",
                "Env": "dev",
            },
        ),
    ),
    passes("G1", "the provider's default tags", resource(BUCKET) | provided_by(tags=TAGS)),
    passes(
        "G1",
        "some here, some by default",
        resource(BUCKET, tags=without("owner")) | provided_by(tags={"owner": "growth"}),
    ),
    passes("G1", "a type without tags", resource("aws:s3/bucketVersioning:BucketVersioning")),
    passes("G1", "another cloud", resource("kubernetes:core/v1:Namespace")),
    passes(
        "G1",
        "a group's list of tags",
        resource(
            "aws:autoscaling/group:Group",
            tags=[{"key": key, "value": value, "propagateAtLaunch": True} for key, value in TAGS.items()],
        ),
    ),
    fails("G1", "one is missing", resource(BUCKET, tags=without("costCentre"))),
    fails("G1", "one is empty", resource(BUCKET, tags={**TAGS, "owner": ""})),
    fails(
        "G1",
        "a classification that is none",
        resource(BUCKET, tags={**TAGS, "dataClassification": "secretish"}),
    ),
    fails("G1", "an environment that is none", resource(BUCKET, tags={**TAGS, "environment": "somewhere"})),
    missing("G1", "no tags", resource(BUCKET)),
    open_question("G1", "unknown tags", resource(BUCKET, tags=UNKNOWN)),
    open_question("G1", "an unknown value", resource(BUCKET, tags={**TAGS, "owner": UNKNOWN})),
]


@parametrized(CASES)
def test_rule(governance, case):
    case.check(governance)


def test_missing_labels_are_named(governance):
    (finding,) = (
        item
        for item in governance.judge([resource(BUCKET, tags=without("owner", "environment"))]).violations
        if item.id == "G1"
    )
    assert finding.message == "no tag says its owner, environment"


def test_labels_that_are_known_are_put_in(governance):
    (change,) = governance.repair(
        [resource(BUCKET, bucket="raw", tags={"owner": "risk", "extra": "kept"})], overrides=KNOWN
    )
    assert change.id == "G1"
    assert change.properties == {"bucket": "raw", "tags": {**TAGS, "owner": "risk", "extra": "kept"}}


def test_they_are_put_in_under_the_configured_keys(governance):
    settings = {"known": {"owner": "growth"}, "tagKeys": {"owner": "stagecraft:owner"}}
    (change,) = governance.repair([resource(BUCKET)], overrides={"resource-is-labelled": settings})
    assert change.properties == {"tags": {"stagecraft:owner": "growth"}}


@pytest.mark.parametrize("tags", [TAGS, UNKNOWN])
def test_what_is_complete_or_unknown_is_left_alone(governance, tags):
    assert governance.repair([resource(BUCKET, tags=tags)], overrides=KNOWN) == []


def test_the_required_labels_can_be_configured(governance):
    settings = {"required": ["owner"]}
    verdict = governance.judge(
        [resource(BUCKET, tags={"owner": "growth"})], overrides={"resource-is-labelled": settings}
    )
    assert "G1" not in verdict.ids
