"""The container's entrypoint: `python -m platform_jobs <command>`.

A command's module is imported when it is run, and no other: a server must not wait for pandas.
"""

import importlib
import os
import signal
import sys
import traceback
from types import FrameType
from typing import Final

from platform_jobs import log
from platform_jobs.errors import Interrupted, JobError, SettingsError, cause_of

COMMANDS: Final = {
    "ingest": ("ingest", "put local files into the raw bucket"),
    "quality": ("quality", "judge raw rows by the view's rules"),
    "materialise": ("materialise", "curated rows into the offline and online feature store"),
    "train": ("train", "train a model and register a version of it"),
    "review": ("review", "approve or reject a model version"),
    "release": ("release", "point live at an approved version, or roll back"),
    "serve": ("serve", "answer predictions over HTTP, as SageMaker asks for them"),
    "gateway": ("gateway.server", "answer predictions down a ladder, in front of the models' endpoints"),
    "lambda": ("lambda_runtime", "answer a Lambda function's invocations by the handler named"),
    "gate": ("gate.command", "judge a canary: promote, wait or roll back"),
    "gate-labels": ("gate.labels", "count the known truth of a release's two versions, for its gate"),
    "fetch-model": ("fetch_model", "put an approved version's files where a server looks for them"),
    "predict": ("predict", "ask an endpoint about an entity's current features"),
    "predict-batch": ("batch.command", "score everyone, or given rows, with the live version"),
    "feedback": ("feedback", "take what became of predictions: labels, conversions, revenue"),
    "watch": ("watch", "all that watches a live model: drift, accuracy, kpis, explain, feedback, bias"),
    "drift": ("drift", "how far requests and answers are from the live version's training data"),
    "accuracy": ("accuracy", "how good and how well calibrated answers were, by delayed labels"),
    "feedback-volume": ("feedback_volume", "how many labels no version has learnt from yet"),
    "bias": ("bias", "whether groups get other answers or other mistakes"),
    "explain": ("explain", "which inputs the live version's answers hang on"),
    "kpis": ("kpis", "conversion, retention, revenue and cost of answers"),
    "silent-failures": ("silent_failures", "what goes wrong with a view's data without an error"),
    "gpu-telemetry": ("gpu_telemetry", "what a machine's GPUs do, to CloudWatch, until it is stopped"),
    "report": ("report", "an HTML page on drift, by Evidently"),
    "retire": ("retire", "remove the model versions of an environment that is to go"),
    "demo-data": ("demo_data", "write a real data set as a file to ingest"),
}
EXIT_FAILED: Final = 1
EXIT_BAD_SETTINGS: Final = 2
EXIT_INTERRUPTED: Final = 143
"""128 + SIGTERM: Batch retries an attempt that ends with it."""


def main(argv: list[str]) -> int:
    """Runs a command and says how it ended: 0, 1 failed, 2 badly set up, 143 interrupted."""
    if not argv or argv[0] in {"-h", "--help"} or argv[0] not in COMMANDS:
        wanted = "" if not argv or argv[0].startswith("-") else f"there is no command {argv[0]!r}\n"
        lines = "\n".join(f"  {name:<16} {text}" for name, (_, text) in COMMANDS.items())
        asked = bool(argv) and argv[0] in {"-h", "--help"}
        print(
            f"{wanted}usage: python -m platform_jobs <command>\n{lines}", file=None if asked else sys.stderr
        )
        return 0 if asked else EXIT_BAD_SETTINGS
    log.configure()
    # Process 1 of a container ignores SIGTERM unless it says otherwise.
    signal.signal(signal.SIGTERM, _interrupt)
    command, arguments = argv[0], argv[1:]
    try:
        module = importlib.import_module(f"platform_jobs.{COMMANDS[command][0]}")
        return int(module.main(arguments))
    except SettingsError as error:
        for problem in error.problems:
            log.event(command, "bad-settings", log.ERROR, problem=problem)
        return EXIT_BAD_SETTINGS
    except JobError as error:
        log.event(command, "failed", log.ERROR, reason=error.reason, cause=str(error))
    except Interrupted:
        log.event(command, "interrupted", log.WARNING)
        return EXIT_INTERRUPTED
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # the last line of defence: one line, never a trace of data
        log.event(command, "failed", log.ERROR, reason=type(error).__name__, cause=cause_of(error))
        if os.environ.get("STAGECRAFT_DEBUG"):
            traceback.print_exc()
    return EXIT_FAILED


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise Interrupted


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
