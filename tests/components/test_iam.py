import json

from hypothesis import given
from hypothesis import strategies as st

from components import iam

ACTIONS = st.lists(
    st.sampled_from(["s3:GetObject", "s3:PutObject", "s3:ListBucket", "kms:Decrypt"]), min_size=1
)
ARNS = st.lists(st.from_regex(r"arn:aws:s3:::[a-z]{3,8}", fullmatch=True), min_size=1)
PREFIXES = st.lists(st.from_regex(r"[a-z]{0,5}/?", fullmatch=True))


@given(ACTIONS, ARNS, st.randoms())
def test_a_document_does_not_depend_on_the_order_it_was_given(actions, arns, random):
    shuffled_actions, shuffled_arns = random.sample(actions, len(actions)), random.sample(arns, len(arns))
    assert iam.document(iam.allow(actions, arns)) == iam.document(iam.allow(shuffled_actions, shuffled_arns))


@given(ACTIONS, ARNS)
def test_a_document_is_valid_json_without_repetition(actions, arns):
    (statement,) = json.loads(iam.document(iam.allow(actions, arns)))["Statement"]
    assert statement["Action"] == sorted(set(actions))
    assert statement["Resource"] == sorted(set(arns))


@given(PREFIXES, PREFIXES, PREFIXES)
def test_bucket_access_reaches_only_what_is_named(read, write, delete):
    statements = iam.bucket_access("arn:aws:s3:::data", read=read, write=write, delete=delete)
    granted = {(action, arn) for each in statements for action in each["Action"] for arn in each["Resource"]}
    expected = {("s3:GetObject", f"arn:aws:s3:::data/{prefix}*") for prefix in read}
    expected |= {("s3:DeleteObject", f"arn:aws:s3:::data/{prefix}*") for prefix in delete}
    for action in ("s3:AbortMultipartUpload", "s3:PutObject"):
        expected |= {(action, f"arn:aws:s3:::data/{prefix}*") for prefix in write}
    if read or write:
        expected.add(("s3:ListBucket", "arn:aws:s3:::data"))
    assert granted == expected


@given(st.lists(st.from_regex(r"[a-z]{1,5}/", fullmatch=True), min_size=1))
def test_listing_is_held_to_the_prefixes(read):
    listing = iam.bucket_access("arn:aws:s3:::data", read=read)[0]
    assert listing["Condition"] == {"StringLike": {"s3:prefix": sorted({f"{prefix}*" for prefix in read})}}


def test_a_whole_bucket_is_listed_without_condition():
    assert "Condition" not in iam.bucket_access("arn:aws:s3:::data", read=["", "some/"])[0]


def test_a_service_is_trusted_for_its_account_only():
    (statement,) = json.loads(iam.service_trust("sagemaker.amazonaws.com", "123456789012"))["Statement"]
    assert statement["Principal"] == {"Service": "sagemaker.amazonaws.com"}
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}


def test_a_bucket_refuses_what_is_not_encrypted_on_the_way():
    (statement,) = json.loads(iam.bucket_policy("arn:aws:s3:::data"))["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Resource"] == ["arn:aws:s3:::data", "arn:aws:s3:::data/*"]
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_key_serves_its_own_account_in_every_partition():
    policy = json.loads(iam.key_policy("aws-cn", "cn-north-1", "123456789012"))
    principals = {statement["Sid"]: statement["Principal"] for statement in policy["Statement"]}
    assert principals["AccountDecides"] == {"AWS": "arn:aws-cn:iam::123456789012:root"}
    assert principals["LogGroups"] == {"Service": "logs.cn-north-1.amazonaws.com"}
    assert all(principal != "*" for principal in principals.values())
