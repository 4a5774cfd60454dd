"""What the gateway is told of each model: variants, shadow, and the ladder of answers; checked as a whole.

`STAGECRAFT_GATEWAY_MODELS` is a JSON object, model → declaration; docs/serving.md describes it.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from platform_jobs.gateway.dialects import DIALECTS, SERVE
from platform_jobs.metrics import DEFAULT_STEP, LAST_GOOD_STEP, LIVE_STEP, PREVIOUS_STEP, STEPS
from platform_jobs.prediction_log import LIVE, SHADOW

DEFAULT_TIMEOUT_MS: Final = 250.0
DEFAULT_TTL_SECONDS: Final = 3600.0
_VARIANT_KEYS: Final = frozenset({"endpoint", "variant", "url"})


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where a model is asked: a SageMaker endpoint (and a variant of it), or an HTTP model server's URL."""

    endpoint: str | None = None
    variant: str | None = None
    url: str | None = None


@dataclass(frozen=True)
class Variant:
    """A model version that answers users, with its share of them."""

    name: str
    target: Target
    weight: float


@dataclass(frozen=True)
class Shadow:
    """A model version that is asked along, and whose answer nobody gets."""

    target: Target
    percent: float


@dataclass(frozen=True, kw_only=True)
class ModelDeclaration:
    """One model, as the gateway serves it."""

    name: str
    keys: tuple[str, ...]
    """Join keys that name an entity."""
    variants: tuple[Variant, ...]
    """At least one; names differ."""
    ladder: tuple[str, ...]
    """Steps in the order they are tried, starting with `live`."""
    previous: Target | None = None
    shadow: Shadow | None = None
    default_answer: Any = None
    last_good_seconds: float = DEFAULT_TTL_SECONDS
    timeout_ms: float = DEFAULT_TIMEOUT_MS
    """How long each model is waited for."""
    slow_ms: float = DEFAULT_TIMEOUT_MS
    """Answers later than this count as slow: the latency SLO's bound."""
    speaks: str = SERVE
    """The dialect of its servers."""

    @property
    def stable(self) -> str:
        """The variant that most users have; of equals, the first."""
        return max(self.variants, key=lambda variant: variant.weight).name


def parse_models(text: str) -> tuple[ModelDeclaration, ...]:
    """Reads the declarations of all models.

    Raises:
        ValueError: naming everything that is wrong, with its path.
    """
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ValueError(f"expected a JSON object, model → declaration: {error}") from None
    if not isinstance(value, dict) or not value:
        raise ValueError("expected a JSON object with at least one model → declaration")
    problems: list[str] = []
    found = [_Reader(name, item, problems).model(name) for name, item in value.items()]
    if problems:
        raise ValueError("; ".join(problems))
    return tuple(found)


