"""AWS Glue: the data catalogue."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from twin.aws.provider import documents
from twin.aws.provider.adapter import Declared, State
from twin.aws.provider.names import AutoName
from twin.aws.provider.operation import Operation
from twin.aws.provider.tagging import Tagging
from twin.providers.problems import Problems
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


class _Registered(Declared):
    """Something of the schema registry; its id is its ARN."""

    service = "glue"
    id_property = "arn"
    tagging = _TAGGING

    def create(self, op: Operation, inputs: State) -> State | None:
        """Tags are set by a call of their own: the emulator forgets those of the create call."""
        super().create(op, inputs)
        if inputs.get("tags"):
            _TAGGING.change(op, op.id, {}, inputs["tags"])
        return None


class Registry(_Registered):
    """A registry of schemas."""

    token = "aws:glue/registry:Registry"
    create_call, read_call = "CreateRegistry", "GetRegistry"
    update_call, delete_call = "UpdateRegistry", "DeleteRegistry"
    rename: ClassVar[Mapping[str, str]] = {"arn": "RegistryArn"}
    fixed = frozenset({"registryName"})

    def named(self, known: Mapping[str, Any], key: Mapping[str, str] | None = None) -> dict[str, Any]:
        """By its ARN."""
        return {"RegistryId": {"RegistryArn": known["arn"]}}


class Schema(_Registered):
    """A schema and its versions."""

    token = "aws:glue/schema:Schema"
    create_call, read_call = "CreateSchema", "GetSchema"
    update_call, delete_call = "UpdateSchema", "DeleteSchema"
    rename: ClassVar[Mapping[str, str]] = {"arn": "SchemaArn"}
    handled = frozenset({"registryArn"})
    in_place = frozenset({"schemaDefinition"})
    fixed = frozenset({"registryArn", "schemaName"})
    volatile = frozenset({"latestSchemaVersion", "nextSchemaVersion", "schemaCheckpoint"})

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """JSON and Avro definitions are JSON."""
        definition, form = inputs.get("schemaDefinition"), inputs.get("dataFormat")
        if isinstance(definition, str) and form in ("AVRO", "JSON") and documents.parse(definition) is None:
            problems.add("schemaDefinition", "is not JSON", f"{form} schemas are written in JSON")

    def parameters(self, op: Operation, call: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The registry is named by an object."""
        parameters = super().parameters(op, call, inputs)
        if call == self.create_call and inputs.get("registryArn"):
            parameters["RegistryId"] = {"RegistryArn": inputs["registryArn"]}
        return parameters

    def made(self, op: Operation, inputs: State, answer: Mapping[str, Any]) -> State:
        """Glue makes the ARN."""
        return {"arn": answer["SchemaArn"]}

    def named(self, known: Mapping[str, Any], key: Mapping[str, str] | None = None) -> dict[str, Any]:
        """By its ARN."""
        return {"SchemaId": {"SchemaArn": known["arn"]}}

    def adjust(self, op: Operation, state: State, data: Mapping[str, Any]) -> None:
        """The definition is that of the latest version."""
        version = op.client().get_schema_version(
            SchemaId={"SchemaArn": state["arn"]}, SchemaVersionNumber={"LatestVersion": True}
        )
        state["schemaDefinition"] = version["SchemaDefinition"]

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """A changed definition is a new version; the rest is the schema's own."""
        where = self.named({**olds, **news, "arn": op.id})
        if changed & {"compatibility", "description"}:
            op.client().update_schema(
                **where,
                Compatibility=news["compatibility"],
                Description=news.get("description") or "",
                SchemaVersionNumber={"LatestVersion": True},
            )
        if "schemaDefinition" in changed:
            answer = op.client().register_schema_version(**where, SchemaDefinition=news["schemaDefinition"])
            if answer.get("Status") == "FAILURE":
                raise ValueError(
                    f"RegisterSchemaVersion: not {news['compatibility']} with the version before"
                )
