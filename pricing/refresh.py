"""Renewal of the price snapshot from the AWS Pricing API and EC2's spot price history.

The only part of `pricing` that talks to AWS; it needs `pricing:GetProducts`, `ec2:DescribeSpotPriceHistory`
and, for new instance types, `ec2:DescribeInstanceTypes`. Everything is fetched before anything is written,
and each file is written all or nothing. What AWS does not answer keeps its price, source and date.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from pricing.files import write_atomically
from pricing.money import exact, plain
from pricing.snapshot import GLOBAL, Snapshot, bundled

if TYPE_CHECKING:
    import boto3

_PRICING_REGION: Final = "us-east-1"
"""The Pricing API is served from few regions, whichever region is priced."""
_CONFIG: Final = Config(
    connect_timeout=10, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 8}
)
_LINUX: Final = {
    "operatingSystem": "Linux",
    "tenancy": "Shared",
    "preInstalledSw": "NA",
    "capacitystatus": "Used",
}
_SPOT_PRODUCT: Final = "Linux/UNIX"
_RATIO: Final = Decimal("0.001")
_FILTER_VALUES: Final = 100


class RefreshError(RuntimeError):
    """The prices could not be fetched; nothing was written."""


@dataclass(frozen=True, slots=True)
class PriceChange:
    """One price that the renewal changed."""

    file: str
    key: str
    region: str
    before: str | None
    """None for a price that the snapshot did not have."""
    after: str


@dataclass
class RefreshSummary:
    """What a renewal did."""

    changes: list[PriceChange] = field(default_factory=list)
    confirmed: int = 0
    """Prices that AWS still asks."""
    unanswered: list[str] = field(default_factory=list)
    """Prices that keep their old source, each with the reason."""
    written: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The summary as plain JSON values."""
        return {
            "changes": [
                {
                    "file": item.file,
                    "key": item.key,
                    "region": item.region,
                    "before": item.before,
                    "after": item.after,
                }
                for item in self.changes
            ],
            "confirmed": self.confirmed,
            "unanswered": list(self.unanswered),
            "written": list(self.written),
        }


def refresh(
    session: "boto3.Session",
    regions: Sequence[str],
    out_dir: Path,
    *,
    base: Snapshot | None = None,
    now: datetime | None = None,
    progress: Callable[[str], None] | None = None,
) -> RefreshSummary:
    """Write to `out_dir` the snapshot `base`, its prices of `regions` renewed from AWS.

    Args:
        session: credentials and nothing else; each client names its own region.
        regions: regions to renew, or to add.
        out_dir: where the files go; may be where `base` is.
        base: what is renewed. Default: the bundled snapshot.
        now: the time that the prices are of. Default: this moment.
        progress: called with a sentence before each group of requests.

    Raises:
        RefreshError: AWS refused or did not answer the Pricing API; nothing was written.
    """
    moment = now if now is not None else datetime.now(UTC)
    with exact():
        renewal = _Renewal(session, base if base is not None else bundled(), moment, progress or _silent)
        for region in regions:
            renewal.services(region)
            renewal.instances("ec2", region)
            renewal.instances("sagemaker", region)
            renewal.spot(region)
            renewal.specifications(region)
        return renewal.write(out_dir)


