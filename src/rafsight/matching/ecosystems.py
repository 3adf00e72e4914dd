"""OSV's names of ecosystems and packages, and the form in which the database keeps them.

This module alone decides where an ecosystem's name ends and its release begins, which releases are the same, and which
spellings of a package's name or version are one.
"""

import re
from collections.abc import Callable
from typing import Final

_PYPI_SEPARATORS: Final = re.compile(r"[-_.]+")
_UBUNTU_LTS: Final = ":LTS"
_REVISION: Final = re.compile(r"-[0-9]{1,9}\Z")


def split_ecosystem(ecosystem: str) -> tuple[str, str]:
    """Split an ecosystem at its first colon into its base and its release.

    Ubuntu's releases lose `:LTS`, which os-release does not say. A suffix that is a URL names a repository, which an
    installed package does not know: it is no release.
    """
    base, _, suffix = ecosystem.partition(":")
    if "://" in suffix:
        return base, ""
    return base, suffix.removesuffix(_UBUNTU_LTS) if base == "Ubuntu" else suffix


def package_name(base: str, name: str) -> str:
    """Bring a package name into the one form that its ecosystem takes for the same package."""
    normalise = _NORMALISERS.get(base)
    return normalise(name) if normalise else name


def package_version(base: str, version: str) -> str:
    """Bring the version of an installed package into the form that advisories have.

    Bitnami counts its own revisions of a program behind a hyphen (`7.2.4-3`), which its advisories do not know.
    """
    return _REVISION.sub("", version) if base == "Bitnami" else version


def _pypi(name: str) -> str:
    return _PYPI_SEPARATORS.sub("-", name).lower()


def _swift(name: str) -> str:
    address = name.partition("://")[2] or name
    host, slash, path = address.partition("/")
    return host.lower() + slash + path.removesuffix(".git")


_NORMALISERS: Final[dict[str, Callable[[str], str]]] = {
    "NuGet": str.lower,
    "Packagist": str.lower,
    "PyPI": _pypi,
    "SwiftURL": _swift,
}
