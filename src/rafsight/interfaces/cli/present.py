"""`rafsight present`: a registry's images, each Nydus image as a plain one, for whoever pulls.

This module alone decides where the presenting registry listens, and how its end is told.
"""

import functools
import ipaddress
import os
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import click

import rafsight
from rafsight.base.errors import ExitStatus, HostLimit, RegistryFault
from rafsight.base.text import printable
from rafsight.base.units import format_size
from rafsight.interfaces.cli.ending import Signalled, ending_in_order
from rafsight.interfaces.cli.lazy import SectionedCommand, SectionOption
from rafsight.interfaces.cli.options import Size, registry_options, with_ui
from rafsight.interfaces.cli.output import flush_output, write_text
from rafsight.interfaces.cli.ui import Ui

if TYPE_CHECKING:
    import uvicorn

    from rafsight import Options, Presenter

SCANNERS: Final = ("all", "trivy", "grype", "syft", "osv-scanner")
_LISTEN: Final = "127.0.0.1:5080"
_BACKLOG: Final = 512
_HEADER_TIME: Final = 10.0
"""[s] until the headers of a request are there."""
_ANSWER_TIME: Final = 120.0
"""[s] that a client may leave an answer unread."""
_GRACE: Final = 3
"""[s] that answers under way may take when it ends."""
_PATIENCE: Final = 5.0
"""[s] for threads that wait for the registry, when it ends."""


class CannotListen(HostLimit):
    """The address cannot be had."""

    code = "cannot-listen"
    template = "cannot listen on {address}: {why}"
    remedy = "Name another address by --listen; port 0 takes a free one."


class ServerMissing(HostLimit):
    """The packages that make a server are not installed."""

    code = "server-missing"
    template = "a server needs packages that are not installed ({name})"
    remedy = "Install them: `pip install 'rafsight[service]'`."


