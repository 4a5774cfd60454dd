import json

import pulumi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import DataLake
from components.bucket import BucketSettings, lifecycle_rules
from components.data_lake import retention_days
from tests.components.examples import make
from tests.components.recording import run

ROLES = ("raw", "curated", "features", "artifacts", "access-logs")


@pytest.fixture(scope="module")
def lake():
    return run(lambda: make("DataLake"))


@pytest.mark.parametrize("role", ROLES)
def test_each_bucket_has_all_that_keeps_it_safe(lake, role):
    name = f"it-{role}"
    assert lake.one("BucketVersioning", f"{name}-versioning").inputs["versioningConfiguration"] == {
        "status": "Enabled"
    }
    (rule,) = lake.one("BucketServerSideEncryptionConfiguration", f"{name}-encryption").inputs["rules"]
    assert rule["applyServerSideEncryptionByDefault"]["sseAlgorithm"] == "aws:kms"
    assert rule["applyServerSideEncryptionByDefault"]["kmsMasterKeyId"].endswith(":it-key")
    block = lake.one("BucketPublicAccessBlock", f"{name}-public-access").inputs
    assert all(value is True for key, value in block.items() if key != "bucket")
    assert len(block) == 5
    ownership = lake.one("BucketOwnershipControls", f"{name}-ownership").inputs["rule"]
    assert ownership == {"objectOwnership": "BucketOwnerEnforced"}
    policy = json.loads(lake.one("BucketPolicy", f"{name}-policy").inputs["policy"])
    assert policy["Statement"][0]["Sid"] == "TlsOnly"
    tidy = lake.one("BucketLifecycleConfiguration", f"{name}-lifecycle").inputs["rules"][0]
    assert tidy["abortIncompleteMultipartUpload"] == {"daysAfterInitiation": 7}
    assert tidy["noncurrentVersionExpiration"] == {"noncurrentDays": 30}


def test_every_bucket_but_the_log_bucket_is_logged(lake):
    assert {each.name for each in lake.of("BucketLogging")} == {f"it-{role}-logging" for role in ROLES[:-1]}
    policy = json.loads(lake.one("BucketPolicy", "it-access-logs-policy").inputs["policy"])
    delivery = policy["Statement"][1]
    assert delivery["Principal"] == {"Service": "logging.s3.amazonaws.com"}
    assert delivery["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}


def test_queries_are_limited_and_their_results_encrypted(lake):
    configuration = lake.one("Workgroup").inputs["configuration"]
    assert configuration["enforceWorkgroupConfiguration"] is True
    assert configuration["bytesScannedCutoffPerQuery"] == 10 * 1024**3
    result = configuration["resultConfiguration"]
    assert result["encryptionConfiguration"]["encryptionOption"] == "SSE_KMS"
    assert result["outputLocation"] == "s3://it-artifacts-id/athena/"


def test_the_key_rotates_yearly(lake):
    key = lake.one("Key").inputs
    assert (key["enableKeyRotation"], key["rotationPeriodInDays"]) == (True, 365)


def test_the_database_is_one_that_athena_takes(lake):
    assert lake.one("CatalogDatabase").inputs["name"] == "stagecraft_test_it"


def test_a_retention_rule_joins_the_defaults():
    rules = [{"bucket": "features", "prefix": "activity/", "days": 400.0}, {"bucket": "raw", "days": 30}]
    merged = retention_days(rules)
    assert merged["features"] == {"activity/": 400}
    assert merged["raw"] == {"": 30}
    assert merged["curated"] == {"": 730}


@given(
    st.dictionaries(st.from_regex(r"[a-z]{0,4}/?", fullmatch=True), st.integers(1, 4000), max_size=4),
    st.booleans(),
)
def test_nothing_moves_to_a_tier_it_would_not_stay_in(retention, tiered):
    rules = lifecycle_rules(BucketSettings(retention, tiered))
    assert len({rule.id for rule in rules}) == len(rules)
    for rule in rules:
        days = rule.expiration.days if rule.expiration else None
        for transition in rule.transitions or []:
            assert days is None or transition.days + 30 <= days
    expiries = {rule.filter.prefix: rule.expiration.days for rule in rules if rule.expiration}
    assert expiries == retention


def test_every_problem_is_told_at_once():
    args = {
        "scan_limit_gib": 0,
        "retention": [{"bucket": "rwa", "days": 0}, {"days": 3}],
        "tag": {},
    }
    with pytest.raises(pulumi.InputPropertiesError) as raised:
        run(lambda: DataLake("it", args))
    assert [each["property_path"] for each in raised.value.errors] == ["tag", "retention[1].bucket"]
    args = {"scan_limit_gib": 0, "retention": [{"bucket": "rwa", "days": 0}]}
    with pytest.raises(pulumi.InputPropertiesError, match="did you mean 'raw'") as raised:
        run(lambda: DataLake("it", args))
    paths = [each["property_path"] for each in raised.value.errors]
    assert paths == ["scanLimitGib", "retention[0].bucket", "retention[0].days"]
