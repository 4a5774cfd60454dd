"""Batch: environments, queues, definitions and jobs, with AWS's rules; the jobs themselves run elsewhere.

moto has Batch, but starts instances for environments that scale to zero, and runs jobs in Docker or
not at all.
"""

import re
from functools import partial
from typing import Any, Final, Protocol

from twin.aws.cloud import clock
from twin.aws.cloud.gaps.announcements import announce
from twin.aws.cloud.gaps.context import Answer, Context
from twin.aws.cloud.gaps.kinds import Kind, delete, shown, tags_as_dict
from twin.aws.cloud.gaps.registry import GapRegistry
from twin.aws.cloud.gaps.store import Record, RecordStore
from twin.aws.cloud.protocol import AwsError

ENDED: Final = frozenset({"SUCCEEDED", "FAILED"})
_WAITING: Final = frozenset({"SUBMITTED", "PENDING", "RUNNABLE"})
_ARN: Final = "arn:aws:batch:{region}:{account}"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_SERVICE_ROLE: Final = "arn:aws:iam::{}:role/aws-service-role/batch.amazonaws.com/AWSServiceRoleForBatch"
_CLIENT: Final = "ClientException"


class JobRunner(Protocol):
    """What runs jobs."""

    def submitted(self, region: str, job_id: str) -> None:
        """A job was submitted."""

    def stop(self, region: str, job_id: str) -> None:
        """A job is to be ended, if it runs."""


def fill(registry: GapRegistry, runner: JobRunner) -> None:
    """Registers Batch's gap fillers."""
    for kind in (ENVIRONMENT, QUEUE, DEFINITION, POLICY):
        registry.kind(kind)
    answers: dict[str, Answer] = {
        "DescribeComputeEnvironments": partial(_describe, ENVIRONMENT, "computeEnvironments"),
        "DescribeJobQueues": partial(_describe, QUEUE, "jobQueues"),
        "DescribeSchedulingPolicies": _describe_policies,
        "UpdateComputeEnvironment": _update_environment,
        "UpdateJobQueue": _update_queue,
        "DeleteComputeEnvironment": partial(_delete, ENVIRONMENT, "computeEnvironment"),
        "DeleteJobQueue": partial(_delete, QUEUE, "jobQueue"),
        "DescribeJobDefinitions": _describe_definitions,
        "DeregisterJobDefinition": _deregister,
        "SubmitJob": partial(_submit, runner),
        "DescribeJobs": _describe_jobs,
        "ListJobs": _list_jobs,
        "TerminateJob": partial(_terminate, runner),
        "CancelJob": _cancel,
    }
    for name, answer in answers.items():
        registry.answer("batch", name, answer)


# --- environments, queues, policies ---


def _check_name(kind: Kind, record: Record) -> None:
    if not _NAME.fullmatch(record[kind.name]):
        raise AwsError(_CLIENT, f"{kind.name} {record[kind.name]!r} does not match {_NAME.pattern}")
    if record["state"] not in ("ENABLED", "DISABLED"):
        raise AwsError(_CLIENT, "state must be ENABLED or DISABLED")


def _begin_environment(context: Context, environment: Record) -> None:
    _check_name(ENVIRONMENT, environment)
    name = environment["computeEnvironmentName"]
    environment["uuid"] = f"{name}-uuid"
    environment["ecsClusterArn"] = f"arn:aws:ecs:{context.region}:{context.account}:cluster/AWSBatch-{name}"
    environment.setdefault("serviceRole", _SERVICE_ROLE.format(context.account))
    resources = environment.get("computeResources")
    if environment["type"] == "MANAGED" and resources is None:
        raise AwsError(_CLIENT, "computeResources must be provided for a MANAGED compute environment")
    if resources is not None and not resources.get("type", "").startswith("FARGATE"):
        resources.setdefault("minvCpus", 0)
        resources.setdefault("desiredvCpus", resources["minvCpus"])
        if resources["minvCpus"] > resources["maxvCpus"]:
            raise AwsError(_CLIENT, "minvCpus must not be above maxvCpus")


