"""The dated price snapshot: data files, read only when a price of theirs is asked for.

`services/<service>.json` holds unit prices by key and region, `ec2/on-demand-<region>.json` and
`sagemaker/on-demand-<region>.json` instance prices, `ec2/spot-<region>.json` what spot costs beside them and
`ec2/instances.json` what each instance type is. Every price names its source, every source its date.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final

BUNDLED: Final = Path(__file__).parent / "data"
GLOBAL: Final = "global"
HOME_REGION: Final = "us-east-1"
"""The region whose prices stand in where a region's own are not in the snapshot."""


class PriceUnknownError(LookupError):
    """The snapshot has no such price, not even in another region."""


@dataclass(frozen=True, slots=True)
class Price:
    """One unit price."""

    service: str
    key: str
    amount: Decimal
    """US dollars for one `unit`."""
    unit: str
    region: str
    """The region it was asked for."""
    from_region: str
    """The region it is the price of: another one when the snapshot lacks `region`'s own."""
    source: str
    as_of: str

    @property
    def borrowed(self) -> bool:
        """Whether another region's price stands in."""
        return self.from_region not in (self.region, GLOBAL)


@dataclass(frozen=True, slots=True)
class SpotPrice:
    """What an instance type costs on spot, and how often spot is taken away."""

    hourly: Decimal
    interruption: Decimal
    """Share of a month's instance hours that spot is taken to be missing, 0 to 1."""
    observed: bool
    """True when EC2's spot price history gave it; False when it is the family's usual share of on-demand."""
    as_of: str


@dataclass(frozen=True, slots=True)
class Source:
    """Where prices come from."""

    file: str
    name: str
    as_of: str
    text: str


