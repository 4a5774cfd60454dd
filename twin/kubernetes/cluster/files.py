"""Where one cluster keeps what it has: a folder that only its owner can open."""

import base64
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

SOCKET: Final = "etcd.sock:0"
"""Relative to the folder, where every process runs: a whole path may be too long. etcd wants a number."""


@dataclass(frozen=True)
class ClusterFiles:
    """The files of one cluster."""

    folder: Path

    @property
    def record(self) -> Path:
        """Ports, speed and processes, as JSON."""
        return self.folder / "cluster.json"

    @property
    def certificates(self) -> Path:
        """Keys and certificates."""
        return self.folder / "certificates"

    @property
    def data(self) -> Path:
        """The data of etcd."""
        return self.folder / "etcd"

    @property
    def catalogue(self) -> Path:
        """What Karpenter can buy."""
        return self.folder / "instance-types.json"

    @property
    def capacity(self) -> Path:
        """What is sold out at this moment."""
        return self.folder / "capacity.json"

    @property
    def addresses(self) -> Path:
        """Where Services answer on loopback, and which processes are behind them."""
        return self.folder / "addresses.json"

    @property
    def stages(self) -> Path:
        """How kwok plays nodes and pods."""
        return self.folder / "stages.yaml"

    def log(self, process: str) -> Path:
        """What a process wrote."""
        return self.folder / "logs" / f"{process}.log"

    def kubeconfig(self, client: str = "admin") -> Path:
        """How a client reaches the API server."""
        return self.folder / f"{client}.kubeconfig"

    def create(self) -> None:
        """Makes the folders, closed to everyone else."""
        for folder in (self.folder, self.certificates, self.data, self.folder / "logs"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder.chmod(0o700)

    def remove(self) -> None:
        """Removes everything."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def write_kubeconfig(self, client: str, server: str) -> None:
        """Writes the client's kubeconfig, with its certificate inside."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "stagecraft",
            "clusters": [
                {
                    "name": "stagecraft",
                    "cluster": {"server": server, "certificate-authority-data": self._encoded("ca.crt")},
                }
            ],
            "users": [
                {
                    "name": client,
                    "user": {
                        "client-certificate-data": self._encoded(f"{client}.crt"),
                        "client-key-data": self._encoded(f"{client}.key"),
                    },
                }
            ],
            "contexts": [{"name": "stagecraft", "context": {"cluster": "stagecraft", "user": client}}],
        }
        write_json(self.kubeconfig(client), config)

    def _encoded(self, name: str) -> str:
        return base64.b64encode((self.certificates / name).read_bytes()).decode()


def write_private(path: Path, content: bytes) -> None:
    """Replaces a file in one step; only its owner can read it."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    partial.replace(path)


def write_json(path: Path, value: Any) -> None:
    """Replaces a JSON file (which YAML readers take too) in one step; only its owner can read it."""
    write_private(path, (json.dumps(value) + "\n").encode())