ENVIRONMENT: Final = Kind(
    service="batch",
    noun="ComputeEnvironment",
    name="computeEnvironmentName",
    arn=_ARN + ":compute-environment/{name}",
    arn_field="computeEnvironmentArn",
    create="CreateComputeEnvironment",
    tags="tags",
    initial={
        "state": "ENABLED",
        "status": "VALID",
        "statusReason": "ComputeEnvironment Healthy",
        "containerOrchestrationType": "ECS",
    },
    missing=(_CLIENT, "ComputeEnvironment {name} does not exist"),
    exists=(_CLIENT, "Object already exists"),
    before_create=_begin_environment,
)


def _begin_queue(context: Context, queue: Record) -> None:
    _check_name(QUEUE, queue)
    for entry in queue.get("computeEnvironmentOrder", []):
        environment = ENVIRONMENT.find(context, entry["computeEnvironment"])
        entry["computeEnvironment"] = environment["computeEnvironmentArn"]
    if not queue.get("computeEnvironmentOrder") and not queue.get("serviceEnvironmentOrder"):
        raise AwsError(_CLIENT, "computeEnvironmentOrder must name at least one compute environment")


QUEUE: Final = Kind(
    service="batch",
    noun="JobQueue",
    name="jobQueueName",
    arn=_ARN + ":job-queue/{name}",
    arn_field="jobQueueArn",
    create="CreateJobQueue",
    tags="tags",
    initial={"state": "ENABLED", "status": "VALID", "statusReason": "JobQueue Healthy"},
    missing=(_CLIENT, "JobQueue {name} does not exist"),
    exists=(_CLIENT, "Object already exists"),
    before_create=_begin_queue,
)
POLICY: Final = Kind(
    service="batch",
    noun="SchedulingPolicy",
    name="name",
    arn=_ARN + ":scheduling-policy/{name}",
    arn_field="arn",
    create="CreateSchedulingPolicy",
    list="ListSchedulingPolicies",
    tags="tags",
    missing=(_CLIENT, "SchedulingPolicy {name} does not exist"),
    exists=(_CLIENT, "Object already exists"),
)


def _describe(kind: Kind, member: str, context: Context) -> dict[str, Any]:
    """AWS leaves out what it doesn't find."""
    wanted = context.parameters.get(member)
    found = [
        shown(kind, context, record)
        for name, record in kind.records(context).items()
        if not wanted or name in wanted or record[kind.arn_field] in wanted
    ]
    return {member: found}


def _describe_policies(context: Context) -> dict[str, Any]:
    records = POLICY.records(context).values()
    wanted = context.required("arns")
    found = [shown(POLICY, context, each) for each in records if each["arn"] in wanted]
    return {"schedulingPolicies": found}


def _update_environment(context: Context) -> dict[str, Any]:
    given = dict(context.parameters)
    environment = ENVIRONMENT.find(context, given.pop("computeEnvironment"))
    resources = given.pop("computeResources", None)
    environment.update({key: value for key, value in given.items() if value is not None})
    if resources:
        environment["computeResources"] = {**environment.get("computeResources", {}), **resources}
    return shown(ENVIRONMENT, context, environment)


def _update_queue(context: Context) -> dict[str, Any]:
    given = dict(context.parameters)
    queue = QUEUE.find(context, given.pop("jobQueue"))
    updated = {**queue, **{key: value for key, value in given.items() if value is not None}}
    _begin_queue(context, updated)
    queue.update(updated)
    return shown(QUEUE, context, queue)


def _delete(kind: Kind, member: str, context: Context) -> dict[str, Any]:
    """Only what is disabled and unused can be deleted."""
    try:
        record = kind.find(context, context.required(member))
    except AwsError:
        return {}  # AWS says nothing of what isn't there
    if record["state"] != "DISABLED":
        raise AwsError(_CLIENT, f"Cannot delete, {kind.noun} state must be DISABLED")
    if kind is ENVIRONMENT:
        arn = record["computeEnvironmentArn"]
        for queue in QUEUE.records(context).values():
            if any(entry["computeEnvironment"] == arn for entry in queue.get("computeEnvironmentOrder", [])):
                raise AwsError(_CLIENT, "Cannot delete, found existing JobQueue relationship")
    context.parameters[kind.name] = record[kind.name]
    delete(kind, context)
    return {}


# --- job definitions ---


