"""What Firehose makes of a prefix."""

import datetime

import pytest

from twin.aws.cloud.live.streams import expanded

NOW = datetime.datetime(2026, 3, 1, 9, 5, 7, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("prefix", "key"),
    [
        ("", "2026/03/01/09/"),
        ("raw/", "raw/2026/03/01/09/"),
        ("dt=!{timestamp:yyyy-MM-dd}/h=!{timestamp:HH}/", "dt=2026-03-01/h=09/"),
        ("t=!{partitionKeyFromLambda:type}/", "t=click/"),
        ("t=!{partitionKeyFromQuery:type}/!{unheard:of}/", "t=click/!{unheard:of}/"),
        ("!{firehose:error-output-type}/!{timestamp:yyyy}/", "processing-failed/2026/"),
    ],
)
def test_prefixes_are_worked_out(prefix: str, key: str) -> None:
    assert expanded(prefix, NOW, {"type": "click"}, error="processing-failed") == key
