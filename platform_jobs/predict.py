"""`predict`: asks a model's endpoint about an entity, with the features that are online now."""

import argparse
import json
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from platform_jobs import settings
from platform_jobs.aws import Clients
from platform_jobs.errors import JobError
from platform_jobs.log import event
from platform_jobs.online import Features, OnlineReader
from platform_jobs.settings import Env, S3Location
from platform_jobs.views import View, load_views


@dataclass(frozen=True, kw_only=True)
class PredictSettings:
    """What `predict` reads from its environment."""

    views_prefix: Annotated[S3Location, Env("STAGECRAFT_VIEWS_PREFIX", S3Location.parse)]
    online_tables: Annotated[Mapping[str, str], Env("STAGECRAFT_ONLINE_TABLES", settings.name_map)]
    model_views: Annotated[Sequence[str], Env("STAGECRAFT_MODEL_VIEWS", settings.name_list)]
    endpoint: Annotated[str, Env("STAGECRAFT_ENDPOINT")]


@dataclass(frozen=True)
class Prediction:
    """An endpoint's answer. `id` is what the answer is known by in captured data and in feedback."""

    id: str
    prediction: Any
    probability: float | None
    model_version: str


class PredictionClient:
    """Asks one endpoint; keep one and its connections."""

    def __init__(
        self, clients: Clients, endpoint: str, views: Sequence[View], tables: Mapping[str, str]
    ) -> None:
        self._runtime = clients.sagemaker_runtime
        self._endpoint = endpoint
        self._views = tuple(views)
        self._reader = OnlineReader(clients, views, tables)

    def predict(self, entities: Sequence[Mapping[str, Any]]) -> list[Prediction]:
        """Predictions for entities, in the order asked, by one read and one call.

        Raises:
            JobError: reason `unknown-entity` if no view knows an entity, `endpoint` if the endpoint's answer
                is none.
        """
        features = self._reader.read(entities)
        unknown = [
            dict(entity)
            for entity, found in zip(entities, features, strict=True)
            if len(found.stale_or_unknown) == len(self._views)
        ]
        if unknown:
            raise JobError(
                "unknown-entity",
                f"{len(unknown)} of {len(entities)} entities have no fresh features online; "
                "check their keys, or run `materialise`",
            )
        instances = [instance_of(self._views, found) for found in features]
        call = str(uuid.uuid4())
        answer = self._runtime.invoke_endpoint(
            EndpointName=self._endpoint,
            ContentType="application/json",
            Accept="application/json",
            InferenceId=call,
            Body=json.dumps({"instances": instances}).encode(),
        )
        body = json.loads(answer["Body"].read())
        found = body.get("predictions") if isinstance(body, dict) else None
        if not isinstance(found, list) or len(found) != len(entities):
            raise JobError("endpoint", f"endpoint {self._endpoint} gave no prediction for each entity")
        event("predict", "predicted", id=call, endpoint=self._endpoint, entities=len(entities))
        return [
            Prediction(f"{call}/{number}", item["prediction"], item.get("probability"), body["model_version"])
            for number, item in enumerate(found)
        ]


def instance_of(views: Sequence[View], features: Features) -> dict[str, Any]:
    """An entity's features as a model is asked with them: times are no inputs (see encoding.learn)."""
    times = {field.name for view in views for field in view.features if field.type == "timestamp"}
    return {name: value for name, value in features.values.items() if name not in times}


def main(argv: Sequence[str]) -> int:
    """`predict KEY=VALUE...`: one entity."""
    parser = argparse.ArgumentParser(prog="platform_jobs predict", description=__doc__)
    parser.add_argument("keys", nargs="+", metavar="KEY=VALUE", help="the entity's join keys")
    arguments = parser.parse_args(argv)
    pairs = [text.partition("=") for text in arguments.keys]
    if not all(name and equals for name, equals, _ in pairs):
        parser.error("give each join key as KEY=VALUE")
    config = settings.load(PredictSettings)
    clients = Clients()
    views = load_views(clients, config.views_prefix, config.model_views)
    client = PredictionClient(clients, config.endpoint, views, config.online_tables)
    (prediction,) = client.predict([{name: value for name, _, value in pairs}])
    sys.stdout.write(json.dumps(prediction.__dict__) + "\n")
    return 0
