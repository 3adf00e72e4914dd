"""The options that name a cluster whose workers do the work.

This module alone decides what they are called, and that Dask's own log is not for users. A command is decorated with
`cluster_options` and gets a `cluster`, or None.
"""

import functools
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import click

from rafsight.interfaces.cli.lazy import SectionOption
from rafsight.interfaces.cli.options import EXISTING_FILE
from rafsight.interfaces.cli.settings import Settings

Function = Callable[..., Any]

_option = functools.partial(click.option, cls=SectionOption, section="Cluster options")
_OPTIONS: Final = (
    _option(
        "--dask", "address", metavar="URL", help="Let the workers of a Dask cluster do it: tcp://HOST:PORT, tls://."
    ),
    _option("--dask-tls-ca", "tls_ca", type=EXISTING_FILE, metavar="FILE", help="The cluster's authority, PEM."),
    _option("--dask-tls-cert", "tls_certificate", type=EXISTING_FILE, metavar="FILE", help="Our certificate, PEM."),
    _option("--dask-tls-key", "tls_key", type=EXISTING_FILE, metavar="FILE", help="Its key, if in another file."),
)
_QUIET: Final = {"distributed": "critical", "distributed.client": "critical"}


def cluster_options(function: Function) -> Function:
    """Add the options, and hand the command a `cluster` made from them."""

    @functools.wraps(function)
    def run(
        *args: Any,
        address: str | None,
        tls_ca: Path | None,
        tls_certificate: Path | None,
        tls_key: Path | None,
        **kwargs: Any,
    ) -> Any:
        from rafsight import Cluster

        cluster = None
        if address is not None:
            if not click.get_current_context().ensure_object(Settings).debug:
                _quieten()
            cluster = Cluster(address=address, tls_ca=tls_ca, tls_certificate=tls_certificate, tls_key=tls_key)
        elif tls_ca or tls_certificate or tls_key:
            raise click.UsageError("--dask-tls-ca, --dask-tls-cert and --dask-tls-key need --dask.")
        return function(*args, cluster=cluster, **kwargs)

    for decorator in reversed(_OPTIONS):
        run = decorator(run)
    return run


def _quieten() -> None:
    """Let Dask keep its log to itself, unless its configuration says otherwise: what matters, we say."""
    try:
        config = import_module("dask.config")
    except ImportError:
        return  # is said when the cluster is asked
    if config.get("logging", None) is None:
        config.set({"logging": _QUIET})
