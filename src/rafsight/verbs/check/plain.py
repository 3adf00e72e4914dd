"""The steps of the OCI half of a merged index, and what the two halves have to have in common.

Common things are looked at once, here: where the halves come from, and how their containers start.
"""

from dataclasses import dataclass, field
from typing import Final

from rafsight.access.backend import DigestMismatch, NotFound
from rafsight.access.layer_stream import LayerSums, open_layer
from rafsight.access.layers import LayerProgress
from rafsight.access.soundness import check_presence
from rafsight.base.errors import ImageFault, RegistryFault
from rafsight.base.events import Finished, Started
from rafsight.formats.oci import annotations as keys
from rafsight.formats.oci import rules, soundness
from rafsight.formats.oci.config import ImageConfig
from rafsight.formats.oci.manifest import Descriptor, Index
from rafsight.verbs.check.nydus import NOT_ASKED
from rafsight.verbs.check.objects import Surroundings, check_config, check_manifest
from rafsight.verbs.check.selection import Chosen
from rafsight.verbs.check.steps import Log, Steps

_OPERATION: Final = "layers"
_CONTENT: Final = "content of the layers"


@dataclass(slots=True)
class PlainCheck:
    """What is known of the OCI half while it is checked."""

    around: Surroundings
    steps: Steps = field(default_factory=Steps)
    config: ImageConfig | None = None

    def check(self, chosen: Chosen, index: Index, nydus: Chosen | None, nydus_config: ImageConfig | None) -> None:
        """Take all steps.

        Args:
            chosen: the OCI half.
            index: that names both.
            nydus: the other half; None if there is none that can be read.
            nydus_config: its config, if that could be read.
        """
        with self.steps.step("manifest") as log:
            check_manifest(chosen, log, self.around.limits)
            soundness.check_sources(_sources(chosen, index, nydus), log.judge)
        with self.steps.step("config") as log:
            self.config = check_config(chosen, log, self.around)
            if self.config is not None and nydus_config is not None:
                soundness.check_runtime(self.config, nydus_config, log.judge)
            if nydus is not None and nydus.is_marked:
                source = nydus.found.manifest.annotations.get(keys.NYDUS_SOURCE_DIGEST) or ""
                soundness.check_empty_layer(chosen.found, self.config, log.judge, source_digest=source)
        with self.steps.step("blobs", "layers are there") as log:
            examined = check_presence(
                self.around.backend,
                (),
                chosen.found,
                log.judge,
                known=frozenset((chosen.found.manifest.config.digest,)),
                connections=self.around.connections,
                listener=self.around.listener,
            )
            log.take(examined)
        if not self.around.with_chunks:
            self.steps.skip(("chunks",), NOT_ASKED, _CONTENT)
            return
        with self.steps.step("chunks", _CONTENT) as log:
            self._layers(chosen, log)

    def _layers(self, chosen: Chosen, log: Log) -> None:
        """Stream every layer, and compare it with the digests in manifest and config."""
        layers = chosen.found.manifest.layers
        known = self.config.diff_ids if self.config and len(self.config.diff_ids) == len(layers) else None
        listener = self.around.listener
        total = sum(layer.size for layer in layers)
        listener(Started(operation=_OPERATION, title="reading the layers", total=total, unit="bytes"))
        read = 0
        try:
            for row, layer in enumerate(layers):
                sums = self._layer(layer, row, log)
                if sums is not None:
                    read += sums.size
                    _compare(layer, row, sums, known[row] if known else "", log)
        finally:
            listener(Finished(operation=_OPERATION))
        log.facts += [("layers", len(layers)), ("bytes", read)]

    def _layer(self, layer: Descriptor, row: int, log: Log) -> LayerSums | None:
        """Stream one layer; None if it is gone, or could not be had."""
        where = f"layers[{row}]"
        report = LayerProgress(listener=self.around.listener, operation=_OPERATION).report
        try:
            with open_layer(self.around.backend, layer, where=where, report=report) as stream:
                try:
                    return stream.finish()
                except DigestMismatch as error:  # more than its descriptor says
                    log.judge.holds(False, rules.LAYER_STORED, where, detail=str(error))
                    return None
                except ImageFault as error:
                    log.judge.holds(False, rules.LAYER_BROKEN, where, detail=str(error))
                return stream.finish(is_damaged=True)
        except NotFound:
            return None  # said by the step before
        except RegistryFault as error:
            log.leave(where, str(error))
            return None


def _compare(layer: Descriptor, row: int, sums: LayerSums, diff_id: str, log: Log) -> None:
    where = f"layers[{row}]"
    log.judge.holds(sums.digest == layer.digest, rules.LAYER_DIGEST, where, detail=f"{sums.digest}, not {layer.digest}")
    soundness.check_compression(layer, sums.head, row, log.judge)
    if sums.content_digest and diff_id.startswith("sha256:"):
        agrees = sums.content_digest == diff_id
        log.judge.holds(agrees, rules.LAYER_DIFF_ID, where, detail=f"{sums.content_digest}, not {diff_id}")


def _sources(chosen: Chosen, index: Index, nydus: Chosen | None) -> list[tuple[str, str | None]]:
    """List who says which manifest the image was made from."""
    said = [("index", index.annotations)]
    for name, half in (("Nydus half", nydus), ("OCI half", chosen)):
        if half is not None:
            said.append((f"manifest of the {name}", half.found.manifest.annotations))
        if half is not None and half.descriptor is not None:
            said.append((f"descriptor of the {name}", half.descriptor.annotations))
    return [(where, annotations.get(keys.NYDUS_SOURCE_DIGEST)) for where, annotations in said]