class _Renewal:
    def __init__(
        self, session: "boto3.Session", base: Snapshot, moment: datetime, progress: Callable[[str], None]
    ) -> None:
        self._session = session
        self._moment = moment
        self._progress = progress
        self._pricing: Any = session.client("pricing", region_name=_PRICING_REGION, config=_CONFIG)
        self._summary = RefreshSummary()
        self._files: dict[str, dict[str, Any]] = {
            path.relative_to(base.directory).as_posix(): deepcopy(
                dict(base.document(path.relative_to(base.directory).as_posix()))
            )
            for path in sorted(base.directory.rglob("*.json"))
        }
        self._products: dict[str, dict[str, list[Decimal]]] = {}

    def services(self, region: str) -> None:
        """Renew the unit prices of a region."""
        for name, document in self._files.items():
            if not name.startswith("services/"):
                continue
            self._progress(f"{document['service']} in {region}")
            for key, entry in document["prices"].items():
                query = entry.get("query")
                if query is None:
                    continue
                target = GLOBAL if GLOBAL in entry["regions"] else region
                amounts = self._amounts(query, region)
                if len(amounts) != 1:
                    reason = "no such price" if not amounts else f"{len(amounts)} different prices"
                    self._summary.unanswered.append(f"{name} {key} in {region}: {reason}")
                    continue
                price = plain(amounts.pop() * Decimal(query.get("scale", "1")))
                self._set(name, key, target, entry["regions"].get(target, {}).get("price"), price)
                entry["regions"][target] = {"price": price, "source": self._price_list(document)}
            for entry in document["prices"].values():
                entry["regions"] = dict(sorted(entry["regions"].items()))

    def instances(self, service: str, region: str) -> None:
        """Renew the instance prices of a region."""
        self._progress(f"{service} instances in {region}")
        name = f"{service}/on-demand-{region}.json"
        prices = self._instance_prices(service, region)
        if not prices:
            self._summary.unanswered.append(f"{name}: no instance prices")
            return
        document = self._files.get(name)
        if document is None:
            document = _empty_table(service, region)
            self._files[name] = document
        source = self._price_list(document)
        before = {
            f"{family}.{size}": price
            for family, sizes in document["families"].items()
            for size, price in sizes.items()
        }
        others = dict(document["other_sources"])
        for key in before:
            others.setdefault(key, document["source"])
        for key, amount in prices.items():
            price = plain(amount)
            self._set(name, key, region, before.get(key), price)
            before[key] = price
            others[key] = source
        families: dict[str, dict[str, str]] = defaultdict(dict)
        for key in sorted(before, key=_instance_order):
            family, _, size = key.partition(".")
            families[family][size] = before[key]
        document["source"] = source
        document["other_sources"] = {key: others[key] for key in sorted(others) if others[key] != source}
        document["families"] = dict(families)

    def spot(self, region: str) -> None:
        """Renew the spot prices of a region; where EC2 refuses, they stay as they are."""
        self._progress(f"spot prices in {region}")
        name = f"ec2/spot-{region}.json"
        table = self._files.get(f"ec2/on-demand-{region}.json")
        if table is None:
            self._summary.unanswered.append(f"{name}: no on-demand prices to compare with")
            return
        on_demand = {
            f"{family}.{size}": Decimal(price)
            for family, sizes in table["families"].items()
            for size, price in sizes.items()
        }
        try:
            seen = self._spot_prices(region)
        except (ClientError, BotoCoreError) as error:
            self._summary.unanswered.append(f"{name}: {_said(error)}")
            return
        document = self._files.setdefault(name, _empty_spot(region))
        observed: dict[str, dict[str, str]] = document["observed"]
        source = f"spot-history-{self._moment:%Y-%m-%d}"
        ratios: dict[str, list[Decimal]] = defaultdict(list)
        for instance_type in sorted(seen, key=_instance_order):
            price = on_demand.get(instance_type)
            if price is None:
                continue
            zones = seen[instance_type]
            mean = min(price, sum(zones, Decimal(0)) / len(zones))
            text = plain(mean.quantize(Decimal("0.000001")))
            self._set(name, instance_type, region, observed.get(instance_type, {}).get("price"), text)
            observed[instance_type] = {"price": text, "source": source}
            ratios[instance_type.partition(".")[0]].append(mean / price)
        if not ratios:
            self._summary.unanswered.append(f"{name}: the spot price history is empty")
            return
        document["sources"][source] = {
            "as_of": f"{self._moment:%Y-%m-%d}",
            "source": "EC2 DescribeSpotPriceHistory: the mean over the region's zones at that time",
        }
        document["observed"] = dict(sorted(observed.items(), key=lambda item: _instance_order(item[0])))
        for family, values in sorted(ratios.items()):
            interruption = document["families"].get(family, document["default"])["interruption"]
            document["families"][family] = {
                "ratio": plain((sum(values, Decimal(0)) / len(values)).quantize(_RATIO)),
                "interruption": interruption,
                "source": source,
            }
        document["families"] = dict(sorted(document["families"].items()))

    def specifications(self, region: str) -> None:
        """Learn what the region's new instance types are."""
        name = "ec2/instances.json"
        table, document = self._files.get(f"ec2/on-demand-{region}.json"), self._files.get(name)
        if table is None or document is None:
            return
        types: dict[str, list[Any]] = document["types"]
        new = sorted(
            key
            for family, sizes in table["families"].items()
            for key in (f"{family}.{size}" for size in sizes)
            if key not in types
        )
        if not new:
            return
        self._progress(f"{len(new)} new instance types in {region}")
        client: Any = self._session.client("ec2", region_name=region, config=_CONFIG)
        found = {}
        try:
            # Names that EC2 does not know would make it refuse all of them: a filter only leaves them out.
            for start in range(0, len(new), _FILTER_VALUES):
                wanted = [{"Name": "instance-type", "Values": new[start : start + _FILTER_VALUES]}]
                for page in client.get_paginator("describe_instance_types").paginate(Filters=wanted):
                    found.update({row["InstanceType"]: _specification(row) for row in page["InstanceTypes"]})
        except (ClientError, BotoCoreError) as error:
            self._summary.unanswered.append(f"{name} in {region}: {_said(error)}")
            return
        if found:
            types.update(
                {key: [values[column] for column in document["columns"]] for key, values in found.items()}
            )
            document["types"] = dict(sorted(types.items(), key=lambda item: _instance_order(item[0])))
            document["sources"][f"instance-types-{self._moment:%Y-%m-%d}"] = {
                "as_of": f"{self._moment:%Y-%m-%d}",
                "source": f"EC2 DescribeInstanceTypes in {region}, for {', '.join(sorted(found))}",
            }
        for key in new:
            if key not in found:
                self._summary.unanswered.append(f"{name} {key}: EC2 does not describe it in {region}")

    def write(self, out_dir: Path) -> RefreshSummary:
        """Write every file; sources that no price names any more are dropped."""
        for name, document in self._files.items():
            if "sources" in document:
                used = _sources_used(document)
                document["sources"] = {
                    key: value for key, value in sorted(document["sources"].items()) if key in used
                } or document["sources"]
            write_atomically(out_dir / name, document)
            self._summary.written.append(name)
        return self._summary

    def _set(self, file: str, key: str, region: str, before: str | None, after: str) -> None:
        if before is not None and Decimal(before) == Decimal(after):
            self._summary.confirmed += 1
        else:
            self._summary.changes.append(PriceChange(file, key, region, before, after))

    def _price_list(self, document: dict[str, Any]) -> str:
        source = f"price-list-{self._moment:%Y-%m-%d}"
        document["sources"][source] = {
            "as_of": f"{self._moment:%Y-%m-%d}",
            "source": "AWS Pricing API (pricing:GetProducts): on-demand price, first paid tier",
        }
        return source

    def _amounts(self, query: Mapping[str, Any], region: str) -> set[Decimal]:
        """The different prices that a query finds in a region."""
        filters = {"regionCode": region, **query.get("filters", {})}
        cache_key = json.dumps([query["service_code"], filters], sort_keys=True)
        found = self._products.get(cache_key)
        if found is None:
            found = defaultdict(list)
            for product in self._get_products(query["service_code"], filters):
                usage_type = str(product["product"]["attributes"].get("usagetype", ""))
                price = _on_demand(product)
                if price is not None:
                    found[usage_type].append(price)
            self._products[cache_key] = found
        wanted = query["usage_type"]
        # Usage types carry their region's prefix everywhere but, at times, in us-east-1.
        return {
            price
            for usage_type, prices in found.items()
            if usage_type == wanted or usage_type.endswith(f"-{wanted}")
            for price in prices
        }

    def _instance_prices(self, service: str, region: str) -> dict[str, Decimal]:
        if service == "ec2":
            code, filters, attribute = "AmazonEC2", {"regionCode": region, **_LINUX}, "instanceType"
        else:
            code, filters, attribute = (
                "AmazonSageMaker",
                {"regionCode": region, "component": "Hosting"},
                "instanceName",
            )
        found: dict[str, Decimal] = {}
        for product in self._get_products(code, filters):
            name = str(product["product"]["attributes"].get(attribute, "")).removeprefix("ml.")
            price = _on_demand(product)
            if "." in name and price is not None:
                # One type can be listed by several operations: the dearest errs upwards.
                found[name] = max(price, found.get(name, price))
        return found

    def _get_products(self, service_code: str, filters: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
        pages = self._pricing.get_paginator("get_products").paginate(
            ServiceCode=service_code,
            FormatVersion="aws_v1",
            Filters=[
                {"Type": "TERM_MATCH", "Field": key, "Value": value} for key, value in sorted(filters.items())
            ],
        )
        try:
            for page in pages:
                for item in page["PriceList"]:
                    yield json.loads(item) if isinstance(item, str) else item
        except (ClientError, BotoCoreError) as error:
            raise RefreshError(
                f"the AWS Pricing API did not answer for {service_code}: {_said(error)}. The credentials "
                "need pricing:GetProducts and ec2:DescribeSpotPriceHistory; nothing was written."
            ) from error

    def _spot_prices(self, region: str) -> dict[str, list[Decimal]]:
        client: Any = self._session.client("ec2", region_name=region, config=_CONFIG)
        latest: dict[tuple[str, str], tuple[datetime, Decimal]] = {}
        pages = client.get_paginator("describe_spot_price_history").paginate(
            StartTime=self._moment, EndTime=self._moment, ProductDescriptions=[_SPOT_PRODUCT]
        )
        for page in pages:
            for row in page["SpotPriceHistory"]:
                key = (row["InstanceType"], row["AvailabilityZone"])
                entry = (row["Timestamp"], Decimal(row["SpotPrice"]))
                latest[key] = max(entry, latest.get(key, entry))
        found: dict[str, list[Decimal]] = defaultdict(list)
        for (instance_type, _zone), (_when, price) in sorted(latest.items()):
            found[instance_type].append(price)
        return found


def _specification(row: Mapping[str, Any]) -> dict[str, Any]:
    """An instance type as `ec2/instances.json` describes it, from one of DescribeInstanceTypes' entries."""
    architectures = row["ProcessorInfo"]["SupportedArchitectures"]
    kind, name, count, memory = "", "", 0, 0
    if "GpuInfo" in row:
        device = row["GpuInfo"]["Gpus"][0]
        kind = device["Manufacturer"].lower()
        # A fraction of a GPU counts as one: that is how a pod sees it.
        count = sum(max(1, item["Count"]) for item in row["GpuInfo"]["Gpus"])
        name, memory = device["Name"], device["MemoryInfo"]["SizeInMiB"]
    elif "NeuronInfo" in row:
        device = row["NeuronInfo"]["NeuronDevices"][0]
        kind, name, count = "neuron", device["Name"], device["Count"]
        memory = device["MemoryInfo"]["SizeInMiB"]
    return {
        "vcpu": row["VCpuInfo"]["DefaultVCpus"],
        "memory_mib": row["MemoryInfo"]["SizeInMiB"],
        "architecture": "arm64" if "arm64" in architectures else "amd64",
        "accelerator_kind": kind,
        "accelerator": name,
        "accelerators": count,
        "accelerator_memory_mib": memory,
        "efa": bool(row.get("NetworkInfo", {}).get("EfaSupported")),
        "local_storage_gb": row.get("InstanceStorageInfo", {}).get("TotalSizeInGB", 0),
    }


def _on_demand(product: Mapping[str, Any]) -> Decimal | None:
    """The first paid tier's price in US dollars; None for a product that has none."""
    tiers = []
    for term in product.get("terms", {}).get("OnDemand", {}).values():
        for dimension in term["priceDimensions"].values():
            amount = dimension["pricePerUnit"].get("USD")
            if amount is not None and Decimal(amount) > 0:
                tiers.append((Decimal(dimension.get("beginRange") or 0), Decimal(amount)))
    return min(tiers)[1] if tiers else None


def _instance_order(name: str) -> tuple[str, int, str]:
    """Types by family, then from small to large."""
    family, _, size = name.partition(".")
    small = ("nano", "micro", "small", "medium", "large", "xlarge")
    if size in small:
        return family, small.index(size), size
    count = size.removesuffix("xlarge")
    return family, 10 + int(count) if count.isdigit() else 10_000, size


def _sources_used(document: Mapping[str, Any]) -> set[str]:
    """The names of sources anywhere in a file."""
    used: set[str] = set()
    pending: list[Any] = [value for key, value in document.items() if key != "sources"]
    if isinstance(document.get("source"), str):
        used.add(document["source"])
    used.update(document.get("other_sources", {}).values())
    while pending:
        value = pending.pop()
        if isinstance(value, Mapping):
            if isinstance(value.get("source"), str):
                used.add(value["source"])
            pending.extend(value.values())
    return used


def _empty_table(service: str, region: str) -> dict[str, Any]:
    terms = "on demand, Linux, shared tenancy" if service == "ec2" else "on demand, hosting"
    return {
        "service": service,
        "region": region,
        "currency": "USD",
        "unit": "instance-hour",
        "terms": terms,
        "sources": {},
        "source": "",
        "other_sources": {},
        "families": {},
    }


def _empty_spot(region: str) -> dict[str, Any]:
    return {
        "service": "ec2",
        "region": region,
        "currency": "USD",
        "unit": "share of the on-demand price",
        "assumption": "`ratio` is the family's mean spot price over its on-demand price; `interruption` is "
        "not known for the region: 25 % of hours are taken to be missing.",
        "sources": {
            "assumed": {"as_of": "2026-11-21", "source": "spot at the on-demand price where none was seen"}
        },
        "source": "assumed",
        "default": {"ratio": "1", "interruption": "0.25"},
        "families": {},
        "observed": {},
    }


def _said(error: Exception) -> str:
    if isinstance(error, ClientError):
        details = error.response.get("Error", {})
        return f"{details.get('Code', 'error')}: {details.get('Message', error)}"
    return str(error)


def _silent(_text: str) -> None:
    """No progress is shown."""
