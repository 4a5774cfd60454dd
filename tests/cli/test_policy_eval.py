"""`stagecraft policy eval`, as a user runs it: the packs on a file, without any stack."""

import json
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from tests.cli_driver import Stagecraft
from twin.wire import REFERENCE, SECRET, SIGNATURE, UNKNOWN_TEXT

BUCKET = "aws:s3/bucket:Bucket"
POLICY = "aws:iam/policy:Policy"
ADMIN = json.dumps({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})


@pytest.fixture
def evaluate(stagecraft: Stagecraft, tmp_path: Path):
    def run(document, *arguments: str, code: int = 1):
        file = tmp_path / "resources.json"
        if isinstance(document, bytes):
            file.write_bytes(document)
        else:
            file.write_text(document if isinstance(document, str) else json.dumps(document))
        return stagecraft.run("policy", "eval", "--file", str(file), *arguments, code=code)

    return run


def _entry(kind: str, name: str = "it", /, **properties):
    return {"type": kind, "name": name, "properties": properties}


def test_a_list_is_judged_by_every_pack(evaluate):
    told = evaluate([_entry(BUCKET, "raw"), _entry(POLICY, "jobs", policy=ADMIN)], "--format", "json").object
    assert told["ok"] is False
    assert told["resources"] == 2
    ids = {item["id"] for item in told["violations"]}
    assert {"C11", "C12", "G1", "G9", "R1", "S1", "S2", "S8", "S9"} <= ids
    admin = next(item for item in told["violations"] if item["id"] == "S8")
    assert admin["urn"].endswith(f"::{POLICY}::jobs")
    assert admin["rule"] == "policy-is-not-admin"
    assert admin["pack"] == "stagecraft-security"
    assert admin["level"] == "mandatory"
    assert admin["message"]
    assert admin["remedy"]
    assert told["waived"] == []
    assert told["problems"] == []
    parts = [Decimal(item["expected"]) for item in told["cost"]["byComponent"]]
    assert sum(parts) == Decimal(told["cost"]["expected"]) > 0


def test_what_a_rule_would_repair_is_a_violation(evaluate):
    told = evaluate([_entry("aws:cloudwatch/logGroup:LogGroup")], "--pack", "cost", "--json").object
    assert "C13" in {item["id"] for item in told["violations"]}


def test_an_unknown_value_cannot_be_judged_and_does_not_pass(evaluate):
    told = evaluate([_entry(POLICY, policy=UNKNOWN_TEXT)], "--pack", "security", "--json").object
    assert told["ok"] is False
    assert {"S8", "S9"} <= {item["id"] for item in told["cannot_judge"]}
    assert told["violations"] == []
    assert all(item["message"].startswith("cannot judge, because") for item in told["cannot_judge"])


def test_packs_stage_and_environment_select(evaluate):
    one = evaluate([_entry(BUCKET)], "--pack", "security", "--pack", "stagecraft-cost", "--json").object
    assert {item["pack"] for item in one["violations"]} == {"stagecraft-security", "stagecraft-cost"}
    early = evaluate([_entry(BUCKET)], "--stage", "validate", "--environment", "dev", "--json").object
    assert (early["stage"], early["environment"]) == ("validate", "dev")
    assert len(early["violations"]) < len(evaluate([_entry(BUCKET)], "--json").object["violations"])


def test_what_is_allowed_exits_with_0(evaluate):
    versioned = {
        **_entry(
            "aws:s3/bucketVersioning:BucketVersioning",
            "raw-versioning",
            versioningConfiguration={"status": "Enabled"},
        ),
        "propertyDependencies": {"bucket": ["raw"]},
    }
    told = evaluate([_entry(BUCKET, "raw"), versioned], "--pack", "reliability", "--json", code=0).object
    assert told["ok"] is True
    assert told["violations"] == []
    apart = evaluate([_entry(BUCKET, "raw")], "--pack", "reliability", "--json").object
    assert [item["id"] for item in apart["violations"]] == ["R1"]


