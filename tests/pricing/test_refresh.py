"""The renewal of the snapshot, against AWS's recorded response shapes (checked by botocore's own models)."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from pricing import Snapshot, bundled, catalogue
from pricing.files import write_atomically
from pricing.refresh import RefreshError, RefreshSummary, refresh

NOW = datetime(2027, 1, 15, 12, tzinfo=UTC)


def product(attributes: Mapping[str, str], *tiers: tuple[str, str]) -> str:
    """One entry of GetProducts' PriceList, as AWS sends it: a JSON text."""
    return json.dumps(
        {
            "product": {"productFamily": "x", "attributes": dict(attributes), "sku": "SKU"},
            "serviceCode": "code",
            "terms": {
                "OnDemand": {
                    "SKU.JRTCKXETXF": {
                        "priceDimensions": {
                            f"SKU.JRTCKXETXF.{index}": {
                                "unit": "Hrs",
                                "beginRange": begin,
                                "endRange": "Inf",
                                "description": "text",
                                "appliesTo": [],
                                "rateCode": f"SKU.{index}",
                                "pricePerUnit": {"USD": price},
                            }
                            for index, (begin, price) in enumerate(tiers)
                        },
                        "sku": "SKU",
                        "effectiveDate": "2027-01-01T00:00:00Z",
                        "offerTermCode": "JRTCKXETXF",
                        "termAttributes": {},
                    }
                }
            },
            "version": "20270101000000",
            "publicationDate": "2027-01-01T00:00:00Z",
        }
    )


class StubbedSession:
    """Gives clients whose answers were recorded, checked against botocore's models both ways."""

    def __init__(self) -> None:
        self.clients: dict[tuple[str, str], Any] = {}
        self.stubbers: dict[tuple[str, str], Stubber] = {}

    def stub(self, service: str, region: str) -> Stubber:
        key = (service, region)
        if key not in self.stubbers:
            client: Any = boto3.client(
                service,
                region_name=region,
                aws_access_key_id="testing",
                aws_secret_access_key="testing",
            )
            self.clients[key] = client
            self.stubbers[key] = Stubber(client)
            self.stubbers[key].activate()
        return self.stubbers[key]

    def client(self, service: str, region_name: str, config: Any) -> Any:
        assert config.retries["total_max_attempts"] > 1
        self.stub(service, region_name)
        return self.clients[service, region_name]

    def products(self, code: str, filters: Mapping[str, str], *pages: list[str]) -> None:
        """Record the pages that GetProducts answers for these filters."""
        expected = {
            "ServiceCode": code,
            "FormatVersion": "aws_v1",
            "Filters": [
                {"Type": "TERM_MATCH", "Field": key, "Value": value} for key, value in sorted(filters.items())
            ],
        }
        for index, page in enumerate(pages):
            request = {**expected, "NextToken": str(index)} if index else expected
            answer: dict[str, Any] = {"FormatVersion": "aws_v1", "PriceList": page}
            if index + 1 < len(pages):
                answer["NextToken"] = str(index + 1)
            self.stub("pricing", "us-east-1").add_response("get_products", answer, request)


def spot_row(kind: str, zone: str, price: str, hour: int = 11) -> dict[str, Any]:
    return {
        "AvailabilityZone": zone,
        "InstanceType": kind,
        "ProductDescription": "Linux/UNIX",
        "SpotPrice": price,
        "Timestamp": datetime(2027, 1, 15, hour, tzinfo=UTC),
    }


EC2_FILTERS = {
    "regionCode": "eu-central-1",
    "operatingSystem": "Linux",
    "tenancy": "Shared",
    "preInstalledSw": "NA",
    "capacitystatus": "Used",
}
HOSTING = {"regionCode": "eu-central-1", "component": "Hosting"}


