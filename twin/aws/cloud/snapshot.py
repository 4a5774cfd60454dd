"""A snapshot: the whole state of moto's services and of the gap fillers, in one file.

The file is one JSON line (format, versions, checksum) and a pickle. Pickle, because moto's services are plain
Python objects by the hundred kinds; what pickle can't take (locks, threads, keys, functions made on the spot)
is reduced here. It is read back only from the cloud's own folder (mode 0700), whose checksum it must match.
"""

import collections
import contextlib
import datetime as datetime_module
import hashlib
import importlib
import io
import json
import marshal
import os
import pickle
import sys
import threading
import types
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from twin.aws.cloud.moto_host import backends_in_use

FORMAT: Final = 1
_THREAD_FIELDS: Final = frozenset(vars(threading.Thread()))
_LOCK: Final = type(threading.Lock())
_RLOCK: Final = type(threading.RLock())
_REAL_DATETIME: Final = type(datetime_module.datetime.min)  # noqa: DTZ901  (for its type only)


class CorruptSnapshotError(Exception):
    """The file is not a snapshot that this version can read."""


def write(path: Path, header: dict[str, Any], stores: dict[str, Any]) -> None:
    """Writes the snapshot atomically: a reader finds the old one or the new one, whole."""
    payload = dump({"moto": _moto_state(), "stores": stores})
    load(payload)  # proves that it can be read, before it takes the old one's place
    head = header | _versions() | {"length": len(payload), "sha256": hashlib.sha256(payload).hexdigest()}
    temporary = path.with_suffix(".tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(json.dumps(head).encode() + b"\n")
        file.write(payload)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Makes renames in the folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Puts moto's services into the state of the snapshot; returns its header and the stores.

    Raises:
        CorruptSnapshotError: the file is damaged, or of another version.
    """
    line, _, payload = path.read_bytes().partition(b"\n")
    try:
        head = json.loads(line)
        wanted = {"format": FORMAT, **_versions()}
        found = {key: head.get(key) for key in wanted}
    except (ValueError, AttributeError) as error:
        raise CorruptSnapshotError("its first line is not a snapshot's") from error
    if found != wanted:
        raise CorruptSnapshotError(f"it was written by {found}, this is {wanted}")
    if len(payload) != head["length"] or hashlib.sha256(payload).hexdigest() != head["sha256"]:
        raise CorruptSnapshotError("its checksum does not match")
    try:
        state = load(payload)
    except Exception as error:
        raise CorruptSnapshotError(f"it cannot be unpickled: {error!r}") from error
    _restore_moto(state["moto"])
    return head, state["stores"]


def _versions() -> dict[str, Any]:
    from moto import __version__

    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return {"format": FORMAT, "moto": __version__, "python": python}


MotoState = dict[str, dict[str, dict[str, Any]]]
"""Service → account → region → moto's backend."""


def _moto_state() -> MotoState:
    return {
        _name_of(backends): {account: dict(regions) for account, regions in backends.items()}
        for backends in backends_in_use()
    }


def _restore_moto(state: MotoState) -> None:
    for name, accounts in state.items():
        backends = _backends(name)
        for account, regions in accounts.items():
            for region, backend in regions.items():
                dict.__setitem__(backends[account], region, backend)


def _reduce_backends(backends: Any) -> Any:
    return _backends, (_name_of(backends),)


def _reduce_account_backends(regions: Any) -> Any:
    account = regions.account_id
    for backends in backends_in_use():
        if dict(backends).get(account) is regions:
            return _account_backends, (_name_of(backends), account)
    raise LookupError(f"no home for moto's regions of {regions.service_name}")


def _name_of(backends: Any) -> str:
    """A table of backends by where it lives: `module:attribute`."""
    module = sys.modules[backends.backend.__module__]
    for attribute, value in vars(module).items():
        if value is backends:
            return f"{module.__name__}:{attribute}"
    raise LookupError(f"no home for moto's backends of {backends.service_name}")


def _backends(name: str) -> Any:
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _account_backends(name: str, account: str) -> Any:
    return _backends(name)[account]


class _Pickler(pickle.Pickler):
    """Pickles moto's objects; see the reductions below."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, protocol=5)
        self._bases = _base_reductions()
        self._plain: set[type] = set()

    def reducer_override(self, value: Any) -> Any:
        kind = type(value)
        if kind in self._plain:
            return NotImplemented
        reduce = _REDUCTIONS.get(kind)
        if reduce is not None:
            return reduce(value)
        if kind is type or isinstance(value, type):
            return NotImplemented if _importable(value) else _reduce_unimportable_class(value)
        for base, reduction in self._bases:
            if isinstance(value, base):
                return reduction(value)
        self._plain.add(kind)
        return NotImplemented


def dump(state: Any) -> bytes:
    """Any part of the state as bytes that `load` takes."""
    buffer = io.BytesIO()
    # The object graphs of moto are deep (backend → instance → backend …).
    with _recursion(20_000):
        _Pickler(buffer).dump(state)
    return buffer.getvalue()


def load(data: bytes) -> Any:
    """What `dump` took, from our own files only."""
    return pickle.loads(data)  # noqa: S301


@contextlib.contextmanager
def _recursion(limit: int) -> Any:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, limit))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def _importable(value: Any) -> bool:
    """Whether pickle's own way, by module and qualified name, finds the very object again."""
    found: Any = sys.modules.get(getattr(value, "__module__", None) or "")
    for part in value.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is value


def _reduce_unimportable_class(value: type) -> Any:
    if value is _REAL_DATETIME:
        return _get_datetime, ()
    raise pickle.PicklingError(f"class {value.__module__}.{value.__qualname__} cannot be found by name")


def _get_datetime() -> type:
    return _REAL_DATETIME


def _make_datetime(*args: Any) -> datetime_module.datetime:
    return _REAL_DATETIME(*args)


_Defaults = tuple[tuple[Any, ...] | None, dict[str, Any] | None]
"""A function's defaults: of its positional parameters, and of the others."""


def _reduce_function(function: types.FunctionType) -> Any:
    if _importable(function):
        return NotImplemented
    cells = tuple(cell.cell_contents for cell in function.__closure__ or ())
    return (
        _make_function,
        (
            marshal.dumps(function.__code__),
            function.__module__,
            function.__name__,
            (function.__defaults__, function.__kwdefaults__),
            cells,
        ),
    )


def _make_function(
    code: bytes, module: str, name: str, defaults: _Defaults, cells: tuple[Any, ...]
) -> types.FunctionType:
    function = types.FunctionType(
        marshal.loads(code),  # noqa: S302  (our own file, checksummed)
        vars(importlib.import_module(module)),
        name,
        defaults[0],
        tuple(map(types.CellType, cells)),
    )
    function.__kwdefaults__ = defaults[1]
    return function


def _reduce_thread(thread: threading.Thread) -> Any:
    """A thread does not survive; an object that is also one keeps its own fields."""
    fields = {key: value for key, value in vars(thread).items() if key not in _THREAD_FIELDS}
    return _make_thread, (type(thread), thread.name), fields


def _make_thread(kind: type, name: str) -> Any:
    thread: Any = object.__new__(kind)
    threading.Thread.__init__(thread, name=name, daemon=True)
    return thread


def _reduce_private_key(key: Any) -> Any:
    from cryptography.hazmat.primitives import serialization

    return _load_private_key, (
        key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )


def _load_private_key(data: bytes) -> Any:
    from cryptography.hazmat.primitives import serialization

    return serialization.load_der_private_key(data, None)


def _reduce_public_key(key: Any) -> Any:
    from cryptography.hazmat.primitives import serialization

    return _load_public_key, (
        key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo),
    )


