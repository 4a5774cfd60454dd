"""What a training machine does when it starts, as the text that cloud-init reads."""

import base64
from typing import Final

_BOUNDARY: Final = "==STAGECRAFT=="


def spot_contract(grace_seconds: int) -> str:
    """Jobs get `grace_seconds` between SIGTERM and SIGKILL, also when the host is reclaimed.

    Batch takes user data only as MIME multipart. The agent's own default would be 30 seconds.
    """
    script = "\n".join(
        [
            "#!/bin/bash",
            f"echo ECS_CONTAINER_STOP_TIMEOUT={grace_seconds}s >> /etc/ecs/ecs.config",
            "echo ECS_ENABLE_SPOT_INSTANCE_DRAINING=true >> /etc/ecs/ecs.config",
        ]
    )
    parts = [
        "MIME-Version: 1.0",
        f'Content-Type: multipart/mixed; boundary="{_BOUNDARY}"',
        "",
        f"--{_BOUNDARY}",
        'Content-Type: text/x-shellscript; charset="us-ascii"',
        "",
        script,
        "",
        f"--{_BOUNDARY}--",
        "",
    ]
    return "\n".join(parts)


def encoded(text: str) -> str:
    """User data as launch templates take it."""
    return base64.b64encode(text.encode()).decode()
