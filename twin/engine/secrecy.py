"""What is secret stays secret on its way through a provider."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from twin.wire import UNKNOWN, Secret, holds_secret

_TELLING: Final = 8
"""A secret of fewer characters may stand within another text by chance."""


def marked_secret(
    outputs: Mapping[str, Any], inputs: Mapping[str, Any], additional: Sequence[str]
) -> dict[str, Any]:
    """Outputs with everything secret that was secret in the inputs, or that the program wants secret.

    A provider may hand a secret on under another name, or within another text: that is as secret.
    """
    if not additional and not holds_secret(inputs):
        return dict(outputs)
    texts = _secret_texts(inputs, secret=False)
    marked = {key: _marked(value, inputs.get(key), texts) for key, value in outputs.items()}
    for key in additional:
        value = marked.get(key)
        if value is not None and not isinstance(value, Secret):
            marked[key] = Secret(value)
    return marked


def _marked(value: Any, pattern: Any, texts: frozenset[str]) -> Any:
    if isinstance(value, Secret) or value is UNKNOWN:
        return value
    if isinstance(pattern, Secret):
        return Secret(value)
    if isinstance(value, str):
        return Secret(value) if texts and any(text in value for text in texts) else value
    if isinstance(value, dict):
        like = pattern if isinstance(pattern, Mapping) else {}
        return {key: _marked(item, like.get(key), texts) for key, item in value.items()}
    if isinstance(value, list):
        alike = isinstance(pattern, list) and len(pattern) == len(value)
        return [_marked(item, pattern[index] if alike else None, texts) for index, item in enumerate(value)]
    return value


def _secret_texts(value: Any, *, secret: bool) -> frozenset[str]:
    """The texts within that are secret, and long enough not to stand anywhere by chance."""
    if isinstance(value, Secret):
        return _secret_texts(value.value, secret=True)
    if isinstance(value, Mapping):
        return frozenset().union(*(_secret_texts(item, secret=secret) for item in value.values()))
    if isinstance(value, list):
        return frozenset().union(*(_secret_texts(item, secret=secret) for item in value))
    return frozenset([value]) if secret and isinstance(value, str) and len(value) >= _TELLING else frozenset()
