"""Conversions in both directions, as the public API has them."""

from pathlib import Path

from rafsight.access.options import Options
from rafsight.base.events import Listener, silent
from rafsight.reports.conversion import Converted, ConvertedBack
from rafsight.verbs.convert.converting import convert_image
from rafsight.verbs.convert.terms import ConvertTerms
from rafsight.verbs.convert.to_oci import convert_to_oci


class Conversions:
    """Converts images between registries, OCI layouts, archives and folders."""

    def __init__(
        self, *, options: Options | None = None, target_options: Options | None = None, listener: Listener = silent
    ) -> None:
        """Prepare; nothing is asked yet.

        Args:
            options: how to reach sources.
            target_options: how to reach targets; None: as sources.
            listener: told about long work.
        """
        self._options = options or Options()
        self._target_options = target_options
        self._listener = listener

    def convert(self, source: str, target: str, terms: ConvertTerms | None = None) -> Converted:
        """Make a Nydus image of a plain one or a folder; see `convert_image`."""
        return convert_image(
            source,
            target,
            terms=terms,
            options=self._options,
            target_options=self._target_options,
            listener=self._listener,
        )

    def to_oci(
        self,
        source: str,
        target: str,
        *,
        compressor: str = "gzip",
        level: int | None = None,
        oci: bool = False,
        work_dir: Path | None = None,
    ) -> ConvertedBack:
        """Make a plain image of a Nydus image; see `convert_to_oci`."""
        return convert_to_oci(
            source,
            target,
            compressor=compressor,
            level=level,
            oci=oci,
            work_dir=work_dir,
            options=self._options,
            target_options=self._target_options,
            listener=self._listener,
        )
