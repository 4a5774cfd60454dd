# ruff: noqa: N802 - the methods have the names of the protocol
"""A small provider plugin with a cloud of its own (a folder of JSON files), to try the engine on.

It speaks the real protocol in a real process. What it is told to do stands in the resources' inputs:
`fixed` replaces, `first` replaces after deleting, `fail` names the call that fails, `crash` the call in which
the process dies, `delay` slows the calls down, `partial` leaves a resource half-made.
"""

import fcntl
import json
import os
import sys
import time
from concurrent import futures
from pathlib import Path

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from twin.engine.engine_service import CHANNEL_OPTIONS
from twin.engine.tether import hold_if_told
from twin.wire import PLAIN, UNKNOWN, from_struct, to_struct, unwrap

CLOUD = Path(os.environ["TOY_CLOUD"])
SECRETS = os.environ.get("TOY_ACCEPTS_SECRETS") == "1"
PREVIEWS = os.environ.get("TOY_PREVIEWS") != "0"
DIFF = os.environ.get("TOY_DIFF", "")


def _plain(struct) -> dict:
    return unwrap(from_struct(struct)).value


def _path(identity: str) -> Path:
    return CLOUD / f"{identity}.json"


def _log(call: str, **told: object) -> None:
    with (CLOUD / "calls.log").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(json.dumps({"call": call, "pid": os.getpid(), **told}) + "\n")


def _obey(call: str, props: dict, context: grpc.ServicerContext) -> None:
    time.sleep(props.get("delay") or 0)
    if props.get("crash") == call and not (CLOUD / "crashed").exists():
        (CLOUD / "crashed").touch()
        print("the toy falls apart", file=sys.stderr, flush=True)
        os._exit(7)
    if props.get("fail") == call:
        context.abort(grpc.StatusCode.UNKNOWN, f"the toy cannot {call} {props.get('label')}")


