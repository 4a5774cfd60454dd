"""What the parts of the model loop may do, as pure functions of the names they are held to."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from components import iam

Known = dict[str, Any]

_LOOP_NAMES: Final = 44
"""Letters of an endpoint's name that the names of what the loop makes start with (see `loop/rollout.py`)."""


@dataclass(frozen=True)
class Rights:
    """A function of the loop: its entry, and the document of what it may do."""

    description: str
    handler: str
    statements: Callable[[Known, bool], list[iam.Statement]]

    def document(self, known: Known, *, automatic: bool) -> str:
        """The policy; `automatic` adds the right to approve."""
        return iam.document(*self.statements(known, automatic))


def _arn(known: Known, service: str, resource: str) -> str:
    return f"arn:{known['partition']}:{service}:{known['region']}:{known['account']}:{resource}"


def _steps(known: Known, automatic: bool) -> list[iam.Statement]:
    """Judge versions, shift the endpoint's traffic, move the pointers.

    What is rolled back is rejected, always; approving is the function's only where no person is asked.
    """
    decisions = ["Approved", "Rejected"] if automatic else ["Rejected"]
    packages = [_arn(known, "sagemaker", f"model-package/{known['group']}/*")]
    group = _arn(known, "sagemaker", f"model-package-group/{known['group']}")
    made = known["endpoint"][:_LOOP_NAMES].rstrip("-")
    models = _arn(known, "sagemaker", f"model/{made}-loop-*")
    configurations = _arn(known, "sagemaker", f"endpoint-config/{made}-loop-*")
    endpoint = _arn(known, "sagemaker", f"endpoint/{known['endpoint']}")
    every_model = _arn(known, "sagemaker", "model/*")
    every_configuration = _arn(known, "sagemaker", "endpoint-config/*")
    return [
        iam.allow(["sagemaker:DescribeModelPackage"], packages),
        iam.allow(
            ["sagemaker:UpdateModelPackage"],
            packages,
            conditions={"StringEquals": {"sagemaker:ModelApprovalStatus": decisions}},
        ),
        iam.allow(["sagemaker:ListModelPackages"], [group]),
        iam.allow(["dynamodb:UpdateItem"], [_arn(known, "dynamodb", f"table/{known['lineage']}")]),
        iam.allow(
            ["ssm:GetParameter", "ssm:PutParameter"], [_arn(known, "ssm", f"parameter{known['pointers']}/*")]
        ),
        iam.allow(["sagemaker:DescribeEndpoint", "sagemaker:UpdateEndpointWeightsAndCapacities"], [endpoint]),
        iam.allow(["sagemaker:UpdateEndpoint"], [endpoint, every_configuration]),
        # What is there is copied: its name is the deployment's to choose.
        iam.allow(["sagemaker:DescribeModel", "sagemaker:ListTags"], [every_model]),
        iam.allow(["sagemaker:DescribeEndpointConfig", "sagemaker:ListTags"], [every_configuration]),
        iam.allow(["sagemaker:AddTags", "sagemaker:CreateModel", "sagemaker:DeleteModel"], [models]),
        iam.allow(
            ["sagemaker:AddTags", "sagemaker:CreateEndpointConfig", "sagemaker:DeleteEndpointConfig"],
            [configurations],
        ),
        iam.allow(["sagemaker:ListEndpointConfigs", "sagemaker:ListModels"], ["*"]),
        iam.allow(
            ["iam:PassRole"],
            [known["endpoint_role"]],
            conditions={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
        ),
        iam.allow(["cloudwatch:DescribeAlarms"], [_arn(known, "cloudwatch", "alarm:*")]),
        # How both versions do. Metrics take no resource.
        iam.allow(["cloudwatch:GetMetricData"], ["*"]),
        *_counted_labels(known),
        iam.allow(["states:SendTaskSuccess"], [_arn(known, "states", f"stateMachine:{known['machine']}")]),
        iam.key_access(known["key"]),
    ]


def _counted_labels(known: Known) -> list[iam.Statement]:
    """What the job `gate-labels` counted for this model, where there is such a job."""
    if known["artifacts"] is None:
        return []
    return iam.bucket_access(known["artifacts"], read=[f"gate/{known['model']}/"])


def _decisions(known: Known, _automatic: bool) -> list[iam.Statement]:
    return [
        iam.allow(["dynamodb:UpdateItem"], [_arn(known, "dynamodb", f"table/{known['lineage']}")]),
        iam.allow(["states:SendTaskSuccess"], [_arn(known, "states", f"stateMachine:{known['machine']}")]),
        iam.key_access(known["key"]),
    ]


STEPS: Final = Rights("The steps of the model loop", "platform_jobs.loop.steps.handler", _steps)
DECISIONS: Final = Rights("Hears of decisions on versions", "platform_jobs.loop.steps.decided", _decisions)


def machine_rights(known: Known, parts: Known) -> str:
    """What the state machine calls: its function, its jobs, its topic, and its own list of executions."""
    jobs = [arn for arns in parts["jobs"].values() for arn in arns]
    return iam.document(
        iam.allow(["lambda:InvokeFunction"], [parts["steps"]]),
        iam.allow(["batch:SubmitJob"], jobs),
        iam.allow(["batch:TerminateJob"], [_arn(known, "batch", "job/*")]),
        iam.allow(["batch:DescribeJobs"], ["*"]),
        # By this rule, which Step Functions keeps itself, an execution hears that its job has ended.
        iam.allow(
            ["events:DescribeRule", "events:PutRule", "events:PutTargets"],
            [_arn(known, "events", "rule/StepFunctionsGetEventsForBatchJobsRule")],
        ),
        iam.allow(["sns:Publish"], [parts["topic"]]),
        iam.allow(["states:ListExecutions"], [_arn(known, "states", f"stateMachine:{known['machine']}")]),
        iam.key_access(known["key"]),
        # Log delivery takes no resource.
        iam.allow(
            [
                "logs:CreateLogDelivery",
                "logs:DeleteLogDelivery",
                "logs:DescribeLogGroups",
                "logs:DescribeResourcePolicies",
                "logs:GetLogDelivery",
                "logs:ListLogDeliveries",
                "logs:PutResourcePolicy",
                "logs:UpdateLogDelivery",
            ],
            ["*"],
        ),
    )