def test_a_state_is_judged_without_its_passphrase(evaluate):
    def urn(kind, name):
        return f"urn:pulumi:prod::shop::{kind}::{name}"

    provider = urn("pulumi:providers:aws", "default")
    secret = {SIGNATURE: SECRET, "ciphertext": "v1:AAAA:BBBB"}
    state = {
        "version": 3,
        "deployment": {
            "manifest": {"time": "2026-01-01T00:00:00Z", "magic": "x", "version": "v3"},
            "secrets_providers": {"type": "passphrase", "state": {"salt": "v1:c2FsdA==:v1:AAAA:BBBB"}},
            "resources": [
                {
                    "urn": provider,
                    "type": "pulumi:providers:aws",
                    "custom": True,
                    "id": "1",
                    "inputs": {"region": "eu-central-1"},
                },
                {
                    "urn": urn(BUCKET, "raw"),
                    "type": BUCKET,
                    "custom": True,
                    "id": "raw-1",
                    "provider": f"{provider}::1",
                    "inputs": {"bucket": secret},
                    "outputs": {"bucket": secret, "arn": "arn:aws:s3:::raw-1"},
                },
                {
                    "urn": urn(POLICY, "jobs"),
                    "type": POLICY,
                    "custom": True,
                    "id": "jobs",
                    "inputs": {"policy": secret},
                    "outputs": {"policy": secret},
                },
                {
                    "urn": urn(BUCKET, "old"),
                    "type": BUCKET,
                    "custom": True,
                    "id": "old-1",
                    "delete": True,
                    "inputs": {},
                },
            ],
        },
    }
    told = evaluate(state, "--json").object
    assert told["resources"] == 3
    assert told["problems"] == []
    assert urn(BUCKET, "raw") in {item["urn"] for item in told["violations"] if item["id"] == "S1"}
    assert urn(BUCKET, "old") not in {item["urn"] for item in told["violations"]}
    assert "S8" in {item["id"] for item in told["cannot_judge"]}
    assert told["cost"]["region"] == "eu-central-1"


def test_secrets_in_the_clear_appear_nowhere(evaluate, tmp_path):
    secret = {SIGNATURE: SECRET, "plaintext": json.dumps("correct-horse-battery")}
    document = [
        _entry(BUCKET, "raw", tags={"owner": secret}, bucket=secret),
        _entry("aws:ec2/instance:Instance", "box", instanceType=secret, userData=secret),
    ]
    files = {form: tmp_path / form for form in ("json", "markdown", "sarif", "junit")}
    wanted = [part for form, file in files.items() for part in ("--report", f"{form}={file}")]
    assert "correct-horse" not in evaluate(document, *wanted).all
    for file in files.values():
        assert "raw" in file.read_text()
        assert "correct-horse" not in file.read_text()


def test_formats_are_what_they_say_and_are_written_side_by_side(evaluate, tmp_path):
    files = {form: tmp_path / f"out.{form}" for form in ("json", "markdown", "sarif", "junit", "text")}
    wanted = [part for form, file in files.items() for part in ("--report", f"{form}={file}")]
    shown = evaluate([_entry(BUCKET, "raw")], *wanted)
    assert "S1 stagecraft-security/bucket-blocks-public-access" in shown.out
    assert json.loads(files["json"].read_text())["resources"] == 1
    assert files["markdown"].read_text().startswith("<!-- stagecraft-check: resources.json -->")
    assert json.loads(files["sarif"].read_text())["version"] == "2.1.0"
    assert Xml.parse(files["junit"]).getroot().get("failures") != "0"  # noqa: S314 - our own output
    assert "resources.json is not allowed" in files["text"].read_text()


def test_the_order_is_the_same_every_time(evaluate):
    document = [_entry(BUCKET, name) for name in ("b", "a", "c")] + [_entry(POLICY, "p", policy=ADMIN)]
    told = [evaluate(document, "--json").object for _ in range(2)]
    for each in told:
        del each["durationSeconds"]
    assert told[0] == told[1]


