"""What can go wrong between us and a registry.

    RegistryFault
    +-- RegistryUnreachable           no answer: refused, broken, timed out
    |   +-- RegistryUnknown           the name has no address
    |   +-- RegistryGivenUp           it answers nobody, or wants nobody for long
    |   +-- RegistryForbidden         the name leads to an address that is not connected to
    |   +-- RegistryUntrusted         its certificate, or ours, is refused
    |   +-- RegistryPlainHttp         it speaks HTTP where HTTPS was expected
    +-- InterruptedRead (ShortRead)   the answer began, and broke off
    +-- RegistryDenied                401, 403
    +-- PushRefused                   4xx to something that was pushed
    |   +-- PushTooLarge              413
    |   +-- RegistryFull              507, or a quota
    |   +-- RegistryReadOnly          405
    +-- UploadLost                    it does not know the upload any more
    +-- RegistryMisbehaves            an answer that no registry may give
    +-- UntrustedRedirect             it sends us where we do not go
    +-- TryLater                      (access/retry.py)
        +-- RateLimited               429
        +-- RegistryBusy              408, 5xx

    CallerError
    +-- UnusableEndpoint              a host, repository or option that cannot be
    +-- UnusableCredentials           a credentials file that cannot be read
    HostLimit
    +-- CredentialHelperFailed        docker-credential-NAME did not answer

This module alone decides what they say. None of them ever holds a secret.
"""

from rafsight.access.backend import ShortRead
from rafsight.access.retry import TryLater
from rafsight.base.errors import CallerError, ExitStatus, HostLimit, RegistryFault


class RegistryUnreachable(RegistryFault):
    """No answer came."""

    code = "registry-unreachable"
    template = "{host} cannot be reached: {why}"
    remedy = "Check the host, the port and the network; behind a proxy set HTTPS_PROXY."
    permanent = False


class RegistryUnknown(RegistryUnreachable):
    """The name of a host has no address."""

    code = "registry-unknown"
    template = "{host} cannot be reached: the name has no address"
    remedy = "Check how the host is written; behind a proxy set HTTPS_PROXY."
    permanent = True


class RegistryGivenUp(RegistryUnreachable):
    """A host does not answer, or wants nobody for long, and is not asked about each of many images."""

    code = "registry-given-up"
    template = "{host} is not asked any more: {why}"
    remedy = (
        "See what was said of it first. When it is back, run the same command again: what is done is not done twice."
    )
    permanent = True


class RegistryForbidden(RegistryUnreachable):
    """A host has an address that is not connected to."""

    code = "registry-forbidden"
    template = "{host} is not connected to: its name leads to an address that is not fetched from"
    remedy = "If it is meant to be, whoever runs the service lists the host, or its network: see docs/service.md."
    exit_status = ExitStatus.DENIED
    permanent = True


class RegistryUntrusted(RegistryUnreachable):
    """TLS found no trust, on either side."""

    code = "registry-untrusted"
    template = "{host} cannot be reached: {why}"
    remedy = (
        "Name its certificate authority by `--ca-file FILE`; if it wants a client certificate, `--cert` and `--key`; "
        "to trust whatever answers, `--insecure`."
    )
    permanent = True


class RegistryPlainHttp(RegistryUnreachable):
    """HTTP was spoken where HTTPS was expected."""

    code = "registry-plain-http"
    template = "{host} speaks plain HTTP, not HTTPS"
    remedy = "If that is meant to be so, add `--plain-http`."
    permanent = True


class InterruptedRead(ShortRead):
    """An answer broke off; the same request may well succeed."""

    code = "interrupted-read"
    template = "{what} from {place}: the answer broke off after {got} of {wanted} bytes at offset {offset}"
    remedy = "Try again; if it says the same, look at the registry's log and at proxies on the way."
    permanent = False


class RegistryDenied(RegistryFault):
    """The registry wants other credentials."""

    code = "registry-denied"
    template = "{place} denies {what} ({reason}); {sent}"
    remedy = "Run `docker login {host}` with an account that may pull, and check the name: some hide what is missing."
    exit_status = ExitStatus.DENIED


class PushRefused(RegistryFault):
    """The registry does not take what was pushed."""

    code = "push-refused"
    template = "{place} does not take {what} ({reason})"
    remedy = "Its own words say why: a rule of the registry, a tag that may not be moved, or something that is missing."


class PushTooLarge(PushRefused):
    """What was pushed is larger than the registry takes, or a proxy before it."""

    code = "push-too-large"
    template = "{place} does not take {what}: it is too large for it ({reason})"
    remedy = "Raise the limit of the registry, or of the proxy before it (nginx: client_max_body_size)."


class RegistryFull(PushRefused):
    """There is no space, or no quota left."""

    code = "registry-full"
    template = "{place} has no room for {what} ({reason})"
    remedy = "Delete images that nobody needs and let the registry collect its garbage, or raise the quota."


class RegistryReadOnly(PushRefused):
    """The registry takes nothing."""

    code = "registry-read-only"
    template = "{place} can only be read ({reason})"
    remedy = "Push to another registry; if this one should take images, end its read-only mode, or ask who runs it."


class UploadLost(RegistryFault):
    """A registry has forgotten an upload that it began."""

    code = "upload-lost"
    template = "{place} lost the upload of {what} ({reason})"
    remedy = "Try again; if it stays, its instances do not share their storage: tell who runs the registry."
    permanent = False


class RegistryMisbehaves(RegistryFault):
    """An answer that no registry may give."""

    code = "registry-misbehaves"
    template = "{host} does not answer as registries do: {why}"
    remedy = "Check that the host is a registry and that no proxy or login page answers in its place."


class UntrustedRedirect(RegistryFault):
    """A redirect that is not followed."""

    code = "untrusted-redirect"
    template = "{host} redirects to {target}: {why}"
    remedy = "Ask who runs the registry; if the target shall be reached in plain HTTP, add `--plain-http`."


class RateLimited(TryLater):
    """Too many requests."""

    code = "rate-limited"
    template = "{host} limits how often it may be asked ({reason}); it says to come back {when}"
    remedy = "Wait, or log in: registries allow more to those they know."


class RegistryBusy(TryLater):
    """The registry failed on its side."""

    code = "registry-busy"
    template = "{host} answers {status}{because}"
    remedy = "Try again later; if it stays, tell who runs the registry."


class UnusableEndpoint(CallerError):
    """A host, a repository or an option that cannot be."""

    code = "unusable-endpoint"
    template = "{what} cannot be used: {why}"
    remedy = "Check how it is written, and the options and variables that set it."
    exit_status = ExitStatus.USAGE


class UnusableCredentials(CallerError):
    """A file with credentials cannot be used. The message never quotes it."""

    code = "unusable-credentials"
    template = "the credentials in {file} cannot be used: {why}"
    remedy = "Repair the file, or move it away and run `docker login` again."
    exit_status = ExitStatus.USAGE


class CredentialHelperFailed(HostLimit):
    """A credential helper did not do its part."""

    code = "credential-helper-failed"
    template = "the credential helper docker-credential-{helper}, named in {file}, failed for {host}: {why}"
    remedy = "Run `docker-credential-{helper} list` to see what it says, or take it out of the file."
