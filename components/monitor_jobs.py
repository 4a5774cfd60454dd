"""The jobs that watch live models and their data: definitions, rights and schedules."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import batch_job, iam, job_schedules, naming
from components.batch_job import JobSpec
from components.checks import Problems
from components.context import Cloud, Tags
from components.job_schedules import ScheduledJob
from components.logs import log_group
from components.money import dollars
from components.watch.declaration import WatchedModel, WatchedView
from components.watch.metrics import PLATFORM

DEFAULT_HOURS: Final = 24
LOG_DAYS: Final = 30
VIEWS_JOB: Final = "silent-failures"


class MonitorJobs(TypedDict):
    """Where the jobs that watch run, and what they look at."""

    image_uri: pulumi.Input[str]
    """The platform's image; it knows the commands `watch` and `silent-failures`."""
    queue_arn: pulumi.Input[str]
    """ARN of the Batch queue that they are submitted to."""
    artifacts_bucket: pulumi.Input[str]
    """Bucket with predictions and outcomes, which also gets what the jobs find."""
    curated_bucket: pulumi.Input[str]
    """Bucket with curated rows."""
    environment: dict[str, pulumi.Input[str]]
    """What all of them are told: `STAGECRAFT_POINTER_PREFIX`, `STAGECRAFT_VIEWS_PREFIX` and the like."""
    policy_arns: list[pulumi.Input[str]]
    """Policies that let them read features and models."""
    hours: NotRequired[int]
    """Hours between two runs, and the length of the window that each looks at; from 1 to 168. Default: 24."""


def monitor_jobs(
    parent: pulumi.Resource,
    name: str,
    jobs: MonitorJobs,
    *,
    models: Sequence[WatchedModel],
    views: Sequence[WatchedView],
    cloud: Cloud,
    key: pulumi.Output[str],
    emit_policy_arn: pulumi.Output[str],
    tags: Tags,
) -> dict[str, pulumi.Output[str]]:
    """A job for each model with feature views, one for all views, and when each runs; job → definition."""
    logs = log_group(
        parent,
        f"{name}-job-logs",
        naming.log_group_name(pulumi.get_stack(), name),
        kms_key_arn=key,
        retention_days=LOG_DAYS,
        tags=tags,
    ).name
    maker = _Maker(parent, name, jobs, cloud, key, emit_policy_arn, logs, tags)
    made = {
        f"watch-{model['name']}": maker.definition(
            f"watch-{model['name']}", ["watch"], model_environment(model), maker.model_rights(model["name"])
        )
        for model in models
        if model.get("feature_views")
    }
    runs: list[tuple[str, str, Mapping[str, str]]] = [(job, job, {}) for job in made]
    if views:
        made[VIEWS_JOB] = maker.definition(VIEWS_JOB, [VIEWS_JOB], {}, maker.view_rights(views))
        runs += [
            (f"{VIEWS_JOB}-{view['name'].replace('_', '-')}", VIEWS_JOB, {"STAGECRAFT_VIEW": view["name"]})
            for view in views
        ]
    if made:
        role = maker.scheduler_role(made)
        for run, job, environment in runs:
            maker.schedule(run, made[job], environment, role)
    return made


def model_environment(model: WatchedModel) -> dict[str, str]:
    """What a model's job is told of it."""
    told = {
        "STAGECRAFT_MODEL": model["name"],
        "STAGECRAFT_MODEL_VIEWS": json.dumps(model.get("feature_views", [])),
    }
    if "drift_threshold" in model:
        told["STAGECRAFT_DRIFT_THRESHOLD"] = f"{model['drift_threshold']:g}"
    if "bias" in model:
        told["STAGECRAFT_MODEL_GROUP_BY"] = model["bias"]["attribute"]
    if "serving_cost" in model:
        cost = model["serving_cost"]
        told["STAGECRAFT_SERVING_HOURLY_COST_USD"] = dollars(cost["hourly_usd"])
        told["STAGECRAFT_SERVING_REQUEST_COST_USD"] = dollars(cost.get("request_usd", 0))
    return told


def model_rights_document(*, bucket: str, key: str, model: str) -> str:
    """A model's log and outcomes to read; findings to write, and the explanation beside its artefact."""
    return iam.document(
        *iam.bucket_access(
            bucket,
            read=[f"{kind}/{model}/" for kind in ("models", "monitoring", "outcomes", "predictions")],
            write=[f"monitoring/{model}/"],
        ),
        iam.allow(["s3:PutObject"], [f"{bucket}/models/{model}/*/explanation.json"]),
        iam.key_access(key),
    )


