"""The estimator: resources in, three months' bills out."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pricing.bill import Bill
from pricing.estimate import OUTSIDE_COMPONENTS, Estimate, ResourceCost, Unpriced, by_component
from pricing.estimators import registry
from pricing.estimators.free import is_local
from pricing.money import exact
from pricing.resources import Inventory, Resource
from pricing.snapshot import HOME_REGION, Price, Snapshot, bundled
from pricing.usage import Usage

_REGION: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
_PROVIDER: Final = "pulumi:providers:aws"


def estimate(
    resources: Iterable[Resource | Mapping[str, Any]],
    *,
    region: str,
    usage: Usage | None = None,
    snapshot: Snapshot | None = None,
) -> Estimate:
    """What the resources cost in an idle, an expected and the worst month.

    Args:
        resources: a stack's resources, as in a Pulumi state or a policy's stack; components included, so that
            costs can be given by component. A mapping may be an entry of a state file.
        region: AWS region of resources that name none, by themselves or by their provider.
        usage: declared usage. Default: the stated defaults.
        snapshot: prices. Default: the bundled snapshot.

    A resource that cannot be priced is listed as such and is in no sum. No resource makes this fail.
    """
    prices = snapshot if snapshot is not None else bundled()
    declared = usage if usage is not None else Usage()
    inventory = Inventory(Resource.of(entry) for entry in resources)
    estimators = registry()
    providers = _provider_regions(inventory)
    costs: list[ResourceCost] = []
    unpriced: list[Unpriced] = []
    assumptions: set[str] = set()
    used: set[Price] = set()
    dates: set[str] = set()
    names: dict[str, tuple[str, str]] = {OUTSIDE_COMPONENTS: ("", "")}
    with exact():
        for resource in inventory.resources:
            if resource.is_component or resource.package == "pulumi" or is_local(resource.package):
                continue
            component = inventory.component_of(resource)
            owner = OUTSIDE_COMPONENTS if component is None else component.urn
            if component is not None:
                names[owner] = (component.type, component.name)
            bill = Bill(
                resource,
                region=_region_of(resource, providers, region),
                inventory=inventory,
                snapshot=prices,
                usage=declared,
            )
            estimator = estimators.get(resource.type)
            if estimator is None:
                bill.unpriced(f"the type {resource.type} is not known to the estimator")
            else:
                estimator(bill)
            unpriced.extend(
                Unpriced(resource.urn, resource.type, resource.name, owner, reason)
                for reason in dict.fromkeys(bill.missing)
            )
            if bill.lines:
                costs.append(
                    ResourceCost(
                        resource.urn, resource.type, resource.name, owner, bill.region, tuple(bill.lines)
                    )
                )
            assumptions.update(bill.assumptions)
            used.update(bill.prices)
            dates.update(bill.dates)
        dates.update(price.as_of for price in used)
        assumptions.update(_borrowed(used))
        return Estimate(
            region=region,
            resources=tuple(costs),
            components=by_component(costs, names),
            unpriced=tuple(unpriced),
            assumptions=tuple(sorted(assumptions)),
            as_of=(min(dates), max(dates)) if dates else None,
        )


def _region_of(resource: Resource, providers: Mapping[str, str], default: str) -> str:
    own = resource.properties.get("region")
    # Some types have a `region` that says something else: only AWS's own names count.
    if isinstance(own, str) and _REGION.fullmatch(own):
        return own
    if resource.provider is not None:
        return providers.get(resource.provider.rpartition("::")[0], default)
    return default


def _provider_regions(inventory: Inventory) -> dict[str, str]:
    found = {}
    for provider in inventory.of_type(_PROVIDER):
        region = provider.properties.get("region")
        if isinstance(region, str) and _REGION.fullmatch(region):
            found[provider.urn] = region
    return found


def _borrowed(prices: Iterable[Price]) -> Iterable[str]:
    """One sentence for each pair of regions where one's prices stand in for the other's."""
    grouped: dict[tuple[str, str], set[str]] = {}
    for price in prices:
        if price.borrowed:
            grouped.setdefault((price.region, price.from_region), set()).add(f"{price.service} {price.key}")
    for (region, other), keys in grouped.items():
        name = other if other != HOME_REGION else f"{HOME_REGION}'s"
        yield f"prices not known for {region}, {name} used: {', '.join(sorted(keys))}"
