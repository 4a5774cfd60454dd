"""AWS Glue: the data catalogue."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from twin.aws.provider.adapter import Declared, State
from twin.aws.provider.names import AutoName
from twin.aws.provider.operation import Operation
from twin.aws.provider.problems import Problems
from twin.aws.provider.tagging import Tagging
from twin.wire import UNKNOWN

_NAME: Final = re.compile(r"^[^A-Z\r\n]{1,255}$")
_TAGGING: Final = Tagging(
    resource="ResourceArn", tags="TagsToAdd", keys="TagsToRemove", read="get_tags", answer="Tags", pair=None
)


def _check_name(inputs: Mapping[str, Any], problems: Problems) -> None:
    name = inputs.get("name")
    if isinstance(name, str) and not _NAME.match(name):
        problems.add("name", f"{name!r} is not allowed", "Glue folds names to lower case: write it so")


class _Catalogued(Declared):
    """Something in the account's catalogue."""

    service = "glue"

    def made(self, op: Operation, inputs: State, answer: Mapping[str, Any]) -> State:
        """The catalogue is the account's own unless another is named."""
        return {"catalogId": inputs.get("catalogId") or op.account}

    def adjust(self, op: Operation, state: State, data: Mapping[str, Any]) -> None:
        """The answer may leave out the catalogue."""
        state["catalogId"] = state.get("catalogId") or op.account


class CatalogDatabase(_Catalogued):
    """A database of the catalogue."""

    token = "aws:glue/catalogDatabase:CatalogDatabase"
    auto_name = AutoName(transform=str.lower)
    create_call, read_call = "CreateDatabase", "GetDatabase"
    update_call, delete_call = "UpdateDatabase", "DeleteDatabase"
    wrapped, result = "DatabaseInput", "Database"
    key: ClassVar[Mapping[str, str]] = {"Name": "name"}
    id_property = "{catalogId}:{name}"
    arn = "glue:database/{name}"
    fixed = frozenset({"catalogId", "targetDatabase", "federatedDatabase"})
    tagging = _TAGGING

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """The name's letters."""
        _check_name(inputs, problems)


class CatalogTable(_Catalogued):
    """A table of the catalogue."""

    token = "aws:glue/catalogTable:CatalogTable"
    auto_name = AutoName(transform=str.lower)
    create_call, read_call = "CreateTable", "GetTable"
    update_call, delete_call = "UpdateTable", "DeleteTable"
    wrapped, result = "TableInput", "Table"
    key: ClassVar[Mapping[str, str]] = {"DatabaseName": "databaseName", "Name": "name"}
    rename: ClassVar[Mapping[str, str]] = {"storageDescriptor.serDeInfo": "SerdeInfo"}
    id_property = "{catalogId}:{databaseName}:{name}"
    arn = "glue:table/{databaseName}/{name}"
    fixed = frozenset({"catalogId", "openTableFormatInput", "partitionIndices"})

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """The name's letters; a column has one place."""
        _check_name(inputs, problems)
        seen: set[str] = set()
        descriptor = inputs.get("storageDescriptor")
        columns = descriptor.get("columns") if isinstance(descriptor, dict) else None
        for path, listed in (
            ("storageDescriptor.columns", columns),
            ("partitionKeys", inputs.get("partitionKeys")),
        ):
            for place, column in enumerate(listed if isinstance(listed, list) else []):
                name = column.get("name", UNKNOWN) if isinstance(column, dict) else UNKNOWN
                if isinstance(name, str) and name in seen:
                    problems.add(
                        f"{path}[{place}].name", f"{name!r} is there twice", "give each column one place"
                    )
                elif isinstance(name, str):
                    seen.add(name)

    def adjust(self, op: Operation, state: State, data: Mapping[str, Any]) -> None:
        """What Glue fills in and Pulumi does not show."""
        super().adjust(op, state, data)
        state["partitionIndices"] = None
        if "openTableFormatInput" in state:
            del state["openTableFormatInput"]
