"""`python -m twin.kubernetes.provider [engine address]`: the plugin process."""

import os
import signal
import sys
from functools import partial


def main() -> int:
    """Serves the provider."""
    engine = os.getppid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the engine decides; it sends Cancel, then SIGTERM
    from twin.kubernetes.provider.remarks import Remarks
    from twin.kubernetes.provider.servicer import Provider
    from twin.providers.server import serve

    return serve(engine, partial(Provider, Remarks(sys.argv[1] if len(sys.argv) > 1 else "")))


if __name__ == "__main__":
    sys.exit(main())