class _Reader:
    """Reads one JSON object; what is wrong is noted, and reading goes on."""

    def __init__(self, path: str, value: Any, problems: list[str]) -> None:
        self._path = path
        self._problems = problems
        self._value: Mapping[str, Any] = value if isinstance(value, dict) else {}
        if not isinstance(value, dict):
            self._wrong("", value, "must be an object")

    def model(self, name: str) -> ModelDeclaration:
        """A model's declaration."""
        self._only(
            *("keys", "variants", "shadow", "ladder", "previous", "defaultAnswer"),
            *("lastGoodSeconds", "timeoutMs", "slowMs", "speaks"),
        )
        keys = self._texts("keys", required=True)
        variants = self._variants()
        ladder = self._ladder()
        timeout = self._number("timeoutMs", DEFAULT_TIMEOUT_MS, above=0)
        return ModelDeclaration(
            name=name,
            keys=tuple(keys),
            variants=variants,
            ladder=ladder,
            previous=self._target("previous"),
            shadow=self._shadow(),
            default_answer=self._value.get("defaultAnswer"),
            last_good_seconds=self._number("lastGoodSeconds", DEFAULT_TTL_SECONDS, above=0),
            timeout_ms=timeout,
            slow_ms=self._number("slowMs", timeout, above=0),
            speaks=self._speaks(),
        )

    def _speaks(self) -> str:
        value: str = self._text("speaks", SERVE)
        if value not in DIALECTS:
            self._wrong("speaks", value, f"must be one of {', '.join(DIALECTS)}")
        return value

    def _variants(self) -> tuple[Variant, ...]:
        items = self._value.get("variants")
        if not isinstance(items, list) or not items:
            self._wrong("variants", items, "must be a list of at least one variant")
            return ()
        found: list[Variant] = []
        for place, item in enumerate(items):
            reader = _Reader(f"{self._path}.variants[{place}]", item, self._problems)
            reader._only("name", "weight", *_VARIANT_KEYS)
            name = reader._text("name", LIVE)
            if name == SHADOW or name in {known.name for known in found}:
                reader._wrong("name", name, "must differ from the others, and from shadow")
            weight = reader._number("weight", 1.0, least=0)
            found.append(Variant(name, reader._as_target(), weight))
        if not any(variant.weight > 0 for variant in found):
            self._wrong("variants", None, "needs a weight above 0")
        return tuple(found)

    def _shadow(self) -> Shadow | None:
        item = self._value.get("shadow")
        if item is None:
            return None
        reader = _Reader(f"{self._path}.shadow", item, self._problems)
        reader._only("percent", *_VARIANT_KEYS)
        percent = reader._number("percent", 100.0, above=0, most=100)
        return Shadow(reader._as_target(), percent)

    def _ladder(self) -> tuple[str, ...]:
        steps = self._texts("ladder") or [LIVE_STEP]
        for step in steps:
            if step not in STEPS:
                self._wrong("ladder", step, f"must be one of {', '.join(STEPS)}")
        known = [step for step in steps if step in STEPS]
        if known != sorted(set(known), key=STEPS.index) or known[:1] != [LIVE_STEP]:
            self._wrong("ladder", steps, f"must start with live and go down: {', '.join(STEPS)}")
        for step, key in ((PREVIOUS_STEP, "previous"), (DEFAULT_STEP, "defaultAnswer")):
            if step in steps and self._value.get(key) is None:
                self._wrong(key, None, f"is required: the ladder has the step {step}")
        if LAST_GOOD_STEP not in steps and "lastGoodSeconds" in self._value:
            self._wrong(
                "lastGoodSeconds", self._value["lastGoodSeconds"], "needs the step last-good in ladder"
            )
        return tuple(steps)

    def _target(self, key: str) -> Target | None:
        item = self._value.get(key)
        if item is None:
            return None
        reader = _Reader(f"{self._path}.{key}", item, self._problems)
        reader._only(*_VARIANT_KEYS)
        return reader._as_target()

    def _as_target(self) -> Target:
        endpoint, url = self._text("endpoint"), self._text("url")
        if (endpoint is None) == (url is None):
            self._wrong(
                "", None, "needs either endpoint (a SageMaker endpoint's name) or url (a model server's)"
            )
        if url is not None and not _is_url(url):
            self._wrong("url", url, "must be http://host:port or https://host, without credentials or query")
        variant = self._text("variant")
        if variant is not None and endpoint is None:
            self._wrong("variant", variant, "goes with endpoint only")
        return Target(endpoint=endpoint, variant=variant, url=url)

    def _only(self, *known: str) -> None:
        for key in self._value:
            if key not in known:
                self._wrong(key, self._value[key], f"is not known; there are {', '.join(sorted(known))}")

    def _text(self, key: str, default: Any = None) -> Any:
        value = self._value.get(key, default)
        if value is not None and not (isinstance(value, str) and value):
            self._wrong(key, value, "must be a text")
            return default
        return value

    def _texts(self, key: str, *, required: bool = False) -> Sequence[str]:
        value = self._value.get(key)
        if value is None and not required:
            return []
        if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
            self._wrong(key, value, "must be a list of texts")
            return []
        return value

    def _number(
        self,
        key: str,
        default: float,
        *,
        above: float | None = None,
        least: float | None = None,
        most: float = math.inf,
    ) -> float:
        value = self._value.get(key, default)
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not number or (above is not None and value <= above) or (least is not None and value < least):
            bound = f"above {above:g}" if above is not None else f"of at least {least or 0:g}"
            self._wrong(key, value, f"must be a number {bound}")
            return default
        if value > most:
            self._wrong(key, value, f"must be at most {most:g}")
            return default
        return float(value)

    def _wrong(self, key: str, value: Any, remedy: str) -> None:
        path = f"{self._path}.{key}" if key else self._path
        shown = "" if value is None else f" = {json.dumps(value)}"
        self._problems.append(f"{path}{shown} {remedy}")


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        port_is_right = parts.port is None or parts.port > 0
    except ValueError:
        return False
    return (
        parts.scheme in {"http", "https"}
        and bool(parts.hostname)
        and port_is_right
        and parts.username is None
        and not parts.query
        and not parts.fragment
    )
