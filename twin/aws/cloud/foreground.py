"""The twin's cloud in the foreground, for looking at with other tools."""

from collections.abc import Callable
from pathlib import Path

from twin.aws.cloud.client import stop_cloud


def serve_foreground(directory: Path, region: str, on_ready: Callable[[str], None]) -> None:
    """Serves the folder's cloud until SIGINT or SIGTERM; a cloud running in the background hands over first.

    Args:
        directory: The cloud's own folder; made if missing.
        region: The region of whatever names none.
        on_ready: Called with the endpoint once the cloud answers.

    Raises:
        UnreadableStateError: the saved state can't be read.
    """
    from twin.aws.cloud.server import serve

    stop_cloud(directory)
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    serve(directory.absolute(), region=region, on_ready=on_ready)
