"""What Feast needs to read the feature store: configuration, definitions, an online store of our layout."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from components.feature_view import FeatureView, served

ONLINE_STORE_MODULE: Final = "stagecraft_online_store"
_FEAST_TYPES: Final = {
    "bool": "Bool",
    "float": "Float64",
    "int": "Int64",
    "string": "String",
    "timestamp": "UnixTimestamp",
}


def feature_store_yaml(
    *, project: str, region: str, bucket: str, database: str, workgroup: str, tables: Mapping[str, str]
) -> str:
    """`feature_store.yaml`: registry on S3, offline reads by Athena, online reads from the views' tables.

    JSON scalars are YAML scalars, so quoting is JSON's.
    """
    lines = [
        f"project: {project}",
        "provider: aws",
        f"registry: s3://{bucket}/_feast/registry.db",
        "entity_key_serialization_version: 3",
        "offline_store:",
        "  type: athena",
        f"  region: {region}",
        "  data_source: AwsDataCatalog",
        f"  database: {database}",
        f"  workgroup: {workgroup}",
        f"  s3_staging_location: s3://{bucket}/_feast/staging/",
        "online_store:",
        f"  type: {ONLINE_STORE_MODULE}.StagecraftOnlineStore",
        f"  region: {region}",
        "  tables:",
        *(f"    {view}: {json.dumps(table)}" for view, table in sorted(tables.items())),
    ]
    return "\n".join(lines) + "\n"


def definitions(views: Sequence[FeatureView], *, database: str, catalog_tables: Mapping[str, str]) -> str:
    """`definitions.py`: an entity a view (its join keys), its Athena source and its served features."""
    types = sorted({_FEAST_TYPES[field["type"]] for view in views for field in served(view)})
    lines = [
        '"""Written by Stagecraft from the feature views\' declarations; do not edit."""',
        "",
        "from datetime import timedelta",
        "",
        "from feast import Entity, FeatureView, Field, ValueType",
        "from feast.infra.offline_stores.contrib.athena_offline_store.athena_source import AthenaSource",
        f"from feast.types import {', '.join(types)}",
    ]
    keys = sorted({key for view in views for key in view["join_keys"]})
    lines.append("")
    lines.extend(
        f"entity_{key} = Entity(name={key!r}, join_keys=[{key!r}], value_type=ValueType.STRING)"
        for key in keys
    )
    for view in views:
        name = view["name"]
        lines.extend(
            [
                "",
                f"{name} = FeatureView(",
                f"    name={name!r},",
                f"    entities=[{', '.join(f'entity_{key}' for key in view['join_keys'])}],",
                f"    ttl=timedelta(days={int(view['ttl_days'])}),",
                "    schema=[",
                *(
                    f"        Field(name={field['name']!r}, dtype={_FEAST_TYPES[field['type']]}),"
                    for field in served(view)
                ),
                "    ],",
                "    source=AthenaSource(",
                f"        name={name + '_offline'!r},",
                f"        database={database!r},",
                f"        table={catalog_tables[name]!r},",
                f"        timestamp_field={view['event_time']!r},",
                '        date_partition_column="event_date",',
                "    ),",
                ")",
            ]
        )
    return "\n".join(lines) + "\n"


def online_store_module() -> str:
    """The text of the online store that reads our tables, a module of its own beside the definitions."""
    return (Path(__file__).parent / "feast_repo" / f"{ONLINE_STORE_MODULE}.py").read_text()
