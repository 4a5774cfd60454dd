"""Watching what endpoints are asked: job definitions and their schedules."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from twin.aws.provider.names import AutoName
from twin.aws.provider.operation import Operation
from twin.aws.provider.services.sagemaker.common import SageMakerResource, check_s3
from twin.providers.problems import Problems

_HOURLY: Final = re.compile(r"^cron\(0 \S+ \? \* \* \*\)$")
_CONFIG: Final = "monitoringScheduleConfig"


class DataQualityJobDefinition(SageMakerResource):
    """How data is judged; its id is its name. Nothing but tags can be changed."""

    token = "aws:sagemaker/dataQualityJobDefinition:DataQualityJobDefinition"
    auto_name = AutoName(max_length=63)
    create_call, read_call = "CreateDataQualityJobDefinition", "DescribeDataQualityJobDefinition"
    delete_call = "DeleteDataQualityJobDefinition"
    key: ClassVar[Mapping[str, str]] = {"JobDefinitionName": "name"}
    rename: ClassVar[Mapping[str, str]] = {"arn": "JobDefinitionArn", "name": "JobDefinitionName"}

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """One input; results go to S3."""
        given = inputs.get("dataQualityJobInput")
        if isinstance(given, dict):
            kinds = [name for name in ("endpointInput", "batchTransformInput") if given.get(name) is not None]
            if len(kinds) != 1:
                remedy = "give one of endpointInput and batchTransformInput"
                problems.add("dataQualityJobInput", f"{len(kinds)} inputs are given", remedy)
        check_s3(inputs, "dataQualityJobOutputConfig.monitoringOutputs.s3Output.s3Uri", problems)
        for resource in ("constraintsResource", "statisticsResource"):
            check_s3(inputs, f"dataQualityBaselineConfig.{resource}.s3Uri", problems)


class MonitoringSchedule(SageMakerResource):
    """When a job runs; its id is its name."""

    token = "aws:sagemaker/monitoringSchedule:MonitoringSchedule"
    auto_name = AutoName(max_length=63)
    create_call, read_call = "CreateMonitoringSchedule", "DescribeMonitoringSchedule"
    update_call, delete_call = "UpdateMonitoringSchedule", "DeleteMonitoringSchedule"
    key: ClassVar[Mapping[str, str]] = {"MonitoringScheduleName": "name"}
    rename: ClassVar[Mapping[str, str]] = {
        "arn": "MonitoringScheduleArn",
        "name": "MonitoringScheduleName",
        f"{_CONFIG}.monitoringJobDefinition.baseline": "BaselineConfig",
    }
    status = "MonitoringScheduleStatus"

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """A job, inside or by name, and how often."""
        config = inputs.get(_CONFIG)
        if not isinstance(config, dict):
            return
        names = ("monitoringJobDefinition", "monitoringJobDefinitionName")
        given = [name for name in names if config.get(name) is not None]
        if len(given) != 1:
            problems.add(_CONFIG, f"{len(given)} jobs are given", f"give one of {', '.join(names)}")
        schedule = config.get("scheduleConfig")
        expression = schedule.get("scheduleExpression") if isinstance(schedule, dict) else None
        if isinstance(expression, str) and expression != "NOW" and not _HOURLY.match(expression):
            path = f"{_CONFIG}.scheduleConfig.scheduleExpression"
            remedy = "give NOW or whole hours, such as cron(0 * ? * * *)"
            problems.add(path, f"{expression!r} is not allowed", remedy)
