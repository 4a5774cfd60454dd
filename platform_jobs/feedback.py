"""`feedback FILE...`: takes what became of predictions into the outcome log; `-` reads stdin.

Accuracy, calibration, bias and business numbers are made from it. A file with a wrong line is refused whole.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from platform_jobs import outcomes, settings
from platform_jobs.aws import Clients
from platform_jobs.errors import SettingsError
from platform_jobs.log import event
from platform_jobs.outcomes import Outcome
from platform_jobs.settings import Env

_MOST_SHOWN: Final = 20


@dataclass(frozen=True, kw_only=True)
class FeedbackSettings:
    """What `feedback` reads from its environment."""

    artifacts_bucket: Annotated[str, Env("STAGECRAFT_ARTIFACTS_BUCKET")]
    model: Annotated[str, Env("STAGECRAFT_MODEL")]


def read(files: Sequence[str]) -> list[Outcome]:
    """The outcomes of files of JSON lines.

    Raises:
        SettingsError: naming every file that cannot be read and every wrong line, at most 20 of them.
    """
    found: list[Outcome] = []
    problems: list[str] = []
    for name in files:
        try:
            text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            problems.append(f"{name} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}")
            continue
        good, wrong = outcomes.parse_lines(text, name)
        found += good
        problems += wrong
    if len(problems) > _MOST_SHOWN:
        problems = [*problems[:_MOST_SHOWN], f"and {len(problems) - _MOST_SHOWN} more"]
    if problems:
        raise SettingsError(problems)
    return found


def main(argv: Sequence[str]) -> int:
    """`feedback FILE...`."""
    parser = argparse.ArgumentParser(prog="platform_jobs feedback", description=__doc__)
    parser.add_argument("files", nargs="+", metavar="FILE", help="JSON lines of outcomes; - for stdin")
    arguments = parser.parse_args(argv)
    config = settings.load(FeedbackSettings)
    found = read(arguments.files)
    keys = outcomes.write(Clients().bucket(config.artifacts_bucket), config.model, found)
    event("feedback", "taken", model=config.model, outcomes=len(found), objects=len(keys))
    sys.stdout.write(json.dumps({"outcomes": len(found), "objects": keys}) + "\n")
    return 0
