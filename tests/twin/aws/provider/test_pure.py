"""The provider's pure parts: names, differences, documents, shapes, policy documents, assets."""

import io
import json
import string
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from botocore.session import Session
from hypothesis import given
from hypothesis import strategies as st

from twin.aws.provider import assets, diff, documents, schema
from twin.aws.provider.names import AutoName
from twin.aws.provider.policy_document import policy_document
from twin.aws.provider.registry import adapter_for, all_tokens
from twin.aws.provider.shapes import Mapper, member_for
from twin.providers.naming import Naming
from twin.providers.problems import Problems, index, join
from twin.wire import Archive, Asset

SCALARS = st.one_of(st.text(max_size=5), st.integers(-9, 9), st.booleans())
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=8,
)


# -- names


@given(st.text(string.ascii_letters, min_size=1, max_size=40), st.binary(min_size=1, max_size=8))
def test_a_name_is_made_once(name: str, seed: bytes) -> None:
    rule = AutoName("bucket", 63, transform=str.lower)
    problems = Problems()
    first: dict[str, Any] = {}
    rule.fill(first, Naming(name, seed=seed), problems)
    again: dict[str, Any] = {}
    rule.fill(again, Naming("renamed", olds=first, seed=b"other"), problems)
    assert not problems
    assert first == again
    assert first["bucket"] == first["bucket"].lower()
    assert rule.is_automatic(first["bucket"])


def test_a_name_that_was_given_is_not_kept_when_taken_away() -> None:
    inputs: dict[str, Any] = {}
    AutoName().fill(inputs, Naming("it", olds={"name": "given"}), Problems())
    assert inputs["name"].startswith("it-")


# -- differences


@given(VALUES)
def test_nothing_differs_from_itself(value: Any) -> None:
    described = schema.ObjectType({"x": "any"})
    assert diff.changed_properties({"x": value}, {"x": value}, described) == {}
    assert diff.equivalent(value, value)
    assert diff.equivalent(value, value, value)


@given(st.dictionaries(st.sampled_from("abcd"), SCALARS, min_size=1))
def test_what_the_cloud_adds_is_no_difference_at_first_and_is_one_later(value: dict[str, Any]) -> None:
    added = {**value, "added": "x"}
    assert diff.equivalent(value, added)
    assert diff.equivalent(value, added, added)
    assert not diff.equivalent(value, added, value)


@given(st.lists(st.text(min_size=1, max_size=3), max_size=5, unique=True), st.randoms())
def test_the_order_of_a_set_is_no_change(items: list[str], random: Any) -> None:
    shuffled = list(items)
    random.shuffle(shuffled)
    described = schema.ObjectType({"subnetIds": {"list": "string"}, "commands": {"list": "string"}})
    assert diff.changed_properties({"subnetIds": items}, {"subnetIds": shuffled}, described) == {}
    found = diff.changed_properties({"commands": items}, {"commands": shuffled}, described)
    assert bool(found) == (items != shuffled)


def test_paths_of_changes() -> None:
    described = schema.ObjectType({"rules": {"list": {"map": "string"}}, "tags": {"map": "string"}})
    found = diff.changed_properties(
        {"rules": [{"a": "1"}, {"b": "2"}], "tags": {"x.y": "1"}},
        {"rules": [{"a": "3"}], "tags": {"x.y": "2", "z": "1"}},
        described,
    )
    paths = [(change.path, change.kind) for changes in found.values() for change in changes]
    assert paths == [
        ("rules[0].a", "UPDATE"),
        ("rules[1]", "DELETE"),
        ('tags["x.y"]', "UPDATE"),
        ("tags.z", "ADD"),
    ]