def _load_public_key(data: bytes) -> Any:
    from cryptography.hazmat.primitives import serialization

    return serialization.load_der_public_key(data)


def _reduce_certificate(certificate: Any) -> Any:
    from cryptography.hazmat.primitives import serialization

    return _load_certificate, (certificate.public_bytes(serialization.Encoding.DER),)


def _load_certificate(data: bytes) -> Any:
    from cryptography import x509

    return x509.load_der_x509_certificate(data)


def _reduce_worker(worker: Any) -> Any:
    """Of a Step Functions execution's interpreter only the history is kept."""
    history = worker.env.event_manager.get_event_history() if worker.env is not None else []
    return EndedWorker, (history,)


class EndedWorker:
    """Stands for the interpreter of an execution of an earlier process: has its history, can be stopped."""

    def __init__(self, history: list[Any]) -> None:
        self.env = types.SimpleNamespace(
            event_manager=types.SimpleNamespace(get_event_history=lambda: history)
        )
        self._history = history

    def stop(self, **_details: Any) -> None:
        """There is nothing to stop any more."""

    def __reduce__(self) -> Any:
        return EndedWorker, (self._history,)


def _reduce_dict_kind(value: Any) -> Any:
    """Moto's own kinds of dict override what pickle would go through; so their bare contents are taken."""
    kind = type(value)
    base = collections.OrderedDict if isinstance(value, collections.OrderedDict) else dict
    if kind is base or kind is collections.defaultdict or not kind.__module__.startswith("moto."):
        return NotImplemented
    state = list(base.items(value)), getattr(value, "default_factory", None), vars(value)
    return kind.__new__, (kind,), state, None, None, _fill_dict_kind


