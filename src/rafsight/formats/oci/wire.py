"""The JSON of OCI image-spec 1.1 and Docker v2 schema 2, as msgspec reads it; no behaviour.

Every member may be null, since Go writes absent lists and maps so. Imported late: msgspec costs start-up time.
"""

import msgspec


class Platform(msgspec.Struct):
    """`platform` of a descriptor (image-spec, image-index.md)."""

    architecture: str | None = None
    os: str | None = None
    variant: str | None = None
    os_version: str | None = msgspec.field(default=None, name="os.version")
    os_features: list[str] | None = msgspec.field(default=None, name="os.features")


class Descriptor(msgspec.Struct):
    """A descriptor (image-spec, descriptor.md)."""

    digest: str
    size: int
    media_type: str | None = msgspec.field(default=None, name="mediaType")
    annotations: dict[str, str | None] | None = None
    platform: Platform | None = None
    artifact_type: str | None = msgspec.field(default=None, name="artifactType")
    urls: list[str] | None = None


class Document(msgspec.Struct):
    """The members of manifests and indexes together (image-spec, manifest.md and image-index.md)."""

    schema_version: int | None = msgspec.field(default=None, name="schemaVersion")
    media_type: str | None = msgspec.field(default=None, name="mediaType")
    config: Descriptor | None = None
    layers: list[Descriptor] | None = None
    manifests: list[Descriptor] | None = None
    annotations: dict[str, str | None] | None = None
    subject: Descriptor | None = None
    artifact_type: str | None = msgspec.field(default=None, name="artifactType")


class RootFs(msgspec.Struct):
    """`rootfs` of a config (image-spec, config.md)."""

    type: str | None = None
    diff_ids: list[str] | None = None


class History(msgspec.Struct):
    """One entry of `history` of a config."""

    created: str | None = None
    created_by: str | None = None
    author: str | None = None
    comment: str | None = None
    empty_layer: bool | None = None


class Config(msgspec.Struct):
    """A config (image-spec, config.md)."""

    architecture: str | None = None
    os: str | None = None
    variant: str | None = None
    created: str | None = None
    rootfs: RootFs | None = None
    history: list[History] | None = None


class Runtime(msgspec.Struct):
    """How a container starts: `config` of a config (image-spec, config.md), as far as Go's types know it."""

    user: str | None = msgspec.field(default=None, name="User")
    exposed_ports: dict[str, msgspec.Raw] | None = msgspec.field(default=None, name="ExposedPorts")
    env: list[str] | None = msgspec.field(default=None, name="Env")
    entrypoint: list[str] | None = msgspec.field(default=None, name="Entrypoint")
    cmd: list[str] | None = msgspec.field(default=None, name="Cmd")
    volumes: dict[str, msgspec.Raw] | None = msgspec.field(default=None, name="Volumes")
    working_dir: str | None = msgspec.field(default=None, name="WorkingDir")
    labels: dict[str, str | None] | None = msgspec.field(default=None, name="Labels")
    stop_signal: str | None = msgspec.field(default=None, name="StopSignal")


class RuntimeConfig(msgspec.Struct):
    """The part of a config that says how a container starts."""

    config: Runtime | None = None


class LayoutFile(msgspec.Struct):
    """The file `oci-layout` (image-spec, image-layout.md)."""

    image_layout_version: str | None = msgspec.field(default=None, name="imageLayoutVersion")


class SavedImage(msgspec.Struct):
    """One image in the `manifest.json` of a docker archive (moby, image/tarexport)."""

    config: str | None = msgspec.field(default=None, name="Config")
    repo_tags: list[str] | None = msgspec.field(default=None, name="RepoTags")
    layers: list[str] | None = msgspec.field(default=None, name="Layers")
