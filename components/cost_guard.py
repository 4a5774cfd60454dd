"""CostGuard: people hear of money before it is gone."""

from typing import Final, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components.checks import NAME, NAME_REMEDY, Problems
from components.context import by_name, current_cloud, declared_outputs
from components.encryption import data_key
from components.reaper import Reaper, reaper
from components.topic import alert_topic

ACTUAL_PERCENTS: Final = (50, 80, 100)
FORECAST_PERCENTS: Final = (100,)
DEFAULT_ANOMALY_USD: Final = 20


class ModelBudget(TypedDict):
    """What one model may cost."""

    name: str
    """Name of the model."""
    monthly_limit_usd: float
    """Dollars a month; more than 0."""
    tag_filter: dict[str, str]
    """The one tag that tells what is counted."""


class CostGuardArgs(TypedDict):
    """Inputs of CostGuard."""

    monthly_limit_usd: float
    """Dollars a month for everything with the tags of `tag_filter`; more than 0."""
    tag_filter: dict[str, str]
    """The one tag that tells what is counted (AWS ors several). Activate it as a cost allocation tag."""
    models: NotRequired[list[ModelBudget]]
    """Budgets of models, of their own within the whole. Default: none."""
    emails: NotRequired[list[str]]
    """Addresses that are told, at most ten. Default: none; subscribe to the topic."""
    anomaly_usd: NotRequired[float]
    """Dollars over the expected cost that are told of as an anomaly. Default: no anomaly monitor."""
    reaper: NotRequired[Reaper]
    """Takes down what has expired and finds what idles, by the tag of `tag_filter`. Default: nobody does."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """Key for the topic. Default: a key is made, rotated yearly."""
    allow_data_loss: NotRequired[bool]
    """Lets a deletion of the component take a key it made along. Default: false."""
    tags: NotRequired[dict[str, pulumi.Input[str]]]
    """Tags of everything that takes tags."""


class CostGuard(pulumi.ComponentResource):
    """A budget for the whole and one a model, told of at 50, 80 and 100 % and when 100 % is forecast."""

    topic_arn: pulumi.Output[str]
    """Topic that budgets and anomalies are published to."""
    budget_name: pulumi.Output[str]
    """Name of the budget for the whole."""
    model_budget_names: pulumi.Output[dict[str, str]]
    """Model → name of its budget."""

    def __init__(self, name: str, args: CostGuardArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("stagecraft:index:CostGuard", name, args, opts)
        _check(name, args)
        self._name = name
        self._args = args
        self._tags = args.get("tags", {})
        cloud = current_cloud(self)
        key = data_key(self, name, args, cloud, purpose="Cost alerts")
        self.topic_arn = alert_topic(
            self,
            f"{name}-costs",
            cloud=cloud,
            kms_key_arn=key,
            services=["budgets.amazonaws.com", "costalerts.amazonaws.com"],
            emails=args.get("emails", []),
            tags=self._tags,
        )
        self.budget_name = self._budget("budget", args["monthly_limit_usd"], args["tag_filter"])
        self.model_budget_names = by_name(
            {
                model["name"]: self._budget(
                    f"{model['name']}-budget",
                    model["monthly_limit_usd"],
                    model["tag_filter"],
                )
                for model in args.get("models", [])
            }
        )
        if "anomaly_usd" in args:
            self._anomalies(args["anomaly_usd"])
        if "reaper" in args:
            ((tag, value),) = args["tag_filter"].items()
            reaper(
                self,
                f"{name}-reaper",
                args["reaper"],
                tag=(tag, value),
                topic_arn=self.topic_arn,
                cloud=cloud,
                kms_key_arn=key,
                tags=self._tags,
            )
        self.register_outputs(declared_outputs(self))

    def _budget(self, role: str, limit_usd: float, tag_filter: dict[str, str]) -> pulumi.Output[str]:
        return aws.budgets.Budget(
            f"{self._name}-{role}",
            budget_type="COST",
            time_unit="MONTHLY",
            limit_amount=f"{limit_usd:.2f}",
            limit_unit="USD",
            cost_filters=[
                aws.budgets.BudgetCostFilterArgs(name="TagKeyValue", values=[f"user:{key}${value}"])
                for key, value in tag_filter.items()
            ],
            notifications=[
                *(self._notification("ACTUAL", percent) for percent in ACTUAL_PERCENTS),
                *(self._notification("FORECASTED", percent) for percent in FORECAST_PERCENTS),
            ],
            tags=self._tags,
            opts=pulumi.ResourceOptions(parent=self),
        ).name

    def _notification(self, kind: str, percent: int) -> aws.budgets.BudgetNotificationArgs:
        return aws.budgets.BudgetNotificationArgs(
            comparison_operator="GREATER_THAN",
            notification_type=kind,
            threshold=percent,
            threshold_type="PERCENTAGE",
            subscriber_sns_topic_arns=[self.topic_arn],
        )

    def _anomalies(self, threshold_usd: float) -> None:
        ((key, value),) = self._args["tag_filter"].items()
        monitor = aws.costexplorer.AnomalyMonitor(
            f"{self._name}-anomalies",
            monitor_type="CUSTOM",
            monitor_specification=pulumi.Output.json_dumps(
                {"Tags": {"Key": key, "MatchOptions": None, "Values": [value]}}
            ),
            tags=self._tags,
            opts=pulumi.ResourceOptions(parent=self),
        )
        aws.costexplorer.AnomalySubscription(
            f"{self._name}-anomalies-topic",
            frequency="IMMEDIATE",
            monitor_arn_lists=[monitor.arn],
            subscribers=[
                aws.costexplorer.AnomalySubscriptionSubscriberArgs(type="SNS", address=self.topic_arn)
            ],
            threshold_expression=aws.costexplorer.AnomalySubscriptionThresholdExpressionArgs(
                dimension=aws.costexplorer.AnomalySubscriptionThresholdExpressionDimensionArgs(
                    key="ANOMALY_TOTAL_IMPACT_ABSOLUTE",
                    match_options=["GREATER_THAN_OR_EQUAL"],
                    values=[f"{threshold_usd:g}"],
                )
            ),
            tags=self._tags,
            opts=pulumi.ResourceOptions(parent=self),
        )


def _check(name: str, args: CostGuardArgs) -> None:
    problems = Problems("CostGuard", name)
    if problems.shape(args, CostGuardArgs):
        problems.between("monthlyLimitUsd", args["monthly_limit_usd"], 0.01, 1e9, "USD")
        problems.between("anomalyUsd", args.get("anomaly_usd"), 0.01, 1e9, "USD")
        _check_filter(problems, "tagFilter", args["tag_filter"])
        problems.between("reaper.idleHours", args.get("reaper", {}).get("idle_hours"), 1, 720, "hours")
        if len(args.get("emails", [])) > 10:
            problems.add("emails", args["emails"], "at most ten; subscribe others to the topic")
        models = args.get("models", [])
        problems.distinct("models", [model["name"] for model in models])
        for index, model in enumerate(models):
            problems.matches(
                f"models[{index}].name",
                model["name"],
                NAME,
                NAME_REMEDY,
            )
            problems.between(f"models[{index}].monthlyLimitUsd", model["monthly_limit_usd"], 0.01, 1e9, "USD")
            _check_filter(problems, f"models[{index}].tagFilter", model["tag_filter"])
    problems.raise_if_any()


def _check_filter(problems: Problems, path: str, tag_filter: dict[str, str]) -> None:
    if len(tag_filter) != 1:
        problems.add(path, tag_filter, "must name exactly one tag")
