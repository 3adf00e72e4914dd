"""The service as a process: it opens the store, binds its address, starts those who work, answers, and ends in order.

    SIGTERM, SIGINT     no new connections; answers under way are finished; scans under way get a while, and what is not
                        done then goes back to the store for another replica or the next start

This module alone decides that order. A service that others can reach does not start without a token.
"""

import logging
import os
import secrets
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import Final

import uvicorn
from starlette.types import ASGIApp

import rafsight
from rafsight._version import __version__
from rafsight.base.errors import CallerError, ExitStatus, HostLimit
from rafsight.base.events import Event, Noticed
from rafsight.interfaces.service.delivery.loop import DeliveryLoop
from rafsight.interfaces.service.jobs.contract import JobStore
from rafsight.interfaces.service.jobs.opening import open_store
from rafsight.interfaces.service.pages.routes import routes
from rafsight.interfaces.service.web.app import build_app, make_service
from rafsight.interfaces.service.web.connections import patient_protocol
from rafsight.interfaces.service.web.delivering import make_loop, wishes_for_news
from rafsight.interfaces.service.web.logs import catch_strays, configure, say
from rafsight.interfaces.service.web.metrics import SCAN_SECONDS, SCANS, Metrics
from rafsight.interfaces.service.web.service import CrewNumbers
from rafsight.interfaces.service.web.settings import ServiceSettings
from rafsight.interfaces.service.web.tokens import Tokens
from rafsight.interfaces.service.workers.lending import Lending
from rafsight.interfaces.service.workers.pool import Pool
from rafsight.interfaces.service.workers.pruning import Pruner
from rafsight.interfaces.service.workers.rematching import Rematcher
from rafsight.interfaces.service.workers.slot import Outcome

_KEEP_ALIVE: Final = 30
"""[s] that an idle connection stays open: Harbor polls every few seconds."""
_BACKLOG: Final = 1024


class NoTokens(CallerError):
    """The service would be open to whoever reaches it."""

    code = "no-tokens"
    template = "{host} can be reached by others, and no token says who may use the service"
    remedy = "Make one first: `rafsight token create --scope SCOPE` with the same --store, or listen on 127.0.0.1."
    exit_status = ExitStatus.USAGE


class AddressTaken(HostLimit):
    """The service cannot have its address."""

    code = "service-address-taken"
    template = "the service cannot listen on {address}: {why}"
    remedy = "See whether another process has it (`ss -ltnp`), or name another one with --listen."


class UnusableCertificate(CallerError):
    """There is no HTTPS with this certificate and this key."""

    code = "unusable-service-certificate"
    template = "the service cannot show the certificate {file}: {why}"
    remedy = "Name PEM files: tls.certificate with all intermediate ones, and tls.key without a password."
    exit_status = ExitStatus.USAGE


class Crew:
    """The pool and those beside it, as the handlers see them."""

    def __init__(self, pool: Pool, rematcher: Rematcher | None) -> None:
        """Take them.

        Args:
            pool: of workers.
            rematcher: who matches again; None: there is no database.
        """
        self._pool = pool
        self._rematcher = rematcher

    def wake(self) -> None:
        """Say that there is work."""
        self._pool.wake()

    def recheck(self) -> None:
        """Say that there is less: somebody took a wish back."""
        self._pool.recheck()

    def match_again(self) -> None:
        """Ask that all stored reports are matched with the database as it is now."""
        if self._rematcher is not None:
            self._rematcher.request()

    def numbers(self) -> CrewNumbers:
        """Say how the workers of this replica do."""
        state = self._pool.state()
        return CrewNumbers(
            slots=state.slots, busy=state.busy, starts=state.starts, is_alive=state.is_alive, trouble=state.trouble
        )


