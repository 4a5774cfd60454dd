"""Blocks of addresses in inputs."""

import ipaddress
from typing import Any

from twin.providers.problems import Problems


def check_block(
    problems: Problems, path: str, value: Any, *, version: int, least: int = 0, most: int | None = None
) -> None:
    """Notes what is wrong with a block; `least` and `most` bound the length of its prefix."""
    if not isinstance(value, str):
        return
    longest = (32 if version == 4 else 128) if most is None else most
    example = "10.0.0.0/16" if version == 4 else "2600:1f18::/56"
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        problems.add(path, f"{value!r} is no IPv{version} block", f"give one such as {example}")
        return
    if network.version != version or "/" not in value:
        problems.add(path, f"{value!r} is no IPv{version} block", f"give one such as {example}")
    elif not least <= network.prefixlen <= longest:
        problems.add(path, f"{value!r} is a /{network.prefixlen}", f"give a /{least} to /{longest}")
    elif ipaddress.ip_interface(value).ip != network.network_address:
        problems.add(path, f"{value!r} has bits set behind its prefix", f"write {network}")


def same_block(left: Any, right: Any) -> bool:
    """Whether two texts are the same block (IPv6 has many notations)."""
    try:
        return ipaddress.ip_network(str(left), strict=False) == ipaddress.ip_network(str(right), strict=False)
    except ValueError:
        return False
