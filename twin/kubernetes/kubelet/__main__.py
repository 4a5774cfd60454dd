"""`python -m twin.kubernetes.kubelet`: runs until SIGTERM; a process of the twin's cluster."""

import argparse
import asyncio
import signal
from pathlib import Path

from twin.kubernetes.cluster.files import ClusterFiles
from twin.kubernetes.kubelet.kubelet import Kubelet
from twin.kubernetes.kubelet.watching import Server
from twin.kubernetes.provider import kubeconfig


async def _run(folder: Path, cloud: Path, region: str) -> None:
    files = ClusterFiles(folder)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = Server(kubeconfig.parse(str(files.kubeconfig("kubelet"))))
    try:
        await Kubelet(server, files, cloud, region).run(stop)
    finally:
        await server.close()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="kubelet")
    parser.add_argument("--cloud", type=Path, required=True, help="folder of the twin's cloud")
    parser.add_argument("--region", required=True)
    told = parser.parse_args()
    asyncio.run(_run(Path.cwd(), told.cloud, told.region))


if __name__ == "__main__":
    main()
