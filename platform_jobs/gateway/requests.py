"""A caller's request, read with care: everything wrong is told at once, and no value is repeated back."""

import json
import math
import re
import uuid
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from platform_jobs.gateway.model import Question, WrongQuestionError

LARGEST_BODY: Final = 256 * 1024
MOST_FEATURES: Final = 2_000
LONGEST_TEXT: Final = 1_024
"""Letters of a feature, unless its model takes more."""
_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_KNOWN: Final = ("entity", "features", "user")


def read_question(
    body: bytes, keys: tuple[str, ...], request_id: str | None, longest_text: int = LONGEST_TEXT
) -> Question:
    """The question in a request's body.

    Args:
        body: `{"entity": {join key: value}, "features": {name: value}, "user": "…"}`; `user` may be left out.
        keys: The join keys that the model's entities have.
        request_id: What the caller calls the request; a new id is made if it is none that can be kept.
        longest_text: Letters that a feature may have.

    Raises:
        WrongQuestionError: with every problem.
    """
    try:
        value = json.loads(body, parse_constant=_no_json)
    except (ValueError, RecursionError):
        raise WrongQuestionError("the body is not JSON") from None
    if not isinstance(value, dict):
        raise WrongQuestionError('the body must be {"entity": {…}, "features": {…}}')
    problems: list[dict[str, Any]] = [
        {"field": str(name)[:100], "problem": f"is not known; there are {', '.join(_KNOWN)}"}
        for name in value
        if name not in _KNOWN
    ]
    entity = _entity(value.get("entity"), keys, problems)
    features = _features(value.get("features"), problems, longest_text)
    user = value.get("user")
    if user is not None and not _is_key(user):
        problems.append({"field": "user", "problem": "must be a text or a whole number"})
    if problems:
        raise WrongQuestionError("the question cannot be answered", problems)
    question_id = request_id if request_id and _ID.fullmatch(request_id) else str(uuid.uuid4())
    question = Question(id=question_id, entity=entity, features=features, user="")
    named = question.entity_key if user is None else str(user)
    return Question(id=question_id, entity=entity, features=features, user=named)


def _entity(value: Any, keys: tuple[str, ...], problems: list[dict[str, Any]]) -> dict[str, str]:
    if not isinstance(value, dict):
        problems.append({"field": "entity", "problem": f"must be an object with {', '.join(keys)}"})
        return {}
    for name in sorted({*value, *keys}):
        if name not in value:
            problems.append({"field": f"entity.{name}", "problem": "is missing"})
        elif name not in keys:
            problems.append(
                {"field": f"entity.{name[:100]}", "problem": f"is no join key; there are {', '.join(keys)}"}
            )
        elif not _is_key(value[name]):
            problems.append({"field": f"entity.{name}", "problem": "must be a text or a whole number"})
    return {name: str(item) for name, item in value.items()}


def _is_key(value: Any) -> bool:
    if isinstance(value, int) and not isinstance(value, bool):
        return abs(value) < 10**18
    return isinstance(value, str) and 0 < len(value) <= LONGEST_TEXT


def _features(value: Any, problems: list[dict[str, Any]], longest: int) -> Mapping[str, Any]:
    if not isinstance(value, dict) or not value:
        problems.append({"field": "features", "problem": "must be an object, feature → value"})
        return {}
    if len(value) > MOST_FEATURES:
        problems.append({"field": "features", "problem": f"are more than {MOST_FEATURES}"})
        return {}
    for name, item in value.items():
        if not _is_scalar(item, longest):
            problem = f"must be a finite number, true, false, null, or a text of up to {longest} letters"
            problems.append({"field": f"features.{name[:100]}", "problem": problem})
    return value


def _is_scalar(value: Any, longest: int) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, str):
        return len(value) <= longest
    return value is None or isinstance(value, bool) or (isinstance(value, int) and abs(value) < 2**63)


def _no_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
