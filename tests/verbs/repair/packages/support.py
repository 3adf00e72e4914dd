"""What the tests of package repairs share: an image in memory, its edited form, and package files of all kinds."""

import base64
import csv
import gzip
import hashlib
import io
import json
import stat
import tarfile
import zipfile
from dataclasses import dataclass
from types import SimpleNamespace

from tests.formats.made_tables import Node, make_image
from tests.image.edits import Model, described, pack_contents, read_file

from rafsight.access.fetch import FileContent
from rafsight.image.edit import edit_tree
from rafsight.image.tree import ImageTree
from rafsight.verbs.scan.inventory import take_inventory

ARCHIVE_TIME = 1_700_000_000


@dataclass
class MemoryImage:
    """What `Image` gives, from tables and blobs at hand."""

    tables: object
    blobs: dict
    platform: str = "linux/amd64"

    def __post_init__(self):
        self.tree = ImageTree(self.tables)
        self.identity = SimpleNamespace(platform=self.platform, reference="image")
        self.reads = []

    def read(self, wanted):
        for index, one in enumerate(wanted):
            self.reads.append(self.tree.path(one.row))
            content = read_file(self.tables, self.blobs, one.row)
            end = None if one.size is None else one.offset + one.size
            yield FileContent(index=index, wanted=one, content=content[one.offset : end])


def image_of(files, platform="linux/amd64"):
    """Make an image of contents and nodes by path."""
    nodes = {path: one if isinstance(one, Node) else Node(content=one) for path, one in files.items()}
    small = make_image(nodes)
    return MemoryImage(small.tables, {small.blob_id: small.blob}, platform)


def edited(image, changes):
    """Apply changes with the editor; a model that knows nothing of packages agrees."""
    blobs = dict(image.blobs)
    tables = edit_tree(image.tree, changes, pack_contents(image.tables, changes, blobs))
    model = Model(image.tables, image.blobs)
    model.apply(changes)
    assert described(tables, blobs) == model.described()
    return MemoryImage(tables, blobs, image.platform)


def applied(image, changes):
    """Return (image, things by path) after changes."""
    after = edited(image, changes)
    return after, Model(after.tables, after.blobs).things


def contents(things, below=b""):
    """Return contents of files and targets of links below a folder."""
    return {
        path: thing.content if stat.S_ISREG(thing.mode) else thing.target
        for path, thing in things.items()
        if path.startswith(below) and not stat.S_ISDIR(thing.mode)
    }


def versions(image, name):
    """Return what a scan finds of a package."""
    return sorted(one.version for one in take_inventory(image).components if one.name.lower() == name)


# --- Python ----------------------------------------------------------------


