"""Services of which moto lacks or loses only a little: KMS, Logs, IAM, DynamoDB, Step Functions, Lambda."""

import json
from io import BytesIO
from typing import Any, Final

from twin.aws.cloud.gaps.context import Context
from twin.aws.cloud.gaps.lossy import Lossy
from twin.aws.cloud.gaps.moto_objects import backend
from twin.aws.cloud.gaps.registry import GapRegistry
from twin.aws.cloud.http import HttpResponse
from twin.aws.cloud.protocol import AwsError

_RETENTIONS: Final = frozenset(
    {1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}
)


def fill(registry: GapRegistry) -> None:
    """Registers the gap fillers of these services."""
    registry.lossy(KEY_ROTATION)
    registry.lossy(FUNCTION)
    registry.lossy(FUNCTION_CONFIGURATION)
    registry.raw("stepfunctions", "StartExecution", _start_execution)
    registry.raw("kms", "ScheduleKeyDeletion", _schedule_key_deletion)
    registry.raw("logs", "PutRetentionPolicy", _put_retention)
    registry.raw("logs", "CreateLogGroup", _create_log_group)
    registry.raw("logs", "DescribeLogGroups", _describe_log_groups)
    registry.answer("logs", "AssociateKmsKey", _associate_kms_key)
    registry.answer("logs", "DisassociateKmsKey", _disassociate_kms_key)
    registry.lossy(TABLE)
    registry.raw("iam", "CreateUser", _create_user)
    registry.answer("iam", "PutUserPermissionsBoundary", _put_user_boundary)
    registry.answer("iam", "DeleteUserPermissionsBoundary", _delete_user_boundary)
    registry.answer("iam", "AddClientIDToOpenIDConnectProvider", _add_client_id)
    registry.answer("iam", "RemoveClientIDFromOpenIDConnectProvider", _remove_client_id)
    registry.answer("dynamodb", "UpdateContributorInsights", _update_insights)
    registry.answer("dynamodb", "DescribeContributorInsights", _describe_insights)


# --- KMS ---

KEY_ROTATION: Final = Lossy(
    service="kms",
    family="rotation",
    name=lambda parameters: str(parameters["KeyId"]).rpartition("/")[2],
    writes=("EnableKeyRotation",),
    reads=("GetKeyRotationStatus",),
    deletes=("DisableKeyRotation",),
    noted=lambda parameters: {"RotationPeriodInDays": parameters.get("RotationPeriodInDays") or 365},
)


def _schedule_key_deletion(context: Context) -> HttpResponse:
    days = context.parameters.get("PendingWindowInDays")
    if days is not None and not 7 <= days <= 30:
        raise AwsError("ValidationException", f"PendingWindowInDays {days} is not between 7 and 30")
    return context.forward()


# --- Lambda ---


def _function_name(parameters: dict[str, Any]) -> str:
    """Functions are called by name or by ARN, which may end in a version."""
    parts = str(parameters["FunctionName"]).split(":")
    return parts[6] if len(parts) > 6 else parts[0]


FUNCTION: Final = Lossy(
    service="lambda",
    family="function",
    name=_function_name,
    writes=("CreateFunction", "UpdateFunctionConfiguration"),
    reads=("GetFunction",),
    deletes=("DeleteFunction",),
    wrap="Configuration",
    noted=lambda parameters: {key: parameters.get(key) for key in ("DeadLetterConfig", "KMSKeyArn")},
)
FUNCTION_CONFIGURATION: Final = Lossy(
    service="lambda", family="function", name=_function_name, reads=("GetFunctionConfiguration",)
)


# --- CloudWatch Logs ---


def _put_retention(context: Context) -> HttpResponse:
    days = context.required("retentionInDays")
    if days not in _RETENTIONS:
        raise AwsError(
            "InvalidParameterException",
            f"retentionInDays {days} is not one of {', '.join(map(str, sorted(_RETENTIONS)))}",
        )
    return context.forward()


def _log_group(context: Context) -> Any:
    named = context.parameters.get("logGroupName") or context.required("resourceIdentifier").split(":")[6]
    group = backend(context, "logs").groups.get(named)
    if group is None:
        raise AwsError("ResourceNotFoundException", "The specified log group does not exist.")
    return group


