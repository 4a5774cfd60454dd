"""`gateway`: answers predictions down each model's ladder, until SIGTERM; then it drains."""

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Annotated, Any, Final

import aiohttp
from aiohttp import web

from platform_jobs import metrics, settings
from platform_jobs.aws import Clients
from platform_jobs.gateway.application import Health, make_application
from platform_jobs.gateway.backends import Backend, HttpModel, SageMakerModel, Signer, kept_connections
from platform_jobs.gateway.declaration import ModelDeclaration, Target, parse_models
from platform_jobs.gateway.dialects import dialect_of
from platform_jobs.gateway.guarded import Guarded
from platform_jobs.gateway.ladder import Ladder
from platform_jobs.gateway.prediction_writer import FLUSH_SECONDS, PredictionWriter
from platform_jobs.gateway.served import ServedModel
from platform_jobs.gateway.shadow import Shadower
from platform_jobs.gateway.telemetry import PUBLISH_SECONDS, CloudWatchPublisher, Telemetry
from platform_jobs.log import event
from platform_jobs.prediction_log import SHADOW
from platform_jobs.settings import Env

DEFAULT_PORT: Final = 8090
_BACKLOG: Final = 512
_LAST_ANSWERS_SECONDS: Final = 10.0


@dataclass(frozen=True, kw_only=True)
class GatewaySettings:
    """What `gateway` reads from its environment."""

    models: Annotated[Sequence[ModelDeclaration], Env("STAGECRAFT_GATEWAY_MODELS", parse_models)]
    stack: Annotated[str, Env("STAGECRAFT_STACK")]
    artifacts_bucket: Annotated[str, Env("STAGECRAFT_ARTIFACTS_BUCKET")] = ""
    """Where the prediction log goes; empty: none is written."""
    metrics: Annotated[str, Env("STAGECRAFT_GATEWAY_METRICS", settings.one_of("cloudwatch", "scraped"))] = (
        "scraped"
    )
    """`cloudwatch`: sent to CloudWatch as well; `scraped`: only at /metrics."""
    publish_seconds: Annotated[float, Env("STAGECRAFT_GATEWAY_PUBLISH_SECONDS", settings.positive_float)] = (
        PUBLISH_SECONDS
    )
    flush_seconds: Annotated[float, Env("STAGECRAFT_GATEWAY_FLUSH_SECONDS", settings.positive_float)] = (
        FLUSH_SECONDS
    )
    host: Annotated[str, Env("STAGECRAFT_BIND_HOST")] = "127.0.0.1"
    """The image sets this to all interfaces, of which a container has one."""
    port: Annotated[int, Env("STAGECRAFT_GATEWAY_PORT", settings.positive_int)] = DEFAULT_PORT
    drain_seconds: Annotated[float, Env("STAGECRAFT_DRAIN_SECONDS", settings.positive_float)] = 5.0
    """How long it still takes requests after SIGTERM: load balancers need as long to hear of it."""


