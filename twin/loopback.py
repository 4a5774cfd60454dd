"""The twin talks to this machine and to nothing else: every address it is given passes through here."""

import ipaddress
from urllib.parse import urlsplit


def require_loopback(address: str) -> str:
    """Returns the address if it lies on this machine, else raises ValueError that says what would be right.

    Args:
        address: `host:port`, an `http://` URL, or a `unix:` socket.
    """
    if address.startswith("unix:"):
        return address
    text = address if "://" in address else f"//{address}"
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise ValueError(f"{address!r} is not an address: {error}") from error
    if parts.scheme not in ("", "http"):
        raise ValueError(f"{address!r}: the twin speaks plain http to this machine only")
    if host != "localhost" and not _is_loopback(host):
        raise ValueError(
            f"{address!r} is not on this machine: the twin talks to loopback only "
            "(http://127.0.0.1:PORT); for a real cloud use the pulumi CLI"
        )
    return address


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
