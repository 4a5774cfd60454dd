"""`python -m tests.bench [MODULE…]`: runs the measures and prints one JSON object."""

import argparse
import importlib
import json
import pkgutil
import sys

import tests.bench


def main() -> int:
    """Runs the modules named, or all of them; returns the exit code."""
    known = sorted(
        module.name for module in pkgutil.iter_modules(tests.bench.__path__) if module.name != "__main__"
    )
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "modules", nargs="*", metavar="MODULE", help=f"one of: {', '.join(known)} (default: all)"
    )
    asked = parser.parse_args().modules or known
    unknown = sorted(set(asked) - set(known))
    if unknown:
        parser.error(f"no such measure: {', '.join(unknown)} (there are: {', '.join(known)})")
    measured: dict[str, float] = {}
    for name in asked:
        print(f"measuring {name} …", file=sys.stderr)
        measured |= importlib.import_module(f"tests.bench.{name}").measure()
    print(json.dumps({key: round(value, 3) for key, value in sorted(measured.items())}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
