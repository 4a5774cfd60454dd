"""Reads and writes a feature repository with the real Feast, in Feast's own environment; tells JSON.

Feast holds older libraries than the jobs run on: `test_feast.py` runs this with Feast's interpreter.
The working folder is the repository; AWS is where the environment says.
"""

import json
import sys

import pandas as pd
from definitions import activity, entity_customer_id
from feast import FeatureStore
from feast.infra.offline_stores.contrib.athena_offline_store.athena_source import AthenaSource

FEATURES = ["activity:sessions", "activity:minutes", "activity:plan"]


def main() -> None:
    # Athena answers no queries in the twin: Feast would ask it for the columns, which the definitions name.
    AthenaSource.validate = lambda self, config: None
    AthenaSource.get_table_column_names_and_types = lambda self, config: []
    asked = json.loads(sys.argv[1])
    store = FeatureStore(repo_path=".")
    store.apply([entity_customer_id, activity])
    rows = [{"customer_id": name} for name in asked["read"]]
    read = store.get_online_features(features=FEATURES, entity_rows=rows).to_dict()
    row = {**asked["write"], "observed_at": pd.Timestamp(asked["write"]["observed_at"])}
    store.write_to_online_store("activity", pd.DataFrame([row]))
    print(json.dumps(read))


main()
