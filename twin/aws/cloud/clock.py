"""The cloud's clock: each request happens at one instant, which its journal entry keeps.

moto asks for the time in some 170 places and in four ways. So that a replayed request gives its resources the
same dates as the first time, `install` puts this clock behind `time.time` and `datetime.datetime.now` for the
whole cloud process, before moto is imported. Outside of `frozen` it is the real clock.
"""

import contextlib
import datetime as datetime_module
import threading
import time
from collections.abc import Iterator
from typing import Any, Final

_RealDatetime = datetime_module.datetime
_real_time: Final = time.time
_local = threading.local()


def now() -> float:
    """Seconds since the epoch: of the request being served, else of now."""
    instant: float | None = getattr(_local, "instant", None)
    return _real_time() if instant is None else instant


def real_now() -> float:
    """Seconds since the epoch, whatever is being served."""
    return _real_time()


@contextlib.contextmanager
def frozen(instant: float) -> Iterator[None]:
    """This thread's time stands still at `instant`."""
    before = getattr(_local, "instant", None)
    _local.instant = instant
    try:
        yield
    finally:
        _local.instant = before


class _DatetimeType(type):
    """Every real datetime passes for an instance of the stand-in, as the libraries' checks expect."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, _RealDatetime)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, _RealDatetime)


class _Datetime(_RealDatetime, metaclass=_DatetimeType):
    """`datetime.datetime` on the cloud's clock. Makes only real datetimes, so that nothing else is stored."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        target: Any = _RealDatetime if cls is _Datetime else cls
        return _RealDatetime.__new__(target, *args, **kwargs)

    @classmethod
    def now(cls, tz: datetime_module.tzinfo | None = None) -> Any:
        return _RealDatetime.fromtimestamp(now(), tz)

    @classmethod
    def utcnow(cls) -> Any:
        return _RealDatetime.fromtimestamp(now(), datetime_module.UTC).replace(tzinfo=None)

    @classmethod
    def today(cls) -> Any:
        return cls.now()


@contextlib.contextmanager
def real_datetime() -> Iterator[None]:
    """Has `datetime.datetime` be the real class again, for a library that looks it up once and keeps it."""
    installed = datetime_module.datetime
    datetime_module.datetime = _RealDatetime  # type: ignore[misc]
    try:
        yield
    finally:
        datetime_module.datetime = installed  # type: ignore[misc]


def install() -> None:
    """Puts this clock behind the standard library's. Call before moto is imported."""
    if time.time is _real_time:
        time.time = now
        datetime_module.datetime = _Datetime  # type: ignore[misc]
