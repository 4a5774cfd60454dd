"""Amazon DynamoDB."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final

from twin.aws.provider.adapter import Adapter, State, found, listed
from twin.aws.provider.names import AutoName
from twin.aws.provider.operation import Operation
from twin.aws.provider.tagging import Tagging, as_pairs
from twin.providers.problems import Problems
from twin.wire import UNKNOWN

_TYPES: Final = ("S", "N", "B")
_VIEWS: Final = ("KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES")


class Table(Adapter):
    """A table; its id is its name."""

    token = "aws:dynamodb/table:Table"
    service = "dynamodb"
    auto_name = AutoName(max_length=255)
    handled = frozenset(
        {
            "attributes",
            "billingMode",
            "deletionProtectionEnabled",
            "globalSecondaryIndexes",
            "hashKey",
            "localSecondaryIndexes",
            "onDemandThroughput",
            "pointInTimeRecovery",
            "rangeKey",
            "readCapacity",
            "serverSideEncryption",
            "streamEnabled",
            "streamViewType",
            "tableClass",
            "ttl",
            "writeCapacity",
        }
    )
    in_place = handled - {"hashKey", "rangeKey", "localSecondaryIndexes"}
    defaults: ClassVar[Mapping[str, Any]] = {"billingMode": "PROVISIONED"}
    volatile = frozenset({"streamArn", "streamLabel"})
    tagging = Tagging(resource="ResourceArn", read="list_tags_of_resource")

    # -- check

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """Keys are declared attributes, and every declared attribute is a key; capacity fits the mode."""
        _check_attributes(inputs, problems)
        mode = inputs.get("billingMode")
        if mode not in ("PROVISIONED", "PAY_PER_REQUEST", UNKNOWN):
            problems.add("billingMode", f"{mode!r} is not allowed", "use PAY_PER_REQUEST or PROVISIONED")
        for name in ("readCapacity", "writeCapacity"):
            if mode == "PROVISIONED" and not inputs.get(name):
                problems.add(name, "is missing", "PROVISIONED needs it; or use PAY_PER_REQUEST")
            if mode == "PAY_PER_REQUEST" and inputs.get(name):
                problems.add(name, "does not go with PAY_PER_REQUEST", "leave it out")
        view = inputs.get("streamViewType")
        if inputs.get("streamEnabled") is True and view not in (*_VIEWS, UNKNOWN):
            problems.add("streamViewType", f"{view!r} is not allowed", f"use one of: {', '.join(_VIEWS)}")
        ttl = inputs.get("ttl")
        if isinstance(ttl, dict) and ttl.get("enabled", True) is True and not ttl.get("attributeName"):
            problems.add("ttl.attributeName", "is missing", "name the attribute that holds the time")
        table_class = inputs.get("tableClass")
        if table_class not in (None, UNKNOWN, "STANDARD", "STANDARD_INFREQUENT_ACCESS"):
            problems.add(
                "tableClass", f"{table_class!r} is not allowed", "use STANDARD or STANDARD_INFREQUENT_ACCESS"
            )
        recovery = inputs.get("pointInTimeRecovery")
        days = recovery.get("recoveryPeriodInDays") if isinstance(recovery, dict) else None
        if isinstance(days, int) and not 1 <= days <= 35:
            problems.add(
                "pointInTimeRecovery.recoveryPeriodInDays", f"{days} is out of range", "give 1 to 35"
            )

    # -- create

    def create(self, op: Operation, inputs: State) -> State | None:
        """Creates the table, then what CreateTable can't set."""
        parameters: dict[str, Any] = {
            "TableName": inputs["name"],
            "AttributeDefinitions": _definitions(inputs.get("attributes")),
            "KeySchema": _keys(inputs),
            "BillingMode": inputs["billingMode"],
            "Tags": as_pairs(inputs.get("tags") or {}),
        }
        if inputs["billingMode"] == "PROVISIONED":
            parameters["ProvisionedThroughput"] = _throughput(inputs)
        if inputs.get("globalSecondaryIndexes"):
            parameters["GlobalSecondaryIndexes"] = [
                _index(each, inputs["billingMode"]) for each in inputs["globalSecondaryIndexes"]
            ]
        if inputs.get("localSecondaryIndexes"):
            parameters["LocalSecondaryIndexes"] = [
                {
                    "IndexName": each["name"],
                    "KeySchema": _keys({"hashKey": inputs["hashKey"], "rangeKey": each["rangeKey"]}),
                    "Projection": _projection(each),
                }
                for each in inputs["localSecondaryIndexes"]
            ]
        parameters.update(_settings(inputs, frozenset(self.handled)))
        op.client().create_table(**parameters)
        op.id = inputs["name"]
        self._set_ttl(op, {}, inputs)
        self._set_recovery(op, {}, inputs)
        return None

    def _set_ttl(self, op: Operation, olds: Mapping[str, Any], news: Mapping[str, Any]) -> None:
        old, new = olds.get("ttl") or {}, news.get("ttl") or {}
        enabled = bool(new) and new.get("enabled", True)
        if enabled or (old and old.get("enabled", True)):
            name = new.get("attributeName") or old.get("attributeName")
            op.client().update_time_to_live(
                TableName=op.id, TimeToLiveSpecification={"Enabled": enabled, "AttributeName": name}
            )

    def _set_recovery(self, op: Operation, olds: Mapping[str, Any], news: Mapping[str, Any]) -> None:
        old, new = olds.get("pointInTimeRecovery") or {}, news.get("pointInTimeRecovery") or {}
        if not new.get("enabled") and not old.get("enabled"):
            return
        specification: dict[str, Any] = {"PointInTimeRecoveryEnabled": bool(new.get("enabled"))}
        if new.get("enabled") and new.get("recoveryPeriodInDays"):
            specification["RecoveryPeriodInDays"] = new["recoveryPeriodInDays"]
        op.client().update_continuous_backups(TableName=op.id, PointInTimeRecoverySpecification=specification)

    # -- read

    def read(self, op: Operation, known: State) -> State | None:
        """The table, its expiry and its backups."""
        client = op.client()
        answer = found(client.describe_table, TableName=op.id)
        if answer is None:
            return None
        table = answer["Table"]
        mode = table.get("BillingModeSummary", {}).get("BillingMode") or "PROVISIONED"
        provisioned = table.get("ProvisionedThroughput") or {}
        stream = table.get("StreamSpecification") or {}
        keys = {each["KeyType"]: each["AttributeName"] for each in table["KeySchema"]}
        encryption = table.get("SSEDescription") or {}
        enabled = encryption.get("Status") == "ENABLED"
        throughput = table.get("OnDemandThroughput")
        return {
            "arn": table["TableArn"],
            "attributes": [
                {"name": each["AttributeName"], "type": each["AttributeType"]}
                for each in table["AttributeDefinitions"]
            ],
            "billingMode": mode,
            "deletionProtectionEnabled": bool(table.get("DeletionProtectionEnabled")),
            "globalSecondaryIndexes": [
                _read_index(each, mode) for each in table.get("GlobalSecondaryIndexes") or ()
            ],
            "hashKey": keys["HASH"],
            "localSecondaryIndexes": [
                _read_local_index(each) for each in table.get("LocalSecondaryIndexes") or ()
            ],
            "name": table["TableName"],
            "onDemandThroughput": {
                "maxReadRequestUnits": throughput.get("MaxReadRequestUnits"),
                "maxWriteRequestUnits": throughput.get("MaxWriteRequestUnits"),
            }
            if throughput
            else None,
            "pointInTimeRecovery": self._recovery(op),
            "rangeKey": keys.get("RANGE"),
            "readCapacity": provisioned.get("ReadCapacityUnits") or 0,
            "serverSideEncryption": {"enabled": True, "kmsKeyArn": encryption.get("KMSMasterKeyArn") or ""}
            if enabled
            else None,
            "streamArn": table.get("LatestStreamArn") or "",
            "streamEnabled": bool(stream.get("StreamEnabled")),
            "streamLabel": table.get("LatestStreamLabel") or "",
            "streamViewType": stream.get("StreamViewType") or "",
            "tableClass": (table.get("TableClassSummary") or {}).get("TableClass") or "STANDARD",
            "ttl": self._ttl(op),
            "writeCapacity": provisioned.get("WriteCapacityUnits") or 0,
        }

    def _ttl(self, op: Operation) -> State:
        answer = op.client().describe_time_to_live(TableName=op.id)["TimeToLiveDescription"]
        enabled = answer.get("TimeToLiveStatus") in ("ENABLED", "ENABLING")
        return {"attributeName": answer.get("AttributeName") or "", "enabled": enabled} if enabled else {}

    def _recovery(self, op: Operation) -> State:
        answer = op.client().describe_continuous_backups(TableName=op.id)["ContinuousBackupsDescription"]
        description = answer.get("PointInTimeRecoveryDescription") or {}
        if description.get("PointInTimeRecoveryStatus") != "ENABLED":
            return {"enabled": False}
        return {"enabled": True, "recoveryPeriodInDays": description.get("RecoveryPeriodInDays") or 35}

    # -- update

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """DynamoDB takes one kind of change a call, and one index a call."""
        client = op.client()
        settings = _settings(news, changed)
        if changed & {"billingMode", "readCapacity", "writeCapacity"}:
            client.update_table(TableName=op.id, **_capacity(news))
        for member, value in settings.items():
            client.update_table(TableName=op.id, **{member: value})
        if changed & {"globalSecondaryIndexes", "attributes"}:
            self._change_indexes(op, olds, news)
        if "ttl" in changed:
            self._set_ttl(op, olds, news)
        if "pointInTimeRecovery" in changed:
            self._set_recovery(op, olds, news)

    def _change_indexes(self, op: Operation, olds: State, news: State) -> None:
        mode = news["billingMode"]
        before = {each["name"]: _index(each, mode) for each in olds.get("globalSecondaryIndexes") or ()}
        after = {each["name"]: _index(each, mode) for each in news.get("globalSecondaryIndexes") or ()}
        definitions = _definitions(news.get("attributes"))
        for name in sorted(before):
            if before[name] != after.get(name):
                self._change_index(op, definitions, {"Delete": {"IndexName": name}})
        for name in sorted(after):
            if before.get(name) != after[name]:
                self._change_index(op, definitions, {"Create": after[name]})

    def _change_index(self, op: Operation, definitions: list[Any], change: dict[str, Any]) -> None:
        op.client().update_table(
            TableName=op.id, AttributeDefinitions=definitions, GlobalSecondaryIndexUpdates=[change]
        )

    # -- delete

    def delete(self, op: Operation, known: State) -> None:
        """Deletes the table; a protected one is refused by DynamoDB."""
        op.client().delete_table(TableName=op.id)


