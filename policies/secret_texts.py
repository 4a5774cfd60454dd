"""Recognising credentials in text."""

import re
from typing import Final

_PATTERNS: Final = (
    (
        "an AWS access key id",
        re.compile(r"(?:A3T[A-Z0-9]|AKIA|AGPA|AIDA|AROA|AIPA|ANPA|ANVA|ASIA)[A-Z0-9]{16}"),
    ),
    ("an AWS secret access key", re.compile(r"(?<![A-Za-z0-9/+=])[A-Za-z0-9/+=]{40}(?![A-Za-z0-9/+=])")),
    (
        "an AWS secret access key",
        re.compile(
            r"""(?:aws)?_?(?:secret)?_?(?:access)?_?key["']?\s*(?::|=>|=)\s*["']?[a-z0-9/+=]{40}""",
            re.IGNORECASE,
        ),
    ),
    (
        "an AWS account id",
        re.compile(
            r"""["']?(?:aws)?_?account_?(?:id)?["']?\s*(?::|=>|=)\s*["']?\d{4}-?\d{4}-?\d{4}["']?""",
            re.IGNORECASE,
        ),
    ),
    ("a private key", re.compile(r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----")),
)
_DIGEST: Final = re.compile(r"^(?:[a-f0-9]{32}|[a-f0-9]{40})$", re.IGNORECASE)


def credential_in(text: str) -> str | None:
    """What kind of credential a text holds, as git-secrets tells them; None if none."""
    if _DIGEST.match(text):
        return None
    return next((kind for kind, pattern in _PATTERNS if pattern.search(text)), None)
