"""Decodes each resource once for all policies of a pack.

The policy SDK decodes every resource anew for every policy: with 46 policies and 300 resources that takes
longer than all judging (docs/adr/0005). Our rules only read what they are given: one decoding does for all.
It is kept for one call of the engine, which the SDK answers on one thread.
"""

import importlib
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from policies.values import Props, plain

T = TypeVar("T")

_sdk: Any = importlib.import_module("pulumi_policy.policy")

_PATCHED: Final = (
    "json_format",
    "deserialize_properties",
    "unknown_checking_proxy",
    "_PolicyAnalyzerServicer",
)


class _Call(threading.local):
    """What was decoded in the call under way. Values are held, so that no id is used again."""

    def __init__(self) -> None:
        self.begun = False
        self.messages: dict[int, tuple[Any, Any]] = {}
        self.objects: dict[int, tuple[Any, Any]] = {}
        self.proxies: dict[int, tuple[Any, Any]] = {}
        self.plain: dict[int, tuple[Any, Props]] = {}
        self.stack: Any = None

    def begin(self) -> None:
        self.begun = True
        self.stack = None
        for cache in (self.messages, self.objects, self.proxies, self.plain):
            cache.clear()


_call: Final = _Call()


def props_of(value: Any) -> Props:
    """A resource's properties, as the SDK hands them over, for our rules to read."""
    if not _call.begun:
        return Props(plain(value))
    found = _call.plain.get(id(value))
    if found is None:
        found = _call.plain[id(value)] = (value, Props(plain(value)))
    return found[1]


def stack_of(resources: Sequence[Any], make: Callable[[Sequence[Any]], T]) -> T:
    """The stack of the call under way, made once for all policies, with what they find out about it."""
    if not _call.begun:
        return make(resources)
    if _call.stack is None:
        _call.stack = make(resources)
    made: T = _call.stack
    return made


def decode_once() -> None:
    """Makes the SDK in this process decode a resource once a call.

    An SDK that is built otherwise is left as it is: slower, and right.
    """
    if not all(hasattr(_sdk, name) for name in _PATCHED) or isinstance(_sdk.json_format, _JsonFormat):
        return
    servicer = _sdk._PolicyAnalyzerServicer
    begin = getattr(servicer, "_configure_runtime_settings", None)
    if begin is None:
        return

    def begin_call(self: Any) -> None:
        _call.begin()
        begin(self)

    # The SDK looks all four up in its module at every use.
    servicer._configure_runtime_settings = begin_call
    _sdk.deserialize_properties = _deserialize(_sdk.deserialize_properties)
    _sdk.unknown_checking_proxy = _proxy(_sdk.unknown_checking_proxy)
    _sdk.json_format = _JsonFormat(_sdk.json_format)


class _JsonFormat:
    """Protobuf's `json_format` as far as the SDK uses it."""

    def __init__(self, original: Any) -> None:
        self._original = original

    def MessageToDict(self, message: Any) -> Any:  # noqa: N802  protobuf's name
        """A message as a dict; the same one for the same message."""
        found = _call.messages.get(id(message))
        if found is None:
            found = _call.messages[id(message)] = (message, self._original.MessageToDict(message))
        return found[1]


def _deserialize(original: Callable[..., Any]) -> Callable[..., Any]:
    def deserialize(props: Any, proxy_secrets: bool = False) -> Any:
        if proxy_secrets:
            return original(props, proxy_secrets)  # for a remediation, which writes to it
        found = _call.objects.get(id(props))
        if found is None:
            found = _call.objects[id(props)] = (props, original(props))
        return found[1]

    return deserialize


def _proxy(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def proxy(props: Any) -> Any:
        found = _call.proxies.get(id(props))
        if found is None:
            found = _call.proxies[id(props)] = (props, original(props))
        return found[1]

    return proxy