def _fill_dict_kind(target: Any, state: tuple[list[tuple[Any, Any]], Any, dict[str, Any]]) -> None:
    items, factory, fields = state
    base = collections.OrderedDict if isinstance(target, collections.OrderedDict) else dict
    for key, value in items:
        base.__setitem__(target, key, value)
    if factory is not None:
        target.default_factory = factory
    vars(target).update(fields)


def _nothing() -> None:
    return None


def _make_event(is_set: bool) -> threading.Event:
    event = threading.Event()
    if is_set:
        event.set()
    return event


def _base_reductions() -> list[tuple[type, Callable[[Any], Any]]]:
    """Reductions that hold for every subclass; those of modules that aren't loaded aren't needed."""
    found: list[tuple[type, Callable[[Any], Any]]] = [
        (threading.Thread, _reduce_thread),
        (dict, _reduce_dict_kind),
    ]
    for module, name, reduction in _LAZY_BASES:
        kind = getattr(sys.modules.get(module), name, None)
        if kind is not None:
            found.append((kind, reduction))
    return found


_PRIVATE_KEYS: Final = "cryptography.hazmat.primitives.asymmetric"
_LAZY_BASES: Final[list[tuple[str, str, Callable[[Any], Any]]]] = [
    (f"{_PRIVATE_KEYS}.rsa", "RSAPrivateKey", _reduce_private_key),
    (f"{_PRIVATE_KEYS}.ec", "EllipticCurvePrivateKey", _reduce_private_key),
    (f"{_PRIVATE_KEYS}.rsa", "RSAPublicKey", _reduce_public_key),
    (f"{_PRIVATE_KEYS}.ec", "EllipticCurvePublicKey", _reduce_public_key),
    ("moto.core.base_backend", "BackendDict", _reduce_backends),
    ("moto.core.base_backend", "AccountSpecificBackend", _reduce_account_backends),
    ("cryptography.x509", "Certificate", _reduce_certificate),
    ("moto.stepfunctions.parser.backend.execution_worker", "ExecutionWorker", _reduce_worker),
]

_REDUCTIONS: Final[dict[type, Callable[[Any], Any]]] = {
    _LOCK: lambda _: (threading.Lock, ()),
    _RLOCK: lambda _: (threading.RLock, ()),
    threading.Condition: lambda _: (threading.Condition, ()),
    threading.Event: lambda event: (_make_event, (event.is_set(),)),
    threading.Semaphore: lambda _: (threading.Semaphore, ()),
    types.ModuleType: lambda module: (importlib.import_module, (module.__name__,)),
    types.FunctionType: _reduce_function,
    _REAL_DATETIME: lambda moment: (_make_datetime, moment.__reduce_ex__(4)[1]),
    weakref.WeakValueDictionary: lambda weak: (
        weakref.WeakValueDictionary,
        (),
        None,
        None,
        iter(list(weak.items())),
    ),
    types.GeneratorType: lambda _: (_nothing, ()),
}
