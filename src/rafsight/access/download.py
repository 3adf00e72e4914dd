"""Files over HTTP: conditional, resumable, bounded.

This module alone decides how a public file is downloaded. "Unchanged" is an answer, not an error. What broke off is
kept as `NAME.part` with the mark of its version in `NAME.part.mark`, and the next attempt (now, or in another process)
asks for the rest of exactly that version. Redirects never leave HTTPS once it is there.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

from rafsight.access.registry.proxies import proxies_from_environment
from rafsight.access.retry import Retrier, TryLater, parse_retry_after
from rafsight.base.errors import CallerError, ExitStatus, HostLimit, RegistryFault
from rafsight.base.events import Advanced, Finished, Listener, Started, silent
from rafsight.base.units import GiB, MiB

if TYPE_CHECKING:
    import ssl

    import urllib3

_PIECE: Final = 1 * MiB
_PROGRESS: Final = 1 * MiB
"""[bytes] that an attempt has to bring to be worth as much as a first one."""
_REDIRECTS: Final = 5
_MARK_LENGTH: Final = 1024
_CONTENT_RANGE: Final = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})\Z")
_BUSY: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


class UnusableUrl(CallerError):
    """A text that should be the address of a file is none."""

    code = "unusable-url"
    template = "'{url}' is not an http:// or https:// address"
    remedy = "Write the whole address, such as https://example.org/advisories."
    exit_status = ExitStatus.USAGE


class DownloadMissing(RegistryFault):
    """The server has no such file."""

    code = "download-missing"
    template = "{url} does not exist ({status})"
    remedy = "Check the address; a mirror may lack some files."
    exit_status = ExitStatus.NOT_FOUND


class DownloadRefused(RegistryFault):
    """The server's answer is none that a download can use."""

    code = "download-refused"
    template = "{url} cannot be downloaded: {reason}"
    remedy = "Check the address, the proxy and the certificates; try a mirror."


class DownloadBroken(RegistryFault):
    """The connection did not hold."""

    code = "download-broken"
    template = "{url} cannot be downloaded: {reason}"
    remedy = "Check the network and run the command again: it goes on where it stopped."
    permanent = False


class DownloadBusy(TryLater):
    """The server asks to come back later."""

    code = "download-busy"
    template = "{url} is not served at the moment ({status})"
    remedy = "Run the command again later."


class DownloadNotStored(HostLimit):
    """A downloaded file cannot be written."""

    code = "download-not-stored"
    template = "{path} cannot be written: {reason}"
    remedy = "Make room, or choose another cache directory."


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """What a server said about the version of a file; empty where it said nothing."""

    etag: str = ""
    last_modified: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchanged:
    """The file is still of the version that the caller knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Downloaded:
    """The file is there."""

    path: Path
    size: int
    """[bytes]"""
    sha256: str
    version: Version


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadTerms:
    """How a file may be downloaded."""

    size_limit: int = 8 * GiB
    connect_timeout: float = 15.0
    """[s]"""
    read_timeout: float = 60.0
    """[s] between two pieces."""
    ca_files: tuple[Path, ...] = ()
    """PEM files, trusted beside the system's own."""
    retrier: Retrier = field(default_factory=Retrier)


def download(
    url: str,
    target: Path,
    *,
    known: Version | None = None,
    terms: DownloadTerms | None = None,
    listener: Listener = silent,
) -> Downloaded | Unchanged:
    """Download a file, or learn that it has not changed.

    Args:
        url: http or https.
        target: where the file shall be; its directory is made. What is there is replaced when all has come.
        known: the version that the caller has; if it is still current, nothing is downloaded.
        terms: bounds and patience.
        listener: told about the bytes.
    Raises: UnusableUrl, UnusableEndpoint: a file of `terms.ca_files` holds no certificates; DownloadMissing,
        DownloadRefused, DownloadBroken, DownloadBusy, DownloadNotStored.
    """
    terms = terms or DownloadTerms()
    _check_url(url)
    with _storing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    transfer = _Transfer(url=url, target=target, known=known or Version(), terms=terms, listener=listener)
    attempts = terms.retrier.start()
    while True:  # ends: `wait` raises after a bounded number of failures without progress
        before = transfer.stored_size()
        try:
            return transfer.attempt()
        except RegistryFault as error:
            if transfer.stored_size() >= before + _PROGRESS:
                attempts.progressed()
            attempts.wait(error)


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable or not url.isascii() or not url.isprintable() or " " in url:
        raise UnusableUrl(url=url)