def _definition_name(_kind: Kind, context: Context) -> str:
    """`name:revision`, one more than the last revision ever."""
    name = context.required("jobDefinitionName")
    if not _NAME.fullmatch(name):
        raise AwsError(_CLIENT, f"jobDefinitionName {name!r} does not match {_NAME.pattern}")
    return f"{name}:{len(_revisions(context, name)) + 1}"


def _revisions(context: Context, name: str) -> list[Record]:
    return [each for each in DEFINITION.records(context).values() if each["jobDefinitionName"] == name]


def _begin_definition(context: Context, definition: Record) -> None:
    key = definition["jobDefinitionName"]
    definition["jobDefinitionName"], _, revision = key.rpartition(":")
    definition["revision"] = int(revision)
    definition["_key"] = key
    container = definition.get("containerProperties")
    if definition["type"] == "container" and container is None and not definition.get("ecsProperties"):
        raise AwsError(_CLIENT, "containerProperties must be provided for a container job definition")
    if container is None:
        return
    if not container.get("image"):
        raise AwsError(_CLIENT, "containerProperties must contain image")
    needs = {each["type"] for each in container.get("resourceRequirements", [])}
    for need, old in (("VCPU", "vcpus"), ("MEMORY", "memory")):
        if need not in needs and old not in container:
            raise AwsError(_CLIENT, f"containerProperties must contain {old} (or a {need} requirement)")
    for name in (
        "command",
        "environment",
        "mountPoints",
        "resourceRequirements",
        "secrets",
        "ulimits",
        "volumes",
    ):
        container.setdefault(name, [])


DEFINITION: Final = Kind(
    service="batch",
    noun="JobDefinition",
    name="jobDefinitionName",
    arn=_ARN + ":job-definition/{_key}",
    arn_field="jobDefinitionArn",
    create="RegisterJobDefinition",
    tags="tags",
    initial={
        "status": "ACTIVE",
        "parameters": {},
        "propagateTags": False,
        "containerOrchestrationType": "ECS",
    },
    missing=(_CLIENT, "JobDefinition {name} does not exist"),
    make_name=_definition_name,
    before_create=_begin_definition,
)


def _describe_definitions(context: Context) -> dict[str, Any]:
    given = context.parameters
    wanted, name, status = given.get("jobDefinitions"), given.get("jobDefinitionName"), given.get("status")
    found = [
        shown(DEFINITION, context, each)
        for key, each in DEFINITION.records(context).items()
        if (not wanted or key in wanted or each["jobDefinitionArn"] in wanted)
        and (not name or each["jobDefinitionName"] == name)
        and (not status or each["status"] == status)
    ]
    return {"jobDefinitions": found}


def _deregister(context: Context) -> None:
    definition = _definition(context, context.required("jobDefinition"))
    definition["status"] = "INACTIVE"


def _definition(context: Context, named: str) -> Record:
    """By ARN, by `name:revision`, or the latest active one of a name."""
    records = DEFINITION.records(context)
    if named in records or named.startswith("arn:"):
        return DEFINITION.find(context, named)
    active = [each for each in _revisions(context, named) if each["status"] == "ACTIVE"]
    if not active:
        raise AwsError(_CLIENT, f"JobDefinition {named} does not exist or has no active revision")
    return max(active, key=lambda each: int(each["revision"]))


# --- jobs ---


def jobs_of(store: RecordStore, region: str) -> dict[str, Record]:
    """The jobs of a region by id. Jobs are history, not resources: no inventory shows them."""
    jobs: dict[str, Record] = store.notes.setdefault(("batch", "jobs", region), {})
    return jobs


def _milliseconds() -> int:
    return int(clock.now() * 1000)


