"""A repository in a registry, as a target.

This module alone speaks the push side of the OCI distribution specification. Connections, tokens and schemes are those
of the pull side (line.py); what a refusal means is decided in refusals.py, when to begin anew in access/retry.py.
"""

from contextlib import suppress
from typing import Final
from urllib.parse import urlencode

from rafsight.access.backend import Document, NotFound
from rafsight.access.counting import Meter
from rafsight.access.outgoing import ContentFailed, Outgoing
from rafsight.access.registry.client import TAG, RegistryBackend
from rafsight.access.registry.credentials import FindCredentials, no_credentials
from rafsight.access.registry.endpoint import Endpoint
from rafsight.access.registry.errors import PushRefused, RegistryDenied, RegistryMisbehaves, UnusableEndpoint
from rafsight.access.registry.line import open_line
from rafsight.access.registry.messages import Request, Response, host_of
from rafsight.access.registry.redirects import check_target
from rafsight.access.registry.referrer_lists import ReferrerLists
from rafsight.access.registry.referrers import ArtifactRefused, Referred, referrer_of
from rafsight.access.registry.refusals import refusal_of
from rafsight.access.registry.transport import Reply
from rafsight.access.retry import Retrier, RetryPolicy
from rafsight.access.target import OpenPieces, Pushed
from rafsight.base.digest import check_digest, digest_of, is_digest
from rafsight.base.errors import RegistryFault
from rafsight.base.limits import Limits
from rafsight.base.units import MiB

_BYTES: Final = ("Content-Type", "application/octet-stream")
_DIGESTED: Final = 8 * MiB
"""[bytes/s] at which a registry is expected to put away what has come, before it answers."""
_GOODBYE: Final = 3.0
"""[s] to wait for the answer when an upload is given up."""


