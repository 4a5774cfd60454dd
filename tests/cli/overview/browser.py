"""A real browser without a window, where the machine has one."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

NAMES: Final = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
FOUND: Final = next((path for path in map(shutil.which, NAMES) if path), None)
_QUIET: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
)


def run(page: Path, profile: Path, *flags: str) -> tuple[str, list[str]]:
    """Opens a page; gives what the browser wrote to stdout, and what the page's console said."""
    assert FOUND is not None
    ran = subprocess.run(
        [FOUND, *_QUIET, f"--user-data-dir={profile}", *flags, page.as_uri()],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return ran.stdout, re.findall(r"CONSOLE.*", ran.stderr)