def test_a_nested_property_that_replaces(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = schema.ObjectType({"kind": "string", "size": "integer"}, replaces=("kind",))
    monkeypatch.setattr(schema, "object_type", lambda name: inner)
    described = schema.ObjectType({"e": {"object": "made up"}})
    found = diff.changed_properties(
        {"e": {"kind": "a", "size": 1}}, {"e": {"kind": "b", "size": 2}}, described
    )
    assert [(change.path, change.replaces) for change in found["e"]] == [("e.kind", True), ("e.size", False)]


def test_paths_are_pulumis() -> None:
    assert join(index(join("", "a"), 3), "b c") == 'a[3]["b c"]'


# -- documents


def test_a_policy_is_the_same_in_other_words() -> None:
    one = {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": ["b", "a"], "Sid": ""},
    }
    other = {
        "Statement": [{"Resource": ["a", "b"], "Action": ["s3:*"], "Effect": "Allow"}],
        "Version": "2012-10-17",
    }
    assert documents.same(json.dumps(one), json.dumps(other, indent=2))
    other["Statement"][0]["Resource"] = ["a"]  # type: ignore[index]
    assert not documents.same(json.dumps(one), json.dumps(other))


def test_an_account_and_its_root_are_the_same_principal() -> None:
    def document(principal: Any) -> str:
        return json.dumps({"Statement": [{"Effect": "Allow", "Action": "a:b", "Principal": principal}]})

    root = {"AWS": "arn:aws:iam::123456789012:root"}
    assert documents.same(document(root), document({"AWS": ["123456789012"]}))
    assert documents.same(document("*"), document({"AWS": "*"}))


@given(st.text(max_size=20))
def test_text_is_no_document(text: str) -> None:
    parsed = documents.parse(text)
    assert parsed is None or isinstance(parsed, dict | list)


# -- policy documents


def test_policy_document_in_awss_notation() -> None:
    made = policy_document(
        {
            "policyId": "it",
            "statements": [
                {
                    "sid": "One",
                    "actions": ["s3:GetObject", "s3:ListBucket"],
                    "resources": ["arn:aws:s3:::it/&{aws:username}/*"],
                    "conditions": [
                        {"test": "StringEquals", "variable": "aws:SourceAccount", "values": ["1"]},
                        {"test": "StringLike", "variable": "s3:prefix", "values": ["a/*", "b/*"]},
                    ],
                },
                {
                    "effect": "Deny",
                    "notActions": ["sts:AssumeRole"],
                    "resources": ["*"],
                    "principals": [
                        {"type": "AWS", "identifiers": ["a", "b"]},
                        {"type": "Service", "identifiers": ["ec2.amazonaws.com"]},
                    ],
                },
                {"actions": ["a:b"], "resources": ["*"], "principals": [{"type": "*", "identifiers": ["*"]}]},
            ],
        },
        Problems(),
    )
    assert json.loads(made["json"]) == {
        "Version": "2012-10-17",
        "Id": "it",
        "Statement": [
            {
                "Sid": "One",
                "Effect": "Allow",
                "Action": ["s3:ListBucket", "s3:GetObject"],
                "Resource": "arn:aws:s3:::it/${aws:username}/*",
                "Condition": {
                    "StringEquals": {"aws:SourceAccount": "1"},
                    "StringLike": {"s3:prefix": ["a/*", "b/*"]},
                },
            },
            {
                "Effect": "Deny",
                "NotAction": "sts:AssumeRole",
                "Resource": "*",
                "Principal": {"AWS": ["b", "a"], "Service": "ec2.amazonaws.com"},
            },
            {"Effect": "Allow", "Action": "a:b", "Resource": "*", "Principal": "*"},
        ],
    }
    assert json.loads(made["minifiedJson"]) == json.loads(made["json"])
    assert made["json"].startswith('{\n  "Version": "2012-10-17",\n  "Id": "it",\n  "Statement": [\n    {')


def test_policy_documents_are_merged_by_sid() -> None:
    def document(sid: str, action: str) -> str:
        return json.dumps({"Statement": [{"Sid": sid, "Effect": "Allow", "Action": action, "Resource": "*"}]})

    made = policy_document(
        {
            "sourcePolicyDocuments": [document("a", "a:source"), document("b", "b:source")],
            "statements": [
                {"sid": "b", "actions": ["b:own"], "resources": ["*"]},
                {"actions": ["c:own"], "resources": ["*"]},
            ],
            "overridePolicyDocuments": [document("a", "a:override"), document("d", "d:override")],
        },
        Problems(),
    )
    actions = [statement["Action"] for statement in json.loads(made["json"])["Statement"]]
    assert actions == ["a:override", "b:own", "c:own", "d:override"]


def test_policy_document_problems() -> None:
    problems = Problems()
    policy_document(
        {
            "sourcePolicyDocuments": ["{", '{"Statement": {"Sid": "x"}}', '{"Statement": {"Sid": "x"}}'],
            "statements": [{"sid": "s", "effect": "Maybe"}, {"sid": "s", "acts": ["x"]}],
        },
        problems,
    )
    assert [path for path, _ in problems] == [
        "sourcePolicyDocuments[0]",
        "sourcePolicyDocuments[2]",
        "statements[0].effect",
        "statements[1].acts",
        "statements[1].sid",
    ]


# -- shapes


@pytest.mark.parametrize(
    ("name", "members", "plural", "member"),
    [
        ("securityGroupIds", ("securityGroupIds",), True, "securityGroupIds"),
        ("ec2Configurations", ("ec2Configuration",), True, "ec2Configuration"),
        ("clientIdLists", ("ClientIDList",), True, "ClientIDList"),
        ("okActions", ("OKActions",), True, "OKActions"),
        ("rule", ("Rules",), False, "Rules"),
        ("policies", ("Policy",), True, "Policy"),
        ("name", ("StreamName",), False, None),
    ],
)
def test_members_are_found_by_name(
    name: str, members: tuple[str, ...], plural: bool, member: str | None
) -> None:
    assert member_for(name, members, plural) == member


def test_a_shape_there_and_back() -> None:
    described = schema.resource_type(
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    ).inputs
    mapper = Mapper(Session().get_service_model("s3"), {})
    given_inputs = {
        "rules": [
            {
                "id": "x",
                "status": "Enabled",
                "filter": {"and": {"prefix": "p", "tags": {"a": "1", "b": "2"}}},
                "transitions": [{"days": 5, "storageClass": "GLACIER"}],
            }
        ]
    }
    sent = mapper.request("BucketLifecycleConfiguration", given_inputs, described)
    assert sent["Rules"][0]["Filter"]["And"]["Tags"] == [
        {"Key": "a", "Value": "1"},
        {"Key": "b", "Value": "2"},
    ]
    assert mapper.properties("BucketLifecycleConfiguration", sent, described) == given_inputs


def test_a_shapes_rules_are_checked_with_paths() -> None:
    described = schema.resource_type(
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    ).inputs
    mapper = Mapper(Session().get_service_model("s3"), {})
    problems = Problems()
    inputs = {"rules": [{"id": "x", "status": "On", "transitions": [{"days": 5, "storageClass": "COLD"}]}]}
    mapper.request("BucketLifecycleConfiguration", inputs, described, problems)
    assert [path for path, _ in problems] == ["rules[0].status", "rules[0].transitions[0].storageClass"]


# -- the schema and the adapters


def test_values_are_fitted_to_their_types() -> None:
    problems = Problems()
    described = schema.ObjectType({"n": "integer", "b": "boolean", "s": "string", "l": {"list": "number"}})
    fitted = schema.checked_object({"n": "5", "b": "true", "s": 7, "l": [1, "2.5"]}, described, "", problems)
    assert fitted == {"n": 5, "b": True, "s": "7", "l": [1, 2.5]}
    schema.checked_object({"n": 1.5, "b": 3, "l": "x"}, described, "", problems)
    assert [path for path, _ in problems] == ["n", "b", "l"]


def test_documented_replacements_replace() -> None:
    """Whatever pulumi_aws's documentation says forces a replacement, does so here."""
    from twin.aws.provider.clients import Cloud

    cloud = Cloud("http://127.0.0.1:1")
    for token in all_tokens():
        adapter = adapter_for(token)
        assert adapter is not None
        supported = adapter.supported(cloud) & set(adapter.described.inputs.replaces)
        for name in supported:
            found = diff.changed_properties({name: "a"}, {name: "b"}, adapter.described.inputs)
            assert found[name][0].replaces, f"{token} {name}"


@pytest.mark.slow
def test_the_schema_is_that_of_the_installed_sdk() -> None:
    from twin.aws.provider.schema_generator import TARGET, generate

    assert TARGET.read_text() == generate(all_tokens())


# -- assets


def test_archives_are_zipped_the_same_every_time(tmp_path: Path) -> None:
    folder = tmp_path / "code"
    (folder / "inner").mkdir(parents=True)
    (folder / "a.py").write_text("x = 1")
    (folder / "inner" / "b.py").write_text("y = 2")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "a.pyc").write_bytes(b"no")
    with tarfile.open(tmp_path / "code.tar", "w") as tar:
        tar.add(folder / "a.py", "a.py")
        tar.add(folder / "inner" / "b.py", "inner/b.py")
    nested = Archive({"a.py": Asset(text="x = 1"), "inner": Archive({"b.py": Asset(text="y = 2")})})
    zips = {
        assets.zipped(Archive(path=str(folder))),
        assets.zipped(Archive(path=str(tmp_path / "code.tar"))),
        assets.zipped(nested),
    }
    assert len(zips) == 1
    with zipfile.ZipFile(io.BytesIO(zips.pop())) as found:
        assert found.namelist() == ["a.py", "inner/b.py"]
    hashes = {assets.hashed(Archive(path=str(folder))).hash, assets.hashed(nested).hash}
    assert len(hashes) == 1


def test_an_asset_on_the_network_is_refused() -> None:
    with pytest.raises(ValueError, match="no network"):
        assets.content(Asset(uri="https://a.example/x"))


@given(st.text(), st.text())
def test_a_changed_asset_has_another_hash(one: str, other: str) -> None:
    hashes = [assets.hashed(Asset(text=text)).hash for text in (one, other)]
    assert (hashes[0] == hashes[1]) == (one == other)
