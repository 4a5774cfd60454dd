"""What changed between two estimates, by component: the table of `stagecraft cost --against`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pricing.estimate import Amounts, ComponentCost, Estimate, Unpriced


@dataclass(frozen=True, slots=True)
class ComponentChange:
    """A component's cost before and after; nothing on the side where it does not exist."""

    urn: str
    type: str
    name: str
    before: Amounts
    after: Amounts

    @property
    def change(self) -> Amounts:
        """After less before."""
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class Difference:
    """The change from one estimate to another. Changes add up to the difference of the totals."""

    before: Amounts
    after: Amounts
    components: tuple[ComponentChange, ...]
    """Those that changed, by the size of the change of the expected month, then name."""
    newly_unpriced: tuple[Unpriced, ...]
    no_longer_unpriced: tuple[Unpriced, ...]

    @property
    def change(self) -> Amounts:
        """After less before, of the totals."""
        return self.after - self.before

    def to_json(self) -> dict[str, Any]:
        """The difference as plain JSON values; money as strings with two decimals."""
        return {
            "currency": "USD",
            "before": self.before.to_json(),
            "after": self.after.to_json(),
            "change": self.change.to_json(),
            "byComponent": [
                {
                    "urn": item.urn,
                    "type": item.type,
                    "name": item.name,
                    "before": item.before.to_json(),
                    "after": item.after.to_json(),
                    "change": item.change.to_json(),
                }
                for item in self.components
            ],
            "newlyUnpriced": [_unpriced(item) for item in self.newly_unpriced],
            "noLongerUnpriced": [_unpriced(item) for item in self.no_longer_unpriced],
        }


def diff(before: Estimate, after: Estimate) -> Difference:
    """The change from `before` to `after`.

    Components are matched by type and name, not by URN: two stacks of one program differ in every URN.
    Several of one type and name are taken together.
    """
    old, new = _by_identity(before), _by_identity(after)
    changes = []
    for identity in {**old, **new}:
        was, now = old.get(identity), new.get(identity)
        some = now or was
        if some is None:
            continue
        change = ComponentChange(
            urn=some.urn,
            type=some.type,
            name=some.name,
            before=was.amounts if was else Amounts(),
            after=now.amounts if now else Amounts(),
        )
        if change.before != change.after:
            changes.append(change)
    earlier, later = _unpriced_identities(before), _unpriced_identities(after)
    return Difference(
        before=before.amounts,
        after=after.amounts,
        components=tuple(
            sorted(changes, key=lambda item: (-abs(item.change.expected), item.name, item.type))
        ),
        newly_unpriced=tuple(item for key, item in later.items() if key not in earlier),
        no_longer_unpriced=tuple(item for key, item in earlier.items() if key not in later),
    )


def _by_identity(estimate: Estimate) -> Mapping[tuple[str, str], ComponentCost]:
    found: dict[tuple[str, str], ComponentCost] = {}
    for item in estimate.components:
        key = (item.type, item.name)
        other = found.get(key)
        if other is not None:
            item = ComponentCost(  # noqa: PLW2901  # the sum of both stands for both
                other.urn,
                item.type,
                item.name,
                other.amounts + item.amounts,
                other.resources + item.resources,
            )
        found[key] = item
    return found


def _unpriced_identities(estimate: Estimate) -> Mapping[tuple[str, str, str], Unpriced]:
    return {(item.type, item.name, item.reason): item for item in estimate.unpriced}


def _unpriced(item: Unpriced) -> dict[str, str]:
    return {"type": item.type, "name": item.name, "reason": item.reason}