def _settings(inputs: Mapping[str, Any], wanted: frozenset[str]) -> dict[str, Any]:
    """The table's settings that both CreateTable and UpdateTable take."""
    result: dict[str, Any] = {}
    if wanted & {"streamEnabled", "streamViewType"} and inputs.get("streamEnabled") is not None:
        stream: dict[str, Any] = {"StreamEnabled": bool(inputs["streamEnabled"])}
        if inputs["streamEnabled"] and inputs.get("streamViewType"):
            stream["StreamViewType"] = inputs["streamViewType"]
        result["StreamSpecification"] = stream
    if "serverSideEncryption" in wanted and inputs.get("serverSideEncryption"):
        given = inputs["serverSideEncryption"]
        encryption: dict[str, Any] = {"Enabled": given["enabled"]}
        if given["enabled"]:
            encryption["SSEType"] = "KMS"
            if given.get("kmsKeyArn"):
                encryption["KMSMasterKeyId"] = given["kmsKeyArn"]
        result["SSESpecification"] = encryption
    if "tableClass" in wanted and inputs.get("tableClass"):
        result["TableClass"] = inputs["tableClass"]
    if "deletionProtectionEnabled" in wanted and inputs.get("deletionProtectionEnabled") is not None:
        result["DeletionProtectionEnabled"] = bool(inputs["deletionProtectionEnabled"])
    if "onDemandThroughput" in wanted and inputs.get("onDemandThroughput"):
        given = inputs["onDemandThroughput"]
        result["OnDemandThroughput"] = {
            "MaxReadRequestUnits": given.get("maxReadRequestUnits", -1),
            "MaxWriteRequestUnits": given.get("maxWriteRequestUnits", -1),
        }
    return result