class _Address(click.ParamType[tuple[str, int]]):
    """An address to listen on: HOST:PORT, HOST being an address of this machine."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        """Read it."""
        if isinstance(value, tuple):
            return value
        host, colon, port = value.rpartition(":")
        host = "127.0.0.1" if host == "localhost" else host.removeprefix("[").removesuffix("]")
        try:
            ipaddress.ip_address(host)
            number = int(port) if port.isascii() and port.isdigit() else -1
        except ValueError:
            number = -1
        if not colon or not 0 <= number < 65536:
            self.fail(f"{value!r} is not written as 127.0.0.1:5080 or [::1]:0.", param, ctx)
        return host, number


_content = functools.partial(click.option, cls=SectionOption, section="What is shown")


@click.command("present", cls=SectionedCommand, short_help="Show a registry's Nydus images as plain ones.")
@click.option("--upstream", required=True, metavar="HOST[:PORT]", help="The registry whose images are shown.")
@click.option(
    "--listen",
    "address",
    type=_Address(),
    default=_LISTEN,
    show_default=True,
    metavar="ADDRESS:PORT",
    help="Where; port 0 takes a free one.",
)
@_content(
    "--for",
    "scanner",
    type=click.Choice(SCANNERS),
    default="all",
    show_default=True,
    help="Show content where this scanner looks, and empty files elsewhere.",
)
@_content("--full", is_flag=True, help="Show all content, so that containers can be started from the images.")
@click.option(
    "--own-login",
    is_flag=True,
    help="Use this machine's logins for clients that show none: whoever reaches ADDRESS sees what you may.",
)
@click.option(
    "--cache-size",
    type=Size(),
    metavar="SIZE",
    help="The most that layers may take on disk.  [default: 20GiB, or half of what is free]",
)
@registry_options
@with_ui
def present(
    *,
    upstream: str,
    address: tuple[str, int],
    scanner: str,
    full: bool,
    own_login: bool,
    cache_size: int | None,
    options: "Options",
    ui: Ui,
) -> int:
    """Show the images of a registry at ADDRESS, each Nydus image as a plain OCI image, until Ctrl-C.

    Any scanner then finds by reference what is in Nydus images (`syft registry:ADDRESS/REPO:TAG`), and with --full any
    container engine can pull them. Plain images are passed through; of an index all platforms are shown, unless
    --platform says which. What a client shows to log in is used for the
    registry, and nothing is handed out that the registry does not give to that client. Nothing can be pushed.

    \b
    Exit status:
      0   it was ended by Ctrl-C or a signal
      71  ADDRESS cannot be had
      else an error, see docs/exit-codes.md
    """  # noqa: D301 - click wants a backspace
    _check(address, full=full, own_login=own_login, options=options)
    platform = options.platform if _was_said("platform") else ""
    presenter = rafsight.Presenter(
        upstream,
        content="full" if full else scanner,
        platform=platform,
        own_login=own_login,
        room=cache_size,
        options=options,
        listener=ui.listener,
    )
    try:
        server = _server(presenter, only_addresses=own_login)
        with _listening(address) as listener, ending_in_order():
            _greet(presenter, upstream, _written(listener), ui)
            with suppress(KeyboardInterrupt, Signalled):  # that is how it ends
                server.run(sockets=[listener])
    finally:
        presenter.close()
    ui.say(_told(presenter))
    _leave()
    return ExitStatus.OK


def _check(address: tuple[str, int], *, full: bool, own_login: bool, options: "Options") -> None:
    """Refuse what does not go together."""
    if full and _was_said("scanner"):
        raise click.UsageError("--full shows everything: leave out --for.")
    if options.blob_dir is not None:
        raise click.UsageError("--blob-dir is for boot:FILE images; a registry has its blobs.")
    if options.offline:
        raise click.UsageError("--offline forbids to ask the registry.")
    if options.username and not own_login:
        raise click.UsageError("--username is for --own-login: else clients show their own.")
    if own_login and not ipaddress.ip_address(address[0]).is_loopback:
        message = "--own-login would show what you may see to everybody who reaches the address: listen on 127.0.0.1."
        raise click.UsageError(message)


def _was_said(name: str) -> bool:
    return click.get_current_context().get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE


def _listening(address: tuple[str, int]) -> socket.socket:
    """Open the socket.

    Raises: CannotListen.
    """
    host, port = address
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise CannotListen(address=f"{host}:{port}", why=error.strerror or str(error)) from error
    return listener


def _written(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _greet(presenter: "Presenter", upstream: str, where: str, ui: Ui) -> None:
    """Say where it listens, on standard output, and whether there is something to show."""
    try:
        presenter.check()
    except RegistryFault as error:
        ui.warn(f"{error}; clients are told the same until it answers")
    write_text(f"{where}\n")
    flush_output()
    ui.say(f"showing the images of {printable(upstream)} at {where}; Ctrl-C ends it")


def _server(presenter: "Presenter", *, only_addresses: bool) -> "uvicorn.Server":
    """Make the server.

    Raises: ServerMissing.
    """
    try:
        import uvicorn

        from rafsight.interfaces.service.presenting.app import build_presenting_app
        from rafsight.interfaces.service.web.connections import patient_protocol
    except ImportError as error:
        raise ServerMissing(name=error.name or "starlette") from error
    config = uvicorn.Config(
        build_presenting_app(presenter, only_addresses=only_addresses),
        http=patient_protocol(_HEADER_TIME, _ANSWER_TIME),
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE,
        backlog=_BACKLOG,
    )
    return uvicorn.Server(config)


def _told(presenter: "Presenter") -> str:
    """Say in one line what it did."""
    from rafsight.reports.verdict import counted

    numbers = presenter.statistics
    parts = [
        f"{counted(numbers.requests, 'request', 'requests')} answered",
        f"{counted(numbers.images_made, 'image', 'images')} made of {format_size(numbers.original_size)}",
        f"{format_size(numbers.bytes_fetched)} fetched in {counted(numbers.registry_requests, 'request', 'requests')}",
        f"{format_size(numbers.bytes_served)} served",
    ]
    if numbers.failed:
        parts.append(f"{numbers.failed:,} failed")
    return ", ".join(parts)


def _leave() -> None:
    """End without threads that wait for a registry which does not answer."""
    until = time.monotonic() + _PATIENCE
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and not thread.daemon:
            thread.join(max(until - time.monotonic(), 0))
            if thread.is_alive():
                flush_output()
                os._exit(ExitStatus.OK)
