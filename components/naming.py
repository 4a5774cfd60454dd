"""Names: pure functions from what is declared to what a service accepts."""

import hashlib
import re
from typing import Final

_HASH_LENGTH: Final = 8
_ECR: Final = re.compile(r"^(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com/(.+)$")


def slug(text: str, separator: str = "-") -> str:
    """Lower case letters, digits and single separators; what else there was becomes a separator."""
    return re.sub(r"[^a-z0-9]+", separator, text.lower()).strip(separator)


def physical_name(*parts: str, max_length: int = 63, separator: str = "-") -> str:
    """A physical name of all parts; one that is too long keeps a hash of the whole, so it stays unique.

    Raises:
        ValueError: no part has a letter or digit, or `max_length` leaves no room for the hash.
    """
    if max_length <= _HASH_LENGTH:
        raise ValueError(f"max_length must be more than {_HASH_LENGTH}, got {max_length}")
    slugs = [part for part in (slug(part, separator) for part in parts) if part]
    name = separator.join(slugs)
    if not name:
        raise ValueError(f"no letter or digit in {parts!r}")
    if len(name) <= max_length:
        return name
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:_HASH_LENGTH]
    return f"{name[: max_length - _HASH_LENGTH - 1].rstrip(separator)}{separator}{digest}"


def column_name(text: str) -> str:
    """A name Glue and Athena take for a table or column: lower case, digits, underscores."""
    return physical_name(text, max_length=128, separator="_")


def log_group_name(stack: str, name: str) -> str:
    """The platform's log groups share one prefix, so that a role can be held to them."""
    return f"/stagecraft/{physical_name(stack)}/{physical_name(name)}"


def pointer_prefix(namespace: str) -> str:
    """Where the pointers to live model versions are, in SSM."""
    return f"/stagecraft/{namespace}/models/"


def dual_stack_image(uri: str) -> str:
    """The same ECR image at the endpoint that also answers over IPv6; any other image is left as it is."""
    return _ECR.sub(r"\1.dkr-ecr.\2.on.aws/\3", uri)
