"""Finds the adapter of a resource type: `aws:sqs/queue:Queue` is a class in `services/sqs.py`."""

import importlib
import importlib.util
import inspect
import keyword
import pkgutil
from functools import cache

from twin.aws.provider import services
from twin.aws.provider.adapter import Adapter


def adapter_for(token: str) -> Adapter | None:
    """The adapter of the type; None if the twin does not emulate it."""
    parts = token.split(":")
    if len(parts) != 3 or parts[0] != "aws":
        return None
    return _adapters(parts[1].split("/")[0]).get(token)


@cache
def _adapters(service: str) -> dict[str, Adapter]:
    name = f"{service}_" if keyword.iskeyword(service) else service
    if not name.isidentifier() or importlib.util.find_spec(f"{services.__name__}.{name}") is None:
        return {}
    module = importlib.import_module(f"{services.__name__}.{name}")
    return {
        value.token: value()
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, Adapter) and "token" in vars(value)
    }


def all_tokens() -> list[str]:
    """Every type that the twin emulates, sorted."""
    names = [found.name for found in pkgutil.iter_modules(services.__path__)]
    return sorted(token for name in names for token in _adapters(name.removesuffix("_")))
