"""The snapshot's files: every price sourced and dated, and what the tables say of the facts we know."""

import json
import re
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from pricing import PriceUnknownError, Snapshot, bundled, catalogue
from pricing.files import render, write_atomically
from pricing.snapshot import BUNDLED

FACTS = """m6i.large 0.096, m6i.xlarge 0.192, m7g.large 0.0816, m7g.xlarge 0.1632, m7i.large 0.1008,
m7i.xlarge 0.2016, m7i.2xlarge 0.4032, c7g.xlarge 0.145, c7i.2xlarge 0.357, r7i.xlarge 0.2646,
t3.medium 0.0416, t4g.medium 0.0336, g4dn.xlarge 0.526, g4dn.2xlarge 0.752, g4dn.12xlarge 3.912,
g5.xlarge 1.006, g5.2xlarge 1.212, g5.4xlarge 1.624, g5.12xlarge 5.672, g5.48xlarge 16.288,
g6.xlarge 0.8048, g6.2xlarge 0.9776, g6.4xlarge 1.3232, g6.12xlarge 4.6016, g6.48xlarge 13.3504,
g6e.xlarge 1.861, g6e.2xlarge 2.24208, g6e.4xlarge 3.00424, g6e.12xlarge 10.49264,
g6e.48xlarge 30.13118, g7e.2xlarge 3.36312, g7e.48xlarge 33.14432, p4d.24xlarge 21.957642,
p4de.24xlarge 27.44705, p5.4xlarge 6.88, p5.48xlarge 55.04, p5en.48xlarge 63.296,
p6-b200.48xlarge 113.9328, inf2.xlarge 0.7582, inf2.8xlarge 1.96786, inf2.24xlarge 6.49063,
inf2.48xlarge 12.98127, trn1.2xlarge 1.34375, trn1.32xlarge 21.5"""


def test_the_facts_of_july_2026_are_in_the_table() -> None:
    table = bundled().on_demand("us-east-1")
    for fact in FACTS.replace("\n", " ").split(","):
        name, price = fact.split()
        assert table[name] == Decimal(price), name


def test_there_are_four_regions_at_least() -> None:
    assert set(bundled().regions()) >= {
        "us-east-1",
        "us-west-2",
        "eu-west-1",
        "eu-central-1",
        "ap-southeast-1",
    }


@pytest.mark.parametrize("path", sorted(BUNDLED.rglob("*.json")), ids=lambda path: path.name)
def test_every_file_is_sourced_dated_and_laid_out_as_refresh_would(path: Path) -> None:
    text = path.read_text("utf-8")
    document = json.loads(text)
    assert text == render(document)
    assert document["sources"]
    for source in document["sources"].values():
        assert date.fromisoformat(source["as_of"]) <= date(2026, 11, 21)
        assert len(source["source"]) > 20
    if path.parent.name == "services":
        assert document["service"] == path.stem
        assert document["currency"] == "USD"
        for entry in document["prices"].values():
            assert entry["unit"]
            assert entry["regions"]
            for region, row in entry["regions"].items():
                assert region == "global" or re.fullmatch(r"[a-z]{2}-[a-z]+-\d", region)
                assert Decimal(row["price"]) > 0
                assert row["source"] in document["sources"]
    elif path.stem.startswith("on-demand-"):
        assert document["source"] in document["sources"]
        assert set(document["other_sources"].values()) <= set(document["sources"])
        assert all(Decimal(price) > 0 for sizes in document["families"].values() for price in sizes.values())
    elif path.stem.startswith("spot-"):
        assert "assumption" in document
        for family in [document["default"], *document["families"].values()]:
            assert 0 < Decimal(family["ratio"]) <= 1
            assert 0 <= Decimal(family["interruption"]) <= 1


def test_no_machine_s_path_and_no_address_is_in_the_data() -> None:
    for path in BUNDLED.rglob("*.json"):
        text = path.read_text("utf-8")
        assert "http" not in text
        assert "/root/" not in text


@pytest.mark.parametrize("region", bundled().regions())
def test_spot_is_never_dearer_than_on_demand(region: str) -> None:
    types = catalogue(region)
    assert len(types) > 500
    for item in types.values():
        assert item.vcpu > 0
        assert item.memory_mib > 0
        assert item.spot is not None
        assert 0 < item.spot.hourly <= item.hourly


def test_sizes_of_a_family_cost_in_proportion() -> None:
    """A wrong digit in a table shows as a size out of line with its family."""
    for region in ("us-east-1", "eu-central-1"):
        for family in ("m5", "m7i", "c7g", "r7i"):
            per_vcpu = {
                (item.hourly / item.vcpu).quantize(Decimal("0.0001"))
                for item in catalogue(region).values()
                if item.family == family and not item.bare_metal
            }
            assert max(per_vcpu) - min(per_vcpu) <= Decimal("0.0002"), (region, family)


def test_a_borrowed_price_says_where_it_is_from() -> None:
    price = bundled().price("kinesis", "shard-hour", "eu-central-1")
    assert (price.amount, price.from_region, price.borrowed) == (Decimal("0.015"), "us-east-1", True)
    assert not bundled().price("route53", "hosted-zone", "eu-central-1").borrowed
    # Only Ireland's is known: the dearest known stands in where the home region's is missing.
    assert bundled().price("sagemaker", "serverless-data-gb", "us-east-1").from_region == "eu-west-1"


def test_a_price_that_nobody_has_is_an_error() -> None:
    for service, key in (("kms", "nothing"), ("nothing", "key")):
        with pytest.raises(PriceUnknownError, match="the price snapshot has no"):
            bundled().price(service, key, "us-east-1")


def test_only_the_files_that_are_needed_are_read(tmp_path: Path) -> None:
    """A broken file that nobody asks for harms nobody."""
    for path in BUNDLED.rglob("*.json"):
        target = tmp_path / path.relative_to(BUNDLED)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    (tmp_path / "services" / "kms.json").write_text("{", "utf-8")
    snapshot = Snapshot(tmp_path)
    assert snapshot.price("eks", "cluster-hour", "us-east-1").amount == Decimal("0.1")
    with pytest.raises(json.JSONDecodeError):
        snapshot.price("kms", "key", "us-east-1")


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "with space" / "a.json"
    write_atomically(path, {"a": 1})
    with pytest.raises(TypeError):
        write_atomically(path, {"a": object()})
    assert json.loads(path.read_text("utf-8")) == {"a": 1}
    assert [item.name for item in path.parent.iterdir()] == ["a.json"]
