"""Schedules in EventBridge's notation: `rate(1 day)` or `cron(0 3 ? * MON *)`."""

import re
from typing import Final

_RATE: Final = re.compile(r"rate\((\d+) (minute|minutes|hour|hours|day|days)\)")
_CRON: Final = re.compile(r"cron\(([^()]+)\)")
_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_FIELDS: Final = (
    ("minutes", 0, 59, ()),
    ("hours", 0, 23, ()),
    ("day of month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of week", 1, 7, _WEEKDAYS),
    ("year", 1970, 2199, ()),
)


def schedule_problem(text: str) -> str | None:
    """What is wrong with a schedule, or None."""
    rate = _RATE.fullmatch(text)
    if rate:
        count, unit = int(rate[1]), rate[2]
        if count < 1:
            return "a rate is at least 1"
        return (
            None
            if (count == 1) == (not unit.endswith("s"))
            else "1 takes minute, hour or day; more takes the plural"
        )
    cron = _CRON.fullmatch(text)
    if cron is None:
        return "must be rate(1 day) or cron(minutes hours day-of-month month day-of-week year)"
    parts = cron[1].split()
    if len(parts) != len(_FIELDS):
        return f"a cron schedule has six fields, this one {len(parts)}"
    if (parts[2] == "?") == (parts[4] == "?"):
        return "exactly one of day of month and day of week must be '?'"
    wrong = [
        f"{name} {part!r}"
        for part, (name, low, high, words) in zip(parts, _FIELDS, strict=True)
        if not _field(part, name, low, high, words)
    ]
    return f"cannot be read: {', '.join(wrong)}" if wrong else None


def _field(text: str, name: str, low: int, high: int, words: tuple[str, ...]) -> bool:
    if name.startswith("day of"):
        if text == "?":
            return True
        special = r"L|LW|\d{1,2}W" if name == "day of month" else r"L|[1-7]L|[1-7]#[1-5]"
        if re.fullmatch(special, text):
            return True
    return all(_item(item, low, high, words) for item in text.split(","))


def _item(text: str, low: int, high: int, words: tuple[str, ...]) -> bool:
    base, slash, step = text.partition("/")
    if slash and not (step.isdecimal() and 1 <= int(step) <= high):
        return False
    if base == "*":
        return True
    ends = base.split("-")
    if len(ends) > 2:
        return False
    numbers = [_number(end, low, words) for end in ends]
    return all(number is not None and low <= number <= high for number in numbers)


def _number(text: str, low: int, words: tuple[str, ...]) -> int | None:
    if text.upper() in words:
        return words.index(text.upper()) + low
    return int(text) if text.isdecimal() else None
