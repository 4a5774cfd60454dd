"""Declared usage: defaults, overrides, and every mistake at once."""

from decimal import Decimal
from pathlib import Path

import pytest

from pricing import Usage, UsageError, estimate
from tests.pricing.stack import resource


def test_overrides_by_resource_name_later_ones_win() -> None:
    usage = Usage.from_mapping(
        {"s3StorageGb": 10, "byName": {"*-raw": {"s3StorageGb": 500}, "eu-*": {"s3_storage_gb": 7}}}
    )
    assert usage.of("features").s3_storage_gb == 10
    assert usage.of("us-raw").s3_storage_gb == 500
    assert usage.of("eu-raw").s3_storage_gb == 7
    found = estimate([resource("aws:s3/bucket:Bucket", "us-raw")], region="us-east-1", usage=usage)
    assert found.resources[0].lines[0].amounts.expected == 500 * Decimal("0.023")


def test_every_mistake_is_named_with_its_path_its_value_and_what_would_be_right() -> None:
    with pytest.raises(UsageError) as caught:
        Usage.from_mapping(
            {
                "s3StorageGB": 3,
                "poolShare": 1.5,
                "kmsRequests": "many",
                "worstFactor": 0,
                "lambdaSeconds": -1,
                "stream_gb": True,
                "natGb": float("nan"),
                "byName": {"a": {"nonsense": 1}, "b": 5},
            },
            path="stagecraft:usage",
        )
    problems = [str(problem) for problem in caught.value.problems]
    assert len(problems) == 9
    assert problems[1] == "stagecraft:usage.poolShare: 1.5; must be a number, 0 to 1"
    assert problems[2] == "stagecraft:usage.kmsRequests: 'many'; must be a number, 0 or more"
    assert problems[3] == "stagecraft:usage.worstFactor: 0; must be a number, 1 or more"
    assert any("byName[a].nonsense: 1; is no usage field" in problem for problem in problems)
    assert "did you mean s3_storage_gb?" in problems[0]


def test_the_manual_lists_every_field_with_its_default() -> None:
    manual = (Path(__file__).parents[2] / "docs" / "pricing.md").read_text("utf-8")
    for name, (default, doc) in Usage.describe().items():
        assert f"| `{name}` | {default:,f} | {doc.text} |" in manual, name
