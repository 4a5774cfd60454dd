"""A person's decision: an execution waits, and goes on when the version is approved or rejected.

The registry is where a decision is made, by whatever tool; it tells of it by an event. What the execution
waits with (its task token) lies in the version's lineage until then.
"""

from dataclasses import dataclass
from typing import Final

from botocore.exceptions import ClientError

from platform_jobs import registry
from platform_jobs.aws import Clients, error_code
from platform_jobs.log import WARNING, event
from platform_jobs.registry import APPROVED, PENDING

TOKEN: Final = "review_token"
_STALE: Final = frozenset({"InvalidToken", "TaskDoesNotExist", "TaskTimedOut"})


@dataclass(frozen=True)
class Decision:
    """What became of a version."""

    version: str
    status: str

    @property
    def approved(self) -> bool:
        """Whether it may be released."""
        return self.status == APPROVED


def ask(clients: Clients, lineage_table: str, version_arn: str, token: str) -> None:
    """Has the execution with this token wait for a decision; one that was made already is told at once."""
    clients.dynamodb.update_item(
        TableName=lineage_table,
        Key={registry.LINEAGE_KEY: {"S": version_arn}},
        UpdateExpression="SET #token = :token",
        ExpressionAttributeNames={"#token": TOKEN},
        ExpressionAttributeValues={":token": {"S": token}},
    )
    version = registry.describe(clients, version_arn)
    event("loop", "asked", version=version_arn, status=version.status)
    # The decision's event may have come before there was a token to tell it to.
    if version.status != PENDING:
        tell(clients, lineage_table, Decision(version_arn, version.status))


def tell(clients: Clients, lineage_table: str, decision: Decision) -> bool:
    """Tells the execution that waits for a decision about this version; whether one does."""
    if decision.status == PENDING:
        return False
    token = _take_token(clients, lineage_table, decision.version)
    if token is None:
        return False
    try:
        clients.states.send_task_success(taskToken=token, output=_output(decision))
    except ClientError as error:
        if error_code(error) not in _STALE:
            raise
        event("loop", "nobody-waits", WARNING, version=decision.version, cause=error_code(error))
        return False
    event("loop", "told", version=decision.version, status=decision.status)
    return True


def _take_token(clients: Clients, lineage_table: str, version_arn: str) -> str | None:
    """The token, which is taken once: two events of one decision tell the execution once."""
    try:
        answer = clients.dynamodb.update_item(
            TableName=lineage_table,
            Key={registry.LINEAGE_KEY: {"S": version_arn}},
            UpdateExpression="REMOVE #token",
            ConditionExpression="attribute_exists(#token)",
            ExpressionAttributeNames={"#token": TOKEN},
            ReturnValues="UPDATED_OLD",
        )
    except ClientError as error:
        if error_code(error) == "ConditionalCheckFailedException":
            return None
        raise
    return answer["Attributes"][TOKEN]["S"]


def _output(decision: Decision) -> str:
    return '{"approved": true}' if decision.approved else '{"approved": false}'
