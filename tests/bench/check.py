"""What `stagecraft check` of production takes, as a user waits for it."""

import tempfile
import time
from pathlib import Path

from tests.cli_driver import Stagecraft


def measure() -> dict[str, float]:
    """Seconds of the whole command."""
    with tempfile.TemporaryDirectory() as folder:
        driver = Stagecraft(Path(folder) / "home")
        try:
            began = time.perf_counter()
            driver.run("check", "--stack", "prod", "--json")
            return {"check_prod_seconds": time.perf_counter() - began}
        finally:
            driver.close()
