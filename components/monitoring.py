"""Monitoring: who is told what of a stack's models, and where to look."""

from collections.abc import Mapping
from typing import Final, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import naming
from components.checks import Problems
from components.context import by_name, current_cloud, declared_outputs, scope
from components.encryption import data_key
from components.endpoint import VARIANT
from components.monitor_jobs import MonitorJobs, check_jobs, emit_document, monitor_jobs
from components.topic import alert_topic
from components.watch import endpoint as endpoints
from components.watch import pages, quality
from components.watch.alarms import PAGE, PART, TICKET, Alarm, Composite, description, rule
from components.watch.dashboards import Dashboard
from components.watch.declaration import (
    WatchedModel,
    WatchedView,
    check_models,
    check_views,
    fed,
    judged,
    served,
)
from components.watch.endpoint import SUPPRESSION_WAIT_SECONDS, Served
from components.watch_resources import RUNBOOKS, Drawn

SUPPRESSION_EXTENSION_SECONDS: Final = 300
"""How long a page stays silent after the one that spoke for it is over."""


class MonitoringArgs(TypedDict):
    """Inputs of Monitoring."""

    models: list[WatchedModel]
    """Models to watch; at least one, at most 50."""
    views: NotRequired[list[WatchedView]]
    """Feature views whose data is watched, at most 20. Default: none."""
    runbooks_url: NotRequired[str]
    """Address or folder of the runbooks; every alarm names `<it>/<kind>.md`. Default: `docs/runbooks`."""
    emails: NotRequired[list[str]]
    """Addresses that get pages and tickets, at most ten. Default: none; subscribe to the topics."""
    dashboards: NotRequired[bool]
    """Makes a CloudWatch dashboard of the stack and one of each model. Default: true."""
    grafana_bucket: NotRequired[pulumi.Input[str]]
    """Bucket that gets the same dashboards for Grafana, under `dashboards/`. Default: none does."""
    jobs: NotRequired[MonitorJobs]
    """Runs the jobs that emit drift, accuracy, bias, figures and data quality. Default: others run them."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """Key for the topics and the jobs' logs, also the buckets'. Default: a key is made, rotated yearly."""
    allow_data_loss: NotRequired[bool]
    """Lets a deletion of the component take a key it made along. Default: false."""
    tags: NotRequired[dict[str, pulumi.Input[str]]]
    """Tags of everything that takes tags."""


class Monitoring(pulumi.ComponentResource):
    """Alarms, topics and dashboards of models, all from what is declared of them.

    SLOs become burn-rate alarms over several windows. What pages and what makes tickets is said by composite
    alarms, so that one outage is told of once; the parts of one outage tell nobody. Every alarm's description
    names its runbook.
    """

    page_topic_arn: pulumi.Output[str]
    """Topic of what someone is woken for."""
    ticket_topic_arn: pulumi.Output[str]
    """Topic of what can wait for working hours."""
    alarm_names: pulumi.Output[dict[str, str]]
    """Alarm, such as `churn-drift` → its name in CloudWatch."""
    dashboard_names: pulumi.Output[dict[str, str]]
    """`stack` or a model → name of its dashboard in CloudWatch."""
    grafana_uris: pulumi.Output[dict[str, str]]
    """`stack` or a model → S3 URI of its dashboard for Grafana."""
    emit_policy_arn: pulumi.Output[str]
    """Attach to any role that emits the platform's metrics."""
    job_definition_arns: pulumi.Output[dict[str, str]]
    """Job, such as `watch-churn` or `silent-failures` → ARN of its definition."""

    def __init__(self, name: str, args: MonitoringArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("stagecraft:index:Monitoring", name, args, opts)
        _check(name, args)
        self._name = name
        self._args = args
        self._tags = args.get("tags", {})
        self._options = pulumi.ResourceOptions(parent=self)
        self._cloud = current_cloud(self)
        self._runbooks = args.get("runbooks_url", RUNBOOKS)
        self._drawn = Drawn(self, name, cloud=self._cloud, runbooks=self._runbooks, tags=args.get("tags", {}))
        self._fed = [fed(pulumi.get_stack(), view) for view in args.get("views", [])]
        self._key = data_key(self, name, args, self._cloud, purpose="Alerts")
        self._topics = self._make_topics(self._key)
        self.page_topic_arn, self.ticket_topic_arn = self._topics[PAGE], self._topics[TICKET]
        names = {alarm.name: self._alarm(alarm) for alarm in self._all_alarms()}
        for composite in self._all_composites():
            names[composite.name] = self._composite(composite, names)
        self.alarm_names = by_name(names)
        self.dashboard_names, self.grafana_uris = self._dashboards()
        self.emit_policy_arn = self._emit_policy()
        self.job_definition_arns = by_name(self._monitor_jobs())
        self.register_outputs(declared_outputs(self))

    def _make_topics(self, key: pulumi.Output[str]) -> dict[str, pulumi.Output[str]]:
        return {
            level: alert_topic(
                self,
                f"{self._name}-{level}s",
                cloud=self._cloud,
                kms_key_arn=key,
                services=["cloudwatch.amazonaws.com"],
                emails=self._args.get("emails", []),
                tags=self._tags,
            )
            for level in (PAGE, TICKET)
        }

    def _served(self, known: Mapping[str, pulumi.Input[str]] | None = None) -> list[Served]:
        """The models that an endpoint or a gateway answers for; an endpoint's name is an output, or known."""
        found = []
        for model in self._args["models"]:
            endpoint: pulumi.Input[str] | None = None
            if "endpoint_name" in model:
                endpoint = model["endpoint_name"] if known is None else known[model["name"]]
            if endpoint is not None or model.get("gateway", False):
                found.append(served(pulumi.get_stack(), model, endpoint, VARIANT))
        return found

    def _all_alarms(self) -> list[Alarm]:
        return [
            *(alarm for each in self._served() for alarm in endpoints.alarms_of(each)),
            *(
                alarm
                for model in self._args["models"]
                for alarm in quality.alarms_of(judged(pulumi.get_stack(), model))
            ),
            *(alarm for each in self._fed for alarm in quality.data_alarms(each)),
        ]

    def _all_composites(self) -> list[Composite]:
        """Each after those that it is silent for."""
        all_served = self._served()
        models = [judged(pulumi.get_stack(), model) for model in self._args["models"]]
        first = (endpoints.outage(all_served), quality.data_composite(self._fed))
        return [
            *(composite for composite in first if composite is not None),
            *(composite for each in all_served for composite in endpoints.composites_of(each)),
            *(
                composite
                for model in models
                for composite in quality.composites_of(model, views=bool(self._fed))
            ),
        ]

    def _told(self, level: str) -> list[pulumi.Output[str]] | None:
        return None if level == PART else [self._topics[level]]

    def _alarm(self, alarm: Alarm) -> pulumi.Output[str]:
        return self._drawn.alarm(alarm, told=self._told(alarm.level))

    def _composite(self, composite: Composite, names: Mapping[str, pulumi.Output[str]]) -> pulumi.Output[str]:
        parts = list(dict.fromkeys(name for group in composite.any_of for name in group))
        spoken_for = names.get(composite.suppressed_by)
        return aws.cloudwatch.CompositeAlarm(
            f"{self._name}-{composite.name}",
            # AWS has no names of its own for these.
            alarm_name=naming.physical_name(scope(), self._name, composite.name, max_length=255),
            alarm_description=description(composite.says, kind=composite.kind, runbooks=self._runbooks),
            alarm_rule=pulumi.Output.all(**{part: names[part] for part in parts}).apply(
                lambda known: rule(tuple(tuple(known[name] for name in group) for group in composite.any_of))
            ),
            actions_enabled=True,
            alarm_actions=self._told(composite.level),
            # Whoever was woken hears that it is over; a ticket is closed by whoever mended it.
            ok_actions=self._told(composite.level) if composite.level == PAGE else None,
            actions_suppressor=None
            if spoken_for is None
            else aws.cloudwatch.CompositeAlarmActionsSuppressorArgs(
                alarm=spoken_for,
                extension_period=SUPPRESSION_EXTENSION_SECONDS,
                wait_period=SUPPRESSION_WAIT_SECONDS,
            ),
            tags=self._tags,
            opts=self._options,
        ).alarm_name

    def _dashboards(self) -> tuple[pulumi.Output[dict[str, str]], pulumi.Output[dict[str, str]]]:
        endpoint_names: dict[str, pulumi.Input[str]] = {
            model["name"]: model["endpoint_name"]
            for model in self._args["models"]
            if "endpoint_name" in model
        }
        described = pulumi.Output.all(**endpoint_names).apply(self._described)
        names, uris = {}, {}
        for page in ("stack", *(model["name"] for model in self._args["models"])):
            if self._args.get("dashboards", True):
                names[page] = self._drawn.dashboard(page, _page(described, page))
            if "grafana_bucket" in self._args:
                uris[page] = self._drawn.grafana_file(
                    page, _page(described, page), self._args["grafana_bucket"]
                )
        return by_name(names), by_name(uris)

    def _described(self, endpoint_names: Mapping[str, str]) -> dict[str, Dashboard]:
        all_served = self._served(endpoint_names)
        stack, by_model = pulumi.get_stack(), {each.model: each for each in all_served}
        worth = [judged(stack, model) for model in self._args["models"]]
        whole = pages.of_stack(stack, all_served, worth, self._fed, runbooks=self._runbooks)
        return {
            "stack": whole,
            **{
                each.model: pages.of_model(by_model.get(each.model), each, runbooks=self._runbooks)
                for each in worth
            },
        }

    def _monitor_jobs(self) -> dict[str, pulumi.Output[str]]:
        if "jobs" not in self._args:
            return {}
        return monitor_jobs(
            self,
            self._name,
            self._args["jobs"],
            models=self._args["models"],
            views=self._args.get("views", []),
            cloud=self._cloud,
            key=self._key,
            emit_policy_arn=self.emit_policy_arn,
            tags=self._tags,
        )

    def _emit_policy(self) -> pulumi.Output[str]:
        return aws.iam.Policy(
            f"{self._name}-emit",
            description=f"May emit the metrics that {self._name} watches",
            policy=emit_document(),
            tags=self._tags,
            opts=self._options,
        ).arn


def _page(described: pulumi.Output[dict[str, Dashboard]], page: str) -> pulumi.Output[Dashboard]:
    return described.apply(lambda known: known[page])


def _check(name: str, args: MonitoringArgs) -> None:
    problems = Problems("Monitoring", name)
    if problems.shape(args, MonitoringArgs):
        if not args["models"]:
            problems.add("models", [], "must name at least one model")
        check_models(problems, args["models"])
        check_views(problems, args.get("views", []))
        if "jobs" in args:
            check_jobs(problems, args["jobs"])
        if len(args.get("emails", [])) > 10:
            problems.add("emails", args["emails"], "at most ten; subscribe others to the topics")
    problems.raise_if_any()
