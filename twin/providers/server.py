"""Runs a provider as a plugin: prints its port, serves until the engine ends it or is gone."""

import os
import sys
import threading
from collections.abc import Callable
from concurrent import futures
from typing import Any, Final

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from twin.garbage import collect_seldom

_MESSAGE_LIMIT: Final = 400 * 1024 * 1024
_WORKERS: Final = 32
_WATCH_SECONDS: Final = 0.5


def serve(engine: int, provider: Callable[[threading.Event], Any]) -> int:
    """Serves on a free port of 127.0.0.1, which is the only thing printed on stdout.

    Args:
        engine: The process that started this one; when it is gone, nobody would stop this one.
        provider: Makes the servicer, given the event with which it ends the process.
    """
    collect_seldom()
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=_WORKERS, thread_name_prefix="rpc"),
        options=[
            ("grpc.max_receive_message_length", _MESSAGE_LIMIT),
            ("grpc.max_send_message_length", _MESSAGE_LIMIT),
            ("grpc.so_reuseport", 0),
        ],
    )
    stopped = threading.Event()
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider(stopped), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    while not stopped.wait(_WATCH_SECONDS) and os.getppid() == engine:
        pass
    server.stop(grace=1).wait()
    return 0