class Gateway:
    """The gateway's parts, put together on an event loop."""

    def __init__(self, config: GatewaySettings, http: aiohttp.ClientSession, clients: Clients | None) -> None:
        self._config = config
        self._http = http
        self._clients = clients
        self._signer: Signer | None = None
        self.telemetry = Telemetry(config.stack)
        self.health = Health()
        self.writer = self._writer()
        self._publisher = self._make_publisher()
        self.models = {declared.name: self._model(declared) for declared in config.models}

    def application(self) -> web.Application:
        """The HTTP application."""
        return make_application(self.models, self.telemetry, self.health)

    @asynccontextmanager
    async def beside(self) -> AsyncIterator[None]:
        """What runs beside the requests: the log and the metrics; at the end, the last of both is written."""
        running = [asyncio.create_task(each.run()) for each in self._books]
        try:
            yield
        finally:
            await self._shadows_drained()
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def settle(self) -> None:
        """Waits for shadows, then writes log and metrics: nothing that happened so far is only in memory."""
        await self._shadows_drained()
        await asyncio.gather(*(each.flush() for each in self._books))

    @property
    def _books(self) -> list[PredictionWriter | CloudWatchPublisher]:
        return [each for each in (self.writer, self._publisher) if each is not None]

    async def _shadows_drained(self) -> None:
        for served in self.models.values():
            if served.shadower is not None:
                await served.shadower.drain()

    def _make_publisher(self) -> CloudWatchPublisher | None:
        if self._config.metrics != "cloudwatch":
            return None
        return CloudWatchPublisher(self._clients or Clients(), self.telemetry, self._config.publish_seconds)

    def _writer(self) -> PredictionWriter | None:
        if not self._config.artifacts_bucket:
            return None
        bucket = (self._clients or Clients()).bucket(self._config.artifacts_bucket)
        for declared in self._config.models:
            self.telemetry.touch(metrics.UNLOGGED_ANSWERS, model=declared.name)
        return PredictionWriter(
            bucket,
            lambda model: self.telemetry.count(metrics.UNLOGGED_ANSWERS, model=model),
            self._config.flush_seconds,
        )

    def _model(self, declared: ModelDeclaration) -> ServedModel:
        variants = {
            variant.name: self._guarded(declared, variant.name, variant.target)
            for variant in declared.variants
        }
        previous = None
        if declared.previous is not None:
            previous = self._guarded(declared, metrics.PREVIOUS_STEP, declared.previous)
        ladder = Ladder(declared, variants, previous, self.telemetry)
        served = ServedModel(declared, ladder, self.telemetry, self.writer)
        if declared.shadow is not None:
            served.shadower = Shadower(
                declared.name,
                self._guarded(declared, SHADOW, declared.shadow.target),
                declared.shadow.percent,
                self.telemetry,
                served.heard_shadow,
            )
        return served

    def _guarded(self, declared: ModelDeclaration, name: str, target: Target) -> Guarded:
        return Guarded(f"{declared.name}/{name}", self._backend(declared, target), declared.timeout_ms / 1000)

    def _backend(self, declared: ModelDeclaration, target: Target) -> Backend:
        dialect = dialect_of(declared.speaks, declared.name)
        if target.url is not None:
            return HttpModel(self._http, dialect, target.url)
        if self._signer is None:
            self._signer = Signer(self._clients or Clients())
        return SageMakerModel(self._http, dialect, self._signer, target.endpoint or "", target.variant)


@asynccontextmanager
async def connected_gateway(
    config: GatewaySettings, clients: Clients | None = None, *, keep_connections: bool = True
) -> AsyncIterator[Gateway]:
    """A gateway with its connections, and nothing that runs beside requests; needs a running event loop.

    Args:
        config: What it serves.
        clients: Whose credentials and endpoints it uses. Default: the environment's.
        keep_connections: Whether a connection serves several requests.
    """
    # The guards limit what is in flight; a limit here would queue calls where nobody counts them.
    kept: dict[str, Any] = {"keepalive_timeout": 30} if keep_connections else {"force_close": True}
    connector = aiohttp.TCPConnector(limit=0, **kept)
    cookies = aiohttp.DummyCookieJar()
    traces = [kept_connections()]
    async with aiohttp.ClientSession(connector=connector, cookie_jar=cookies, trace_configs=traces) as http:
        yield Gateway(config, http, clients)


@asynccontextmanager
async def open_gateway(config: GatewaySettings, clients: Clients | None = None) -> AsyncIterator[Gateway]:
    """A gateway that writes its log and metrics beside the requests; needs a running event loop."""
    async with connected_gateway(config, clients) as gateway, gateway.beside():
        yield gateway


async def serve(config: GatewaySettings, stop: asyncio.Event) -> None:
    """Serves until `stop`; then tells load balancers, goes on for a while, and ends when all is answered."""
    async with open_gateway(config) as gateway:
        runner = web.AppRunner(
            gateway.application(),
            access_log=None,  # a request must not reach the logs
            handle_signals=False,
            shutdown_timeout=_LAST_ANSWERS_SECONDS,
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, config.host, config.port, backlog=_BACKLOG).start()
            event("gateway", "ready", models=sorted(gateway.models), port=config.port)
            await stop.wait()
            gateway.health.draining = True
            event("gateway", "draining", seconds=config.drain_seconds)
            await asyncio.sleep(config.drain_seconds)
        finally:
            await runner.cleanup()
    event("gateway", "ended")


async def _until_told(config: GatewaySettings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)
    await serve(config, stop)


def main(_argv: Sequence[str]) -> int:
    """`gateway`: everything comes from the environment."""
    asyncio.run(_until_told(settings.load(GatewaySettings)))
    return 0