@pytest.fixture
def base(tmp_path: Path) -> Snapshot:
    """A small snapshot, in a directory with a space in its name."""
    directory = tmp_path / "old prices"
    sources = {"old": {"as_of": "2026-01-01", "source": "an old list of prices"}}
    write_atomically(
        directory / "services" / "kms.json",
        {
            "service": "kms",
            "currency": "USD",
            "sources": sources,
            "prices": {
                "key": {
                    "unit": "key-month",
                    "description": "Key",
                    "regions": {"us-east-1": {"price": "1", "source": "old"}},
                    "query": {"service_code": "awskms", "usage_type": "KMS-Keys"},
                },
                "requests": {
                    "unit": "10,000 requests",
                    "description": "Requests",
                    "regions": {"eu-central-1": {"price": "0.02", "source": "old"}},
                    "query": {"service_code": "awskms", "usage_type": "KMS-Requests", "scale": "10000"},
                },
                "by-hand": {
                    "unit": "month",
                    "description": "No query",
                    "regions": {"us-east-1": {"price": "7", "source": "old"}},
                },
            },
        },
    )
    write_atomically(
        directory / "ec2" / "on-demand-eu-central-1.json",
        {
            "service": "ec2",
            "region": "eu-central-1",
            "currency": "USD",
            "unit": "instance-hour",
            "terms": "on demand",
            "sources": sources,
            "source": "old",
            "other_sources": {},
            "families": {"m5": {"large": "0.115"}, "m1": {"small": "0.05"}},
        },
    )
    write_atomically(
        directory / "ec2" / "spot-eu-central-1.json",
        {
            "service": "ec2",
            "region": "eu-central-1",
            "currency": "USD",
            "unit": "share of the on-demand price",
            "assumption": "an assumption",
            "sources": sources,
            "source": "old",
            "default": {"ratio": "0.4", "interruption": "0.25"},
            "families": {"m5": {"ratio": "0.5", "interruption": "0.1"}},
            "observed": {},
        },
    )
    write_atomically(directory / "ec2" / "instances.json", dict(bundled().document("ec2/instances.json")))
    return Snapshot(directory)


@pytest.fixture
def session() -> Iterator[StubbedSession]:
    stubbed = StubbedSession()
    yield stubbed
    for stubber in stubbed.stubbers.values():
        stubber.assert_no_pending_responses()


def record(session: StubbedSession) -> None:
    """The answers of a usual renewal of eu-central-1."""
    session.products(
        "awskms",
        {"regionCode": "eu-central-1"},
        [product({"usagetype": "eu-central-1-KMS-Keys"}, ("0", "1.0000000000"))],
        # The first tier is free: the first paid one counts.
        [
            product({"usagetype": "eu-central-1-KMS-Requests"}, ("0", "0.0"), ("20000", "0.0000030000")),
            product({"usagetype": "eu-central-1-KMS-Requests-Asymmetric"}, ("0", "0.0000150000")),
        ],
    )
    session.products(
        "AmazonEC2",
        EC2_FILTERS,
        [product({"instanceType": "m5.large"}, ("0", "0.1150000000"))],
        [
            product({"instanceType": "m5.xlarge"}, ("0", "0.2300000000")),
            product({"usagetype": "something without an instance type"}, ("0", "9")),
        ],
    )
    session.products(
        "AmazonSageMaker", HOSTING, [product({"instanceName": "ml.m5.large"}, ("0", "0.1380000000"))]
    )
    session.stub("ec2", "eu-central-1").add_response(
        "describe_spot_price_history",
        {
            "SpotPriceHistory": [
                spot_row("m5.large", "eu-central-1a", "0.040000"),
                spot_row("m5.large", "eu-central-1a", "0.090000", hour=3),
            ],
            "NextToken": "more",
        },
    )
    session.stub("ec2", "eu-central-1").add_response(
        "describe_spot_price_history",
        {
            "SpotPriceHistory": [
                spot_row("m5.large", "eu-central-1b", "0.050000"),
                spot_row("x99.large", "eu-central-1b", "0.010000"),
            ]
        },
    )


def renew(session: StubbedSession, base: Snapshot, out: Path, **options: Any) -> RefreshSummary:
    return refresh(session, ["eu-central-1"], out, base=base, now=NOW, **options)


