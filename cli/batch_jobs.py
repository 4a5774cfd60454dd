"""A deployed stack's Batch jobs, as commands run them: submitted, waited for, their logs read."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from platform_jobs.aws import Clients

TAIL_LINES: Final = 15
_LOG_GROUP: Final = "/aws/batch/job"
_POLL_SECONDS: Final = 0.25
_JOB_SECONDS: Final = 3600
_PAGE: Final = 10_000


class BatchJobError(Exception):
    """A job failed, or cannot be run. `tail` holds the last lines that it logged."""

    def __init__(self, message: str, tail: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.tail = tuple(tail)


class BatchJobs:
    """The jobs of a stack by the names of its outputs `jobs` and `jobQueues`."""

    def __init__(self, outputs: Mapping[str, Any], clients: Clients) -> None:
        self._outputs = outputs
        self._batch: Any = clients.client("batch")
        self._logs: Any = clients.client("logs")

    def definition(self, name: str) -> Mapping[str, Any]:
        """A job's definition as Batch has it.

        Raises:
            BatchJobError: it is gone.
        """
        arn = self._outputs["jobs"][name]
        found = self._batch.describe_job_definitions(jobDefinitions=[arn])["jobDefinitions"]
        if not found:
            raise BatchJobError(f"job definition {arn} is gone: deploy the stack again")
        definition: Mapping[str, Any] = found[0]
        return definition

    def environment(self, name: str) -> dict[str, str]:
        """The variables that a job's definition gives its container."""
        container = self.definition(name)["containerProperties"]
        return {item["name"]: item["value"] for item in container["environment"]}

    def compute_environments(self, name: str) -> list[Mapping[str, Any]]:
        """Where a job's queue runs its jobs, in the order in which they are tried."""
        (queue,) = self._batch.describe_job_queues(jobQueues=[self._outputs["jobQueues"][name]])["jobQueues"]
        ordered = sorted(queue["computeEnvironmentOrder"], key=lambda entry: int(entry["order"]))
        names = [entry["computeEnvironment"] for entry in ordered]
        found = self._batch.describe_compute_environments(computeEnvironments=names)["computeEnvironments"]
        known = {item["computeEnvironmentArn"]: item for item in found}
        return [known[arn] for arn in names if arn in known]

    def submit(self, name: str, environment: Mapping[str, str], *, job_name: str) -> str:
        """Submits a job with variables over those of its definition; returns its id."""
        job: str = self._batch.submit_job(
            jobName=job_name,
            jobQueue=self._outputs["jobQueues"][name],
            jobDefinition=self._outputs["jobs"][name],
            containerOverrides={
                "environment": [{"name": key, "value": value} for key, value in environment.items()]
            },
        )["jobId"]
        return job

    def wait(self, name: str, job: str) -> Mapping[str, Any]:
        """Waits for a job's success; what Batch says of it then.

        Raises:
            BatchJobError: it failed, or is not done after an hour.
        """
        return wait_for_job(self._batch, self._logs, job, name)

    def lines(self, name: str, stream: str) -> list[str]:
        """The lines of a log stream of a job, the oldest first; none if there is no log."""
        return _lines(self._logs, self.definition(name)["containerProperties"], stream, _PAGE)


def wait_for_job(batch: Any, logs: Any, job: str, name: str) -> Mapping[str, Any]:
    """Waits for the success of a job that was submitted; what Batch says of it then.

    Args:
        batch: A client of Batch.
        logs: One of CloudWatch Logs.
        job: The job's id.
        name: What an error calls it.

    Raises:
        BatchJobError: it failed, or is not done after an hour.
    """
    deadline = time.monotonic() + _JOB_SECONDS
    while True:
        found: Mapping[str, Any]
        (found,) = batch.describe_jobs(jobs=[job])["jobs"]
        if found["status"] == "SUCCEEDED":
            return found
        if found["status"] == "FAILED":
            container = found.get("container", {})
            stream = container.get("logStreamName")
            tail = _lines(logs, container, stream, TAIL_LINES) if stream else []
            cause = _cause(tail) or found.get("statusReason") or "no reason given"
            raise BatchJobError(f"job {name} failed: {cause}", tail)
        if time.monotonic() > deadline:
            raise BatchJobError(f"job {name} ({job}) is still {found['status']} after an hour")
        time.sleep(_POLL_SECONDS)


def _lines(logs: Any, container: Mapping[str, Any], stream: str, last: int) -> list[str]:
    options = container.get("logConfiguration", {}).get("options", {})
    for group in dict.fromkeys([options.get("awslogs-group", _LOG_GROUP), _LOG_GROUP]):
        try:
            found = logs.get_log_events(
                logGroupName=group, logStreamName=stream, startFromHead=False, limit=last
            )
        except logs.exceptions.ResourceNotFoundException:
            continue
        return [item["message"].rstrip() for item in found["events"]][-last:]
    return []


def _cause(tail: Sequence[str]) -> str | None:
    """What the job itself says of its failure, in its last words."""
    for line in reversed(tail):
        try:
            said = json.loads(line)
        except ValueError:
            continue
        if isinstance(said, dict) and said.get("level") == "ERROR":
            return str(said.get("cause") or said.get("problem") or said.get("event"))
    return None
