"""The components as a Pulumi plugin: `python <this folder> <engine address>` serves them in any language.

The CLI runs this folder as a script, wherever and under whatever name it was put, with nothing else of the
repository installed. So the package is made known under its own name from where it lies.
"""

import importlib.util
import sys
from pathlib import Path
from typing import Final

from pulumi.provider.experimental import component_provider_host

FOLDER: Final = Path(__file__).resolve().parent
NAME: Final = "stagecraft"
VERSION: Final = "0.1.0"


def load_package() -> None:
    """Makes `import components` mean this folder."""
    if "components" in sys.modules:
        return
    # As a script the folder itself leads the path: its modules must not be found under a second name.
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != FOLDER]
    spec = importlib.util.spec_from_file_location(
        "components", FOLDER / "__init__.py", submodule_search_locations=[str(FOLDER)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"the components are not at {FOLDER}")
    package = importlib.util.module_from_spec(spec)
    sys.modules["components"] = package
    spec.loader.exec_module(package)


if __name__ == "__main__":
    load_package()
    from components import COMPONENTS

    component_provider_host(components=list(COMPONENTS), name=NAME, version=VERSION)
