"""SARIF 2.1.0: what its schema requires, and what code scanning needs."""

import json
from typing import Any

from cli.reports import as_sarif
from tests.cli.reports.samples import clean, finding, hostile, report

# From the schema: object → required properties, allowed properties (those that we write).
SCHEMA: dict[str, tuple[set[str], set[str]]] = {
    "log": ({"version", "runs"}, {"$schema", "version", "runs"}),
    "run": ({"tool"}, {"tool", "automationDetails", "invocations", "results", "columnKind"}),
    "driver": ({"name"}, {"name", "semanticVersion", "rules"}),
    "rule": (
        {"id"},
        {
            "id",
            "name",
            "shortDescription",
            "fullDescription",
            "help",
            "defaultConfiguration",
            "properties",
        },
    ),
    "result": (
        {"message"},
        {
            "ruleId",
            "ruleIndex",
            "kind",
            "level",
            "message",
            "locations",
            "partialFingerprints",
            "suppressions",
            "properties",
        },
    ),
    "location": (set(), {"physicalLocation", "logicalLocations"}),
    "logicalLocation": (set(), {"name", "fullyQualifiedName", "kind"}),
    "suppression": ({"kind"}, {"kind", "status", "justification"}),
    "invocation": ({"executionSuccessful"}, {"executionSuccessful", "toolExecutionNotifications"}),
    "notification": ({"message"}, {"level", "message"}),
}
LEVELS = {"none", "note", "warning", "error"}


def _holds(kind: str, value: dict[str, Any]) -> None:
    required, allowed = SCHEMA[kind]
    assert required <= set(value) <= allowed, (kind, set(value))


def _run(what):
    log = json.loads(as_sarif.render(what))
    _holds("log", log)
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    _holds("run", run)
    driver = run["tool"]["driver"]
    _holds("driver", driver)
    for rule in driver["rules"]:
        _holds("rule", rule)
        assert rule["help"]["text"]
        assert rule["shortDescription"]["text"]
        assert rule["defaultConfiguration"]["level"] in LEVELS
    assert len({rule["id"] for rule in driver["rules"]}) == len(driver["rules"])
    for result in run["results"]:
        _holds("result", result)
        assert result["message"]["text"]
        assert result["level"] in LEVELS
        assert (result["level"] == "none") == (result["kind"] != "fail")
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        for location in result["locations"]:
            _holds("location", location)
            for logical in location.get("logicalLocations", []):
                _holds("logicalLocation", logical)
        for suppression in result.get("suppressions", []):
            _holds("suppression", suppression)
            assert suppression["kind"] in {"inSource", "external"}
    for invocation in run["invocations"]:
        _holds("invocation", invocation)
        for notification in invocation["toolExecutionNotifications"]:
            _holds("notification", notification)
    return run


def test_results_name_rule_level_message_and_resource():
    first = _run(report())["results"][0]
    assert (first["ruleId"], first["level"]) == ("C11", "error")
    assert first["message"]["text"] == ("aws:s3/bucket:Bucket lake-raw: it has no lifecycle\nRemedy: add one")
    location = first["locations"][0]
    assert location["logicalLocations"][0]["fullyQualifiedName"] == report().violations[0].urn
    assert location["physicalLocation"]["artifactLocation"]["uri"] == "stacks/Pulumi.prod.yaml"


def test_remarks_warn_open_questions_fail_waived_findings_are_suppressed():
    results = _run(report())["results"]
    by_rule = {result["ruleId"]: result for result in results}
    assert by_rule["C17"]["level"] == "warning"
    assert "logicalLocations" not in by_rule["C17"]["locations"][0]
    assert by_rule["S8"]["kind"] == "fail"
    assert by_rule["S8"]["properties"]["cannotJudge"] is True
    assert by_rule["S1"]["suppressions"] == [
        {
            "kind": "external",
            "status": "accepted",
            "justification": "growth, until 2027-01-31: migration (till spring)",
        }
    ]
    advisory = _run(clean(cannot_judge=(finding(level="advisory"),)))["results"][0]
    assert (advisory["kind"], advisory["level"]) == ("open", "none")


def test_every_rule_is_described_with_its_public_equals():
    rules = {rule["id"]: rule for rule in _run(report())["tool"]["driver"]["rules"]}
    assert rules["C11"]["properties"]["tags"] == ["stagecraft-cost", "external/CKV2_AWS_61"]
    assert rules["S8"]["properties"]["security-severity"] == "9.5"
    assert rules["G3"]["defaultConfiguration"]["enabled"] is False


def test_fingerprints_are_stable_and_tell_findings_apart():
    def prints(what):
        return [result["partialFingerprints"]["primaryLocationLineHash"] for result in _run(what)["results"]]

    twice = clean(violations=(finding(message="costs $1"), finding(message="costs $2"), finding(urn="x")))
    assert len(set(prints(twice))) == 3
    assert prints(twice) == prints(
        clean(violations=(finding(message="costs $3"), finding(message="costs $4"), finding(urn="x")))
    )


def test_problems_are_notifications_of_a_run_that_failed():
    (invocation,) = _run(clean(problems=("refused",)))["invocations"]
    assert invocation["executionSuccessful"] is False
    assert invocation["toolExecutionNotifications"][0]["message"]["text"] == "refused"


def test_hostile_text_and_strange_paths():
    _run(hostile())
    uris = [
        _run(clean(violations=(finding(),), source=source))["results"][0]["locations"][0]
        for source in ("a b/c#d?.yaml", "/a b/c.json")
    ]
    assert [uri["physicalLocation"]["artifactLocation"]["uri"] for uri in uris] == [
        "a%20b/c%23d%3F.yaml",
        "file:///a%20b/c.json",
    ]
