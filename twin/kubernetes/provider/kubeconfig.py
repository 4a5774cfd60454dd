"""Kubeconfigs: which server one means, and how to prove to it who we are. Nothing in one is ever run."""

import base64
import binascii
import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml


@dataclass(frozen=True)
class Access:
    """A server and what it wants to see. Certificates and keys are PEM text."""

    server: str
    namespace: str = "default"
    authority: str = ""
    certificate: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    runs_a_command: bool = False
    """Whether credentials come from a command (`exec`), such as `aws eks get-token`."""

    @property
    def host(self) -> str:
        """The server's host name."""
        return urlsplit(self.server).hostname or ""

    @property
    def local(self) -> bool:
        """Whether the server is on this machine: no other is ever contacted."""
        try:
            return urlsplit(self.server).scheme in ("http", "https") and (
                self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback
            )
        except ValueError:
            return False


def parse(value: Any, *, context: str = "", cluster: str = "") -> Access:
    """What a kubeconfig says: an object, its JSON or YAML text, or the path of a file.

    Args:
        value: The kubeconfig.
        context: The context to use instead of the current one.
        cluster: The cluster to use instead of the context's.

    Raises:
        ValueError: it is none, with what would be right.
    """
    document, folder = _document(value)
    contexts, clusters, users = (_named(document, key) for key in ("contexts", "clusters", "users"))
    wanted = context or str(document.get("current-context") or "")
    chosen = contexts.get(wanted, {}).get("context") or {}
    if not chosen and (context or len(contexts) > 1):
        known = ", ".join(sorted(contexts)) or "none"
        raise ValueError(f"context {wanted!r} is not in the kubeconfig; it has {known}")
    name = cluster or str(chosen.get("cluster") or next(iter(clusters), ""))
    if name not in clusters:
        raise ValueError(f"cluster {name!r} is not in the kubeconfig; give one with a cluster and its server")
    server = clusters[name].get("cluster") or {}
    user = (users.get(str(chosen.get("user") or next(iter(users), "")), {}).get("user")) or {}
    address = server.get("server")
    if not isinstance(address, str) or not urlsplit(address).hostname:
        raise ValueError(f"cluster {name!r} of the kubeconfig has no server; give https://HOST:PORT")
    return Access(
        server=address.rstrip("/"),
        namespace=str(chosen.get("namespace") or "default"),
        authority=_pem(server, "certificate-authority", folder),
        certificate=_pem(user, "client-certificate", folder),
        key=_pem(user, "client-key", folder),
        token=str(user.get("token") or ""),
        runs_a_command="exec" in user,
    )


def _document(value: Any) -> tuple[Mapping[str, Any], Path]:
    folder = Path.cwd()
    if isinstance(value, str):
        text = value.strip()
        if "\n" not in text and not text.startswith("{"):
            path = Path(text).expanduser()
            try:
                text, folder = path.read_text(), path.parent
            except OSError as error:
                raise ValueError(f"{value!r} is neither a kubeconfig nor a file that can be read") from error
        try:
            value = json.loads(text) if text.startswith("{") else yaml.safe_load(text)
        except (ValueError, yaml.YAMLError) as error:
            raise ValueError(f"the kubeconfig is neither JSON nor YAML: {error}") from error
    if not isinstance(value, Mapping):
        raise ValueError("the kubeconfig is no object; give one with clusters, users and contexts")
    return value, folder


def _named(document: Mapping[str, Any], key: str) -> dict[str, Mapping[str, Any]]:
    entries = document.get(key) or []
    return {
        str(entry.get("name")): entry
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, Mapping)
    }


def _pem(entry: Mapping[str, Any], name: str, folder: Path) -> str:
    data = entry.get(f"{name}-data")
    if isinstance(data, str) and data:
        try:
            return base64.b64decode(data, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError, ValueError):
            # Such as an emulated EKS's invented authority; only a server on this machine needs a real one.
            return ""
    path = entry.get(name)
    if isinstance(path, str) and path:
        try:
            return (folder / Path(path).expanduser()).read_text()
        except OSError:
            return ""
    return ""