class Server(uvicorn.Server):
    """uvicorn's server, which ends the process with status 0 after a signal, not by the signal itself."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Let the first signal end the service in order, and the next of them at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def run_service(settings: ServiceSettings) -> None:
    """Run the service until a signal ends it.

    Args:
        settings: of the service.
    Raises: NoTokens, AddressTaken; what `open_store` raises.
    """
    configure()
    catch_strays()
    with ExitStack() as stack:
        store = open_store(settings.store)
        stack.callback(store.close)
        check_exposure(settings, store)
        listener = stack.enter_context(listen(settings.host, settings.port))
        app = stack.enter_context(_working(settings, store))
        server = Server(_config(settings, app))
        host, port = listener.getsockname()[:2]
        if not settings.registries.allow:
            say("no registry is on the list, so that nothing can be scanned", level=logging.WARNING)
        say("listening", host=host, port=port, version=__version__, workers=settings.pool.workers)
        server.run(sockets=[listener])
        say("ending")
    say("ended")


def check_exposure(settings: ServiceSettings, store: JobStore) -> None:
    """See that nobody can reach the service who should not.

    Raises: NoTokens.
    """
    if not settings.is_local and not Tokens(store).are_live():
        raise NoTokens(host=settings.host)


@contextmanager
def listen(host: str, port: int) -> Iterator[socket.socket]:
    """Bind an address.

    Args:
        host: a name or an address.
        port: 0 takes a free one.
    Raises: AddressTaken.
    """
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise AddressTaken(address=address, why=error.strerror or str(error)) from error
    with listener:
        yield listener


@contextmanager
def _working(settings: ServiceSettings, store: JobStore) -> Iterator[ASGIApp]:
    """Start those who work, make the application, and end them afterwards, the last first."""
    replica = f"{socket.gethostname()[:40]}-{os.getpid()}-{secrets.token_hex(4)}"
    lending, metrics = Lending(), Metrics()
    deliveries = make_loop(settings, store, _hear)
    with ExitStack() as stack:
        pool = Pool(
            store,
            lending=lending,
            terms=settings.pool,
            scans=settings.scan,
            replica=replica,
            environment=os.environ,
            listener=_hear,
            observer=partial(_observe, metrics, deliveries),
        )
        pool.start()
        stack.callback(pool.stop, settings.limits.shutdown)
        deliveries.start()
        stack.callback(deliveries.stop)
        rematcher = _rematcher(settings, store, replica)
        pruner = Pruner(store, terms=settings.keep, replica=replica, listener=_hear)
        pruner.start()
        stack.callback(pruner.stop)
        if rematcher is not None:
            rematcher.start()
            stack.callback(rematcher.stop)
        crew = Crew(pool, rematcher)
        service = make_service(settings, store, crew=crew, lending=lending, replica=replica, metrics=metrics)
        yield build_app(service, presenting=_presenting(settings, stack), pages=routes(service))


def _rematcher(settings: ServiceSettings, store: JobStore, replica: str) -> Rematcher | None:
    if settings.database is None:
        return None
    return Rematcher(
        store,
        database=settings.database,
        replica=replica,
        environment=os.environ,
        wishes_for=wishes_for_news(settings),
        listener=_hear,
    )


def _presenting(settings: ServiceSettings, stack: ExitStack) -> ASGIApp | None:
    """Make the registry that shows Nydus images as plain ones, if it is wanted."""
    wish, scan = settings.present, settings.scan
    if wish is None:
        return None
    from rafsight.interfaces.service.presenting.app import build_presenting_app

    reach = scan.reach and replace(scan.reach, hosts=(*scan.reach.hosts, wish.upstream.lower()))
    options = rafsight.Options(
        cache_dir=scan.cache_dir,
        plain_http=wish.plain_http,
        ca_files=scan.ca_files,
        timeout=scan.timeout,
        environment=scan.environment,
        permits=reach.permits if reach else None,
    )
    content = "full" if wish.full else wish.engine
    presenter = rafsight.Presenter(wish.upstream, content=content, options=options, listener=_hear)
    stack.callback(presenter.close)
    return build_presenting_app(presenter)


def _hear(event: Event) -> None:
    """Log what the workers notice."""
    if isinstance(event, Noticed):
        say("noticed", level=logging.WARNING, what=event.message)


def _observe(metrics: Metrics, deliveries: DeliveryLoop, outcome: Outcome) -> None:
    """Count and log a scan that ended here, and let those be told who want to know."""
    deliveries.wake()
    state = outcome.state.value if outcome.state else "taken-back"
    metrics.count(SCANS, state)
    metrics.time(SCAN_SECONDS, outcome.seconds, state)
    say(
        "a scan ended",
        job=outcome.job.id,
        image=outcome.job.place.reference,
        state=state,
        seconds=outcome.seconds,
        worst=outcome.report.summary.worst if outcome.report else "",
        code=outcome.failure.code if outcome.failure else "",
        reason=outcome.failure.message if outcome.failure else "",
    )


def _config(settings: ServiceSettings, app: ASGIApp) -> uvicorn.Config:
    limits = settings.limits
    config = uvicorn.Config(
        app,
        http=patient_protocol(limits.header_time, limits.answer_time),
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=limits.connections,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=max(1, int(limits.shutdown)),
        h11_max_incomplete_event_size=limits.headers,
        backlog=_BACKLOG,
        ssl_certfile=settings.certificate,
        ssl_keyfile=settings.key,
    )
    try:
        config.load()
    except OSError as error:
        raise UnusableCertificate(file=str(settings.certificate), why=error.strerror or str(error)) from error
    return config