class Toy(provider_pb2_grpc.ResourceProviderServicer):
    def __init__(self) -> None:
        self.config: dict = {}

    def Handshake(self, request, context):
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=SECRETS)

    def GetPluginInfo(self, request, context):
        return plugin_pb2.PluginInfo(version="1.0.0")

    def CheckConfig(self, request, context):
        news = from_struct(request.news)
        failures = []
        if news.get("region") == "mars":
            failures.append(provider_pb2.CheckFailure(property="region", reason="there is no region 'mars'"))
        if news.get("colour") == "auto":
            news["colour"] = "green"
        return provider_pb2.CheckResponse(inputs=to_struct(news), failures=failures)

    def DiffConfig(self, request, context):
        olds, news = from_struct(request.olds), from_struct(request.news)
        replaces = ["region"] if olds.get("region") != news.get("region") else []
        return provider_pb2.DiffResponse(replaces=replaces, changes=provider_pb2.DiffResponse.DIFF_SOME)

    def Configure(self, request, context):
        self.config = from_struct(request.args)
        _log("Configure", config=self.config, environment=sorted(os.environ))
        return provider_pb2.ConfigureResponse(
            acceptSecrets=SECRETS, supportsPreview=PREVIEWS, acceptResources=False
        )

    def Check(self, request, context):
        olds, news = from_struct(request.olds), from_struct(request.news)
        failures = [
            provider_pb2.CheckFailure(property=key, reason=f"{value!r} is bad; take another")
            for key, value in sorted(news.items())
            if value == "bad"
        ]
        if not news.get("name"):
            news["name"] = olds.get("name") or f"{request.name}-{request.randomSeed.hex()[:7]}"
        return provider_pb2.CheckResponse(inputs=to_struct(news), failures=failures)

    def Diff(self, request, context):
        olds, news = from_struct(request.old_inputs), from_struct(request.news)
        changed = sorted(key for key in set(olds) | set(news) if olds.get(key) != news.get(key))
        replaces = [key for key in changed if key in ("fixed", "first", "name")]
        if DIFF == "unknown":
            return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_UNKNOWN)
        if DIFF == "detailed":
            kinds = provider_pb2.PropertyDiff
            detailed = {
                key: kinds(kind=kinds.UPDATE_REPLACE if key in replaces else kinds.UPDATE) for key in changed
            }
            return provider_pb2.DiffResponse(
                changes=provider_pb2.DiffResponse.DIFF_SOME, detailedDiff=detailed, hasDetailedDiff=True
            )
        kind = provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(
            changes=kind, replaces=replaces, deleteBeforeReplace="first" in changed, diffs=changed
        )

    def Create(self, request, context):
        told = from_struct(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(
                properties=to_struct({**told, "made": UNKNOWN, "echo": told.get("label", UNKNOWN)})
            )
        props = _plain(request.properties)
        _log("Create", urn=request.urn, timeout=request.timeout)
        _obey("create", props, context)
        identity = props["name"]
        if _path(identity).exists():
            there = json.loads(_path(identity).read_text())
            if there["urn"] != request.urn:
                context.abort(grpc.StatusCode.ALREADY_EXISTS, f"{identity} exists already")
        outputs = {**told, "made": f"made-{identity}", "echo": told.get("label")}
        draft = _path(identity).with_suffix(".new")
        draft.write_text(json.dumps({"urn": request.urn, "props": props}, default=repr))
        draft.replace(_path(identity))
        _obey("after-create", props, context)
        if props.get("partial"):
            detail = provider_pb2.ErrorResourceInitFailed(
                id=identity, properties=to_struct(outputs, PLAIN), reasons=["it did not become ready"]
            )
            status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message="half-made")
            status.details.add().Pack(detail)
            context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
            context.abort(grpc.StatusCode.UNKNOWN, "half-made")
        return provider_pb2.CreateResponse(id=identity, properties=to_struct(outputs))

    def Update(self, request, context):
        told, props = from_struct(request.news), _plain(request.news)
        outputs = {**told, "made": f"made-{request.id}", "echo": told.get("label")}
        if request.preview:
            return provider_pb2.UpdateResponse(properties=to_struct(outputs))
        _log("Update", urn=request.urn, timeout=request.timeout)
        _obey("update", props, context)
        _path(request.id).write_text(json.dumps({"urn": request.urn, "props": props}, default=repr))
        return provider_pb2.UpdateResponse(properties=to_struct(outputs))

    def Delete(self, request, context):
        _log("Delete", urn=request.urn, id=request.id, timeout=request.timeout)
        _obey("delete", _plain(request.properties), context)
        _path(request.id).unlink(missing_ok=True)
        _obey("after-delete", _plain(request.properties), context)
        return empty_pb2.Empty()

    def Read(self, request, context):
        path = _path(request.id)
        if not path.exists():
            return provider_pb2.ReadResponse()
        props = json.loads(path.read_text())["props"]
        _obey("read", props, context)
        outputs = {**props, "made": f"made-{request.id}", "echo": props.get("label")}
        return provider_pb2.ReadResponse(
            id=request.id, properties=to_struct(outputs), inputs=to_struct(props)
        )

    def Invoke(self, request, context):
        args = from_struct(request.args)
        if request.tok == "toy:index:fails":
            context.abort(grpc.StatusCode.UNKNOWN, "the function broke")
        if args.get("text") == "bad":
            failure = provider_pb2.CheckFailure(property="text", reason="'bad' is not a text")
            return provider_pb2.InvokeResponse(failures=[failure])
        response = provider_pb2.InvokeResponse()
        getattr(response, "return").CopyFrom(to_struct({"text": args.get("text"), "config": self.config}))
        return response

    def Cancel(self, request, context):
        _log("Cancel")
        return empty_pb2.Empty()


def main() -> None:
    hold_if_told()
    CLOUD.mkdir(parents=True, exist_ok=True)
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=64), options=CHANNEL_OPTIONS)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Toy(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
