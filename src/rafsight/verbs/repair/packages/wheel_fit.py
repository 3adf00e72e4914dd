"""Whether a wheel can run where it is to be put: its tags against the interpreter, the processor and the C library.

This module alone decides that. What the image does not tell is not held against a wheel.
"""

import re
from collections.abc import Iterable
from typing import Final

from rafsight.verbs.repair.packages.python_site import Site
from rafsight.verbs.repair.packages.staging import Staged
from rafsight.verbs.repair.packages.wheel_file import WheelFile

_MACHINES: Final = {
    ("amd64", ""): "x86_64",
    ("arm64", ""): "aarch64",
    ("arm", "v5"): "armv5l",
    ("arm", "v6"): "armv6l",
    ("arm", ""): "armv7l",
    ("386", ""): "i686",
    ("ppc64le", ""): "ppc64le",
    ("s390x", ""): "s390x",
    ("riscv64", ""): "riscv64",
    ("loong64", ""): "loongarch64",
}
_PLATFORM: Final = re.compile(r"(?P<family>linux|manylinux|musllinux)(?:1|2010|2014|_[0-9]+_[0-9]+)?_(?P<machine>.+)")
_PYTHON: Final = re.compile(r"(?P<name>[a-z]+)(?P<major>[0-9])(?P<minor>[0-9]*)")
_MUSL: Final = b"ld-musl-"
_GLIBC: Final = (b"ld-linux", b"ld64.so.")


def machine_of(platform: str) -> str:
    """Return the machine of a platform (`linux/arm64/v8`) in the words of wheels; empty if it is not known."""
    _, _, rest = platform.partition("/")
    architecture, _, variant = rest.partition("/")
    return _MACHINES.get((architecture, variant)) or _MACHINES.get((architecture, ""), "")


def libc_of(staged: Staged) -> str:
    """Return `glibc` or `musl` by the loaders that the image has; empty if it has none or both."""
    found = set()
    for folder in (b"lib", b"lib64", b"usr/lib", b"usr/lib64", b"usr/glibc-compat/lib"):
        place = staged.find_folder(folder)
        names = staged.names(place) if place is not None else []
        found |= {"musl" for name in names if name.startswith(_MUSL)}
        found |= {"glibc" for name in names if name.startswith(_GLIBC)}
    return found.pop() if len(found) == 1 else ""


def why_unfit(wheel: WheelFile, site: Site, *, machine: str, libc: str, old_tags: Iterable[str] = ()) -> str:
    """Say why a wheel cannot be put into a folder; empty if it can.

    Args:
        wheel: the wheel.
        site: the folder.
        machine: as `machine_of` says.
        libc: as `libc_of` says.
        old_tags: of the wheel that is there, for where the folder does not tell its interpreter.
    """
    version = wheel.metadata.requires_python
    if site.version is not None and version and not _allows(version, site.version):
        return f"it wants Python {version}, and {_shown(site)} has {site.version[0]}.{site.version[1]}"
    reasons = [_why_tag(tag, site, machine, libc, tuple(old_tags)) for tag in wheel.tags]
    if not reasons:
        return "it has no tags"
    return "" if "" in reasons else reasons[0]


def _why_tag(tag: str, site: Site, machine: str, libc: str, old_tags: tuple[str, ...]) -> str:
    parts = tag.split("-")
    if len(parts) != 3:
        return f"its tag '{tag}' has not three parts"
    python, abi, platform = parts
    if site.version is not None:
        fits = any(_fits_python(one, each, site) for one in python.split(".") for each in abi.split("."))
    else:
        pure = abi == "none" and python.startswith("py")
        fits = pure or not old_tags or any(old.split("-")[:2] == [python, abi] for old in old_tags)
    if not fits:
        has = f"Python {site.version[0]}.{site.version[1]}{site.threads}" if site.version else ", ".join(old_tags)
        return f"it is for {python}-{abi}, and {_shown(site)} is for {has}"
    whys = [_why_platform(one, machine, libc) for one in platform.split(".")]
    return "" if "" in whys else whys[0]


def _fits_python(python: str, abi: str, site: Site) -> bool:
    assert site.version is not None
    found = _PYTHON.fullmatch(python)
    if found is None:
        return False
    version = (int(found["major"]), int(found["minor"]) if found["minor"] else None)
    if version[0] != site.version[0]:
        return False
    minor = site.version[1] if version[1] is None else version[1]
    if found["name"] == "py":
        return abi == "none" and minor <= site.version[1]
    if found["name"] != site.interpreter:
        return False
    if abi == "abi3":
        return not site.threads and minor <= site.version[1]
    same = minor == site.version[1]
    if site.interpreter == "pp":
        return same
    return same and abi in ("none", f"cp{site.version[0]}{site.version[1]}{site.threads}")


def _why_platform(platform: str, machine: str, libc: str) -> str:
    if platform == "any":
        return ""
    found = _PLATFORM.fullmatch(platform)
    if found is None:
        return f"it is for {platform}, and the image is Linux"
    if machine and found["machine"] != machine:
        return f"it is for {found['machine']}, and the image is for {machine}"
    needed = {"manylinux": "glibc", "musllinux": "musl"}.get(found["family"], "")
    if needed and libc and needed != libc:
        return f"it is for {needed}, and the image has {libc}"
    return ""


def _allows(specifier: str, version: tuple[int, int]) -> bool:
    """Tell whether any release of a version of Python is allowed: which one the image has is not looked up."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        allowed = SpecifierSet(specifier)
    except InvalidSpecifier:
        return True
    return any(allowed.contains(f"{version[0]}.{version[1]}.{patch}") for patch in range(100))


def _shown(site: Site) -> str:
    return "/" + site.path.decode("utf-8", "replace")
