"""Which rule of a route a request is sent by, and how often to whom; the route is ServingCluster's own."""

import random
from collections import Counter
from typing import Any

import pytest

from components import serving_objects
from twin.kubernetes.kubelet.routes import Rule, gateways, rule_for


def route(*hostnames: str) -> dict[str, Any]:
    spec = serving_objects.route(
        gateway="public",
        namespace="gateways",
        hostnames=hostnames,
        application="gateway",
        weights={"churn": {"churn-live": 9000, "churn-challenger": 1000, "churn-previous": 0}},
    )
    return {"metadata": {"namespace": "serving", "name": "models"}, "spec": spec}


def found(method: str, path: str, *hostnames: str, host: str = "127.0.0.1:1") -> Rule | None:
    return rule_for([route(*hostnames)], host, method, path)


def test_it_hangs_on_the_gateway_that_it_names():
    assert list(gateways(route())) == ["public.gateways"]


def test_users_go_to_the_application_layer_with_their_path():
    rule = found("POST", "/v1/models/churn/predict")
    assert rule is not None
    assert [(each.service, each.port) for each in rule.backends] == [("gateway.serving", 8090)]
    assert rule.rewritten == ""
    assert found("GET", "/v1/models") is not None


def test_callers_without_users_reach_models_by_their_weights():
    rule = found("POST", "/models/churn/invocations")
    assert rule is not None
    assert rule.rewritten == "/invocations"
    draw = random.Random(1)  # noqa: S311  # shares of requests
    counted = Counter(each.service for _ in range(5000) if (each := rule.chosen(draw)))
    assert set(counted) == {"churn-live.serving", "churn-challenger.serving"}
    assert 400 < counted["churn-challenger.serving"] < 600


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/models/churn/invocations"),
        ("POST", "/models/churn/invocations/more"),
        ("POST", "/v1/modelsandmore"),
        ("POST", "/metrics"),
        ("POST", "/"),
    ],
)
def test_nothing_else_comes_in(method, path):
    assert found(method, path) is None


def test_host_names_are_kept_to():
    assert found("GET", "/v1/models", "predict.example.com", host="predict.example.com:80") is not None
    assert found("GET", "/v1/models", "*.example.com", host="PREDICT.example.com") is not None
    assert found("GET", "/v1/models", "predict.example.com", host="other.example.com") is None


def test_without_any_weight_a_request_goes_nowhere():
    rule = Rule(path="/", exact=False, method="", rewritten="", backends=[])
    assert rule.chosen(random.Random(1)) is None  # noqa: S311  # shares of requests
