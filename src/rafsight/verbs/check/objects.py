"""The steps that plain and Nydus images share: the manifest's own word, and the config."""

from dataclasses import dataclass

from rafsight.access.backend import Backend, NotFound
from rafsight.access.objects import fetch_hashed
from rafsight.base.events import Listener
from rafsight.base.limits import Limits
from rafsight.formats.judge import Judge
from rafsight.formats.oci import rules, soundness
from rafsight.formats.oci.classify import NydusManifest
from rafsight.formats.oci.config import ImageConfig, parse_config
from rafsight.formats.oci.errors import MalformedDocument
from rafsight.formats.oci.manifest import Descriptor
from rafsight.verbs.check.selection import Chosen
from rafsight.verbs.check.steps import Log


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What every step works with."""

    backend: Backend
    limits: Limits
    connections: int
    listener: Listener
    with_chunks: bool


def check_manifest(chosen: Chosen, log: Log, limits: Limits) -> None:
    """Look at the document, its descriptor in the index, and what it says about config and layers."""
    content, judge = chosen.document.content, log.judge
    log.facts += [("layers", len(chosen.found.manifest.layers)), ("bytes", len(content))]
    if chosen.descriptor is not None:
        agrees = chosen.descriptor.size == len(content)
        judge.holds(
            agrees, rules.DOCUMENT_SIZE, "manifest", detail=f"{len(content)} bytes, not {chosen.descriptor.size}"
        )
        soundness.check_source(chosen.descriptor.annotations, "descriptor", judge)
    said = chosen.descriptor.media_type if chosen.descriptor else chosen.document.media_type
    soundness.check_document(content, said, chosen.found.manifest, judge)
    soundness.check_config_descriptor(chosen.found, judge, is_marked=chosen.is_marked)
    if isinstance(chosen.found, NydusManifest):
        soundness.check_layers(chosen.found, judge, limits)
    else:
        soundness.check_source(chosen.found.manifest.annotations, "annotations", judge)


def check_config(chosen: Chosen, log: Log, around: Surroundings) -> ImageConfig | None:
    """Fetch the config, whatever bytes come, and look at it; None if it cannot be read."""
    descriptor, found = chosen.found.manifest.config, chosen.found
    content = _fetch_config(descriptor, log.judge, around)
    if content is None:
        return None
    log.facts.append(("bytes", len(content)))
    if isinstance(found, NydusManifest) and found.is_model:
        return None
    try:
        config = parse_config(content, digest=descriptor.digest, limits=around.limits)
    except MalformedDocument as error:
        log.judge.holds(False, rules.CONFIG_FORM, "config", detail=str(error.details["what"]))
        return None
    log.facts += [("diff ids", len(config.diff_ids)), ("steps of history", len(config.history))]
    soundness.check_config(config, found, log.judge, platform=chosen.platform)
    return config


def _fetch_config(descriptor: Descriptor, judge: Judge, around: Surroundings) -> bytes | None:
    """Fetch what lies under the config's digest, and compare it with its descriptor."""
    try:
        size = around.backend.blob_size(descriptor.digest)
        judge.holds(size == descriptor.size, rules.CONFIG_SIZE, "config", detail=f"{size} bytes, not {descriptor.size}")
        if size > around.limits.config_size:
            judge.holds(False, rules.CONFIG_FORM, "config", detail=f"it has {size} bytes")
            return None
        content, hasher = fetch_hashed(around.backend, descriptor.digest, size)
    except NotFound as error:
        judge.holds(False, rules.CONFIG_MISSING, "config", detail=str(error))
        return None
    algorithm, _, promised = descriptor.digest.partition(":")
    actual = hasher.hexdigest()
    judge.holds(
        actual == promised, rules.CONFIG_DIGEST, "config", detail=f"{algorithm}:{actual}, not {descriptor.digest}"
    )
    return content
