"""Where the marks of a chart stand: numbers in, coordinates out. The page draws them as SVG."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cli.overview.components import Component, ComponentMap
from cli.overview.facts import Distribution

BOX_WIDTH: Final = 164
BOX_HEIGHT: Final = 58
_COLUMN_GAP: Final = 40
_ROW_GAP: Final = 16
_WIDEST_BAR: Final = 24
_EDGE: Final = 6
"""Room around a drawing, so that no line is cut at its border."""


@dataclass(frozen=True)
class Line:
    """A series as a line that is broken where nothing was said; a value alone is a dot."""

    width: int
    height: int
    top: float
    """The value at the upper border."""
    runs: tuple[tuple[tuple[float, float], ...], ...]
    limit: float | None
    """Height of the limit's line; None without one."""


@dataclass(frozen=True)
class Bar:
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Rail:
    """A value as a bar from 0, to the right or, below it, to the left."""

    width: int
    height: int
    bar: Bar
    zero: float
    spread: tuple[float, float] | None
    """From where to where it may be; None where that is not known."""
    mark: float | None
    """Another value to compare it with; None without one."""


@dataclass(frozen=True)
class Pair:
    """A bin: its share in training, and in the window."""

    name: str
    reference: float
    current: float
    then: Bar
    now: Bar


@dataclass(frozen=True)
class Box:
    """A component's place on the map."""

    component: Component
    x: float
    y: float


@dataclass(frozen=True)
class Drawing:
    """The map: its size, its boxes, and a path for each dependency."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    paths: tuple[str, ...]


def line(
    values: Sequence[float | None], *, limit: float | None = None, width: int = 220, height: int = 30
) -> Line:
    """A series from left to right; the scale starts at 0, or at the least value below it."""
    known = [value for value in values if value is not None]
    bounds = [*known, *([limit] if limit is not None else [])]
    top, bottom = max([*bounds, 0.0]), min([*bounds, 0.0])
    top = top if top > bottom else bottom + 1

    def x(index: int) -> float:
        inner = width - 2 * _EDGE
        return _EDGE + (inner * index / (len(values) - 1) if len(values) > 1 else inner / 2)

    def y(value: float) -> float:
        return _EDGE + (height - 2 * _EDGE) * (1 - (value - bottom) / (top - bottom))

    runs: list[list[tuple[float, float]]] = [[]]
    for index, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((round(x(index), 2), round(y(value), 2)))
    return Line(
        width,
        height,
        top,
        tuple(tuple(run) for run in runs if run),
        None if limit is None else round(y(limit), 2),
    )


def bars(
    values: Sequence[float], *, width: int = 460, height: int = 60, top: float | None = None
) -> list[Bar]:
    """One bar a value, side by side; `top` is the value as high as the drawing, by default the largest."""
    most = max([*values, 0.0]) if top is None else top
    step = min(width / max(1, len(values)), _WIDEST_BAR)
    return [
        Bar(
            round(index * step, 2),
            round(height * (1 - share), 2),
            round(max(step - 1, 0.5), 2),
            round(height * share, 2),
        )
        for index, value in enumerate(values)
        for share in (min(value / most, 1.0) if most else 0.0,)
    ]


def rail(
    value: float,
    *,
    top: float,
    bottom: float = 0.0,
    deviation: float = 0.0,
    mark: float | None = None,
    width: int = 220,
    height: int = 18,
) -> Rail:
    """A value on a scale from `bottom` (or 0, if that is less) to `top`; what is beyond stands at its end."""
    least, most = min(bottom, 0.0), max(top, 0.0)
    most = most if most > least else least + 1

    def x(at: float) -> float:
        inside = min(max(at, least), most)
        return round(_EDGE + (width - 2 * _EDGE) * (inside - least) / (most - least), 2)

    start, end = sorted((x(0.0), x(value)))
    return Rail(
        width,
        height,
        Bar(start, 3, round(max(end - start, 0.5), 2), height - 6),
        x(0.0),
        (x(value - deviation), x(value + deviation)) if deviation else None,
        None if mark is None else x(mark),
    )


def pairs(distribution: Distribution, *, width: int = 300, height: int = 70) -> list[Pair]:
    """Each bin's two bars, on one scale."""
    top = max([*distribution.reference, *distribution.current, 0.0])
    both = [
        share
        for then, now in zip(distribution.reference, distribution.current, strict=True)
        for share in (then, now)
    ]
    drawn = bars(both, width=width, height=height, top=top)
    return [
        Pair(
            name,
            distribution.reference[index],
            distribution.current[index],
            drawn[2 * index],
            drawn[2 * index + 1],
        )
        for index, name in enumerate(distribution.bins)
    ]


def drawing(components: ComponentMap) -> Drawing:
    """The map, from left to right; a component stands near the height of what it needs."""
    layers = components.layers
    tallest = max((len(layer) for layer in layers), default=0)
    height = 2 * _EDGE + max(0, tallest * (BOX_HEIGHT + _ROW_GAP) - _ROW_GAP)
    width = 2 * _EDGE + max(0, len(layers) * (BOX_WIDTH + _COLUMN_GAP) - _COLUMN_GAP)
    placed: dict[str, Box] = {}
    for number, layer in enumerate(layers):
        needed = {
            item.urn: [placed[other].y for urn, other in components.needs if urn == item.urn]
            for item in layer
        }
        ordered = sorted(layer, key=lambda item: sum(needed[item.urn]) / max(1, len(needed[item.urn])))
        top = (height - len(layer) * (BOX_HEIGHT + _ROW_GAP) + _ROW_GAP) / 2
        for row, component in enumerate(ordered):
            x = _EDGE + number * (BOX_WIDTH + _COLUMN_GAP)
            placed[component.urn] = Box(component, x, round(top + row * (BOX_HEIGHT + _ROW_GAP), 2))
    paths = [_path(placed[other], placed[urn]) for urn, other in components.needs]
    return Drawing(width, height, tuple(placed.values()), tuple(paths))


def _path(source: Box, target: Box) -> str:
    """A curve from the right side of what is needed to the left side of what needs it."""
    x, y = source.x + BOX_WIDTH, source.y + BOX_HEIGHT / 2
    end, height = target.x, target.y + BOX_HEIGHT / 2
    half = (end - x) / 2
    return f"M{x:g} {y:g}C{x + half:g} {y:g} {end - half:g} {height:g} {end:g} {height:g}"
