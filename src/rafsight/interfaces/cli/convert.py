"""`rafsight convert`: plain images and folders to Nydus images, and back.

This module alone decides how conversions are asked for on a command line.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

import rafsight
from rafsight.base.errors import ExitStatus
from rafsight.base.path_list import read_path_list
from rafsight.interfaces.cli.ending import ending_in_order
from rafsight.interfaces.cli.lazy import SectionedCommand, SectionOption
from rafsight.interfaces.cli.options import Size, registry_options, with_ui
from rafsight.interfaces.cli.output import is_standard_output, open_output, write_text
from rafsight.interfaces.cli.ui import Ui

if TYPE_CHECKING:
    from rafsight import Options

_BACK: Final = "Back to a plain image"


@click.command("convert", cls=SectionedCommand, short_help="Make a Nydus image of a plain one or a folder, and back.")
@click.argument("source", metavar="SRC")
@click.argument("target", metavar="DST")
@click.option("--fs-version", type=click.Choice(["6", "5"]), default="6", show_default=True, help="Version of RAFS.")
@click.option(
    "--compressor",
    type=click.Choice(["zstd", "lz4_block", "none", "gzip"]),
    help="Of chunks; with --to-oci of layers.  [default: zstd; gzip]",
)
@click.option("--compression-level", "level", type=int, metavar="N", help="Of zstd or gzip.  [default: 3]")
@click.option("--digester", type=click.Choice(["blake3", "sha256"]), default="blake3", show_default=True)
@click.option("--chunk-size", type=Size(), default="1MiB", show_default=True, help="A power of two.")
@click.option(
    "--prefetch",
    metavar="all|none|FILE",
    default="all",
    show_default=True,
    help="What a daemon fetches first: FILE lists paths, one a line, as `rafsight view --access-log` writes them; - is"
    " standard input.",
)
@click.option("--chunk-dict", metavar="REF", default="", help="Do not store chunks that this Nydus image has.")
@click.option("--oci-ref", is_flag=True, help="Leave the data in the gzip layers of SRC; blobs become their index.")
@click.option("--merge-platform", is_flag=True, help="Make DST an index of SRC, untouched, and the Nydus image.")
@click.option("--with-referrer", is_flag=True, help="Let the image name SRC as its subject.")
@click.option("--all-platforms", is_flag=True, help="Convert every platform of an index.")
@click.option("--oci", is_flag=True, help="Write OCI media types where SRC has those of Docker.")
@click.option(
    "--separate-bootstrap", is_flag=True, help="Blobs without a bootstrap of their layer: smaller, for lazy readers."
)
@click.option(
    "--work-dir",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="For blobs on their way, where an interrupted conversion goes on.  [default: in the cache]",
)
@click.option(
    "--output-json",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write digests and sizes; - is standard output.",
)
@click.option("--to-oci", is_flag=True, cls=SectionOption, section=_BACK, help="SRC is a Nydus image, DST a plain one.")
@registry_options
@with_ui
def convert(
    source: str,
    target: str,
    *,
    to_oci: bool,
    output_json: Path | None,
    options: "Options",
    ui: Ui,
    **wishes: Any,
) -> int:
    """Convert the image SRC to the Nydus image DST.

    SRC is HOST/REPO:TAG, oci:DIR[:TAG], docker-archive:FILE, oci-archive:FILE, or dir:PATH for a folder of files; DST
    is HOST/REPO:TAG or oci:DIR[:TAG]. Each layer becomes one blob; DST has its tag when all is there. Blobs that DST
    has are not sent. --platform takes a list, linux/amd64,linux/arm64.

    \b
    Exit status:
      0   converted
      3   converted, but some members of layers are not in the image
      else an error, see docs/exit-codes.md
    """  # noqa: D301 - click wants a backspace
    if to_oci:
        with ending_in_order():
            return _back(source, target, {**wishes, "output_json": output_json}, options=options, ui=ui)
    platforms = tuple(options.platform.split(","))
    if not all(platforms):
        raise click.UsageError("--platform: an empty name in the list.")
    if wishes["prefetch"] == "-" and options.username:
        raise click.UsageError("--prefetch - and --password-stdin cannot both read standard input.")
    terms = _terms(wishes, platforms if len(platforms) > 1 else (), ui)
    conversions = rafsight.Conversions(options=replace(options, platform=platforms[0]), listener=ui.listener)
    with ending_in_order(), _document(output_json) as write:
        done = conversions.convert(source, target, terms)
        from rafsight.reports.conversion import render_json, render_text, warnings

        ui.begin_output()
        write(render_json(done))
    _write_text(output_json, render_text(done))
    for warning in warnings(done):
        ui.warn(warning)
    return ExitStatus.INCOMPLETE if any(image.unread_count for image in done.images) else ExitStatus.OK


def _terms(wishes: dict[str, Any], platforms: tuple[str, ...], ui: Ui) -> "rafsight.ConvertTerms":
    """Make terms of what was asked for."""
    if wishes["compressor"] == "gzip":
        message = "gzip is for --to-oci; chunks of Nydus images are compressed by zstd, lz4_block or none."
        raise click.UsageError(message)
    if wishes["level"] is not None and wishes["compressor"] not in (None, "zstd"):
        message = f"{wishes['compressor']} has no --compression-level."
        raise click.UsageError(message)
    return rafsight.ConvertTerms(
        fs_version=int(wishes["fs_version"]),
        compressor=wishes["compressor"] or "zstd",
        level=3 if wishes["level"] is None else wishes["level"],
        digester=wishes["digester"],
        chunk_size=wishes["chunk_size"],
        inlined=not wishes["separate_bootstrap"],
        prefetch=_prefetch(wishes["prefetch"]),
        chunk_dict=wishes["chunk_dict"],
        merge_platform=wishes["merge_platform"],
        with_referrer=wishes["with_referrer"],
        oci_ref=wishes["oci_ref"],
        oci=wishes["oci"],
        platforms=platforms,
        all_platforms=wishes["all_platforms"],
        work_dir=wishes["work_dir"] or ui.cache_dir / "convert",
    )


def _prefetch(text: str) -> tuple[bytes, ...]:
    """Read the list of what is fetched first."""
    if text in ("all", "none"):
        return (b"/",) if text == "all" else ()
    if text == "-":
        paths = read_path_list(sys.stdin.buffer, "standard input")
    else:
        try:
            with Path(text).open("rb") as file:
                paths = read_path_list(file, text)
        except OSError as error:
            message = f"--prefetch: {text}: {error.strerror}."
            raise click.UsageError(message) from error
    return tuple(b"/" + path for path in paths)


def _back(source: str, target: str, wishes: dict[str, Any], *, options: "Options", ui: Ui) -> int:
    """Make a plain image."""
    context = click.get_current_context()
    fitting = ("source", "target", "to_oci", "output_json", "compressor", "level", "oci", "work_dir")
    for name in wishes:
        given = context.get_parameter_source(name)
        if name not in fitting and given is click.core.ParameterSource.COMMANDLINE:
            message = f"--{name.replace('_', '-')} does not go with --to-oci."
            raise click.UsageError(message)
    conversions = rafsight.Conversions(options=options, listener=ui.listener)
    with _document(wishes["output_json"]) as write:
        done = conversions.to_oci(
            source,
            target,
            compressor=wishes["compressor"] or "gzip",
            level=wishes["level"],
            oci=wishes["oci"],
            work_dir=wishes["work_dir"] or ui.cache_dir / "convert",
        )
        from rafsight.reports.conversion import render_back_json, render_back_text

        ui.begin_output()
        write(render_back_json(done))
    _write_text(wishes["output_json"], render_back_text(done))
    for what, count in done.left_out:
        ui.warn(f"left out: {what} ({count:,})")
    return ExitStatus.OK


@contextmanager
def _document(output_json: Path | None) -> Iterator[Callable[[str], None]]:
    """Open the place for the JSON before the work begins; nothing takes it where nobody asked for it."""
    if output_json is None:
        yield lambda _document: None
        return
    with open_output(output_json) as sink:
        yield sink


def _write_text(output_json: Path | None, text: str) -> None:
    """Say for people what became of it, unless the JSON goes to standard output."""
    if output_json is None or not is_standard_output(output_json):
        write_text(text)