def record_digest(content):
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def metadata(name, version, *lines):
    return "\n".join(["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *lines, "", "text"]).encode()


def make_wheel(
    folder, name, version, files, *, tags=("py3-none-any",), lines=(), more=(), damage=None, executable=(), info=None
):
    """Write a wheel. `files`: by name; `more`: files of the dist-info; `damage`: contents that RECORD does not know."""
    info = info or f"{name}-{version}.dist-info"
    whole = dict(files) | {f"{info}/{key}": value for key, value in dict(more).items()}
    whole[f"{info}/METADATA"] = metadata(name, version, *lines)
    whole[f"{info}/WHEEL"] = "\n".join(
        ["Wheel-Version: 1.0", "Generator: tests", "Root-Is-Purelib: true", *(f"Tag: {tag}" for tag in tags), ""]
    ).encode()
    text = io.StringIO()
    rows = [(key, record_digest(value), len(value)) for key, value in whole.items()]
    csv.writer(text, lineterminator="\n").writerows([*rows, (f"{info}/RECORD", "", "")])
    whole[f"{info}/RECORD"] = text.getvalue().encode()
    whole |= damage or {}
    path = folder / f"{name}-{version}-{tags[0]}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for key, value in whole.items():
            member = zipfile.ZipInfo(key, date_time=(2023, 11, 14, 22, 13, 20))
            member.external_attr = (stat.S_IFREG | (0o755 if key in executable else 0o644)) << 16
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, value)
    return path


def installed(name, version, files, *, site=b"usr/lib/python3.11/site-packages", more=(), lines=(), installer=b"pip\n"):
    """Return the files of an installed distribution by path, with their RECORD. `files` are relative to the site."""
    info = f"{name}-{version}.dist-info".encode()
    whole = dict(files.items())
    whole[info + b"/METADATA"] = metadata(name, version, *lines)
    whole[info + b"/INSTALLER"] = installer
    whole |= {info + b"/" + key: value for key, value in dict(more).items()}
    text = io.StringIO()
    rows = [(key.decode(), record_digest(value), len(value)) for key, value in whole.items()]
    csv.writer(text, lineterminator="\n").writerows([*rows, (f"{info.decode()}/RECORD", "", "")])
    whole[info + b"/RECORD"] = text.getvalue().encode()
    return {normal(site + b"/" + key): value for key, value in whole.items()}


def normal(path):
    import posixpath

    return posixpath.normpath(b"/" + path).lstrip(b"/")


def record_of(things, info):
    rows = csv.reader(io.StringIO(things[info + b"/RECORD"].content.decode()))
    return {row[0]: (row[1], row[2]) for row in rows}


# --- npm -------------------------------------------------------------------


def add_member(archive, name, content=b"", mode=0o644, kind=tarfile.REGTYPE, target=""):
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.linkname, member.mtime = kind, mode, target, ARCHIVE_TIME
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def make_tar(members):
    """Write a tar of (name, content or None for a folder, mode) or of TarInfo-like calls."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, content, mode in members:
            if content is None:
                add_member(archive, name, mode=mode, kind=tarfile.DIRTYPE)
            elif isinstance(content, tuple):
                add_member(archive, name, mode=mode, kind=content[0], target=content[1])
            else:
                add_member(archive, name, content, mode)
    return plain.getvalue()


def make_tarball(folder, name, version, files=None, *, top="package", modes=None, **manifest):
    """Write a package of npm."""
    whole = {"package.json": json.dumps({"name": name, "version": version, **manifest}).encode(), **(files or {})}
    members = [(f"{top}/{key}", value, (modes or {}).get(key, 0o644)) for key, value in whole.items()]
    path = folder / f"{name.replace('/', '-').lstrip('@')}-{version}.tgz"
    path.write_bytes(gzip.compress(make_tar(members), mtime=0))
    return path


def node_package(folder, name, version, files=None, **manifest):
    """Return the files of an installed package by path."""
    whole = {b"package.json": json.dumps({"name": name, "version": version, **manifest}).encode(), **(files or {})}
    return {folder + b"/" + key: value for key, value in whole.items()}


# --- Debian ----------------------------------------------------------------


def make_ar(members):
    whole = b"!<arch>\n"
    for name, content in members:
        header = b"%-16s%-12d%-6d%-6d%-8o%-10d`\n" % (name, 0, 0, 0, 0o100644, len(content))
        whole += header + content + b"\n" * (len(content) % 2)
    return whole


def make_deb(folder, name, version, files, *, arch="amd64", fields=(), control=None, pack=gzip.compress, suffix=b".gz"):
    """Write a package. `files`: by name; a (kind, target) pair is a link, None a folder."""
    stanza = "\n".join(
        [f"Package: {name}", f"Version: {version}", f"Architecture: {arch}", "Maintainer: M <m@debian.org>", *fields]
    )
    stanza += "\nDescription: short\n long\n"
    members = [("./control", stanza.encode(), 0o644)]
    for key, value in (control or {}).items():
        members.append((f"./{key}", value, 0o755 if key in ("postinst", "preinst", "prerm", "postrm") else 0o644))
    above = sorted({"/".join(key.split("/")[:depth]) for key in files for depth in range(1, key.count("/") + 1)})
    data = [("./", None, 0o755), *((f"./{key}/", None, 0o755) for key in above if key not in files)]
    for key, value in files.items():
        data.append((f"./{key}", value, 0o755 if "bin/" in key else 0o644))
    path = folder / f"{name}_{version.replace(':', '%3a')}_{arch}.deb"
    path.write_bytes(
        make_ar(
            [
                (b"debian-binary", b"2.0\n"),
                (b"control.tar" + suffix, pack(make_tar(members))),
                (b"data.tar" + suffix, pack(make_tar(data))),
            ]
        )
    )
    return path


def dpkg_image(*packages, more=None, format_=b"1\n"):
    """Return files by path of an image with packages: dicts with name, version, files and what else there is."""
    files, stanzas = dict(more or {}), []
    files[b"var/lib/dpkg/info/format"] = format_
    for one in packages:
        name, version = one["name"], one["version"]
        lines = [
            f"Package: {name}",
            f"Status: {one.get('status', 'install ok installed')}",
            "Maintainer: M <m@debian.org>",
        ]
        lines += [f"Architecture: {one.get('arch', 'amd64')}", f"Version: {version}", *one.get("fields", ())]
        stanzas.append("\n".join([*lines, "Description: old", " text", ""]))
        base = b"var/lib/dpkg/info/" + one.get("base", name).encode()
        paths = sorted(
            {b"/".join(path.split(b"/")[:depth]) for path in one["files"] for depth in range(1, path.count(b"/") + 2)}
        )
        listed = [b"/.", *(b"/" + path for path in paths)]
        files[base + b".list"] = b"".join(path + b"\n" for path in listed)
        files |= {base + b"." + key: value for key, value in one.get("info", {}).items()}
        files |= {one.get("real", {}).get(path, path): content for path, content in one["files"].items()}
    files[b"var/lib/dpkg/status"] = "\n".join(stanzas).encode()
    return files
