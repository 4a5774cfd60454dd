"""The load that a simulation replays: training jobs and serving replicas, from JSON or CSV.

`docs/cluster.md` has the format.
"""

import csv
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from io import StringIO
from pathlib import Path
from typing import Any, Final

_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,48}[a-z0-9])?")
_JOB_FIELDS: Final = (
    "name", "pool", "at", "hours", "gpus", "workers", "cpus", "memoryGib", "deadline", "checkpointMinutes",
)  # fmt: skip
_SERVING_FIELDS: Final = ("name", "pool", "gpus", "cpus", "memoryGib", "replicas")
_MAX_HOURS: Final = 24 * 31
_MAX_JOBS: Final = 5000


class TraceError(ValueError):
    """A trace that cannot be replayed; `problems` lists everything wrong with it."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True)
class Shape:
    """What one pod asks for."""

    gpus: int
    """Accelerators: GPUs, or Neuron devices on a pool of those."""
    cpus: float
    memory_gib: float


@dataclass(frozen=True)
class Job:
    """A training job: so many workers, all at once, for so long."""

    name: str
    pool: str
    """A pool's name; empty for the only one there is."""
    at: float
    """When it is handed in."""
    hours: float
    """How long it runs when nothing interrupts it."""
    workers: int
    shape: Shape
    deadline: float | None
    """Hours after `at` by which it should be done."""
    checkpoint_hours: float
    """How often it saves its state; an interruption loses what came after."""


@dataclass(frozen=True)
class Serving:
    """A serving deployment, with the replicas it has from each time on."""

    name: str
    pool: str
    shape: Shape
    replicas: tuple[tuple[float, int], ...]

    def count_at(self, time: float) -> int:
        """Replicas at a time."""
        return next((count for at, count in reversed(self.replicas) if at <= time), 0)

    def lives(self, end: float) -> list[tuple[float, float]]:
        """From when to when each replica runs, in order of their starts; the newest goes first."""
        running: list[float] = []
        over: list[tuple[float, float]] = []
        for at, count in (*self.replicas, (end, 0)):
            while len(running) > count:
                over.append((running.pop(), at))
            running += [at] * (count - len(running))
        return sorted(life for life in over if life[1] > life[0])


@dataclass(frozen=True)
class Trace:
    """A load."""

    hours: float
    """How long it lasts; jobs that still run then are waited for."""
    jobs: tuple[Job, ...]
    serving: tuple[Serving, ...]