def _submit(runner: JobRunner, context: Context) -> dict[str, Any]:
    from moto.moto_api._internal import mock_random

    given = context.parameters
    if not _NAME.fullmatch(context.required("jobName")):
        raise AwsError(_CLIENT, f"jobName {given['jobName']!r} does not match {_NAME.pattern}")
    queue = QUEUE.find(context, context.required("jobQueue"))
    if queue["state"] != "ENABLED":
        raise AwsError(_CLIENT, f"JobQueue {queue['jobQueueName']} is not ENABLED")
    definition = _definition(context, context.required("jobDefinition"))
    if definition["status"] != "ACTIVE":
        raise AwsError(_CLIENT, f"JobDefinition {given['jobDefinition']} is not ACTIVE")
    if definition["type"] != "container" or not definition.get("containerProperties"):
        raise AwsError(_CLIENT, "the twin's cloud runs container jobs with containerProperties only")
    job_id = str(mock_random.uuid4())
    size = (given.get("arrayProperties") or {}).get("size")
    job = _job(context, job_id, queue, definition)
    jobs = jobs_of(context.store, context.region)
    jobs[job_id] = job
    tags = dict(given.get("tags") or {})
    if given.get("propagateTags") or definition.get("propagateTags"):
        tags = context.store.tags(definition["jobDefinitionArn"]) | tags
    job["tags"] = tags_as_dict(tags)
    if size:
        job["arrayProperties"] = {"size": size}
        for index in range(size):
            child_id = f"{job_id}:{index}"
            child = _job(context, child_id, queue, definition)
            child["arrayProperties"] = {"index": index}
            jobs[child_id] = child
    for each in [f"{job_id}:{index}" for index in range(size)] if size else [job_id]:
        runner.submitted(context.region, each)
    return {"jobArn": job["jobArn"], "jobName": job["jobName"], "jobId": job_id}


def _job(context: Context, job_id: str, queue: Record, definition: Record) -> Record:
    given = context.parameters
    overrides = given.get("containerOverrides") or {}
    container = {**definition["containerProperties"]}
    container.update({key: value for key, value in overrides.items() if key != "environment"})
    variables = {each["name"]: each.get("value", "") for each in container.get("environment", [])}
    variables |= {each["name"]: each.get("value", "") for each in overrides.get("environment", [])}
    container["environment"] = [{"name": name, "value": value} for name, value in variables.items()]
    parameters = {**definition.get("parameters", {}), **(given.get("parameters") or {})}
    container["command"] = [_with_parameters(word, parameters) for word in container.get("command", [])]
    environments = queue.get("computeEnvironmentOrder") or [{"computeEnvironment": "/"}]
    return {
        "jobArn": f"arn:aws:batch:{context.region}:{context.account}:job/{job_id}",
        "jobId": job_id,
        "jobName": given["jobName"],
        "jobQueue": queue["jobQueueArn"],
        "jobDefinition": definition["jobDefinitionArn"],
        "status": "SUBMITTED",
        "createdAt": _milliseconds(),
        "startedAt": 0,
        "attempts": [],
        "dependsOn": given.get("dependsOn") or [],
        "parameters": parameters,
        "container": container,
        "retryStrategy": given.get("retryStrategy") or definition.get("retryStrategy") or {"attempts": 1},
        "timeout": given.get("timeout") or definition.get("timeout"),
        "platformCapabilities": definition.get("platformCapabilities") or ["EC2"],
        "propagateTags": bool(given.get("propagateTags")),
        "tags": {},
        "_environment": environments[0]["computeEnvironment"].rpartition("/")[2],
    }


def _with_parameters(word: str, parameters: dict[str, str]) -> str:
    return parameters.get(word[5:], word) if word.startswith("Ref::") else word


def _shown_job(jobs: dict[str, Record], job: Record) -> Record:
    """The job as AWS shows it; an array's status is that of its children."""
    size = job.get("arrayProperties", {}).get("size")
    result = {key: value for key, value in job.items() if value is not None}
    if not size:
        return result
    statuses = [jobs[f"{job['jobId']}:{index}"]["status"] for index in range(size)]
    summary = {status: statuses.count(status) for status in sorted(set(statuses))}
    result["arrayProperties"] = {"size": size, "statusSummary": summary}
    if all(status in ENDED for status in statuses):
        result["status"] = "FAILED" if "FAILED" in statuses else "SUCCEEDED"
    else:
        result["status"] = "PENDING"
    return result


def _describe_jobs(context: Context) -> dict[str, Any]:
    jobs = jobs_of(context.store, context.region)
    wanted = [each.rpartition(":job/")[2] or each for each in context.required("jobs")]
    return {"jobs": [_shown_job(jobs, jobs[each]) for each in wanted if each in jobs]}