def test_prices_are_renewed_added_confirmed_and_kept(
    session: StubbedSession, base: Snapshot, tmp_path: Path
) -> None:
    record(session)
    said: list[str] = []
    summary = renew(session, base, tmp_path / "new", progress=said.append)
    new = Snapshot(tmp_path / "new")

    key = new.price("kms", "key", "eu-central-1")
    assert (key.amount, key.borrowed, key.as_of) == (1, False, "2027-01-15")
    assert new.price("kms", "requests", "eu-central-1").amount == Decimal("0.03")
    assert new.price("kms", "by-hand", "us-east-1").as_of == "2026-01-01"
    assert new.price("kms", "key", "us-east-1").as_of == "2026-01-01"

    assert new.on_demand("eu-central-1") == {
        "m5.large": Decimal("0.115"),
        "m5.xlarge": Decimal("0.23"),
        "m1.small": Decimal("0.05"),
    }
    assert new.instance_price_date("ec2", "m5.large", "eu-central-1") == "2027-01-15"
    # AWS no longer lists it: it keeps its price, and the date of it.
    assert new.instance_price_date("ec2", "m1.small", "eu-central-1") == "2026-01-01"
    assert new.sagemaker("eu-central-1") == {"ml.m5.large": Decimal("0.138")}

    changed = {(item.file, item.key): (item.before, item.after) for item in summary.changes}
    assert changed == {
        ("services/kms.json", "key"): (None, "1"),
        ("services/kms.json", "requests"): ("0.02", "0.03"),
        ("ec2/on-demand-eu-central-1.json", "m5.xlarge"): (None, "0.23"),
        ("sagemaker/on-demand-eu-central-1.json", "m5.large"): (None, "0.138"),
        ("ec2/spot-eu-central-1.json", "m5.large"): (None, "0.045"),
    }
    assert summary.confirmed == 1
    assert summary.unanswered == []
    assert "services/kms.json" in summary.written
    assert said == [
        "kms in eu-central-1",
        "ec2 instances in eu-central-1",
        "sagemaker instances in eu-central-1",
        "spot prices in eu-central-1",
    ]
    json.dumps(summary.to_json())


def test_spot_is_the_mean_over_zones_of_the_latest_price(
    session: StubbedSession, base: Snapshot, tmp_path: Path
) -> None:
    record(session)
    renew(session, base, tmp_path / "new")
    new = Snapshot(tmp_path / "new")
    seen = new.spot("m5.large", "eu-central-1")
    assert seen is not None
    assert (seen.hourly, seen.observed, seen.as_of) == (Decimal("0.045"), True, "2027-01-15")
    assert seen.interruption == Decimal("0.1")
    # Its family's ratio now follows what was seen: 0.045 of 0.115.
    sibling = new.spot("m5.xlarge", "eu-central-1")
    assert sibling is not None
    assert (sibling.hourly, sibling.observed) == (Decimal("0.23") * Decimal("0.391"), False)
    assert catalogue("eu-central-1", new)["m5.large"].spot == seen


def test_a_second_renewal_with_the_same_answers_changes_nothing(
    session: StubbedSession, base: Snapshot, tmp_path: Path
) -> None:
    record(session)
    renew(session, base, tmp_path / "new")
    before = {path.name: path.read_bytes() for path in (tmp_path / "new").rglob("*.json")}
    record(session)
    summary = renew(session, Snapshot(tmp_path / "new"), tmp_path / "new")
    assert summary.changes == []
    assert summary.confirmed == 6
    assert {path.name: path.read_bytes() for path in (tmp_path / "new").rglob("*.json")} == before


