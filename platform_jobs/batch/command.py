"""`predict-batch`: scores everyone, or given rows, with a model's live version, each exactly once.

Honours the spot contract: a chunk is written, logged and ticked off before the next, and the next attempt
goes on from there, with the version and the time that the run began with. Interrupted or not, the run comes
to the same bytes.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from platform_jobs import settings
from platform_jobs.aws import Clients
from platform_jobs.batch.run import run
from platform_jobs.batch.terms import BatchSettings
from platform_jobs.checkpoint import Interruption


def main(_argv: Sequence[str]) -> int:
    """`predict-batch`: everything comes from the environment; says on stdout what the run came to."""
    config = settings.load(BatchSettings)
    interruption = Interruption()
    interruption.install(config.grace_seconds)
    found = run(Clients(), config, interruption)
    told = {name: value for name, value in asdict(found).items() if name != "chunks"}
    sys.stdout.write(json.dumps({**told, "chunks": len(found.chunks)}) + "\n")
    return 0
