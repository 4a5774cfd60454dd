"""Money and names of components as people read them."""

from decimal import Decimal

from cli.reports.report import Costs
from pricing import ComponentChange, ComponentCost


def dollars(amount: Decimal) -> str:
    """`$1,234.50`."""
    return f"-${-amount:,.2f}" if amount < 0 else f"${amount:,.2f}"


def change(amount: Decimal) -> str:
    """`+$3.00`, `-$3.00`, `$0.00`."""
    return f"+{dollars(amount)}" if amount > 0 else dollars(amount)


def component(item: ComponentCost | ComponentChange) -> str:
    """`FeatureStore features`; what is in no component says so."""
    return f"{item.type.rpartition(':')[2]} {item.name}".strip() or "outside components"


def budget_line(costs: Costs) -> str:
    """What the expected month is of the budget; empty without one."""
    share = costs.budget_share
    if share is None or costs.budget is None:
        return ""
    return f"{share:.0%} of the budget of {dollars(costs.budget)} in an expected month"


def price_dates(costs: Costs) -> str:
    """Of when the prices are."""
    if costs.estimate.as_of is None:
        return "no price was needed"
    oldest, newest = costs.estimate.as_of
    return f"prices of {oldest}" if oldest == newest else f"prices of {oldest} to {newest}"
