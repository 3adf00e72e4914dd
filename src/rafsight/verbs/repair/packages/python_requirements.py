"""What distributions of one folder need of each other.

This module alone decides how far that is followed: one step from the distribution that came, in both directions,
without extras. Versions that are there are those that the names of folders say.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from rafsight.base.units import MiB
from rafsight.matching.ecosystems import package_name
from rafsight.verbs.repair.packages.python_installed import distributions
from rafsight.verbs.repair.packages.python_site import Site, neighbours
from rafsight.verbs.repair.packages.staging import Staged
from rafsight.verbs.repair.packages.wheel_file import WheelFile, parse_metadata
from rafsight.verbs.repair.packages.wheel_fit import machine_of

if TYPE_CHECKING:
    from packaging.markers import Marker

_HEAD_SIZE: Final = 1 * MiB
"""[bytes] Larger METADATA of others is not asked."""


def unmet(staged: Staged, site: Site, wheel: WheelFile) -> list[str]:
    """Say which requirements of a wheel a folder does not meet, and whose requirements the wheel does not meet.

    Args:
        staged: the image, with all packages in place.
        site: the folder that the wheel was put into.
        wheel: the wheel.
    Raises: RegistryFault, ImageFault.
    Cost: METADATA of all distributions of the folder, as one plan.
    """
    platform, name = staged.image.identity.platform, wheel.metadata.name
    there = {key: version for key, (version, _) in distributions(staged, neighbours(staged, site)).items()}
    own = (_why_unmet(text, name, there, site, platform) for text in wheel.metadata.requires)
    only = {wheel.key: wheel.metadata.version}
    others = _requirements_of_others(staged, site, wheel.key)
    theirs = (_why_unmet(text, other, only, site, platform, about=wheel.key) for other, text in others)
    return [note for notes in (own, theirs) for note in notes if note]


def _why_unmet(text: str, name: str, there: dict[str, str], site: Site, platform: str, *, about: str = "") -> str:
    """Say why a requirement is not met; empty if it is, or is about another distribution than `about`."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.version import InvalidVersion

    try:
        wanted = Requirement(text)
        key = package_name("PyPI", wanted.name)
        if about not in ("", key) or (wanted.marker is not None and not _applies(wanted.marker, site, platform)):
            return ""
        version = there.get(key, "")
        fits = bool(version) and wanted.specifier.contains(version, prereleases=True)
    except (InvalidRequirement, InvalidVersion):
        return "" if about else f"{name}: whether its requirement '{text}' is met was not looked at"
    if not version:
        return f"{name} requires {wanted.name}{wanted.specifier}, which is not installed"
    return "" if fits else f"{name} requires {wanted.name}{wanted.specifier}, and {version} is installed"


def _requirements_of_others(staged: Staged, site: Site, key: str) -> Iterator[tuple[str, str]]:
    """Yield the name of each other distribution with each of its requirements that may be about this one."""
    infos = [info for name, (_, info) in distributions(staged, [site.path]).items() if name != key]
    places = [place for info in infos if (place := staged.exact(info + b"/METADATA")) is not None]
    small = [place for place in places if staged.size_of(place) <= _HEAD_SIZE]
    for _, content in sorted(staged.read_each(small, _HEAD_SIZE), key=lambda pair: pair[0].path):
        metadata = parse_metadata(content)
        for text in metadata.requires:
            if package_name("PyPI", text).startswith(key):
                yield metadata.name, text


def _applies(marker: "Marker", site: Site, platform: str) -> bool:
    """Evaluate a marker for the image; one that asks for more than is known does not apply."""
    from packaging.markers import UndefinedComparison, UndefinedEnvironmentName

    if site.version is None:
        return False
    version = f"{site.version[0]}.{site.version[1]}"
    pypy = site.interpreter == "pp"
    environment = {
        "implementation_name": "pypy" if pypy else "cpython",
        "implementation_version": version,
        "os_name": "posix",
        "platform_machine": machine_of(platform),
        "platform_python_implementation": "PyPy" if pypy else "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": f"{version}.0",
        "python_version": version,
        "sys_platform": "linux",
        "extra": "",
    }
    try:
        return marker.evaluate(environment)
    except (UndefinedComparison, UndefinedEnvironmentName):
        return False