class Snapshot:
    """A directory of price files. Reading is lazy: a file is parsed when first needed, then kept."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._documents: dict[str, Mapping[str, Any] | None] = {}
        self._prices: dict[tuple[str, str, str], Price] = {}
        self._tables: dict[tuple[str, str], Mapping[str, Decimal]] = {}
        self._markups: dict[str, Decimal] | None = None

    def regions(self) -> tuple[str, ...]:
        """Regions with an EC2 price table, sorted."""
        prefix = "on-demand-"
        return tuple(sorted(path.stem.removeprefix(prefix) for path in self._ec2().glob(f"{prefix}*.json")))

    def services(self) -> tuple[str, ...]:
        """Services with a file of unit prices, sorted."""
        return tuple(sorted(path.stem for path in (self.directory / "services").glob("*.json")))

    def price(self, service: str, key: str, region: str) -> Price:
        """The unit price; another region's, marked as borrowed, where the snapshot lacks the region's own.

        Raises:
            PriceUnknownError: no region's price is known.
        """
        found = self._prices.get((service, key, region))
        if found is None:
            found = self._find(service, key, region)
            self._prices[service, key, region] = found
        return found

    def on_demand(self, region: str) -> Mapping[str, Decimal]:
        """Hourly Linux on-demand price by EC2 instance type; empty for a region without a table."""
        return self._table("ec2", region)

    def sagemaker(self, region: str) -> Mapping[str, Decimal]:
        """Hourly hosting price by SageMaker instance type (`ml.m5.xlarge`); empty where unknown."""
        return self._table("sagemaker", region)

    def sagemaker_markups(self) -> Mapping[str, Decimal]:
        """What SageMaker asks for an instance type over EC2, as a factor, where both prices are known."""
        if self._markups is None:
            paths = sorted((self.directory / "sagemaker").glob("on-demand-*.json"))
            regions = [path.stem.removeprefix("on-demand-") for path in paths]
            self._markups = {}
            for region in sorted(regions, key=lambda name: (name != HOME_REGION, name)):
                machines = self.on_demand(region)
                for name, price in self.sagemaker(region).items():
                    base = machines.get(name.removeprefix("ml."))
                    if base:
                        self._markups.setdefault(name, price / base)
        return self._markups

    def instance_price_date(self, service: str, instance_type: str, region: str) -> str:
        """When the price of an instance type (EC2's, or SageMaker's with its `ml.`) was found."""
        document = self.document(f"{service}/on-demand-{region}.json")
        name = instance_type.removeprefix("ml.")
        date: str = document["sources"][document["other_sources"].get(name, document["source"])]["as_of"]
        return date

    def spot(self, instance_type: str, region: str) -> SpotPrice | None:
        """What the type costs on spot, or None when its on-demand price there is unknown."""
        on_demand = self.on_demand(region).get(instance_type)
        document = self._document(f"ec2/spot-{region}.json")
        if on_demand is None or document is None:
            return None
        families: Mapping[str, Any] = document["families"]
        family = families.get(instance_type.partition(".")[0], document["default"])
        interruption = Decimal(family["interruption"])
        observed = document["observed"].get(instance_type)
        if observed is not None:
            source = document["sources"][observed["source"]]
            hourly = min(on_demand, Decimal(observed["price"]))
            return SpotPrice(hourly, interruption, observed=True, as_of=source["as_of"])
        source = document["sources"][family.get("source", document["source"])]
        return SpotPrice(
            on_demand * Decimal(family["ratio"]), interruption, observed=False, as_of=source["as_of"]
        )

    def specifications(self) -> Mapping[str, Mapping[str, Any]]:
        """What each instance type is, by the column names of `ec2/instances.json`."""
        document = self.document("ec2/instances.json")
        columns = document["columns"]
        return {name: dict(zip(columns, values, strict=True)) for name, values in document["types"].items()}

    def sources(self) -> Iterator[Source]:
        """Every source of every file, in file order: what `as_of` the snapshot has."""
        for path in sorted(self.directory.rglob("*.json")):
            name = path.relative_to(self.directory).as_posix()
            for key, source in self.document(name)["sources"].items():
                yield Source(name, key, source["as_of"], source["source"])

    def document(self, name: str) -> Mapping[str, Any]:
        """A file's content, by its path below the snapshot's directory.

        Raises:
            FileNotFoundError: the snapshot has no such file.
        """
        found = self._document(name)
        if found is None:
            raise FileNotFoundError(self.directory / name)
        return found

    def _ec2(self) -> Path:
        return self.directory / "ec2"

    def _document(self, name: str) -> Mapping[str, Any] | None:
        if name not in self._documents:
            path = self.directory / name
            self._documents[name] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
        return self._documents[name]

    def _table(self, service: str, region: str) -> Mapping[str, Decimal]:
        found = self._tables.get((service, region))
        if found is None:
            document = self._document(f"{service}/on-demand-{region}.json")
            prefix = "ml." if service == "sagemaker" else ""
            found = {
                f"{prefix}{family}.{size}": Decimal(price)
                for family, sizes in (document["families"] if document else {}).items()
                for size, price in sizes.items()
            }
            self._tables[service, region] = found
        return found

    def _find(self, service: str, key: str, region: str) -> Price:
        document = self._document(f"services/{service}.json")
        entry = document["prices"].get(key) if document else None
        if document is None or entry is None or not entry["regions"]:
            raise PriceUnknownError(f"the price snapshot has no {service} {key}")
        regions: Mapping[str, Mapping[str, str]] = entry["regions"]
        # Without the home region's price the dearest one known stands in: an estimate errs upwards.
        from_region = next(
            (name for name in (region, GLOBAL, HOME_REGION) if name in regions),
            max(regions, key=lambda name: (Decimal(regions[name]["price"]), name)),
        )
        row = regions[from_region]
        source = document["sources"][row["source"]]
        return Price(
            service=service,
            key=key,
            amount=Decimal(row["price"]),
            unit=entry["unit"],
            region=region,
            from_region=from_region,
            source=source["source"],
            as_of=source["as_of"],
        )


@cache
def bundled() -> Snapshot:
    """The snapshot that comes with Stagecraft."""
    return Snapshot(BUNDLED)