@contextmanager
def _storing(path: Path) -> Iterator[None]:
    """Turn the complaints of the file system into ours."""
    try:
        yield
    except OSError as error:
        if isinstance(error, RegistryFault | HostLimit):
            raise
        raise DownloadNotStored(path=str(path), reason=error.strerror or str(error)) from error


@dataclass(slots=True, kw_only=True)
class _Transfer:
    """One file on its way."""

    url: str
    target: Path
    known: Version
    terms: DownloadTerms
    listener: Listener

    @property
    def _part(self) -> Path:
        return self.target.with_name(self.target.name + ".part")

    @property
    def _mark(self) -> Path:
        return self.target.with_name(self.target.name + ".part.mark")

    def stored_size(self) -> int:
        """Return how many bytes an attempt could go on from [bytes]."""
        return self._part.stat().st_size if self._part.is_file() else 0

    def attempt(self) -> Downloaded | Unchanged:
        """Ask once, and take what comes.

        Raises: RegistryFault: not permanent if asking again may help; DownloadNotStored.
        """
        begun, mark = self._begun()
        headers = {"Accept-Encoding": "identity"}
        if begun:
            headers |= {"Range": f"bytes={begun}-", "If-Range": mark}
        elif self.known.etag:
            headers["If-None-Match"] = self.known.etag
        elif self.known.last_modified:
            headers["If-Modified-Since"] = self.known.last_modified
        with _answer(self.url, headers, self.terms) as answer:
            if answer.status == 304 and not begun and (self.known.etag or self.known.last_modified):
                return Unchanged()
            offset, total = self._place(answer, begun)
            version = Version(
                etag=answer.headers.get("etag", "")[:_MARK_LENGTH],
                last_modified=answer.headers.get("last-modified", "")[:_MARK_LENGTH],
            )
            self._receive(answer, offset, total, version)
        return self._complete(version)

    def _begun(self) -> tuple[int, str]:
        """Return how much of which version is there; nothing if the version is not known."""
        with _storing(self._part):
            size = self.stored_size()
            mark = self._mark.read_text("ascii", "replace")[:_MARK_LENGTH] if size and self._mark.is_file() else ""
        return (size, mark) if mark else (0, "")

    def _place(self, answer: "urllib3.BaseHTTPResponse", begun: int) -> tuple[int, int | None]:
        """Return where the answer's body belongs, and the size of the whole file if it is said."""
        if answer.status == 200:
            length = answer.headers.get("content-length", "")
            total = int(length) if length.isascii() and length.isdigit() and len(length) < 19 else None
            self._check_size(total or 0)
            return 0, total
        if begun and answer.status in (206, 416):
            match = _CONTENT_RANGE.match(answer.headers.get("content-range", "")) if answer.status == 206 else None
            if match is not None and int(match[1]) == begun and int(match[2]) + 1 == int(match[3]):
                self._check_size(int(match[3]))
                return begun, int(match[3])
            self._forget()
            raise DownloadBroken(url=self.url, reason="the server does not go on where the last attempt stopped")
        if answer.status in _BUSY:
            wish = parse_retry_after(answer.headers.get("retry-after"), answer.headers.get("date"))
            raise DownloadBusy(retry_after=wish, url=self.url, status=answer.status)
        if answer.status in (404, 410):
            raise DownloadMissing(url=self.url, status=answer.status)
        raise DownloadRefused(url=self.url, reason=f"the server answers {answer.status}")

    def _receive(self, answer: "urllib3.BaseHTTPResponse", offset: int, total: int | None, version: Version) -> None:
        """Write the body to the part file, from its place on."""
        from http.client import HTTPException

        import urllib3

        operation = f"download {self.url}"
        self.listener(Started(operation=operation, title=f"downloading {self.url}", total=total, unit="bytes"))
        if offset:
            self.listener(Advanced(operation=operation, amount=offset))
        try:
            with _storing(self._part):
                self._mark.write_text(_resumable_mark(version), "ascii", "replace")
                with self._part.open("r+b" if offset else "wb") as file:
                    file.truncate(offset)
                    file.seek(offset)
                    while piece := answer.read1(_PIECE, decode_content=False):
                        offset += len(piece)
                        self._check_size(offset)
                        file.write(piece)
                        file.flush()
                        self.listener(Advanced(operation=operation, amount=len(piece)))
        except (urllib3.exceptions.HTTPError, HTTPException) as error:
            raise _fault(error, self.url) from None
        finally:
            self.listener(Finished(operation=operation))
        if total is not None and offset != total:
            raise DownloadBroken(url=self.url, reason=f"{offset} of {total} bytes came")

    def _complete(self, version: Version) -> Downloaded:
        with _storing(self.target):
            size = self._part.stat().st_size
            with self._part.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            self._part.replace(self.target)
            self._mark.unlink(missing_ok=True)
        return Downloaded(path=self.target, size=size, sha256=digest, version=version)

    def _check_size(self, size: int) -> None:
        if size > self.terms.size_limit:
            self._forget()
            raise DownloadRefused(url=self.url, reason=f"it is larger than {self.terms.size_limit} bytes")

    def _forget(self) -> None:
        with _storing(self._part):
            self._part.unlink(missing_ok=True)
            self._mark.unlink(missing_ok=True)


