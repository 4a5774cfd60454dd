"""Batch jobs that really run: the definition's command, by the platform image's entrypoint, in a process."""

import fnmatch
import logging
import os
import queue
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from twin.aws.cloud.client import session
from twin.aws.cloud.gaps.services import batch
from twin.aws.cloud.gaps.store import Record, RecordStore
from twin.aws.cloud.gateway import Event, Gateway
from twin.aws.cloud.live.processes import ProcessGroup, container_environment, image_command

LOG_GROUP: Final = "/aws/batch/job"
LOST_HOST: Final = "Host EC2 (the twin's cloud) terminated."
"""As AWS says it, so that retry strategies know it."""
_LOG_SECONDS: Final = 0.25
_LOG_EVENTS: Final = 1_000
_LOG_LINE: Final = 200_000
_WAIT_SECONDS: Final = 0.05
_log = logging.getLogger(__name__)

JobKey = tuple[str, str]
"""Region and job id."""


@dataclass(frozen=True)
class Reclaim:
    """A host that is to be taken back, as EC2 takes back a spot instance."""

    grace_seconds: float
    """Between the notice (SIGTERM) and the end (SIGKILL); 0 for no notice at all."""
    when: Sequence[str] = ()
    """Not before a line of the job's log holds one of these."""


class BatchRunner:
    """Runs a cloud's jobs, a few at a time, in the order of their submission."""

    def __init__(
        self, store: RecordStore, directory: Path, endpoint: str, processes: ProcessGroup, *, live: bool
    ) -> None:
        self._store = store
        self._folder = directory / "jobs"
        self._endpoint = endpoint
        self._processes = processes
        self._live = live
        self._slots = threading.Semaphore(max(2, os.cpu_count() or 2))
        self._running: dict[JobKey, subprocess.Popen[bytes]] = {}
        self._reclaims: dict[JobKey, deque[Reclaim]] = {}
        self._reclaimed: set[int] = set()
        self._active = 0
        self._guard = threading.Lock()
        self._stopping = False
        self._gateway: Gateway | None = None

    def attach(self, gateway: Gateway) -> None:
        """Tells the gateway what a job's changes mean."""
        self._gateway = gateway
        gateway.on_event("job-runnable", self._on_runnable)
        gateway.on_event("job-started", self._on_started)
        gateway.on_event("job-ended", self._on_ended)
        gateway.on_event("job-refused", self._on_refused)

    def busy(self) -> bool:
        """Whether a job runs or waits for its turn."""
        return self._active > 0

    def start(self) -> None:
        """Takes up the jobs that the last process left: those that ran have lost their host."""
        shutil.rmtree(self._folder, ignore_errors=True)
        for key, job in self._known():
            size = job.get("arrayProperties", {}).get("size")
            if job["status"] in batch.ENDED or size:
                continue
            if job["status"] == "RUNNING":
                again = _runs_again(job, None, LOST_HOST)
                self._tell("job-ended", key, exit_code=None, reason=LOST_HOST, status=again)
                if again in batch.ENDED:
                    continue
            self.submitted(*key)

    def stop_all(self) -> None:
        """No job is to report anything from now on: the cloud is ending."""
        self._stopping = True

    def submitted(self, region: str, job_id: str) -> None:
        """Runs the job when its turn has come."""
        if self._gateway is None or self._gateway.replaying or not self._live:
            return
        with self._guard:
            self._active += 1
        threading.Thread(target=self._run, args=((region, job_id),), name="job", daemon=True).start()

    def stop(self, region: str, job_id: str) -> None:
        """Ends the job's process, if it has one."""
        process = self._running.get((region, job_id))
        if process is not None:
            threading.Thread(target=self._processes.end, args=(process,), daemon=True).start()

    def reclaim(self, region: str, job_id: str, reclaim: Reclaim) -> bool:
        """Takes the job's host back, now or when its log says so; returns whether it has, or may get, one.

        Several that wait for the log are carried out in their order, each on another attempt's host.
        """
        key = region, job_id
        if reclaim.when:
            assert self._gateway is not None  # noqa: S101
            with self._gateway.lock:
                job = batch.jobs_of(self._store, region).get(job_id)
                if job is None or job["status"] in batch.ENDED:
                    return False
                self._reclaims.setdefault(key, deque()).append(reclaim)
            return True
        process = self._running.get(key)
        if process is None:
            return False
        self._take_host(process, reclaim)
        return True

    # --- one job ---

    def _take_host(self, process: "subprocess.Popen[bytes]", reclaim: Reclaim) -> None:
        self._reclaimed.add(process.pid)
        threading.Thread(
            target=self._processes.end, args=(process, reclaim.grace_seconds), daemon=True
        ).start()

    def _take_host_if_due(self, key: JobKey, process: "subprocess.Popen[bytes]", line: str) -> None:
        waiting = self._reclaims.get(key)
        if not waiting or process.pid in self._reclaimed:
            return
        if any(text in line for text in waiting[0].when):
            self._take_host(process, waiting.popleft())

    def _run(self, key: JobKey) -> None:
        try:
            if not self._dependencies_done(key):
                return
            self._tell("job-runnable", key)
            with self._slots:
                while self._job(key)["status"] not in batch.ENDED and not self._stopping:
                    self._attempt(key)
        except Exception:
            _log.exception("job %s", key[1])
            if not self._stopping:
                self._tell("job-refused", key, reason="the twin's cloud failed to run the job; see its log")
        finally:
            self._reclaims.pop(key, None)
            with self._guard:
                self._active -= 1

    def _dependencies_done(self, key: JobKey) -> bool:
        region, job_id = key
        for dependency in self._job(key)["dependsOn"]:
            needed = dependency.get("jobId")
            while needed and not self._stopping:
                if self._job(key)["status"] in batch.ENDED:
                    return False
                family = self._family(region, needed)
                if not family or any(job["status"] == "FAILED" for job in family):
                    self._tell("job-refused", (region, job_id), reason="Dependent Job failed")
                    return False
                if all(job["status"] == "SUCCEEDED" for job in family):
                    break
                time.sleep(_WAIT_SECONDS)
        return not self._stopping and self._job(key)["status"] not in batch.ENDED

    def _family(self, region: str, job_id: str) -> list[Record]:
        """The job, or the children of an array."""
        assert self._gateway is not None  # noqa: S101
        with self._gateway.lock:
            jobs = batch.jobs_of(self._store, region)
            children = [dict(job) for key, job in jobs.items() if key.startswith(f"{job_id}:")]
            return children or [dict(jobs[job_id])] if job_id in jobs else []

    def _attempt(self, key: JobKey) -> None:
        """Runs the job's command once and tells how it ended."""
        region, job_id = key
        job = self._job(key)
        number = len(job["attempts"]) + 1
        name = job["jobDefinition"].rpartition("/")[2].rpartition(":")[0]
        stream = f"{name}/default/{job_id.replace(':', '-')}-{number}"
        logs = _LogStream(self._endpoint, region, _log_group(job), stream)
        self._tell("job-started", key, stream=stream)
        folder = self._folder / f"{job_id.replace(':', '-')}-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        try:
            exit_code, reason = self._execute(key, job, number, folder, logs)
        finally:
            logs.close()
            shutil.rmtree(folder, ignore_errors=True)
        if self._stopping:
            return  # the next process finds the job running, and its host lost
        told = self._job(key)
        if told.get("isTerminated"):
            status, reason = "FAILED", told["_reason"]
        elif exit_code == 0:
            status = "SUCCEEDED"
        elif reason == _TIMED_OUT:
            status = "FAILED"
        else:
            status = _runs_again(told, exit_code, reason)
        self._tell("job-ended", key, exit_code=exit_code, reason=reason, status=status)

    def _execute(
        self, key: JobKey, job: Record, number: int, folder: Path, logs: "_LogStream"
    ) -> tuple[int | None, str]:
        """The exit code (None if nothing could be started) and AWS's words for how it ended."""
        try:
            told = self._environment(key[0], job, number)
            environment = container_environment(self._endpoint, key[0], told)
            process = self._processes.start(image_command(job["container"]["command"]), environment, folder)
        except Exception as problem:
            logs.write(f"the container could not be started: {problem}")
            return None, f"CannotStartContainerError: {problem}"
        self._running[key] = process
        limit = (job.get("timeout") or {}).get("attemptDurationSeconds")
        late = threading.Event()
        timer = threading.Timer(limit or 0, self._too_late, (process, late)) if limit else None
        if timer is not None:
            timer.daemon = True
            timer.start()
        if self._job(key).get("isTerminated"):
            self._processes.end(process)
        try:
            assert process.stdout is not None  # noqa: S101  (a pipe, as started)
            for line in process.stdout:
                text = line.decode(errors="replace").rstrip("\n")
                logs.write(text)
                self._take_host_if_due(key, process, text)
            exit_code = process.wait()
        finally:
            if timer is not None:
                timer.cancel()
            self._running.pop(key, None)
            self._processes.ended(process)
            reclaimed = process.pid in self._reclaimed
            self._reclaimed.discard(process.pid)
        if late.is_set():
            return _shell_code(exit_code), _TIMED_OUT
        if reclaimed and exit_code == -signal.SIGKILL:
            return None, LOST_HOST  # nobody was left to tell the exit code
        return _shell_code(exit_code), "Essential container in task exited"

    def _too_late(self, process: "subprocess.Popen[bytes]", late: threading.Event) -> None:
        late.set()
        self._processes.end(process)

    def _environment(self, region: str, job: Record, number: int) -> dict[str, str]:
        container = job["container"]
        told = {each["name"]: each["value"] for each in container.get("environment", [])}
        told |= dict(self._secrets(region, container.get("secrets", [])))
        told |= {
            "AWS_BATCH_JOB_ID": job["jobId"],
            "AWS_BATCH_JOB_ATTEMPT": str(number),
            "AWS_BATCH_JQ_NAME": job["jobQueue"].rpartition("/")[2],
            "AWS_BATCH_CE_NAME": job["_environment"],
        }
        index = job.get("arrayProperties", {}).get("index")
        if index is not None:
            told["AWS_BATCH_JOB_ARRAY_INDEX"] = str(index)
        return told

    def _secrets(self, region: str, secrets: list[Mapping[str, str]]) -> Iterator[tuple[str, str]]:
        aws = session(self._endpoint, region)
        for secret in secrets:
            source = secret["valueFrom"]
            if ":secretsmanager:" in source:
                value = aws.client("secretsmanager").get_secret_value(SecretId=source)["SecretString"]
            else:
                name = source.partition(":parameter")[2] or source
                value = aws.client("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
            yield secret["name"], value

    # --- the records ---

    def _job(self, key: JobKey) -> Record:
        assert self._gateway is not None  # noqa: S101
        with self._gateway.lock:
            return dict(batch.jobs_of(self._store, key[0])[key[1]])

    def _known(self) -> list[tuple[JobKey, Record]]:
        regions = sorted(key[2] for key in self._store.notes if key[:2] == ("batch", "jobs"))
        return [
            ((region, job_id), dict(job))
            for region in regions
            for job_id, job in batch.jobs_of(self._store, region).items()
        ]

    def _tell(self, event: str, key: JobKey, **details: Any) -> None:
        assert self._gateway is not None  # noqa: S101
        self._gateway.happened(event, region=key[0], job=key[1], **details)

    def _on_runnable(self, event: Event) -> None:
        job = batch.jobs_of(self._store, event["region"])[event["job"]]
        if job["status"] in ("SUBMITTED", "PENDING"):
            job["status"] = "RUNNABLE"

    def _on_started(self, event: Event) -> None:
        batch.attempt_started(self._store, event["region"], event["job"], event["stream"])

    def _on_ended(self, event: Event) -> None:
        batch.attempt_ended(
            self._store,
            event["region"],
            event["job"],
            exit_code=event["exit_code"],
            reason=event["reason"],
            status=event["status"],
        )

    def _on_refused(self, event: Event) -> None:
        batch.job_refused(self._store, event["region"], event["job"], event["reason"])


_TIMED_OUT: Final = "Job attempt duration exceeded timeout"


def _shell_code(exit_code: int) -> int:
    """The exit code as a container shows it: 128 + the signal for one that was killed."""
    return exit_code if exit_code >= 0 else 128 - exit_code


def _runs_again(job: Record, exit_code: int | None, reason: str) -> str:
    """What becomes of a job after a failed attempt, by its retry strategy."""
    strategy = job.get("retryStrategy") or {}
    if len(job["attempts"]) + 1 >= strategy.get("attempts", 1):
        return "FAILED"
    for rule in strategy.get("evaluateOnExit", []):
        found = {
            "onExitCode": str(exit_code) if exit_code is not None else "",
            "onReason": "",
            "onStatusReason": reason,
        }
        if all(fnmatch.fnmatchcase(found[name], rule[name]) for name in found if rule.get(name)):
            return "FAILED" if rule["action"].upper() == "EXIT" else "RUNNABLE"
    return "RUNNABLE"


def _log_group(job: Record) -> str:
    """Where the job definition wants the log; AWS's own group if it does not say."""
    options = (job["container"].get("logConfiguration") or {}).get("options") or {}
    return str(options.get("awslogs-group") or LOG_GROUP)


class _LogStream:
    """Lines of one attempt on their way to CloudWatch Logs, a few at a time."""

    def __init__(self, endpoint: str, region: str, group: str, stream: str) -> None:
        self._client = session(endpoint, region).client("logs")
        self._group = group
        self._stream = stream
        self._lines: queue.Queue[tuple[int, str] | None] = queue.Queue()
        with suppress(self._client.exceptions.ResourceAlreadyExistsException):
            self._client.create_log_group(logGroupName=group)
        with suppress(self._client.exceptions.ResourceAlreadyExistsException):
            self._client.create_log_stream(logGroupName=group, logStreamName=stream)
        self._sender = threading.Thread(target=self._send_all, name="job-log", daemon=True)
        self._sender.start()

    def write(self, line: str) -> None:
        """Adds a line."""
        self._lines.put((int(time.time() * 1000), line[:_LOG_LINE]))

    def close(self) -> None:
        """Sends what is left."""
        self._lines.put(None)
        self._sender.join()

    def _send_all(self) -> None:
        ended = False
        while not ended:
            lines: list[tuple[int, str]] = []
            first = self._lines.get()
            if first is None:
                break
            lines.append(first)
            end = time.monotonic() + _LOG_SECONDS
            while len(lines) < _LOG_EVENTS:
                try:
                    line = self._lines.get(timeout=max(0.0, end - time.monotonic()))
                except queue.Empty:
                    break
                if line is None:
                    ended = True
                    break
                lines.append(line)
            try:
                self._client.put_log_events(
                    logGroupName=self._group,
                    logStreamName=self._stream,
                    logEvents=[{"timestamp": moment, "message": line} for moment, line in lines if line],
                )
            except Exception:
                _log.exception("lines of %s were lost", self._stream)