def _list_jobs(context: Context) -> dict[str, Any]:
    given = context.parameters
    jobs = jobs_of(context.store, context.region)
    parent, filters = given.get("arrayJobId"), given.get("filters") or []
    if parent:
        listed = [job for key, job in jobs.items() if key.startswith(f"{parent}:")]
    else:
        arn = QUEUE.find(context, context.required("jobQueue"))["jobQueueArn"]
        listed = [job for key, job in jobs.items() if ":" not in key and job["jobQueue"] == arn]
    shown_jobs = [_shown_job(jobs, job) for job in listed]
    status = given.get("jobStatus") or (None if filters else "RUNNING")
    if status:
        shown_jobs = [job for job in shown_jobs if job["status"] == status]
    for each in filters:
        shown_jobs = [job for job in shown_jobs if _passes(job, each["name"], each["values"])]
    for job in shown_jobs:
        job["container"] = {
            key: value for key, value in job["container"].items() if key in ("exitCode", "reason")
        }
    return {"jobSummaryList": sorted(shown_jobs, key=lambda job: -int(job["createdAt"]))}


def _passes(job: Record, name: str, values: list[str]) -> bool:
    if name == "JOB_NAME":
        return any(
            job["jobName"].startswith(value[:-1]) if value.endswith("*") else job["jobName"] == value
            for value in values
        )
    if name == "JOB_DEFINITION":
        definition = job["jobDefinition"].rpartition("/")[2]
        return any(
            value in (job["jobDefinition"], definition, definition.rpartition(":")[0]) for value in values
        )
    moment = int(values[0])
    created = int(job["createdAt"])
    return created <= moment if name == "BEFORE_CREATED_AT" else created >= moment


def _terminate(runner: JobRunner, context: Context) -> None:
    job_id, reason = context.required("jobId"), context.required("reason")
    for key, job in _family(context, job_id):
        if job["status"] in ENDED:
            continue
        job |= {"isTerminated": True, "_reason": reason}
        if job["status"] in _WAITING:
            _end(job, reason)
        runner.stop(context.region, key)


def _cancel(context: Context) -> None:
    job_id, reason = context.required("jobId"), context.required("reason")
    for _, job in _family(context, job_id):
        if job["status"] in _WAITING:
            job["isCancelled"] = True
            _end(job, reason)


def _family(context: Context, job_id: str) -> list[tuple[str, Record]]:
    jobs = jobs_of(context.store, context.region)
    if job_id not in jobs:
        raise AwsError(_CLIENT, f"Job {job_id} does not exist")
    return [(key, job) for key, job in jobs.items() if key == job_id or key.startswith(f"{job_id}:")]


def _end(job: Record, reason: str) -> None:
    job |= {"status": "FAILED", "statusReason": reason, "stoppedAt": _milliseconds()}


def attempt_started(store: RecordStore, region: str, job_id: str, stream: str) -> None:
    """An attempt of the job began to run."""
    job = jobs_of(store, region)[job_id]
    now = _milliseconds()
    job |= {"status": "RUNNING", "startedAt": now, "_attempt_started": now}
    job.pop("statusReason", None)
    job["container"] = {**job["container"], "logStreamName": stream}
    for name in ("exitCode", "reason"):
        job["container"].pop(name, None)
    _announce(region, job)


def attempt_ended(
    store: RecordStore, region: str, job_id: str, *, exit_code: int | None, reason: str, status: str
) -> None:
    """An attempt of the job ended; `status` is what the job is now: ended itself, or to run again."""
    job = jobs_of(store, region)[job_id]
    now = _milliseconds()
    container = job["container"]
    told = {"exitCode": exit_code, "logStreamName": container.get("logStreamName"), "reason": None}
    attempt = {
        "container": {key: value for key, value in told.items() if value is not None},
        "startedAt": job.pop("_attempt_started", now),
        "stoppedAt": now,
        "statusReason": reason,
    }
    job["attempts"] = [*job["attempts"], attempt]
    job |= {"status": status, "statusReason": reason}
    if exit_code is not None:
        container["exitCode"] = exit_code
    if status in ENDED:
        job["stoppedAt"] = now
    _announce(region, job)


def job_refused(store: RecordStore, region: str, job_id: str, reason: str) -> None:
    """The job can't run at all: what it depends on failed."""
    job = jobs_of(store, region)[job_id]
    _end(job, reason)
    _announce(region, job)


def _announce(region: str, job: Record) -> None:
    announce(region, "aws.batch", "Batch Job State Change", job["jobArn"], job)