def _resumable_mark(version: Version) -> str:
    """Return what tells one version from another byte by byte: a weak ETag does not."""
    return version.etag if version.etag and not version.etag.startswith("W/") else version.last_modified


@contextmanager
def _answer(url: str, headers: Mapping[str, str], terms: DownloadTerms) -> Iterator["urllib3.BaseHTTPResponse"]:
    """Ask for a file, follow redirects, and yield the answer with its body still to be read.

    Raises: DownloadBroken, DownloadRefused, UnusableEndpoint.
    """
    from rafsight.access.registry.faults import LIBRARY_FAULTS

    for _ in range(_REDIRECTS):
        manager = _manager(url, terms)
        try:
            answer = manager.request(
                "GET", url, headers=dict(headers), preload_content=False, redirect=False, retries=False
            )
        except LIBRARY_FAULTS as error:
            raise _fault(error, url) from None
        location = answer.headers.get("location", "")
        try:
            if answer.status not in (301, 302, 303, 307, 308) or not location:
                yield answer
                return
        finally:
            answer.close()
            manager.clear()
        following = urljoin(url, location)
        _check_url(following)
        if url.startswith("https:") and not following.startswith("https:"):
            raise DownloadRefused(url=url, reason="it redirects from HTTPS to HTTP")
        url = following
    raise DownloadRefused(url=url, reason="it redirects without end")


def _fault(error: BaseException, url: str) -> RegistryFault:
    """Make our error from the library's, in the words of the registry client."""
    from rafsight.access.registry.errors import RegistryUnknown
    from rafsight.access.registry.faults import fault_from

    fault = fault_from(error, url)
    if isinstance(fault, RegistryUnknown):
        reason = f"the name {fault.details['host']} has no address"
    else:
        reason = str(fault.details.get("why") or fault)
    return (DownloadRefused if fault.permanent else DownloadBroken)(url=url, reason=reason)


def _trust(host: str, terms: DownloadTerms) -> "ssl.SSLContext":
    """Make the TLS context for a host: as for the hosts that a registry sends us to."""
    from rafsight.access.registry.endpoint import Endpoint
    from rafsight.access.registry.tls import make_context

    default = os.environ.get("SSL_CERT_FILE")
    endpoint = Endpoint(
        host=f"[{host}]" if ":" in host else host,
        repository="advisories",  # only names need one
        ca_files=terms.ca_files,
        default_ca_file=Path(default) if default else None,
    )
    return make_context(endpoint, at_home=False)


def _manager(url: str, terms: DownloadTerms) -> "urllib3.PoolManager":
    import urllib3

    parts = urlsplit(url)
    timeout = urllib3.Timeout(connect=terms.connect_timeout, read=terms.read_timeout)
    proxy = proxies_from_environment(os.environ).find(parts.scheme, parts.hostname or "", parts.port)
    context = _trust(parts.hostname or "", terms) if parts.scheme == "https" else None
    if proxy is None:
        return urllib3.PoolManager(timeout=timeout, ssl_context=context)
    headers = urllib3.make_headers(proxy_basic_auth=proxy.user) if proxy.user else None
    return urllib3.ProxyManager(proxy.url, proxy_headers=headers, timeout=timeout, ssl_context=context)
