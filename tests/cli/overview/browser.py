"""A real browser without a window, where the machine has one."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

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


_MEASURE: Final = """
const bars = [...document.querySelectorAll("#bias rect.now, #explanations rect.now")];
document.body.dataset.measured = JSON.stringify({
  paper: getComputedStyle(document.body).backgroundColor,
  ink: getComputedStyle(document.body).color,
  fills: [...new Set(bars.map((bar) => getComputedStyle(bar).fill))],
  widths: bars.map((bar) => Math.round(bar.getBoundingClientRect().width)),
  wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  unseen: [...document.querySelectorAll("section svg")].filter(
    (drawn) => !drawn.closest("details") && !drawn.getBoundingClientRect().height).length,
});
"""


def measured(text: str, folder: Path, *flags: str) -> dict[str, Any]:
    """What a browser makes of a page: colours, widths, whether anything sticks out or is not drawn.

    The page lets nothing run, so it is asked through a copy without its policy and with a script.
    """
    open_to_scripts = re.sub(r"<meta http-equiv=\"Content-Security-Policy\"[^>]*>", "", text)
    assert open_to_scripts != text
    file = folder / "measured.html"
    file.write_text(open_to_scripts.replace("</body>", f"<script>{_MEASURE}</script></body>"), "utf-8")
    drawn, said = run(file, folder / "profile", "--dump-dom", *flags)
    assert said == []
    found = re.search(r'data-measured="([^"]*)"', drawn)
    assert found is not None
    told: dict[str, Any] = json.loads(html.unescape(found[1]))
    return told
