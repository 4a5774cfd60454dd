"""Feast's view of Stagecraft's online tables: one DynamoDB item an entity, one attribute a feature.

Lies beside `feature_store.yaml`; Stagecraft's own materialisation fills the tables,
Feast reads and writes them.
"""

# Feast is the user's own, installed where this runs and not where it is checked.
# mypy: disable-error-code="import-not-found,misc"

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import boto3
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from feast import Entity, FeatureView, RepoConfig
from feast.infra.online_stores.online_store import OnlineStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.repo_config import FeastConfigBaseModel

_KEYS_A_CALL = 100
_read = TypeDeserializer().deserialize
_write = TypeSerializer().serialize


class StagecraftOnlineStoreConfig(FeastConfigBaseModel):
    """What `feature_store.yaml` says of the online store."""

    type: str = "stagecraft_online_store.StagecraftOnlineStore"
    region: str
    tables: dict[str, str]
    """Feature view → DynamoDB table."""
    endpoint_url: str | None = None
    """Another endpoint than AWS's own, as the local twin's."""


class StagecraftOnlineStore(OnlineStore):
    """Reads and writes the tables that FeatureStore made."""

    def online_read(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[tuple[datetime | None, dict[str, Value] | None]]:
        """The features of each entity, in the order asked for; nothing where there are none."""
        items: dict[str, dict[str, Any]] = {}
        client, name = _client(config), config.online_store.tables[table.name]
        identities = [_entity_id(table, key) for key in entity_keys]
        wanted = sorted(set(identities))
        for start in range(0, len(wanted), _KEYS_A_CALL):
            pending = {
                name: {"Keys": [{"entity_id": {"S": key}} for key in wanted[start : start + _KEYS_A_CALL]]}
            }
            while pending:
                answer = client.batch_get_item(RequestItems=pending)
                for item in answer["Responses"].get(name, []):
                    plain = {key: _read(value) for key, value in item.items()}
                    items[plain["entity_id"]] = plain
                pending = answer.get("UnprocessedKeys")
        features = {field.name: field.dtype.to_value_type().name for field in table.features}
        names = requested_features or list(features)
        return [
            _answer(items.get(identity), {key: features[key] for key in names}) for identity in identities
        ]

    def online_write_batch(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: list[tuple[EntityKey, dict[str, Value], datetime, datetime | None]],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Writes rows as the platform's materialisation does."""
        client, name = _client(config), config.online_store.tables[table.name]
        for key, features, event_time, _created in data:
            moment = event_time if event_time.tzinfo else event_time.replace(tzinfo=UTC)
            item: dict[str, Any] = {
                "entity_id": _entity_id(table, key),
                "event_time": moment.astimezone(UTC).isoformat(),
            }
            if table.ttl:
                item["expires_at"] = int((moment + table.ttl).timestamp())
            for feature, value in features.items():
                kind = value.WhichOneof("val")
                if kind is not None:
                    plain = getattr(value, kind)
                    item[feature] = Decimal(repr(plain)) if isinstance(plain, float) else plain
            client.put_item(TableName=name, Item={key: _write(value) for key, value in item.items()})
            if progress:
                progress(1)

    def update(  # noqa: PLR0917  # Feast's own signature
        self,
        config: RepoConfig,
        tables_to_delete: Sequence[FeatureView],
        tables_to_keep: Sequence[FeatureView],
        entities_to_delete: Sequence[Entity],
        entities_to_keep: Sequence[Entity],
        partial: bool,
    ) -> None:
        """Nothing: the tables are Stagecraft's to make."""

    def teardown(self, config: RepoConfig, tables: Sequence[FeatureView], entities: Sequence[Entity]) -> None:
        """Nothing: the tables are Stagecraft's to delete."""


def _client(config: RepoConfig) -> Any:
    return boto3.client(
        "dynamodb", region_name=config.online_store.region, endpoint_url=config.online_store.endpoint_url
    )


def _entity_id(table: FeatureView, key: EntityKey) -> str:
    values = {
        name: str(getattr(value, value.WhichOneof("val")))
        for name, value in zip(key.join_keys, key.entity_values, strict=True)
    }
    # Feast sorts an entity key's columns; the tables have them in the order of their declaration.
    return "|".join(values[name] for name in table.join_keys)


def _answer(
    item: dict[str, Any] | None, features: dict[str, str]
) -> tuple[datetime | None, dict[str, Value] | None]:
    if item is None:
        return None, None
    return datetime.fromisoformat(item["event_time"]), {
        name: _value(kind, item.get(name)) for name, kind in features.items()
    }


def _value(kind: str, value: Any) -> Value:
    if value is None:
        return Value()
    if kind in ("DOUBLE", "FLOAT"):
        return Value(double_val=float(value))
    if kind in ("INT64", "INT32"):
        return Value(int64_val=int(value))
    if kind == "BOOL":
        return Value(bool_val=bool(value))
    if kind == "UNIX_TIMESTAMP":
        moment = value if isinstance(value, Decimal) else datetime.fromisoformat(value).timestamp()
        return Value(unix_timestamp_val=int(moment))
    return Value(string_val=str(value))