def test_every_problem_of_the_call_is_told_at_once(evaluate, stagecraft):
    told = evaluate(
        [{"name": "x"}, 7],
        *("--pack", "nope", "--pack", "security", "--stage", "later", "--environment", "moon"),
        code=2,
    )
    assert told.out == ""
    for part in (
        "--pack nope: there is no such pack; write one of cost, governance, security, reliability, maturity",
        "--stage later: there is no such stage; write one of validate,",
        "--environment moon: there is no such environment; write one of dev, staging, prod",
        "resource 0 (x) has no type",
        "resource 1 is a int, not an object",
    ):
        assert part in told.err
    assert "Traceback" not in told.err
    missing = stagecraft.run("policy", "eval", "--file", "nowhere.json", code=2)
    assert "nowhere.json cannot be read: No such file" in missing.err
    wrong = stagecraft.run("policy", "eval", "--file", "x", "--report", "yaml=x", "--report", "json", code=2)
    assert "'yaml=x' is not FORMAT=FILE" in wrong.err


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ("{", "is not JSON"),
        ("[NaN]", "NaN is no JSON number"),
        (b"\xff\xfe\x00", "is not text in UTF-8"),
        ("[" * 100_000, "is not JSON"),
        ("7", "expected a list of resources"),
        ('{"version": 1, "checkpoint": {}}', "deployment version 1: only version 3 is read"),
    ],
)
def test_a_file_that_is_no_list_of_resources_is_refused(evaluate, document, told):
    refused = evaluate(document, code=2)
    assert told in refused.err
    assert "Traceback" not in refused.err


def test_malformed_resources_are_judged_or_left_open_and_crash_nothing(evaluate):
    deep: object = 1
    for _ in range(400):
        deep = {"a": deep}
    text = json.dumps(
        [
            _entry(BUCKET, "null") | {"properties": None},
            _entry(BUCKET, "types", tags=[1, {"a": None}], bucket={"x": 1}, forceDestroy="yes"),
            _entry(POLICY, "text", policy="not json"),
            _entry(POLICY, "number", policy={"Statement": 7}),
            _entry(BUCKET, "deep", tags=deep),
            _entry(BUCKET, "signature", bucket={SIGNATURE: "strange"}),
            _entry(BUCKET, "reference", bucket={SIGNATURE: REFERENCE}),
            _entry(BUCKET, "secret", bucket={SIGNATURE: SECRET, "plaintext": "{"}),
            _entry(BUCKET, "urn") | {"urn": "nope", "dependencies": [1], "propertyDependencies": {"a": 3}},
            _entry(BUCKET, "odd") | {"parent": 7, "provider": 3, "options": "x"},
            {"type": ":::", "name": 7},
            _entry("kubernetes:apps/v1:Deployment", "pods", spec={"template": {"spec": {"containers": [7]}}}),
            _entry(BUCKET, "HUGE", bucket=0),
            _entry(BUCKET, "HALF", bucket="HALF"),
            _entry(POLICY, "large", policy=json.dumps({"Statement": [{"Sid": "x" * 1_000_000}]})),
        ]
    )
    text = text.replace('{"bucket": 0}', f'{{"bucket": 1{"0" * 400}}}').replace('"HALF"', '"\\ud800"')
    told = evaluate(text, "--json").object
    assert told["resources"] == 15
    assert told["problems"] == []
    assert len([item for item in told["violations"] if item["id"] == "S1"]) == 10


def test_what_is_nested_too_deep_to_be_read_is_left_open_and_hides_nothing_else(evaluate):
    deep = f'{"[" * 50_000}"]"{"]" * 50_000}'
    other = json.dumps(_entry(POLICY, "admin", policy=ADMIN))
    told = evaluate(
        f'[{{"type": "{POLICY}", "name": "deep", "properties": {{"policy": {deep}}}}}, {other}]',
        *("--pack", "security", "--json"),
    ).object
    assert {item["urn"].rpartition("::")[2] for item in told["violations"]} == {"admin"}
    assert {item["urn"].rpartition("::")[2] for item in told["cannot_judge"]} == {"deep"}


def test_three_hundred_resources_are_judged(evaluate):
    document = [_entry(BUCKET, f"raw-{index}", tags={"owner": "x"}) for index in range(300)]
    told = evaluate(document, "--json").object
    assert told["resources"] == 300
    assert len([item for item in told["violations"] if item["id"] == "S1"]) == 300
