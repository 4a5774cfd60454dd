"""`retire`: removes what training and releases made beside the deployment, so that it can be destroyed.

A model package group with versions in it cannot be deleted; the deployment does not know of the versions.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from botocore.exceptions import ClientError

from platform_jobs import registry, release, settings
from platform_jobs.aws import Clients, error_code
from platform_jobs.errors import SettingsError
from platform_jobs.log import event
from platform_jobs.release import PointerNames
from platform_jobs.settings import Env

if TYPE_CHECKING:
    from types_boto3_sagemaker import SageMakerClient


@dataclass(frozen=True, kw_only=True)
class RetireSettings:
    """What `retire` reads from its environment."""

    model: Annotated[str, Env("STAGECRAFT_MODEL")]
    group: Annotated[str, Env("STAGECRAFT_MODEL_PACKAGE_GROUP")]
    pointer_prefix: Annotated[str, Env("STAGECRAFT_POINTER_PREFIX")]
    lineage_table: Annotated[str | None, Env("STAGECRAFT_LINEAGE_TABLE")] = None


def retire(
    clients: Clients, group: str, names: PointerNames, *, lineage_table: str | None = None
) -> list[str]:
    """Deletes every version of a group and points `live` and `previous` at nothing.

    Lineage outlives versions; it goes only if its table is given. A group that is gone has no versions.

    Returns:
        ARNs of the deleted versions, the newest first.
    """
    release.clear(clients, names)
    arns = retire_group(clients.sagemaker, group)
    if lineage_table is not None:
        for arn in arns:
            clients.dynamodb.delete_item(TableName=lineage_table, Key={registry.LINEAGE_KEY: {"S": arn}})
    return arns


def retire_group(sagemaker: "SageMakerClient", group: str) -> list[str]:
    """Deletes every version of a group, so that the group can be deleted; a group that is gone has none.

    Returns:
        ARNs of the deleted versions, the newest first.
    """
    try:
        arns = [summary["ModelPackageArn"] for summary in registry.versions(sagemaker, group)]
    except ClientError as error:
        if error_code(error) not in {"ValidationException", "ValidationError", "ResourceNotFound"}:
            raise
        arns = []
    for arn in arns:
        sagemaker.delete_model_package(ModelPackageName=arn)
    event("retire", "finished", group=group, versions=len(arns))
    return arns


def main(argv: Sequence[str]) -> int:
    """`retire [--with-lineage]`."""
    parser = argparse.ArgumentParser(prog="platform_jobs retire", description=__doc__)
    parser.add_argument(
        "--with-lineage", action="store_true", help="forget where the versions came from, too"
    )
    arguments = parser.parse_args(argv)
    config = settings.load(RetireSettings)
    table = config.lineage_table if arguments.with_lineage else None
    if arguments.with_lineage and table is None:
        raise SettingsError(["STAGECRAFT_LINEAGE_TABLE is not set"])
    names = PointerNames.of(config.pointer_prefix, config.model)
    retire(Clients(), config.group, names, lineage_table=table)
    return 0
