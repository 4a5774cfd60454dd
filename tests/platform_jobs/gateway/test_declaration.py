"""Declarations: every problem at once, each with its path."""

import json
from typing import Any

import pytest

from platform_jobs.gateway.declaration import Target, parse_models

SMALL: dict[str, Any] = {"keys": ["customer_id"], "variants": [{"endpoint": "churn-live"}]}


def parse(**more: Any) -> Any:
    (model,) = parse_models(json.dumps({"churn": {**SMALL, **more}}))
    return model


def test_a_small_one_has_sane_defaults():
    model = parse()
    assert (model.name, model.keys, model.ladder) == ("churn", ("customer_id",), ("live",))
    assert [(each.name, each.weight) for each in model.variants] == [("live", 1.0)]
    assert model.variants[0].target == Target(endpoint="churn-live")
    assert model.timeout_ms == model.slow_ms == 250


def test_a_whole_one():
    model = parse(
        variants=[
            {"name": "live", "endpoint": "e", "variant": "v1", "weight": 90},
            {"name": "challenger", "url": "http://churn-b:8080", "weight": 10},
        ],
        shadow={"url": "https://candidate.models.svc", "percent": 5},
        ladder=["live", "previous", "last-good", "default-answer"],
        previous={"endpoint": "p"},
        defaultAnswer=False,
        lastGoodSeconds=60,
        timeoutMs=100,
        slowMs=80,
    )
    assert model.stable == "live"
    assert model.default_answer is False
    assert model.shadow.percent == 5


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"keys": []}, "churn.keys = [] must be a list of texts"),
        ({"variants": []}, "churn.variants = [] must be a list of at least one variant"),
        ({"variants": [{}]}, "churn.variants[0] needs either endpoint"),
        ({"variants": [{"endpoint": "a", "url": "http://b"}]}, "needs either endpoint"),
        ({"variants": [{"url": "http://u:p@host"}]}, "without credentials or query"),
        ({"variants": [{"url": "ftp://host"}]}, "must be http://host:port"),
        ({"variants": [{"url": "http://b", "variant": "v"}]}, 'variant = "v" goes with endpoint only'),
        ({"variants": [{"endpoint": "a"}, {"endpoint": "b"}]}, 'name = "live" must differ'),
        ({"variants": [{"endpoint": "a", "name": "shadow"}]}, "must differ from the others, and from shadow"),
        ({"variants": [{"endpoint": "a", "weight": 0}]}, "needs a weight above 0"),
        ({"variants": [{"endpoint": "a", "weight": -1}]}, "weight = -1 must be a number of at least 0"),
        ({"speaks": "chat"}, 'speaks = "chat" must be one of completions, serve'),
        ({"ladder": ["previous"]}, "must start with live and go down"),
        ({"ladder": ["live", "last-good", "previous"], "previous": {"endpoint": "p"}}, "go down"),
        ({"ladder": ["live", "magic"]}, 'ladder = "magic" must be one of live, previous'),
        ({"ladder": ["live", "previous"]}, "churn.previous is required"),
        ({"ladder": ["live", "default-answer"]}, "churn.defaultAnswer is required"),
        ({"lastGoodSeconds": 5}, "needs the step last-good in ladder"),
        ({"shadow": {"endpoint": "s", "percent": 101}}, "percent = 101 must be at most 100"),
        ({"timeoutMs": True}, "timeoutMs = true must be a number above 0"),
        ({"timeout": 3}, "churn.timeout = 3 is not known"),
        ({"previous": "p"}, 'churn.previous = "p" must be an object'),
    ],
)
def test_what_is_wrong_is_named_with_its_path(more: dict[str, Any], told: str):
    with pytest.raises(ValueError, match="churn") as refused:
        parse(**more)
    assert told in str(refused.value)


def test_all_problems_are_told_at_once():
    with pytest.raises(ValueError, match="churn") as refused:
        parse(keys=3, variants=[{"url": "x"}, {"weight": "many", "endpoint": "e"}], timeoutMs=0)
    assert len(str(refused.value).split("; ")) == 5


@pytest.mark.parametrize("text", ["{", "[]", "{}", "3"])
def test_no_object_is_no_declaration(text: str):
    with pytest.raises(ValueError, match="expected a JSON object"):
        parse_models(text)
