"""Who made an OS package: the distribution itself, or somebody with a repository of their own.

This module alone decides that. Only what the distribution made is covered by its advisories; a third party's package
must not hide the language packages inside of it.
"""

import re
from functools import lru_cache
from typing import Final

_OTHERS: Final = (
    "docker", "nvidia", "google cloud", "hashicorp", "microsoft", "mongodb", "mariadb", "elastic", "elasticsearch",
    "nginx org", "nginx com", "kong", "konghq", "cloudflare", "influxdata", "gitlab", "grafana", "datadog", "datadoghq",
    "nodesource", "tailscale", "ros org", "ros infrastructure", "osrfoundation", "openrobotics", "sap machine",
    "sapmachine", "github cli",
)  # fmt: skip
"""Words in the Maintainer of a third party's deb."""
_DISTRIBUTIONS: Final = ("debian org", "debian net", "ubuntu com", "launchpad net")
"""Words in the address of a distribution's maintainers, who have teams named after the software as well."""
_VENDORS: Final = (
    "amazon linux", "amazon com", "centos", "fedora project", "oracle america", "red hat", "almalinux", "cloudlinux",
    "vmware", "suse", "opensuse", "microsoft corporation", "rocky",
)  # fmt: skip
"""How the Vendor of a distribution's rpm begins."""


def _words(text: str) -> str:
    return f" {re.sub(r'[^a-z0-9]+', ' ', text.lower()).strip()} "


@lru_cache(maxsize=4096)
def is_official_maintainer(maintainer: str) -> bool:
    """Tell by the Maintainer whether a deb may be the distribution's own."""
    address = _words(maintainer.rpartition("@")[2])
    if any(f" {domain} " in address for domain in _DISTRIBUTIONS):
        return True
    text = _words(maintainer)
    return not any(f" {other} " in text for other in _OTHERS)


def is_official_vendor(vendor: str) -> bool:
    """Tell by the Vendor whether an rpm is a distribution's own."""
    return _words(vendor).lstrip().startswith(tuple(f"{name} " for name in _VENDORS))
