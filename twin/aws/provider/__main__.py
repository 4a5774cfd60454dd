"""`python -m twin.aws.provider [engine address]`: the plugin process."""

import os
import signal
import sys

from twin.aws.provider.clients import isolate_environment


def main() -> int:
    """Serves the provider."""
    engine = os.getppid()
    isolate_environment()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the engine decides; it sends Cancel, then SIGTERM
    from twin.aws.provider.servicer import Provider
    from twin.providers.server import serve

    return serve(engine, Provider)


if __name__ == "__main__":
    sys.exit(main())