def read_trace(path: Path) -> Trace:
    """The trace in a `.json` or `.csv` file.

    Raises:
        TraceError: with every problem at once, each with its place, the value and what would be right.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TraceError([f"{path} cannot be read: {error}"]) from error
    if path.suffix.lower() == ".csv":
        return parse_csv(text)
    try:
        return parse(json.loads(text))
    except json.JSONDecodeError as error:
        raise TraceError([f"{path} is no JSON: {error}; a CSV trace's name ends in .csv"]) from error


def parse(document: Any) -> Trace:
    """The trace in a JSON document. Raises TraceError."""
    problems: list[str] = []
    if not isinstance(document, Mapping):
        raise TraceError([f"a trace is an object with jobs and serving, and this is {document!r:.60}"])
    _known(document, ("hours", "jobs", "serving"), "", problems)
    rows = [(f"jobs[{index}]", item) for index, item in _list(document, "jobs", problems)]
    servings = [(f"serving[{index}]", item) for index, item in _list(document, "serving", problems)]
    return _trace(document.get("hours"), rows, servings, problems)


def parse_csv(text: str) -> Trace:
    """The trace in a CSV table, a line each job, and a line each change of a deployment's replicas.

    Raises TraceError.
    """
    problems: list[str] = []
    jobs: list[tuple[str, Any]] = []
    servings: dict[str, tuple[str, dict[str, Any]]] = {}
    reader = csv.DictReader(StringIO(text))
    for row in reader:
        place = f"line {reader.line_num}"
        item = {str(key): _number(value) for key, value in row.items() if key is not None and value}
        kind = item.pop("kind", "job")
        if kind == "job":
            jobs.append((place, item))
        elif kind == "serving":
            change = {"at": item.pop("at", None), "count": item.pop("replicas", None)}
            _, first = servings.setdefault(str(item.get("name")), (place, {**item, "replicas": []}))
            first["replicas"].append(change)
        else:
            problems.append(f"{place}.kind is {kind!r}; it must be job or serving")
    return _trace(None, jobs, list(servings.values()), problems)


def _trace(
    hours: Any, jobs: list[tuple[str, Any]], servings: list[tuple[str, Any]], problems: list[str]
) -> Trace:
    read_jobs = [job for place, item in jobs if (job := _job(item, place, problems)) is not None]
    read_serving = [one for place, item in servings if (one := _serving(item, place, problems)) is not None]
    if not jobs and not servings:
        problems.append("the trace has neither jobs nor serving; it needs one of them")
    if len(jobs) > _MAX_JOBS:
        problems.append(f"the trace has {len(jobs)} jobs; at most {_MAX_JOBS} are replayed")
    names = [job.name for job in read_jobs] + [each.name for each in read_serving]
    problems += [f"the name {name!r} is given twice" for name in sorted(set(names)) if names.count(name) > 1]
    ends = [job.at + job.hours for job in read_jobs] + [each.replicas[-1][0] for each in read_serving]
    length = max(ends, default=1.0)
    if hours is not None:
        length = _Fields({"hours": hours}, "", problems).number("hours", least=0.01, most=_MAX_HOURS)
    if problems:
        raise TraceError(problems)
    return Trace(length, tuple(sorted(read_jobs, key=lambda job: (job.at, job.name))), tuple(read_serving))


def _job(item: Any, place: str, problems: list[str]) -> Job | None:
    before = len(problems)
    if not _is_object(item, place, problems):
        return None
    _known(item, _JOB_FIELDS, f"{place}.", problems)
    fields = _Fields(item, f"{place}.", problems)
    job = Job(
        name=fields.name(),
        pool=fields.text("pool"),
        at=fields.number("at", least=0, most=_MAX_HOURS),
        hours=fields.number("hours", least=0.01, most=_MAX_HOURS),
        workers=fields.whole("workers", least=1, most=1000, default=1),
        shape=_shape(fields),
        deadline=fields.number("deadline", least=0.01, most=_MAX_HOURS) if "deadline" in item else None,
        checkpoint_hours=fields.number("checkpointMinutes", least=1, most=24 * 60, default=15) / 60,
    )
    return job if len(problems) == before else None


def _serving(item: Any, place: str, problems: list[str]) -> Serving | None:
    before = len(problems)
    if not _is_object(item, place, problems):
        return None
    _known(item, _SERVING_FIELDS, f"{place}.", problems)
    fields = _Fields(item, f"{place}.", problems)
    changes = []
    for index, change in _list(item, "replicas", problems, f"{place}."):
        at_place = f"{place}.replicas[{index}]"
        if _is_object(change, at_place, problems):
            parts = _Fields(change, f"{at_place}.", problems)
            changes.append(
                (parts.number("at", least=0, most=_MAX_HOURS), parts.whole("count", least=0, most=1000))
            )
    if not changes and len(problems) == before:
        problems.append(f"{place}.replicas is missing; it lists {{at, count}}")
    serving = Serving(fields.name(), fields.text("pool"), _shape(fields), tuple(sorted(changes)))
    return serving if len(problems) == before else None


def _shape(fields: "_Fields") -> Shape:
    gpus = fields.whole("gpus", least=0, most=16, default=0)
    cpus = fields.number("cpus", least=0.1, most=448, default=3.0 * gpus if gpus else 2.0)
    memory = fields.number("memoryGib", least=0.1, most=8192, default=8.0 * gpus if gpus else 2 * cpus)
    return Shape(gpus, cpus, memory)


@dataclass(frozen=True)
class _Fields:
    """The fields of one object, read with a word for each that is wrong."""

    values: Mapping[str, Any]
    place: str
    problems: list[str]

    def number(self, key: str, *, least: float, most: float, default: float | None = None) -> float:
        value = self.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            self._wrong(key, value, f"a number, {least:g} to {most:g}")
            return least
        return float(value)

    def whole(self, key: str, *, least: int, most: int, default: int | None = None) -> int:
        value = self.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
            self._wrong(key, value, f"a whole number, {least} to {most}")
            return least
        return int(self.number(key, least=least, most=most, default=default))

    def name(self) -> str:
        value = self.values.get("name")
        if not isinstance(value, str) or not _NAME.fullmatch(value):
            self._wrong("name", value, "up to 50 lower-case letters, digits and dashes")
            return ""
        return value

    def text(self, key: str) -> str:
        value = self.values.get(key, "")
        if not isinstance(value, str):
            self._wrong(key, value, "a text")
            return ""
        return value

    def _wrong(self, key: str, value: Any, right: str) -> None:
        stands = "missing" if value is None else repr(value)
        self.problems.append(f"{self.place}{key} is {stands}; it must be {right}")


def _is_object(item: Any, place: str, problems: list[str]) -> bool:
    if isinstance(item, Mapping):
        return True
    problems.append(f"{place} is {item!r:.60}; it must be an object")
    return False


def _list(
    document: Mapping[str, Any], key: str, problems: list[str], place: str = ""
) -> Iterator[tuple[int, Any]]:
    value = document.get(key, [])
    if not isinstance(value, list):
        problems.append(f"{place}{key} is {value!r:.60}; it must be a list")
        return
    yield from enumerate(value)


def _known(item: Mapping[str, Any], known: Collection[str], place: str, problems: list[str]) -> None:
    for key in item:
        if key not in known:
            near = get_close_matches(str(key), known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            problems.append(f"{place}{key} is not known; {hint}")


def _number(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text.strip()