def _create_log_group(context: Context) -> HttpResponse:
    response = context.forward()
    chosen = context.parameters.get("logGroupClass")
    if response.status < 300 and chosen:
        _log_group(context).log_group_class = chosen
    return response


def _describe_log_groups(context: Context) -> HttpResponse:
    response = context.forward()
    if response.status >= 300:
        return response
    result = context.operation.result_of(response)
    groups = backend(context, "logs").groups
    for shown in result.get("logGroups", []):
        shown["logGroupClass"] = getattr(groups[shown["logGroupName"]], "log_group_class", "STANDARD")
    return context.operation.answer(result)


def _associate_kms_key(context: Context) -> None:
    _log_group(context).kms_key_id = context.required("kmsKeyId")


def _disassociate_kms_key(context: Context) -> None:
    _log_group(context).kms_key_id = None


# --- IAM ---


def _user(context: Context) -> Any:
    users, name = backend(context, "iam").users, context.required("UserName")
    if name not in users:
        raise AwsError("NoSuchEntity", f"The user with name {name} cannot be found.", 404)
    return users[name]


def _create_user(context: Context) -> HttpResponse:
    response = context.forward()
    if response.status < 300 and context.parameters.get("PermissionsBoundary"):
        _put_user_boundary(context)
    return response


def _put_user_boundary(context: Context) -> None:
    _user(context).permissions_boundary = {
        "PermissionsBoundaryType": "Policy",
        "PermissionsBoundaryArn": context.required("PermissionsBoundary"),
    }


def _delete_user_boundary(context: Context) -> None:
    _user(context).permissions_boundary = None


def _provider(context: Context) -> Any:
    providers, arn = backend(context, "iam").open_id_providers, context.required("OpenIDConnectProviderArn")
    if arn not in providers:
        raise AwsError("NoSuchEntity", f"OpenIDConnect Provider not found for arn {arn}", 404)
    return providers[arn]


def _add_client_id(context: Context) -> None:
    known, added = _provider(context).client_id_list, context.required("ClientID")
    if added not in known:
        known.append(added)


def _remove_client_id(context: Context) -> None:
    known, gone = _provider(context).client_id_list, context.required("ClientID")
    if gone in known:
        known.remove(gone)


# --- DynamoDB ---


def _table_fields(parameters: dict[str, Any]) -> dict[str, Any]:
    chosen = parameters.get("TableClass")
    return {
        "TableClassSummary": {"TableClass": chosen} if chosen else None,
        "OnDemandThroughput": parameters.get("OnDemandThroughput"),
    }


TABLE: Final = Lossy(
    service="dynamodb",
    family="table",
    name=lambda parameters: str(parameters["TableName"]).rpartition("/")[2],
    writes=("CreateTable", "UpdateTable"),
    reads=("DescribeTable",),
    deletes=("DeleteTable",),
    wrap="Table",
    noted=_table_fields,
)


def _insights_key(context: Context) -> tuple[str, ...]:
    name = str(context.required("TableName")).rpartition("/")[2]
    if name not in backend(context, "dynamodb").tables:
        raise AwsError("ResourceNotFoundException", f"Requested resource not found: Table: {name} not found")
    return "dynamodb", "insights", context.region, name, context.parameters.get("IndexName") or ""


def _insights(context: Context) -> dict[str, Any]:
    key = _insights_key(context)
    status = context.store.notes.get(key, "DISABLED")
    return {"TableName": key[3], "IndexName": key[4] or None, "ContributorInsightsStatus": status}


def _update_insights(context: Context) -> dict[str, Any]:
    action = context.required("ContributorInsightsAction")
    context.store.notes[_insights_key(context)] = "ENABLED" if action == "ENABLE" else "DISABLED"
    return _insights(context)


def _describe_insights(context: Context) -> dict[str, Any]:
    return _insights(context)


# --- Step Functions ---


def _start_execution(context: Context) -> HttpResponse:
    """An execution without a name gets one of its own; moto calls each of them `None`."""
    if not context.parameters.get("name"):
        from moto.moto_api._internal import mock_random

        environ = context.operation.call.environ
        body = json.dumps({**context.parameters, "name": str(mock_random.uuid4())}).encode()
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = BytesIO(body), str(len(body))
    return context.forward()
