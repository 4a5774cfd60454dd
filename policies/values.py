"""Reading a resource's properties: the one guarded accessor of all rules.

A rule never sees a proxy, an unknown or a wrong type: reading what cannot be known, or what is no such thing,
raises `CannotJudge`, which the runtime reports as a finding of its own kind.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

from pulumi_policy.proxy import UnknownValueError

_UNKNOWN_TEXTS: Final = frozenset(
    {
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",  # string
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # bool
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # number
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # array
        "030794c1-ac77-496b-92df-f27374a8bd58",  # asset
        "e48ece36-62e2-4504-bad9-02848725956a",  # archive
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # object
    }
)
_MAX_DEPTH: Final = 100
_TRUE: Final = frozenset({"true", "1", "yes", "on", "enabled"})
_FALSE: Final = frozenset({"false", "0", "no", "off", "disabled"})

T = TypeVar("T")
F = TypeVar("F")


class Unknown:
    """A value that is not known before the resource exists."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()


class CannotJudge(Exception):  # noqa: N818  not an error of the program: an answer of a rule
    """A rule needs a value that is unknown or malformed. `because` says which."""

    def __init__(self, because: str) -> None:
        super().__init__(because)
        self.because = because


def plain(value: Any, depth: int = 0) -> Any:
    """A value of the policy SDK as plain Python: dicts, lists, scalars and `UNKNOWN`."""
    if isinstance(value, str):
        return UNKNOWN if value in _UNKNOWN_TEXTS else value
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth > _MAX_DEPTH:
        raise CannotJudge(f"the resource is nested more than {_MAX_DEPTH} levels deep")
    if isinstance(value, Mapping):
        return {str(key): _member(value, key, depth) for key in value}
    if isinstance(value, Sequence):
        return [_member(value, index, depth) for index in range(len(value))]
    return value


def _member(container: Any, key: Any, depth: int) -> Any:
    try:
        member = container[key]
    except UnknownValueError:
        return UNKNOWN
    return plain(member, depth + 1)


class Props:
    """Properties under a path. Missing is falsy and reads as the default; several names are spellings of one.

    A name also finds its plural and its singular, and `block` an object as well as a list with one: providers
    spell a block either way, from version to version.
    """

    __slots__ = ("_path", "_value")

    def __init__(self, value: Any, path: str = "") -> None:
        self._value = {} if value is None else value
        self._path = path

    @property
    def path(self) -> str:
        """Where this is in the resource, for messages."""
        return self._path

    @property
    def raw(self) -> Any:
        """The plain value itself; may hold `UNKNOWN`."""
        return self._value

    def __bool__(self) -> bool:
        return self._value is UNKNOWN or bool(self._value)

    def stated(self, *names: str) -> bool:
        """Whether the program gives this a value, even one that is not known yet."""
        return any(not _empty(self._find(name)) for name in names)

    def unknown(self, *names: str) -> bool:
        """Whether this is given but not known yet."""
        return any(self._find(name) is UNKNOWN for name in names)

    def get(self, *names: str) -> Any:
        """The first given value of these spellings; None if there is none."""
        for name in names:
            value = self._find(name)
            if value is UNKNOWN:
                raise CannotJudge(f"{self._at(name)} is not known yet")
            if not _empty(value):
                return value
        # A bare false or zero is a value too: only what is empty is left out.
        return None

    def given(self, *names: str) -> bool:
        """Whether this has a (known) value."""
        return self.get(*names) is not None

    def raw_get(self, *names: str) -> Any:
        """The first of these spellings as it stands, `UNKNOWN` included; None if there is none."""
        values = (self._find(name) for name in names)
        return next((value for value in values if not _empty(value)), None)

    def text(self, *names: str, default: str = "") -> str:
        """A string; numbers and booleans are written out."""
        value = self.get(*names)
        if value is None:
            return default
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, float) and value.is_integer():
            return str(int(value))
        if isinstance(value, str | int | float):
            return str(value)
        raise self._malformed(names[0], value, "a string")

    def flag(self, *names: str, default: bool = False) -> bool:
        """A boolean, however it is written."""
        value = self.get(*names)
        if value is None:
            return default
        if isinstance(value, bool):
            return value
        text = str(int(value)) if isinstance(value, float) else str(value).strip().lower()
        if text in _TRUE:
            return True
        if text in _FALSE:
            return False
        raise self._malformed(names[0], value, "a boolean")

    def number(self, *names: str) -> float | None:
        """A number, also when written as a string; None if missing."""
        value = self.get(*names)
        if value is None:
            return None
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value
        try:
            return float(str(value).strip())
        except ValueError:
            raise self._malformed(names[0], value, "a number") from None

    def texts(self, *names: str) -> list[str]:
        """A list of strings; a single one counts as a list of one."""
        value = self.get(*names)
        if value is None:
            return []
        items = value if isinstance(value, list) else [value]
        result: list[str] = []
        for index, item in enumerate(items):
            if item is UNKNOWN:
                raise CannotJudge(f"{self._at(names[0])}[{index}] is not known yet")
            if isinstance(item, dict | list):
                raise self._malformed(names[0], item, "a string")
            if item is not None:
                result.append(str(item))
        return result

    def mapping(self, *names: str) -> dict[str, Any]:
        """An object by its keys; values may be `UNKNOWN`."""
        value = self.get(*names)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self._malformed(names[0], value, "an object")
        return value

    def block(self, *names: str) -> "Props":
        """A sub-object; of several, the first. Missing: an empty one."""
        found = self.blocks(*names)
        return found[0] if found else Props(None, self._at(names[0]))

    def blocks(self, *names: str) -> list["Props"]:
        """Sub-objects; a single one counts as a list of one."""
        for name in names:
            value = self._find(name)
            path = self._at(name)
            if isinstance(value, list):
                if value:
                    return [Props(item, f"{path}[{index}]") for index, item in enumerate(value)]
            elif value is not None:
                return [Props(value, path)]
        return []

    def _find(self, name: str) -> Any:
        mapping = self._mapping()
        if name in mapping:
            return mapping[name]
        return mapping.get(name[:-1] if name.endswith("s") else f"{name}s")

    def _mapping(self) -> dict[str, Any]:
        if self._value is UNKNOWN:
            raise CannotJudge(f"{self._path or 'the resource'} is not known yet")
        if not isinstance(self._value, dict):
            kind = type(self._value).__name__
            raise CannotJudge(f"{self._path or 'the resource'} is a {kind} where an object belongs")
        return self._value

    def _at(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name

    def _malformed(self, name: str, value: Any, wanted: str) -> CannotJudge:
        return CannotJudge(f"{self._at(name)} is a {type(value).__name__} where {wanted} belongs")


def _empty(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, list | dict) and not value)


def any_of(items: Iterable[T], holds: Callable[[T], bool]) -> bool:
    """Whether it holds for one of them; an unknown only matters if it holds for none.

    Raises:
        CannotJudge: It holds for none that is known, and some are not.
    """
    undecided: CannotJudge | None = None
    for item in items:
        try:
            if holds(item):
                return True
        except CannotJudge as error:
            undecided = undecided or error
    if undecided is not None:
        raise undecided
    return False


def for_each(items: Iterable[T], check: Callable[[T], Iterable[F]]) -> Iterator[F]:
    """What is wrong with any of them; an unknown in one does not hide what is wrong with another.

    Raises:
        CannotJudge: After the findings, if some could not be judged.
    """
    undecided: CannotJudge | None = None
    for item in items:
        try:
            yield from check(item)
        except CannotJudge as error:
            undecided = undecided or error
    if undecided is not None:
        raise undecided
