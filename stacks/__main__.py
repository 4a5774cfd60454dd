"""The program of every stack: settings in, components, outputs out."""

import sys
from pathlib import Path

# Pulumi's language host runs this folder as a script: the checkout's own packages are not on the path then.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import pulumi

from stacks.composition import deploy
from stacks.problems import SettingsError
from stacks.settings import read_settings


def main() -> None:
    """Deploys the stack that Pulumi was asked for."""
    try:
        settings = read_settings()
    except SettingsError as error:
        # A RunError is shown without a traceback.
        raise pulumi.RunError(str(error)) from None
    for name, value in deploy(settings, pulumi.get_stack()).items():
        pulumi.export(name, value)


main()
