"""`stagecraft alerts`: what topics were told, as a person reads it."""

import json

from cli.alerting import entry

PAGES = "arn:aws:sns:us-east-1:123456789012:monitoring-pages-1"
TOPICS = {PAGES: "pages"}
AT = 1_800_000_000.0


def message(text, subject="", topic=PAGES):
    return {"at": AT, "topic": topic, "subject": subject, "message": text}


def test_an_alarm_is_shown_with_what_is_wrong_and_its_runbook():
    told = {
        "AlarmName": "monitoring-churn-outage",
        "AlarmDescription": "churn breaks its promise. Runbook: docs/runbooks/model-outage.md",
        "NewStateValue": "ALARM",
        "NewStateReason": "2 of 2",
    }
    assert entry(message(json.dumps(told)), TOPICS) == {
        "at": "2027-01-15T08:00:00Z",
        "topic": "pages",
        "state": "ALARM",
        "title": "monitoring-churn-outage",
        "lines": ["churn breaks its promise. Runbook: docs/runbooks/model-outage.md", "Why: 2 of 2"],
    }


def test_an_event_is_shown_by_what_it_is_about():
    told = {
        "detail-type": "SageMaker Model Package State Change",
        "resources": ["arn:aws:sagemaker:us-east-1:123456789012:model-package/churn/1"],
        "detail": {"ModelApprovalStatus": "Approved", "ModelPackageVersion": 1, "ClientToken": "x"},
    }
    shown = entry(message(json.dumps(told)), {})
    assert shown["title"] == "SageMaker Model Package State Change"
    assert shown["lines"] == [*told["resources"], "ModelApprovalStatus: Approved"]


def test_any_other_message_is_shown_as_it_came():
    shown = entry(message("Approve it?\nVersion 3", "Approval", "arn:aws:sns:us-east-1:1:other"), TOPICS)
    assert (shown["topic"], shown["state"], shown["title"]) == ("other", "", "Approval")
    assert shown["lines"] == ["Approve it?", "Version 3"]
    assert entry(message("[1, 2]"), TOPICS)["title"] == "[1, 2]"
    assert entry(message(""), TOPICS)["title"] == ""