def test_a_refused_pricing_api_writes_nothing_and_names_the_permission(
    session: StubbedSession, base: Snapshot, tmp_path: Path
) -> None:
    session.stub("pricing", "us-east-1").add_client_error(
        "get_products", "AccessDeniedException", "not authorized"
    )
    with pytest.raises(RefreshError, match=r"AccessDeniedException: not authorized.*pricing:GetProducts"):
        renew(session, base, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_refused_spot_history_keeps_the_assumption(
    session: StubbedSession, base: Snapshot, tmp_path: Path
) -> None:
    session.products("awskms", {"regionCode": "eu-central-1"}, [])
    session.products("AmazonEC2", EC2_FILTERS, [product({"instanceType": "m5.large"}, ("0", "0.12"))])
    session.products("AmazonSageMaker", HOSTING, [])
    session.stub("ec2", "eu-central-1").add_client_error(
        "describe_spot_price_history", "UnauthorizedOperation", "no"
    )
    summary = renew(session, base, tmp_path / "new")
    assert summary.unanswered == [
        "services/kms.json key in eu-central-1: no such price",
        "services/kms.json requests in eu-central-1: no such price",
        "sagemaker/on-demand-eu-central-1.json: no instance prices",
        "ec2/spot-eu-central-1.json: UnauthorizedOperation: no",
    ]
    new = Snapshot(tmp_path / "new")
    spot = new.spot("m5.large", "eu-central-1")
    assert spot is not None
    assert (spot.hourly, spot.as_of) == (Decimal("0.06"), "2026-01-01")
    assert new.price("kms", "requests", "eu-central-1").amount == Decimal("0.02")


def test_two_different_prices_for_one_key_are_not_guessed_between(
    session: StubbedSession, base: Snapshot, tmp_path: Path
) -> None:
    session.products(
        "awskms",
        {"regionCode": "eu-central-1"},
        [
            product({"usagetype": "eu-central-1-KMS-Keys"}, ("0", "1")),
            product({"usagetype": "eu-central-1-KMS-Keys"}, ("0", "2")),
        ],
    )
    session.products("AmazonEC2", EC2_FILTERS, [])
    session.products("AmazonSageMaker", HOSTING, [])
    session.stub("ec2", "eu-central-1").add_response("describe_spot_price_history", {"SpotPriceHistory": []})
    summary = renew(session, base, tmp_path / "new")
    assert "services/kms.json key in eu-central-1: 2 different prices" in summary.unanswered
    assert "ec2/spot-eu-central-1.json: the spot price history is empty" in summary.unanswered
    assert Snapshot(tmp_path / "new").price("kms", "key", "eu-central-1").borrowed


def test_a_new_region_gets_tables_of_its_own(session: StubbedSession, base: Snapshot, tmp_path: Path) -> None:
    north = {**EC2_FILTERS, "regionCode": "eu-north-1"}
    session.products("awskms", {"regionCode": "eu-north-1"}, [])
    session.products("AmazonEC2", north, [product({"instanceType": "m5.large"}, ("0", "0.102"))])
    session.products("AmazonSageMaker", {**HOSTING, "regionCode": "eu-north-1"}, [])
    session.stub("ec2", "eu-north-1").add_response(
        "describe_spot_price_history", {"SpotPriceHistory": [spot_row("m5.large", "eu-north-1a", "0.03")]}
    )
    refresh(session, ["eu-north-1"], tmp_path / "new", base=base, now=NOW)
    new = Snapshot(tmp_path / "new")
    assert new.regions() == ("eu-central-1", "eu-north-1")
    spot = new.spot("m5.large", "eu-north-1")
    assert spot is not None
    assert spot.hourly == Decimal("0.03")
    assert spot.interruption == Decimal("0.25")


def test_new_instance_types_are_described(session: StubbedSession, base: Snapshot, tmp_path: Path) -> None:
    session.products("awskms", {"regionCode": "eu-central-1"}, [])
    session.products(
        "AmazonEC2",
        EC2_FILTERS,
        [
            product({"instanceType": name}, ("0", price))
            for name, price in (("p9.48xlarge", "99"), ("q1.large", "1"))
        ],
    )
    session.products("AmazonSageMaker", HOSTING, [])
    ec2 = session.stub("ec2", "eu-central-1")
    ec2.add_response("describe_spot_price_history", {"SpotPriceHistory": []})
    ec2.add_response(
        "describe_instance_types",
        {
            "InstanceTypes": [
                {
                    "InstanceType": "p9.48xlarge",
                    "VCpuInfo": {"DefaultVCpus": 192},
                    "MemoryInfo": {"SizeInMiB": 4194304},
                    "ProcessorInfo": {"SupportedArchitectures": ["arm64"]},
                    "GpuInfo": {
                        "Gpus": [
                            {
                                "Name": "R100",
                                "Manufacturer": "NVIDIA",
                                "Count": 8,
                                "MemoryInfo": {"SizeInMiB": 294912},
                            }
                        ]
                    },
                    "NetworkInfo": {"EfaSupported": True},
                }
            ]
        },
        {"Filters": [{"Name": "instance-type", "Values": ["p9.48xlarge", "q1.large"]}]},
    )
    summary = renew(session, base, tmp_path / "new")
    assert "ec2/instances.json q1.large: EC2 does not describe it in eu-central-1" in summary.unanswered
    found = catalogue("eu-central-1", Snapshot(tmp_path / "new"))["p9.48xlarge"]
    assert (found.gpus, found.accelerator, found.architecture, found.efa) == (8, "R100", "arm64", True)
    assert found.hourly == 99


def test_every_query_of_the_bundled_snapshot_is_well_formed() -> None:
    queries = 0
    for service in bundled().services():
        for entry in bundled().document(f"services/{service}.json")["prices"].values():
            query = entry.get("query")
            if query is None:
                continue
            queries += 1
            assert set(query) <= {"service_code", "usage_type", "scale", "filters"}
            assert Decimal(query.get("scale", "1")) > 0
            assert all(isinstance(value, str) for value in query.get("filters", {}).values())
    assert queries > 80
