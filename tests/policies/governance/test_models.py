"""G3 to G7, G11, G12: models and the data they are made from."""

import json

import pytest

from tests.policies.cases import (
    UNKNOWN,
    depends,
    fails,
    missing,
    open_question,
    parametrized,
    passes,
    resource,
)

TABLE = "aws:dynamodb/table:Table"
MACHINE = "aws:sfn/stateMachine:StateMachine"
GROUP = "aws:sagemaker/modelPackageGroup:ModelPackageGroup"
EVENTS = "aws:cloudwatch/eventRule:EventRule"
MODEL = "aws:sagemaker/model:Model"
ENDPOINT = "aws:sagemaker/endpoint:Endpoint"
CONFIGURATION = "aws:sagemaker/endpointConfiguration:EndpointConfiguration"
SCHEDULE = "aws:sagemaker/monitoringSchedule:MonitoringSchedule"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
CARD = "aws:sagemaker/modelCard:ModelCard"

PERSONAL = {"tags": {"dataClassification": "personal"}}
USERS = resource(TABLE, "users", **PERSONAL)
CHURN = resource(GROUP, "churn", modelPackageGroupName="acme-churn")
PERSONAL_CHURN = resource(GROUP, "churn", **PERSONAL)
WAITS = {
    "States": {"Approve": {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken"}}
}
REALTIME = {"instanceType": "ml.m5.large", "initialInstanceCount": 2}
CAPTURE = {
    "enableCapture": True,
    "initialSamplingPercentage": 10,
    "kmsKeyId": "arn",
    "destinationS3Uri": "s3://b",
}
CONTENT = {
    "model_overview": {"model_owner": "growth"},
    "intended_uses": {"intended_uses": "Rank customers"},
    "training_details": {"training_job_details": {"training_datasets": ["s3://b"]}},
}


def release(definition=WAITS, name="release"):
    return resource(MACHINE, name, definition=json.dumps(definition))


def events(*groups, kind="SageMaker Model Package State Change"):
    detail = {"ModelPackageGroupName": list(groups)} if groups else {}
    return resource(EVENTS, "events", eventPattern=json.dumps({"detail-type": [kind], "detail": detail}))


def model(**container):
    return resource(MODEL, primaryContainer=container)


def endpoint(**properties):
    return resource(ENDPOINT, "churn", name="churn-live", **properties)


def watch(metric, name="churn-live"):
    return resource(ALARM, f"watch-{metric}", metricName=metric, dimensions={"EndpointName": name})


def configuration(capture, variant=REALTIME, **properties):
    data = {} if capture is None else {"dataCaptureConfig": capture}
    return resource(CONFIGURATION, productionVariants=[variant], **data, **properties)


def card(**change):
    content = {key: value for key, value in {**CONTENT, **change}.items() if value is not None}
    return resource(CARD, content=json.dumps(content))


CASES = [
    passes("G3", "a workflow", USERS, release({"Comment": "x"}, "erasure")),
    passes("G3", "by what it does", USERS, release({"Comment": "Erase a person everywhere"}, "workflow")),
    passes("G3", "no personal data", resource(TABLE, tags={"dataClassification": "internal"})),
    passes("G3", "before govern", USERS, stage="optimise"),
    fails("G3", "another workflow", USERS, release()),
    missing("G3", "none", USERS),
    passes("G4", "its events are heard", CHURN, events("acme-churn")),
    passes("G4", "all events are heard", CHURN, events()),
    passes(
        "G4",
        "by dependency",
        CHURN,
        resource(EVENTS, eventPattern=UNKNOWN) | depends("churn", "eventPattern"),
    ),
    passes("G4", "the release waits", CHURN, release()),
    passes("G4", "before govern", CHURN, stage="optimise"),
    fails("G4", "another group's events", CHURN, events("acme-other")),
    fails("G4", "other events", CHURN, events(kind="SageMaker Endpoint State Change")),
    missing("G4", "none", CHURN),
    passes("G5", "a version", model(modelPackageName="arn:aws:sagemaker:eu:1:model-package/churn/1")),
    passes("G5", "a version in a list", resource(MODEL, containers=[{"modelPackageName": UNKNOWN}])),
    fails("G5", "an image and a file", model(image="image", modelDataUrl="s3://b/model.tar.gz")),
    fails("G5", "one of two", resource(MODEL, containers=[{"modelPackageName": "arn"}, {"image": "image"}])),
    missing("G5", "nothing said", resource(MODEL)),
    open_question("G5", "unknown", resource(MODEL, containers=UNKNOWN)),
    passes("G6", "alarms", endpoint(), watch("FeatureDrift"), watch("F1")),
    passes(
        "G6",
        "schedules",
        endpoint(),
        *(
            resource(
                SCHEDULE,
                kind,
                monitoringScheduleConfig={"monitoringType": kind, "endpointName": "churn-live"},
            )
            for kind in ("DataQuality", "ModelQuality")
        ),
    ),
    passes("G6", "bias too", endpoint(**PERSONAL), watch("drift"), watch("auc"), watch("disparity")),
    passes(
        "G6", "bias from govern on", endpoint(**PERSONAL), watch("drift"), watch("auc"), stage="stabilise"
    ),
    passes("G6", "before stabilise", endpoint(), stage="validate"),
    fails("G6", "no accuracy", endpoint(), watch("drift")),
    fails("G6", "no bias", endpoint(**PERSONAL), watch("drift"), watch("auc")),
    fails("G6", "another endpoint's", endpoint(), watch("drift", "other"), watch("f1", "other")),
    missing("G6", "none", endpoint()),
    passes("G7", "captures", configuration(CAPTURE)),
    passes("G7", "serverless", configuration(None, {"serverlessConfig": {"maxConcurrency": 5}})),
    passes("G7", "outside production", configuration(None), environment="dev"),
    fails("G7", "off", configuration({**CAPTURE, "enableCapture": False})),
    fails("G7", "nothing of it", configuration({**CAPTURE, "initialSamplingPercentage": 0})),
    fails("G7", "in the clear", configuration({**CAPTURE, "kmsKeyId": None})),
    missing("G7", "nothing said", configuration(None)),
    open_question("G7", "unknown", configuration(UNKNOWN)),
    passes("G11", "complete", CHURN, card()),
    passes("G11", "before govern", CHURN, stage="optimise"),
    fails("G11", "no owner", card(model_overview={"model_name": "churn"})),
    fails("G11", "no use", card(intended_uses=None)),
    fails("G11", "an empty part", card(training_details={})),
    missing("G11", "no card", CHURN),
    open_question("G11", "unknown", resource(CARD, content=UNKNOWN)),
    open_question("G11", "no JSON", resource(CARD, content="text")),
    passes("G12", "the release waits", PERSONAL_CHURN, release()),
    passes("G12", "no personal data", CHURN),
    fails("G12", "someone is told only", PERSONAL_CHURN, events()),
    missing("G12", "none", PERSONAL_CHURN),
]


@parametrized(CASES)
def test_rule(governance, case):
    case.check(governance)


@pytest.mark.parametrize("kinds", [["drift", "f1"], ["drift"], []])
def test_the_missing_monitors_are_named(governance, kinds):
    verdict = governance.judge([endpoint(), *(watch(kind) for kind in kinds)])
    messages = [item.message for item in verdict.violations if item.id == "G6"]
    missing_kinds = [name for name, metric in (("drift", "drift"), ("accuracy", "f1")) if metric not in kinds]
    assert messages == ([f"it has no monitor of {' and of '.join(missing_kinds)}"] if missing_kinds else [])
