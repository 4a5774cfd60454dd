"""Runs a Pulumi program in a process of its own, as Pulumi's language host would.

Started by `twin.engine.program`; what it needs stands in one JSON object on the command line.
"""

import asyncio
import json
import os
import runpy
import sys
import traceback
from pathlib import Path
from typing import Any

import grpc
import pulumi
from pulumi.errors import InputPropertiesError, InputPropertyError
from pulumi.runtime import Settings, configure, run_in_stack
from pulumi.runtime.config import set_all_config
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

from twin.engine import sdk_speed
from twin.engine.engine_service import CHANNEL_OPTIONS
from twin.engine.program import SHOWN
from twin.engine.threads import ElasticExecutor
from twin.garbage import collect_seldom


class _QuietEngine:
    """The engine without the SDK's debug lines: each would be a blocking call, four a resource."""

    def __init__(self, address: str) -> None:
        stub = engine_pb2_grpc.EngineStub(grpc.insecure_channel(address, options=CHANNEL_OPTIONS))
        self._stub = stub
        self.GetRootResource = stub.GetRootResource
        self.SetRootResource = stub.SetRootResource
        self.RequirePulumiVersion = stub.RequirePulumiVersion

    def Log(self, request: Any) -> None:  # noqa: N802 - the protocol's name
        if request.severity != engine_pb2.DEBUG:
            self._stub.Log(request)


def main() -> int:
    """Runs the program; returns its exit code."""
    collect_seldom()
    told = json.loads(sys.argv[1])
    set_all_config(
        json.loads(os.environ["PULUMI_CONFIG"]), json.loads(os.environ["PULUMI_CONFIG_SECRET_KEYS"])
    )
    settings = Settings(
        project=told["project"],
        stack=told["stack"],
        monitor=told["monitor"],
        engine=_QuietEngine(told["engine"]),
        parallel=told["parallel"],
        dry_run=told["dryRun"],
        organization=told["organization"],
        root_directory=told["rootDirectory"],
    )
    configure(settings)
    sdk_speed.apply()
    program = Path(told["program"])
    folder = program if program.is_dir() else program.parent
    sys.path.insert(0, str(folder))
    sys.argv = [str(program)]

    loop = asyncio.new_event_loop()
    # Each registration waits for its answer in a thread: too few of them would serialise the deployment.
    loop.set_default_executor(ElasticExecutor(told["threads"]))
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(run_in_stack(lambda: _run(program)))
    except pulumi.RunError as error:
        if not _hung_up(error):
            pulumi.log.error(str(error))
        return SHOWN
    except (InputPropertiesError, InputPropertyError) as error:
        pulumi.log.error(_told(error))
        return SHOWN
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else int(left.code is not None)
    except Exception as error:
        if not _hung_up(error):
            pulumi.log.error("Program failed with an unhandled exception:\n" + _trace(program))
        return SHOWN
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def _run(program: Path) -> None:
    runpy.run_path(str(program), run_name="__main__")


def _hung_up(error: Exception) -> bool:
    """Whether the error is only that the engine hung up after a failure, of which it has told itself."""
    return "monitor has terminated" in str(error)


def _told(error: InputPropertiesError | InputPropertyError) -> str:
    if isinstance(error, InputPropertyError):
        return f"{error.property_path}: {error.reason}"
    lines = [f"  {each['property_path']}: {each['reason']}" for each in error.errors or ()]
    return "\n".join([error.message, *lines])


def _trace(program: Path) -> str:
    """The traceback from the program's own first frame on; the runner's frames help nobody."""
    kind, error, trace = sys.exc_info()
    lines = traceback.format_exception(kind, error, trace)
    own = next((index for index, line in enumerate(lines) if f'"{program}' in line), 1)
    return "".join([lines[0], *lines[own:]])


if __name__ == "__main__":
    code = main()
    # The SDK leaves gRPC threads behind that can hold up a normal exit.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