def _capacity(inputs: Mapping[str, Any]) -> dict[str, Any]:
    mode = inputs["billingMode"]
    if mode != "PROVISIONED":
        return {"BillingMode": mode}
    return {"BillingMode": mode, "ProvisionedThroughput": _throughput(inputs)}


def _throughput(inputs: Mapping[str, Any]) -> dict[str, int]:
    return {
        "ReadCapacityUnits": inputs.get("readCapacity") or 1,
        "WriteCapacityUnits": inputs.get("writeCapacity") or 1,
    }


def _definitions(attributes: Iterable[Mapping[str, Any]] | None) -> list[dict[str, str]]:
    return [{"AttributeName": each["name"], "AttributeType": each["type"]} for each in attributes or ()]


def _keys(given: Mapping[str, Any]) -> list[dict[str, str]]:
    keys = [{"AttributeName": given["hashKey"], "KeyType": "HASH"}]
    if given.get("rangeKey"):
        keys.append({"AttributeName": given["rangeKey"], "KeyType": "RANGE"})
    return keys


def _index_keys(index: Mapping[str, Any]) -> list[dict[str, str]]:
    if index.get("keySchemas"):
        return [
            {"AttributeName": each["attributeName"], "KeyType": each["keyType"]}
            for each in index["keySchemas"]
        ]
    return _keys(index)


