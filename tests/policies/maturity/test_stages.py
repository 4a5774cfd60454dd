"""M1 to M3: a stack has what its stage asks for, and takes stages one at a time."""

import pytest

from tests.policies.cases import fails, missing, parametrized, passes, resource

STACK = resource("pulumi:pulumi:Stack", "shop-prod")
VALIDATE = [
    resource("aws:s3/bucket:Bucket", "raw"),
    resource("aws:glue/catalogDatabase:CatalogDatabase", "lake"),
    resource("aws:glue/catalogTable:CatalogTable", "offline"),
    resource("aws:dynamodb/table:Table", "online"),
    resource("aws:sagemaker/modelPackageGroup:ModelPackageGroup", "churn"),
    resource("aws:batch/computeEnvironment:ComputeEnvironment", "spot"),
    resource("aws:budgets/budget:Budget", "monthly"),
]
STABILISE = [
    resource("aws:kinesis/stream:Stream", "events"),
    resource("aws:glue/schema:Schema", "events"),
    resource("aws:batch/jobDefinition:JobDefinition", "quality-job"),
    resource("aws:sagemaker/mlflowApp:MlflowApp", "mlflow"),
    resource("aws:scheduler/schedule:Schedule", "retrain-churn"),
    resource("aws:iam/openIdConnectProvider:OpenIdConnectProvider", "github"),
    resource("aws:cloudwatch/metricAlarm:MetricAlarm", "drift"),
    resource("aws:cloudwatch/metricAlarm:MetricAlarm", "accuracy"),
    resource("aws:cloudwatch/metricAlarm:MetricAlarm", "slo-burn"),
    resource("aws:cloudwatch/dashboard:Dashboard", "board"),
    resource("aws:sagemaker/endpoint:Endpoint", "churn", tags={"fallback": "last-good"}),
    resource("aws:lambda/function:Function", "gateway-function"),
]

OPTIMISE = [
    resource("aws:eks/cluster:Cluster", "cluster"),
    resource("kubernetes:karpenter.sh/v1:NodePool", "training"),
    resource("kubernetes:kueue.x-k8s.io/v1beta1:ClusterQueue", "training"),
    resource("kubernetes:keda.sh/v1alpha1:ScaledObject", "churn"),
    resource("kubernetes:gateway.networking.k8s.io/v1:HTTPRoute", "churn"),
    resource("aws:batch/jobDefinition:JobDefinition", "quantise-churn"),
    resource("aws:costexplorer/anomalyMonitor:AnomalyMonitor", "spend"),
    resource("aws:lambda/function:Function", "reaper"),
    resource("aws:cloudwatch/metricAlarm:MetricAlarm", "churn-unit-cost"),
]


def but(resources, name):
    return [item for item in resources if item["name"] != name]


def came_from(last, **more):
    return {"overrides": {"no-stage-is-skipped": {"lastStage": last}}, **more}


CASES = [
    passes("M1", "complete", STACK, *VALIDATE, stage="validate"),
    passes("M1", "the next stage", STACK, *VALIDATE, *STABILISE, stage="stabilise"),
    passes("M1", "the one after it", STACK, *VALIDATE, *STABILISE, *OPTIMISE, stage="optimise"),
    *(
        fails("M1", f"no {name}", STACK, *VALIDATE, *STABILISE, *but(OPTIMISE, name), stage="optimise")
        for name in ("quantise-churn", "churn-unit-cost", "spend", "reaper")
    ),
    passes("M1", "no stack at all", *VALIDATE[:2], stage="validate"),
    fails("M1", "no budget", STACK, *but(VALIDATE, "monthly"), stage="validate"),
    fails("M1", "no drift monitor", STACK, *VALIDATE, *but(STABILISE, "drift"), stage="stabilise"),
    fails(
        "M1",
        "a fallback told and not there",
        STACK,
        *VALIDATE,
        *but(STABILISE, "gateway-function"),
        stage="stabilise",
    ),
    passes(
        "M1",
        "nothing answers yet",
        STACK,
        *VALIDATE,
        *but(but(STABILISE, "gateway-function"), "churn"),
        stage="stabilise",
    ),
    missing("M1", "nothing", STACK, stage="validate"),
    passes("M2", "the next one", **came_from("validate", stage="stabilise")),
    passes("M2", "the same", **came_from("govern", stage="govern")),
    passes("M2", "back", **came_from("scale", stage="validate")),
    passes("M2", "the first time", stage="govern"),
    fails("M2", "over one", **came_from("validate", stage="optimise")),
    missing("M2", "over three", **came_from("validate", stage="scale")),
    passes("M3", "all there", STACK, *VALIDATE, *STABILISE, stage="stabilise"),
    passes("M3", "what the stage itself adds is another rule's", STACK, *VALIDATE, stage="stabilise"),
    fails("M3", "no budget any more", STACK, *but(VALIDATE, "monthly"), *STABILISE, stage="stabilise"),
    missing("M3", "nothing", STACK, stage="stabilise"),
]


@parametrized(CASES)
def test_rule(maturity, case):
    case.check(maturity)


def test_each_missing_control_is_named_with_the_setting_that_adds_it(maturity):
    verdict = maturity.judge([STACK, *but(VALIDATE, "monthly")], stage="validate")
    (finding,) = verdict.violations
    assert finding.id == "M1"
    assert "(budgets, validate)" in finding.message
    assert "`stagecraft:monthlyBudgetUsd`" in finding.message


@pytest.mark.parametrize(("waived", "left"), [("budgets", set()), ("data-lake", {"M3"}), ("*", set())])
def test_a_control_can_be_waived_by_its_name(maturity, waived, left):
    waiver = {
        "rule": "M3",
        "resource": waived,
        "owner": "ann",
        "reason": "paid elsewhere",
        "expires": "2099-01-31",
    }
    resources = [STACK, *but(VALIDATE, "monthly"), *STABILISE]
    assert maturity.judge(resources, stage="stabilise", waivers=[waiver]).ids == left


def test_what_the_stage_itself_lacks_needs_no_second_waiver(maturity):
    waiver = {
        "rule": "M3",
        "resource": "budgets",
        "owner": "ann",
        "reason": "paid elsewhere",
        "expires": "2099-01-31",
    }
    resources = [STACK, *but(VALIDATE, "monthly")]
    assert maturity.judge(resources, stage="validate", waivers=[waiver]).ids == set()
    assert maturity.judge(resources, stage="validate", waivers=[{**waiver, "rule": "M2"}]).ids == {"M1"}


def test_what_an_installation_cannot_provide_is_not_asked_for(maturity):
    overrides = {"stage-is-complete": {"notYet": ["budgets"]}}
    verdict = maturity.judge([STACK, *but(VALIDATE, "monthly")], stage="validate", overrides=overrides)
    assert verdict.ids == set()
