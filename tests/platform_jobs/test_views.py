import copy
from typing import Any

import pytest

from platform_jobs import demo_data
from platform_jobs.errors import JobError
from platform_jobs.views import declaration_version, parse_view

# The example of docs/components.md, with every key that a field may have.
DECLARATION: dict[str, Any] = {
    "name": "cell_measurements",
    "entity": "sample",
    "joinKeys": ["sample_id"],
    "eventTime": "measured_at",
    "ttlDays": 365,
    "retentionDays": 730,
    "unknownHere": {"may": "come"},
    "fields": [
        {"name": "mean_radius", "type": "float", "min": 0, "max": 100},
        {"name": "visits", "type": "int", "nullable": True, "maxNullFraction": 0.2},
        {"name": "malignant", "type": "int", "allowed": [0, 1], "label": True},
    ],
}


def test_a_declaration_is_read_as_documented():
    view = parse_view(DECLARATION)
    assert [column.name for column in view.columns] == [
        *("sample_id", "measured_at", "mean_radius", "visits", "malignant")
    ]
    assert [field.name for field in view.features] == ["mean_radius", "visits"]
    assert [field.name for field in view.labels] == ["malignant"]
    assert view.fields[1].max_null_fraction == 0.2
    assert view.ttl_days == 365


def test_the_version_follows_the_content_not_the_order():
    backwards = dict(reversed(DECLARATION.items()))
    assert declaration_version(backwards) == declaration_version(DECLARATION)
    changed = copy.deepcopy(DECLARATION)
    changed["fields"][0]["max"] = 99
    assert declaration_version(changed) != declaration_version(DECLARATION)


def test_every_mistake_is_named_at_once():
    wrong = {
        "name": "",
        "joinKeys": [],
        "eventTime": "at",
        "ttlDays": "long",
        "maxBadFraction": 7,
        "duplicates": "keep",
        "fields": [
            {"name": "a", "type": "decimal"},
            {"name": "a", "type": "string", "min": 1},
            {"name": "b", "type": "float", "min": 3, "max": 1},
            {"name": "c", "type": "int", "allowed": []},
            "d",
        ],
    }
    with pytest.raises(JobError) as caught:
        parse_view(wrong)
    for text in (
        "name must be a name",
        "joinKeys must be a list",
        "ttlDays='long' must be a number",
        "maxBadFraction=7 must be a number from 0 to 1",
        "duplicates='keep' must be one of quarantine, fail",
        "field a: type='decimal' must be one of string, int, float, bool, timestamp",
        "field a: min and max are for int and float, not string",
        "field b: min=3 is above max=1",
        "field c: allowed must be a list",
        "fields[4] must be an object with a name",
        "column 'a' is declared twice",
    ):
        assert text in str(caught.value)


def test_keys_that_are_listed_as_fields_are_columns_once():
    listed = copy.deepcopy(DECLARATION)
    listed["fields"].insert(0, {"name": "sample_id", "type": "string"})
    assert parse_view(listed).columns == parse_view(DECLARATION).columns


def test_the_demos_declaration_is_one():
    assert len(parse_view(demo_data.declaration()).features) == 30