def _projection(index: Mapping[str, Any]) -> dict[str, Any]:
    projection: dict[str, Any] = {"ProjectionType": index["projectionType"]}
    if index.get("nonKeyAttributes"):
        projection["NonKeyAttributes"] = index["nonKeyAttributes"]
    return projection


def _index(index: Mapping[str, Any], mode: str) -> dict[str, Any]:
    result: dict[str, Any] = {
        "IndexName": index["name"],
        "KeySchema": _index_keys(index),
        "Projection": _projection(index),
    }
    if mode == "PROVISIONED":
        result["ProvisionedThroughput"] = _throughput(index)
    return result


def _read_index(index: Mapping[str, Any], mode: str) -> State:
    keys = {each["KeyType"]: each["AttributeName"] for each in index["KeySchema"]}
    provisioned = index.get("ProvisionedThroughput") or {}
    return {
        **_read_local_index(index),
        "hashKey": keys["HASH"],
        "readCapacity": provisioned.get("ReadCapacityUnits") or 0 if mode == "PROVISIONED" else 0,
        "writeCapacity": provisioned.get("WriteCapacityUnits") or 0 if mode == "PROVISIONED" else 0,
    }


def _read_local_index(index: Mapping[str, Any]) -> State:
    keys = {each["KeyType"]: each["AttributeName"] for each in index["KeySchema"]}
    projection = index["Projection"]
    return {
        "name": index["IndexName"],
        "rangeKey": keys.get("RANGE") or "",
        "projectionType": projection["ProjectionType"],
        "nonKeyAttributes": projection.get("NonKeyAttributes") or [],
    }


def _check_attributes(inputs: Mapping[str, Any], problems: Problems) -> None:
    if not inputs.get("hashKey"):
        problems.add("hashKey", "is missing", "a table needs a hash key")
    if inputs.get("attributes") is UNKNOWN:
        return
    declared: dict[str, int] = {}
    for place, attribute in enumerate(listed(inputs.get("attributes"))):
        if not isinstance(attribute, dict) or UNKNOWN in attribute.values():
            return
        declared[attribute.get("name", "")] = place
        if attribute.get("type") not in _TYPES:
            problems.add(
                f"attributes[{place}].type", f"{attribute.get('type')!r} is not allowed", "use S, N or B"
            )
    used: dict[str, str] = {}
    for name in ("hashKey", "rangeKey"):
        if inputs.get(name):
            used.setdefault(str(inputs[name]), name)
    for kind in ("globalSecondaryIndexes", "localSecondaryIndexes"):
        if inputs.get(kind) is UNKNOWN:
            return
        for place, index in enumerate(listed(inputs.get(kind))):
            if not isinstance(index, dict):
                return
            path = f"{kind}[{place}]"
            for name in ("hashKey", "rangeKey"):
                if index.get(name):
                    used.setdefault(str(index[name]), f"{path}.{name}")
            for number, key in enumerate(listed(index.get("keySchemas"))):
                used.setdefault(str(key["attributeName"]), f"{path}.keySchemas[{number}].attributeName")
            projection = index.get("projectionType")
            if projection not in ("ALL", "KEYS_ONLY", "INCLUDE", UNKNOWN):
                problems.add(
                    f"{path}.projectionType", f"{projection!r} is not allowed", "ALL, KEYS_ONLY or INCLUDE"
                )
    if str(UNKNOWN) in used:
        return
    for name, path in used.items():
        if name not in declared:
            problems.add(path, f"{name!r} is no declared attribute", "add it to attributes")
    for name, place in declared.items():
        if name not in used:
            problems.add(f"attributes[{place}]", f"{name!r} is no key of table or index", "declare keys only")


