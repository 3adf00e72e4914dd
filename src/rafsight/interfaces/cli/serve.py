"""`rafsight serve`: scanning as a service."""

from pathlib import Path
from typing import Any

import click

from rafsight.interfaces.cli.lazy import SectionedCommand
from rafsight.interfaces.cli.options import with_ui
from rafsight.interfaces.cli.service_options import need_server, read_settings, service_options
from rafsight.interfaces.cli.ui import Ui


@click.command("serve", cls=SectionedCommand, short_help="Scan as a service: for Harbor, on push, by an API.")
@click.option("--listen", metavar="ADDRESS:PORT", help="Where to answer.  [default: 127.0.0.1:8080]")
@click.option("--base-url", metavar="URL", help="How others call the service, such as https://scanner.example.com.")
@click.option(
    "--allow-registry",
    "allow",
    multiple=True,
    metavar="HOST[:PORT]",
    help="Talk to this registry, or to those that a pattern names; may be repeated. Without any, to none.",
)
@click.option("--workers", type=click.IntRange(0, 1024), metavar="N", help="Scans at the same time.  [default: 2]")
@service_options
@click.option(
    "--db",
    "database",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The advisory database.  [default: db/advisories.sqlite in the cache]",
)
@click.option("--dask", metavar="URL", help="Send scans to this Dask scheduler: tcp://HOST:PORT.")
@click.option("--queue-limit", type=click.IntRange(min=1), metavar="N", help="Scans that may wait.  [default: 10000]")
@click.option(
    "--keep-days", type=click.IntRange(min=1, max=36_500), metavar="DAYS", help="Keep reports.  [default: 90]"
)
@click.option("--keep-size", metavar="SIZE", help="Keep so much of reports, such as 10GiB; the oldest go first.")
@with_ui
def serve(
    *,
    config: Path | None,
    database: Path | None,
    queue_limit: int | None,
    keep_days: int | None,
    keep_size: str | None,
    ui: Ui,
    **said: Any,
) -> None:
    """Answer requests for scans until a signal ends it: Harbor's scanner API, notifications of registries, an API.

    Every option can stand in a file, too, and there is more that only stands there: rules, targets, limits. An option
    goes before the file. Whoever listens elsewhere than on this machine needs a token first: `rafsight token create`.
    docs/service.md has the rest.
    """
    need_server()
    from rafsight.interfaces.service.web.running import run_service

    said |= {
        "database": str(database) if database else None,
        "queue_limit": queue_limit,
        "keep_days": keep_days,
        "keep_size": keep_size,
    }
    run_service(read_settings(config, said, cache_dir=ui.cache_dir, database=ui.default_database))