class RegistryTarget:
    """One repository of a registry, to push to. Thread-safe; nothing is asked before the first call.

    Every method raises RegistryFault; CallerError and HostLimit when credentials or certificates of this machine cannot
    be used.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        credentials: FindCredentials = no_credentials,
        retrier: Retrier | None = None,
        meter: Meter | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Open nothing yet.

        Args:
            endpoint: the repository, and how its registry is reached.
            credentials: asked when the registry wants to know who we are.
            retrier: when failed calls are made again; a blob is then sent from its start.
            meter: counts every request and every byte of a body, in both directions.
            limits: bounds of manifests and tokens.
        """
        self.place = endpoint.place
        self.meter = meter or Meter()
        self._endpoint = endpoint
        self._retrier = retrier or Retrier()
        self._base = f"{endpoint.origin}/v2/{endpoint.repository}"
        self._line = open_line(
            endpoint,
            credentials=credentials,
            meter=self.meter,
            limits=limits or Limits(),
            pushes=True,
            judge=refusal_of,
        )
        once = Retrier(policy=RetryPolicy(attempts=1))  # the patience is ours
        self._backend = RegistryBackend(endpoint, retrier=once, meter=self.meter, limits=limits, line=self._line)
        self._lists = ReferrerLists(
            line=self._line,
            base=self._base,
            fetch_manifest=self.fetch_manifest,
            exists=self.has_manifest,
            retrier=self._retrier,
            limits=limits or Limits(),
            place=self.place,
        )

    def has_blob(self, digest: str) -> bool:
        """Tell whether a blob is there.

        Raises: RegistryFault.
        Cost: One request.
        """
        return self._retrier.run(lambda: self._has_blob(check_digest(digest)))

    def push_blob(self, digest: str, size: int, content: OpenPieces, *, neighbour: str = "") -> Pushed:
        """Make sure that a blob is there.

        What the registry does not know yet is taken from the neighbour if that is another repository of it, and
        streamed otherwise. A broken upload begins anew; one that the content itself spoils is taken back.

        Raises: RegistryFault, WrongContent; what the content raises.
        Cost: One request for what is there; else two or three, and the blob.
        """
        blob = Outgoing(digest=check_digest(digest), size=size, content=content, place=self.place)
        try:
            return self._retrier.run(lambda: self._push(blob, neighbour))
        except ContentFailed as failed:
            reason = failed.reason
        raise reason

    def push_manifest(self, content: bytes, media_type: str, *, tag: str = "") -> str:
        """Put a manifest or an index; return its digest.

        If it refers to another one, and the registry does not say that it keeps account of that, it is listed under
        the tag that stands for such a list.

        Raises: RegistryFault, UnusableEndpoint (a tag that cannot be), ReferrersUnusable.
        Cost: One request; up to three if it is to be listed.
        """
        if tag and not TAG.match(tag):
            raise UnusableEndpoint(what=f"the tag '{tag}'", why="it is not written as tags are")
        return self._put_document(tag or digest_of(content), content, media_type).digest

    def push_referrer(self, content: bytes, media_type: str) -> Referred:
        """Put a manifest that refers to another one, as `push_manifest` does; its blobs are there.

        Raises: RegistryFault; ArtifactRefused: it takes images only. ReferrersUnusable.
        Cost: as of `push_manifest`.
        """
        try:
            return self._put_document(digest_of(content), content, media_type)
        except PushRefused as refused:
            if type(refused) is not PushRefused:  # full, read-only, not to be listed: that is no matter of its kind
                raise
            referrer = referrer_of(content, media_type)
            assert referrer is not None  # what the caller wrote has a subject
            kind, reason = referrer.descriptor.get("artifactType", "none"), refused.details["reason"]
            raise ArtifactRefused(place=self.place, artifact_type=kind, reason=reason) from refused

    def fetch_manifest(self, name: str) -> Document:
        """Fetch a manifest or index of the repository, as `RegistryBackend.fetch_manifest` does."""
        return self._retrier.run(lambda: self._backend.fetch_manifest(name))

    def has_manifest(self, digest: str) -> bool:
        """Tell whether a manifest or index is there. Raises: RegistryFault. Cost: One request."""
        return self._retrier.run(lambda: self._backend.exists(check_digest(digest)))

    def close(self) -> None:
        """Close the connections."""
        self._line.close()

    def _has_blob(self, digest: str) -> bool:
        try:
            self._backend.blob_size(digest)
        except NotFound:
            return False
        return True

    def _push(self, blob: Outgoing, neighbour: str) -> Pushed:
        try:
            is_there = self._has_blob(blob.digest)
        except (RegistryDenied, PushRefused):  # who may only push, or asks for a repository that is still to be made
            is_there = False
        if is_there:
            return Pushed(sent=blob.sent, how="sent" if blob.sent else "present")
        host, _, repository = neighbour.partition("/")
        upload = None
        if repository and host == self._endpoint.host and repository != self._endpoint.repository:
            is_mounted, upload = self._mount(blob.digest, repository)
            if is_mounted:
                return Pushed(sent=blob.sent, how="mounted")
        self._send(blob, upload or self._begin(blob.digest))
        return Pushed(sent=blob.sent, how="sent")

    def _mount(self, digest: str, repository: str) -> tuple[bool, str | None]:
        """Ask the registry to take a blob from another of its repositories.

        Returns: Whether it did; else the upload that it began instead, if it began one.
        """
        query = urlencode({"mount": digest, "from": repository})
        request = Request(method="POST", url=f"{self._base}/blobs/uploads/?{query}")
        what = f"blob {digest} from {repository}"
        try:
            reply = self._line.begin(lambda talk: talk.borrow(self._present(request), repository), what, 201, 202)
        except (RegistryDenied, NotFound, PushRefused):
            return False, None  # to send it may be allowed all the same
        head = _head(reply)
        return head.status == 201, self._location(head) if head.status == 202 else None

    def _begin(self, digest: str) -> str:
        """Begin an upload; return where it goes."""
        request = Request(method="POST", url=f"{self._base}/blobs/uploads/")
        return self._location(_head(self._ask(request, f"blob {digest}", 202)))

    def _send(self, blob: Outgoing, upload: str) -> None:
        separator = "&" if "?" in upload else "?"
        request = Request(
            method="PUT",
            url=f"{upload}{separator}{urlencode({'digest': blob.digest})}",
            headers=(_BYTES, ("Content-Length", str(blob.size))),
            stream=blob.pieces,
            timeout=self._endpoint.read_timeout + blob.size / _DIGESTED,
        )
        try:
            head = _head(self._ask(request, f"blob {blob.digest}", 201, 204))
        except RegistryFault:
            raise  # uploads that broke are cleared away by the registry
        except BaseException:
            self._cancel(upload)
            raise
        if not blob.complete:
            raise RegistryMisbehaves(
                host=host_of(head.url), why=f"it took blob {blob.digest} before all of it had come"
            )

    def _cancel(self, upload: str) -> None:
        request = Request(method="DELETE", url=upload, timeout=_GOODBYE)
        with suppress(RegistryFault):
            self._ask(request, "the upload", 202, 204).close()

    def _location(self, head: Response) -> str:
        location = head.header("location")
        if not location:
            raise RegistryMisbehaves(host=host_of(head.url), why="it does not say where an upload shall go")
        return check_target(head.url, location, plain_http=self._endpoint.plain_http is True)

    def _put_document(self, name: str, content: bytes, media_type: str) -> Referred:
        """Put a document under a name, and have it listed if it refers to another one."""
        digest = digest_of(content)
        head = self._put_manifest(name, content, media_type)
        referrer = referrer_of(content, media_type)
        if referrer is None or head.header("oci-subject") is not None:
            return Referred(digest=digest, tag="")
        self._lists.add(referrer, self._put_manifest)
        return Referred(digest=digest, tag=referrer.tag)

    def _put_manifest(self, name: str, content: bytes, media_type: str) -> Response:
        request = Request(
            method="PUT",
            url=f"{self._base}/manifests/{name}",
            headers=(("Content-Type", media_type),),
            body=content,
        )
        head = self._retrier.run(lambda: _head(self._ask(request, f"manifest {name}", 201, 202, 204)))
        said = head.header("docker-content-digest") or ""
        if is_digest(said) and said.startswith("sha256:") and said != digest_of(content):
            why = f"it calls manifest {digest_of(content)} {said}"
            raise RegistryMisbehaves(host=host_of(head.url), why=why)
        return head

    def _ask(self, request: Request, what: str, *accepted: int) -> Reply:
        return self._line.begin(lambda talk: talk.ask(self._present(request)), what, *accepted)

    def _present(self, request: Request) -> Request:
        return request.at(self._line.present(request.url))


def _head(reply: Reply) -> Response:
    """Drop an answer's body, and return its head."""
    with reply:
        reply.discard()
        return reply.head
