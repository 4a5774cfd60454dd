"""Step Functions executions: run by moto's interpreter, they reach this cloud and outlive the process."""

import base64
import datetime
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

from twin.aws.cloud import snapshot
from twin.aws.cloud.client import ACCOUNT, session
from twin.aws.cloud.gaps.announcements import announce
from twin.aws.cloud.gateway import Event, Gateway
from twin.aws.cloud.import_hook import when_imported
from twin.aws.cloud.moto_host import backends_in_use

_LOST = "The twin's cloud was stopped while the execution ran"


class Executions:
    """Connects moto's interpreter with the cloud."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._gateway: Gateway | None = None
        self._running = 0

    def attach(self, gateway: Gateway) -> None:
        """Has the interpreter call this cloud, report its ends, and not run in a replay."""
        self._gateway = gateway
        gateway.on_event("execution-ended", self._on_ended)
        parser = "moto.stepfunctions.parser"
        when_imported(f"{parser}.asl.utils.boto_client", self._patch_clients)
        when_imported(
            f"{parser}.asl.component.state.exec.state_task.service.state_task_service", _patch_names
        )
        when_imported(f"{parser}.backend.execution", self._patch_ends)
        when_imported(f"{parser}.backend.execution_worker", self._patch_starts)

    def busy(self) -> bool:
        """Whether an execution runs."""
        return self._running > 0

    def start(self) -> None:
        """Executions that ran when the last process ended are over."""
        for execution in _executions():
            if getattr(execution.exec_status, "value", "") == "RUNNING":
                outcome = {"status": "ABORTED", "output": None, "error": "States.Runtime", "cause": _LOST}
                self._tell(execution, outcome, [])

    def _patch_clients(self, boto_client: Any) -> None:
        """A client for each task took 30 ms; and moto looks for its server under the name `localhost`."""

        @lru_cache(maxsize=64)
        def client(region: str, service: str) -> Any:
            sessions: Any = session(self._endpoint, region)
            return sessions.client(service)

        boto_client.boto3 = SimpleNamespace(
            client=lambda service_name, region_name, **_settings: client(region_name, service_name)
        )

    def _patch_starts(self, module: Any) -> None:
        worker_type, host = module.ExecutionWorker, self
        starts, runs = worker_type.start, worker_type._execution_logic

        def start(worker: Any) -> None:
            if host._gateway is not None and not host._gateway.replaying:  # the journal knows how it ended
                starts(worker)

        def run(worker: Any) -> None:
            host._running += 1
            try:
                runs(worker)
            finally:
                host._running -= 1

        worker_type.start, worker_type._execution_logic = start, run

    def _patch_ends(self, module: Any) -> None:
        communication = module.BaseExecutionWorkerCommunication
        reflect = communication.terminated

        def terminated(ended: Any) -> None:
            reflect(ended)
            self._report(ended.execution)

        communication.terminated = terminated

    def _report(self, execution: Any) -> None:
        history = execution.exec_worker.env.event_manager.get_event_history()
        outcome = {
            "status": execution.exec_status.value,
            "output": execution.output,
            "error": execution.error,
            "cause": execution.cause,
        }
        self._tell(execution, outcome, history)

    def _tell(self, execution: Any, outcome: Event, history: list[Any]) -> None:
        assert self._gateway is not None  # noqa: S101
        self._gateway.happened(
            "execution-ended",
            arn=execution.exec_arn,
            region=execution.region_name,
            stopped=(execution.stop_date or datetime.datetime.now(datetime.UTC)).timestamp(),
            **outcome,
            history=base64.b64encode(snapshot.dump(history)).decode(),
        )

    def _on_ended(self, event: Event) -> None:
        from moto.stepfunctions.parser.api import ExecutionStatus

        found = (each for each in _executions(event["region"]) if each.exec_arn == event["arn"])
        execution = next(found, None)
        if execution is None:
            return  # its state machine was deleted
        execution.exec_status = ExecutionStatus(event["status"])
        execution.output, execution.error, execution.cause = event["output"], event["error"], event["cause"]
        execution.stop_date = datetime.datetime.fromtimestamp(event["stopped"], datetime.UTC)
        detail = {
            "executionArn": event["arn"],
            "stateMachineArn": execution.state_machine.arn,
            "name": execution.name,
            **{key: event[key] for key in ("status", "output", "error", "cause")},
        }
        kind = "Step Functions Execution Status Change"
        announce(event["region"], "aws.states", kind, event["arn"], detail)
        execution.exec_worker = snapshot.EndedWorker(snapshot.load(base64.b64decode(event["history"])))


def _patch_names(module: Any) -> None:
    """Tasks say `JobName` where the service says `jobName`, and want answers likewise: moto left that out."""
    task = module.StateTaskService

    def to_service(self: Any, parameters: Any, **called: str | None) -> None:
        model = _operation(self, **called)
        if model is not None and model.input_shape is not None:
            self._to_boto_request(parameters, model.input_shape)

    def from_service(self: Any, response: Any, **called: str | None) -> None:
        model = _operation(self, **called)
        if model is not None and model.output_shape is not None:
            self._from_boto_response(response, model.output_shape)
            _write_out_times(response)

    task._normalise_parameters, task._normalise_response = to_service, from_service


def _operation(
    task: Any, boto_service_name: str | None = None, service_action_name: str | None = None
) -> Any:
    """Botocore's model of what a task calls; None if it isn't a call of botocore's."""
    called = task._get_boto_service_action(service_action_name)
    return _operations(task._get_boto_service_name(boto_service_name)).get(called)


def _write_out_times(value: Any) -> None:
    """A state's output is JSON: its times are texts."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in list(items):
        if isinstance(each, datetime.datetime):
            value[key] = each.astimezone(datetime.UTC).isoformat().replace("+00:00", "Z")
        else:
            _write_out_times(each)


@lru_cache(maxsize=64)
def _operations(service: str) -> dict[str, Any]:
    """The operations of a service by the names of its client's methods."""
    from botocore import xform_name
    from botocore.exceptions import UnknownServiceError
    from botocore.session import Session

    try:
        model = Session().get_service_model(service)
    except UnknownServiceError:
        return {}
    return {xform_name(name): model.operation_model(name) for name in model.operation_names}


def _executions(region: str | None = None) -> list[Any]:
    return [
        execution
        for backends in backends_in_use()
        if backends.backend.__module__.startswith("moto.stepfunctions")
        for name, backend in list(backends[ACCOUNT].items())
        if region in (None, name)
        for machine in backend.state_machines
        for execution in machine.executions
        if hasattr(execution, "exec_status")
    ]
