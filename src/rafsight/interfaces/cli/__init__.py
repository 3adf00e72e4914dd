"""The command line: its entry point, and the list of its commands.

This module alone decides which commands there are. A command lies in a module of its name, and has that name there,
too; it is imported when it is called, never for `--help` of the whole.
"""

import os
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

import click

from rafsight._version import __version__
from rafsight.base.errors import ExitStatus
from rafsight.base.interrupts import interruption_behind
from rafsight.interfaces.cli.ending import ENDED, Signalled
from rafsight.interfaces.cli.failure import READER_GONE, show_failure, show_usage
from rafsight.interfaces.cli.lazy import CommandEntry, LazyGroup
from rafsight.interfaces.cli.options import global_options
from rafsight.interfaces.cli.output import ReaderGone, drop_output, flush_output
from rafsight.interfaces.cli.settings import Settings

COMMANDS: Final = (
    CommandEntry(name="scan", summary="Find known vulnerabilities in an image."),
    CommandEntry(name="sbom", summary="Write the bill of materials of an image."),
    CommandEntry(name="view", summary="Mount an image as a file tree, read-only."),
    CommandEntry(name="ls", summary="List files of an image."),
    CommandEntry(name="cat", summary="Write files of an image to standard output."),
    CommandEntry(name="export", summary="Write files of an image to a tar or a folder."),
    CommandEntry(name="find", summary="Find files of an image by name."),
    CommandEntry(name="hunt", summary="Ask many images one question."),
    CommandEntry(name="index", summary="Keep the file tables of many images, and ask them."),
    CommandEntry(name="inspect", summary="Look into an image's metadata."),
    CommandEntry(name="check", summary="Tell whether an image is sound."),
    CommandEntry(name="convert", summary="Make a Nydus image of a plain one or a folder, and back."),
    CommandEntry(name="repair", summary="Replace files or packages of an image without building it again."),
    CommandEntry(name="present", summary="Show a registry's Nydus images as plain ones."),
    CommandEntry(name="attach", summary="Attach a report to an image in its registry."),
    CommandEntry(name="serve", summary="Scan as a service: for Harbor, on push, by an API."),
    CommandEntry(name="token", summary="Say who may use the service."),
    CommandEntry(name="db", summary="Import, update and show the advisory database."),
    CommandEntry(name="cache", summary="Show, check and empty what is kept between runs."),
    CommandEntry(name="rules", summary="Show and test the rules about secrets."),
    CommandEntry(name="engines", summary="Show the known scanners on this machine and what each covers."),
    CommandEntry(name="completion", summary="Write a script that lets a shell complete by Tab."),
    CommandEntry(name="demo", summary="Make, scan, mend and scan an image, on this machine alone."),
)


@click.group(
    "rafsight",
    cls=LazyGroup,
    entries=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "-V", "--version", message="%(prog)s %(version)s")
@global_options
def root() -> None:
    """See into Nydus images by their registry reference, fetching only the bytes that answer the question.

    \b
    REF is one of
      HOST/REPO:TAG[@DIGEST]      an image in a registry
      oci:DIR[:TAG]               an image in an OCI layout on this machine
      oci-archive:FILE[:TAG]      an image in an OCI layout that is a tar
      docker-archive:FILE[:TAG]   an image in a tar of `docker save`
      boot:FILE                   a bootstrap on this machine, its blobs in --blob-dir
      sbom:FILE                   for `scan`: a bill of materials, CycloneDX or SPDX in JSON
      dir:PATH                    for `convert`: a folder of files

    To begin: `rafsight db update` fetches advisories, `rafsight scan REF` looks for what they say. `rafsight demo`
    shows it all on this machine alone.
    """  # noqa: D301 - click wants a backspace


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit status; whatever goes wrong is said on standard error.

    Args:
        arguments: without the program's name; None takes them from the process.
    """
    settings = Settings()
    try:
        status = root.main(
            args=None if arguments is None else list(arguments),
            prog_name="rafsight",
            standalone_mode=False,
            obj=settings,
        )
        flush_output()
    except click.ClickException as error:
        return show_usage(error)
    except (click.Abort, KeyboardInterrupt):
        return ExitStatus.INTERRUPTED
    except Signalled as ended:
        return ended.status
    except ReaderGone:
        drop_output()
        return READER_GONE
    except Exception as error:  # noqa: BLE001 - the last net: the user gets one line, --debug the rest
        return _fail(error, settings)
    return int(status or ExitStatus.OK)


def _fail(error: Exception, settings: Settings) -> int:
    match interruption_behind(error):
        case KeyboardInterrupt():
            return ExitStatus.INTERRUPTED
        case Signalled() as ended:
            return ended.status
    status = show_failure(error, debug=settings.debug)
    if status in (ExitStatus.OUTPUT, ExitStatus.HOST):
        drop_output()
    return status


def main() -> NoReturn:
    """Run the process's command line, and end the process.

    After Ctrl-C or a signal the process ends at once: everything was put in order on the way here, but for threads that
    wait for a registry, and the interpreter would wait for them.
    """
    # numpy's linear algebra starts a thread for each core when it is imported, and nothing here multiplies matrices
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    status = run()
    if status == ExitStatus.INTERRUPTED or status in ENDED:
        drop_output()
        os._exit(status)
    sys.exit(status)