def view_rights_document(*, artifacts: str, curated: str, key: str, views: Sequence[str]) -> str:
    """The views' curated rows to read, findings to write."""
    return iam.document(
        *iam.bucket_access(curated, read=[f"{view}/" for view in views]),
        *iam.bucket_access(
            artifacts,
            read=[f"monitoring/{view}/" for view in views],
            write=[f"monitoring/{view}/" for view in views],
        ),
        iam.key_access(key),
    )


def emit_document() -> str:
    """Metrics of the platform's own namespace, and of no other."""
    return iam.document(iam.put_metrics(PLATFORM))


def check_jobs(problems: Problems, jobs: MonitorJobs) -> None:
    """What is wrong with the jobs' declaration."""
    problems.between("jobs.hours", jobs.get("hours"), 1, 168, "hours")


@dataclass(frozen=True)
class _Maker:
    """Registers the parts of one Monitoring's jobs."""

    parent: pulumi.Resource
    name: str
    jobs: MonitorJobs
    cloud: Cloud
    key: pulumi.Output[str]
    emit_policy_arn: pulumi.Output[str]
    logs: pulumi.Output[str]
    tags: Tags

    @property
    def options(self) -> pulumi.ResourceOptions:
        """Options of all of them."""
        return pulumi.ResourceOptions(parent=self.parent)

    @property
    def hours(self) -> int:
        """Hours between two runs."""
        return int(self.jobs.get("hours", DEFAULT_HOURS))

    def definition(
        self, job: str, command: Sequence[str], told: Mapping[str, str], rights: pulumi.Output[str]
    ) -> pulumi.Output[str]:
        """A job's definition and role; the ARN of the former."""
        policies: dict[str, pulumi.Input[str]] = {"emit": self.emit_policy_arn, "rights": rights}
        policies.update({f"policy-{place}": arn for place, arn in enumerate(self.jobs["policy_arns"])})
        definition, _role = batch_job.batch_job(
            self.parent,
            f"{self.name}-{job}",
            JobSpec(
                image_uri=self.jobs["image_uri"],
                command=command,
                log_group=self.logs,
                environment={
                    "STAGECRAFT_STACK": pulumi.get_stack(),
                    "STAGECRAFT_ARTIFACTS_BUCKET": self.jobs["artifacts_bucket"],
                    "STAGECRAFT_CURATED_BUCKET": self.jobs["curated_bucket"],
                    "STAGECRAFT_WINDOW_HOURS": str(self.hours),
                    **self.jobs["environment"],
                    **told,
                },
            ),
            cloud=self.cloud,
            policies=policies,
            tags=self.tags,
        )
        return definition

    def model_rights(self, model: str) -> pulumi.Output[str]:
        """The policy of a model's job."""
        document = pulumi.Output.all(
            bucket=self.cloud.bucket_arn(self.jobs["artifacts_bucket"]), key=self.key
        ).apply(lambda known: model_rights_document(model=model, **known))
        return self._policy(f"watch-{model}", document)

    def view_rights(self, views: Sequence[WatchedView]) -> pulumi.Output[str]:
        """The policy of the views' job."""
        names = [view["name"] for view in views]
        document = pulumi.Output.all(
            artifacts=self.cloud.bucket_arn(self.jobs["artifacts_bucket"]),
            curated=self.cloud.bucket_arn(self.jobs["curated_bucket"]),
            key=self.key,
        ).apply(lambda known: view_rights_document(views=names, **known))
        return self._policy(VIEWS_JOB, document)

    def _policy(self, job: str, document: pulumi.Output[str]) -> pulumi.Output[str]:
        return aws.iam.Policy(
            f"{self.name}-{job}-rights",
            description=f"What the job {job} reads, and where it writes what it finds",
            policy=document,
            tags=self.tags,
            opts=self.options,
        ).arn

    def scheduler_role(self, definitions: Mapping[str, pulumi.Output[str]]) -> pulumi.Output[str]:
        """The role that submits these jobs to their queue, and nothing else."""
        return job_schedules.submitter(
            self.parent,
            f"{self.name}-schedules",
            definition_arns=list(definitions.values()),
            queue_arn=self.jobs["queue_arn"],
            cloud=self.cloud,
            tags=self.tags,
        )

    def schedule(
        self,
        run: str,
        definition: pulumi.Output[str],
        environment: Mapping[str, str],
        role_arn: pulumi.Output[str],
    ) -> None:
        """When a job runs, and with what beside its definition."""
        job_schedules.schedule(
            self.parent,
            f"{self.name}-{run}",
            ScheduledJob(
                name=run,
                description=f"Runs {run} every {self.hours} h",
                expression=f"rate({self.hours} hour{'s' if self.hours > 1 else ''})",
                definition_arn=definition,
                queue_arn=self.jobs["queue_arn"],
                environment=environment,
            ),
            role_arn=role_arn,
            cloud=self.cloud,
            kms_key_arn=self.key,
        )
