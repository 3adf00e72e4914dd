"""What registries say when something was pushed or deleted: Docker's notifications, Harbor's webhooks in both formats.

    content -> Happening, one an image

Strangers may push anything under any name, so every field is checked, and an event that is none is left out instead of
making the whole body fail: a registry would send that again for ever. This module alone decides which events count.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final

import msgspec

from rafsight.interfaces.service.web.registries import MalformedName, Names, check_names
from rafsight.interfaces.service.web.wire import Document

DOCKER_TYPE: Final = "application/vnd.docker.distribution.events.v1+json"
HARBOR_TYPES: Final = ("application/json", "application/cloudevents+json")
_MANIFESTS: Final = frozenset(
    (
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    )
)
_CONFIGS: Final = frozenset(
    ("application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json")
)
_CONFIG_LIKE: Final = re.compile(r"application/vnd\..*config.*\+json|application/vnd\.oci\.empty\.v1\+json")
_ATTESTATION: Final = "application/vnd.in-toto+json"
"""BuildKit pushes these as images with a config of images."""
_ARTIFACT_TAG: Final = re.compile(r"sha(?:256|512)-[0-9a-f]{64,128}(?:\.[a-z]{1,16})?\Z")
"""Signatures, SBOMs and lists of referrers have such tags; they are no images."""
_PUSHED: Final = frozenset(("PUSH_ARTIFACT", "pushImage", "harbor.artifact.pushed"))
_DELETED: Final = frozenset(("DELETE_ARTIFACT", "deleteImage", "harbor.artifact.deleted"))
_MOST: Final = 1000
"""Images of one body that are looked at."""
Text = Annotated[str, msgspec.Meta(max_length=2048)]


class Action(StrEnum):
    """What happened to an image."""

    PUSHED = "pushed"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """Something that happened to an image."""

    action: Action
    names: Names
    plain_http: bool | None = None


class Tally(Document, frozen=True, kw_only=True):
    """What became of the events of a body."""

    accepted: int
    ignored: int


class _Reference(msgspec.Struct, frozen=True):
    mediaType: Text = ""  # noqa: N815 - the notification's own spelling


class _Target(msgspec.Struct, frozen=True):
    mediaType: Text = ""  # noqa: N815 - likewise
    digest: Text = ""
    repository: Text = ""
    url: Text = ""
    tag: Text = ""
    references: list[_Reference] = []


class _Request(msgspec.Struct, frozen=True):
    host: Text = ""


class _Event(msgspec.Struct, frozen=True):
    action: Text = ""
    target: _Target = _Target()
    request: _Request = _Request()


class DockerEvents(msgspec.Struct, frozen=True):
    """The body of a notification."""

    events: list[msgspec.Raw] = []


class _Resource(msgspec.Struct, frozen=True):
    digest: Text = ""
    tag: Text = ""
    resource_url: Text = ""


class _Repository(msgspec.Struct, frozen=True):
    repo_full_name: Text = ""


class _EventData(msgspec.Struct, frozen=True):
    resources: list[_Resource] = []
    repository: _Repository = _Repository()


class HarborEvent(msgspec.Struct, frozen=True):
    """The body of a webhook: Harbor's own format has `event_data`, a CloudEvent has `specversion` and `data`."""

    type: Text = ""
    specversion: Text = ""
    event_data: _EventData | None = None
    data: _EventData | None = None


def docker_happenings(body: DockerEvents, registry: str) -> Iterator[Happening | None]:
    """Yield what each event of a notification says about an image; None where it says nothing that counts.

    Args:
        body: as it came.
        registry: HOST[:PORT] that is meant, whatever the events call it; empty: what they call it.
    """
    for raw in body.events[:_MOST]:
        try:
            event = msgspec.json.decode(raw, type=_Event)
        except (msgspec.DecodeError, UnicodeDecodeError):
            yield None
            continue
        yield _docker(event, registry)


def harbor_happenings(body: HarborEvent, registry: str) -> Iterator[Happening | None]:
    """Yield what a webhook says about each of its images; None where it says nothing that counts.

    Args:
        body: as it came.
        registry: as in `docker_happenings`.
    """
    data = body.data if body.specversion else body.event_data
    if body.type in _PUSHED:
        action = Action.PUSHED
    elif body.type in _DELETED:
        action = Action.DELETED
    else:
        data = None
    if data is None or not data.resources:
        yield None
        return
    for resource in data.resources[:_MOST]:
        host = registry or resource.resource_url.partition("/")[0]
        tag = "" if ":" in resource.tag else resource.tag  # the digest stands there if there is no tag
        yield _happening(action, host, data.repository.repo_full_name, tag, resource.digest)


def _docker(event: _Event, registry: str) -> Happening | None:
    target = event.target
    if event.action == "delete" and target.digest:
        action = Action.DELETED
    elif event.action == "push" and _is_image(target):
        action = Action.PUSHED
    else:
        return None
    scheme, _, rest = target.url.partition("://")
    host = registry or rest.partition("/")[0] or event.request.host
    plain_http = None if registry or not rest else scheme.lower() == "http" or None
    return _happening(action, host, target.repository, target.tag, target.digest, plain_http=plain_http)


def _is_image(target: _Target) -> bool:
    """Tell whether a manifest was pushed, and not one of a signature, a chart, or a report about an image."""
    kinds = [one.mediaType for one in target.references]
    configs = filter(_CONFIG_LIKE.fullmatch, kinds)
    is_named_so = target.mediaType in _MANIFESTS and not _ARTIFACT_TAG.match(target.tag)
    return is_named_so and _CONFIGS.issuperset(configs) and _ATTESTATION not in kinds


def _happening(
    action: Action, host: str, repository: str, tag: str, digest: str, *, plain_http: bool | None = None
) -> Happening | None:
    if not digest or _ARTIFACT_TAG.match(tag):
        return None
    try:
        names = check_names(registry=host, repository=repository, tag=tag, digest=digest)
    except MalformedName:
        return None
    return Happening(action=action, names=names, plain_http=plain_http)
