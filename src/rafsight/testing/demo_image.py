"""What `rafsight demo` makes an image of, and the package that repairs it: parts of this machine.

This module alone decides which: a few packages of the Python environment that runs us, the package database of Debian
where there is one, and an old urllib3 out of the shipped image, since nobody should have that installed. The wheel is
the urllib3 that we ourselves use, packed again from its installed files.
"""

import os
import shutil
import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Final

import rafsight
from rafsight.base.units import MiB

PACKAGE: Final = "urllib3"
"""What the image has in an old version."""
_OTHERS: Final = ("click", "packaging")
_SITE: Final = Path("usr/lib/python3/dist-packages")
_OLD: Final = b"/usr/lib/python3/dist-packages"
_STATUS: Final = Path("var/lib/dpkg/status")
_STATUS_SIZE: Final = 8 * MiB
_OS_RELEASE: Final = 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="a demonstration"\n'
_OURS: Final = ("INSTALLER", "RECORD", "REQUESTED", "direct_url.json")
"""Files that an installer adds to a package, and wheels do not have."""
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


def write_folder(folder: Path, shipped: str) -> None:
    """Put parts of this machine into a folder, as an image would have them.

    Args:
        folder: to write into; it is there.
        shipped: reference of the shipped image.
    Raises: ImageFault; OSError.
    """
    site = folder / _SITE
    site.mkdir(parents=True)
    with rafsight.open_image(shipped) as image:
        wanted = [
            entry.path
            for entry in rafsight.list_files(image, _OLD)
            if entry.path.rpartition(b"/")[2].startswith(PACKAGE.encode())
        ]
        rafsight.export_files(image, wanted, to=folder, force=True)
    for name in _OTHERS:
        _copy(distribution(name), site)
    (folder / "etc").mkdir(exist_ok=True)
    release = Path("/etc/os-release")
    (folder / "etc/os-release").write_text(release.read_text() if release.is_file() else _OS_RELEASE)
    status = Path("/") / _STATUS
    if status.is_file() and status.stat().st_size <= _STATUS_SIZE:
        (folder / _STATUS.parent).mkdir(parents=True)
        shutil.copyfile(status, folder / _STATUS)


def write_wheel(folder: Path) -> Path:
    """Pack the installed urllib3 into a wheel.

    Args:
        folder: where the file goes.
    Raises: OSError; PackageNotFoundError, which cannot be where we run.
    """
    found = distribution(PACKAGE)
    path = folder / f"{PACKAGE}-{found.version}-py3-none-any.whl"
    info = f"{PACKAGE}-{found.version}.dist-info"
    record = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for file in sorted(found.files or (), key=str):
            if _is_packed(str(file)):
                wheel.writestr(zipfile.ZipInfo(str(file), _EPOCH), Path(str(file.locate())).read_bytes())
                record.append(
                    f"{file},{file.hash.mode}={file.hash.value},{file.size}\n" if file.hash else f"{file},,\n"
                )
        wheel.writestr(zipfile.ZipInfo(f"{info}/RECORD", _EPOCH), "".join([*record, f"{info}/RECORD,,\n"]))
    return path


def _copy(found: Distribution, site: Path) -> None:
    """Copy an installed package."""
    for file in found.files or ():
        if ".." in file.parts or file.suffix == ".pyc":
            continue
        to = site / file
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(os.fspath(file.locate()), to)


def _is_packed(name: str) -> bool:
    return not (name.endswith(".pyc") or name.startswith("..") or name.rpartition("/")[2] in _OURS)