class TableItem(Adapter):
    """One item of a table; its id is table and keys."""

    token = "aws:dynamodb/tableItem:TableItem"
    service = "dynamodb"
    handled = frozenset({"hashKey", "item", "rangeKey", "tableName"})
    in_place = frozenset({"item"})

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """The item is DynamoDB's JSON and has the keys."""
        item = inputs.get("item")
        if not isinstance(item, str):
            return
        parsed = _item(item)
        if parsed is None:
            problems.add("item", "is not DynamoDB's JSON", 'give {"name": {"S": "value"}}')
            return
        for name in ("hashKey", "rangeKey"):
            key = inputs.get(name)
            if isinstance(key, str) and key and key not in parsed:
                problems.add("item", f"lacks the key {key!r}", "give every key")

    def create(self, op: Operation, inputs: State) -> State | None:
        """Puts the item, unless there is one."""
        item = _item(inputs["item"]) or {}
        op.client().put_item(
            TableName=inputs["tableName"],
            Item=item,
            ConditionExpression="attribute_not_exists(#key)",
            ExpressionAttributeNames={"#key": inputs["hashKey"]},
        )
        values = [
            next(iter(item[inputs[name]].values())) for name in ("hashKey", "rangeKey") if inputs.get(name)
        ]
        op.id = "|".join(
            [inputs["tableName"], inputs["hashKey"], inputs.get("rangeKey") or "", *map(str, values)]
        )
        return None

    def read(self, op: Operation, known: State) -> State | None:
        """Gets the item by its keys."""
        if "item" not in known:
            raise ValueError(f"{op.id}: an item can't be imported")
        key = self._key(known)
        answer = found(op.client().get_item, TableName=known["tableName"], Key=key, ConsistentRead=True)
        if answer is None or "Item" not in answer:
            return None
        values = [str(next(iter(value.values()))) for value in key.values()]
        return {
            "tableName": known["tableName"],
            "hashKey": known["hashKey"],
            "rangeKey": known.get("rangeKey"),
            "item": json.dumps(answer["Item"], sort_keys=True),
            "hashKeyValue": values[0],
            "rangeKeyValue": values[1] if len(values) > 1 else "",
        }

    def _key(self, known: State) -> dict[str, Any]:
        item = _item(known["item"]) or {}
        return {known[name]: item[known[name]] for name in ("hashKey", "rangeKey") if known.get(name)}

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Puts the new item; one under other keys goes."""
        op.client().put_item(TableName=news["tableName"], Item=_item(news["item"]) or {})
        if self._key(olds) != self._key(news):
            op.client().delete_item(TableName=olds["tableName"], Key=self._key(olds))

    def delete(self, op: Operation, known: State) -> None:
        """Deletes the item."""
        op.client().delete_item(TableName=known["tableName"], Key=self._key(known))

    def parse_id(self, op: Operation, identifier: str) -> State:
        """Table and keys' names; the item is not in it."""
        table, hash_key, range_key, *_ = identifier.split("|")
        return {"tableName": table, "hashKey": hash_key, **({"rangeKey": range_key} if range_key else {})}


def _item(text: str) -> dict[str, Any] | None:
    try:
        parsed = json.loads(text)
    except ValueError:
        return None
    if not isinstance(parsed, dict) or not all(isinstance(v, dict) and len(v) == 1 for v in parsed.values()):
        return None
    return parsed
