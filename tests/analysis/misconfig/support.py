"""What the tests of checks share: images in memory with modes, owners and attributes, and one check made on them."""

import json
import stat as st
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np

from rafsight.analysis.misconfig.catalogue import CATALOGUE
from rafsight.analysis.misconfig.configuration import MisconfigSettings
from rafsight.analysis.misconfig.engine import Contents, Judgement, judge, plan
from rafsight.analysis.misconfig.finding import Misconfiguration
from rafsight.analysis.misconfig.tree_facts import TreeFacts
from rafsight.formats.oci.config import parse_config
from rafsight.formats.tables import Xattr
from rafsight.image.tree import ImageTree
from rafsight.testing.trees import Link, build_image

TODAY = date(2026, 6, 1)
PASSWD = b"root:x:0:0:root:/root:/bin/sh\nwww:x:33:33:www:/srv:/usr/sbin/nologin\n"


@dataclass(frozen=True, kw_only=True)
class Spec:
    """An image. Paths are texts; a mode may bring its type, else that of the file stays."""

    files: Mapping[str, bytes | Link | None] = field(default_factory=dict)
    modes: Mapping[str, int] = field(default_factory=dict)
    owners: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    devices: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    linked: Sequence[tuple[str, str]] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)
    """What the tree says, without content: such files are not read."""
    xattrs: Mapping[str, Mapping[bytes, bytes]] = field(default_factory=dict)
    config: Mapping[str, object] | None = field(default_factory=dict)
    """The member `config` of the image's config; None: there is no config at all."""
    history: Sequence[str | Mapping[str, object]] = ()
    created: str = "2026-01-01T00:00:00Z"


def run(*lines: str) -> Spec:
    """Make an image whose build ran some command lines."""
    return Spec(history=[f"RUN /bin/sh -c {line} # buildkit" for line in lines])


def config(**members: object) -> Spec:
    return Spec(config=members)


def env(*entries: str) -> Spec:
    return Spec(config={"Env": list(entries)})


def text(path: str, content: str) -> Spec:
    return Spec(files={path: content.encode()})


def tree_of(spec: Spec) -> TreeFacts:
    tree = ImageTree(build_image({path.encode(): content for path, content in spec.files.items()}).tables)
    entries = tree.entries
    columns = {name: getattr(entries, name).copy() for name in
               ("mode", "uid", "gid", "rdev", "size", "link_row", "xattr_offset", "xattr_size")}  # fmt: skip
    for path, mode in spec.modes.items():
        row = tree.lookup(path.encode(), follow=False)
        columns["mode"][row] = mode if st.S_IFMT(mode) else st.S_IFMT(int(entries.mode[row])) | mode
    for path, (uid, gid) in spec.owners.items():
        row = tree.lookup(path.encode(), follow=False)
        columns["uid"][row], columns["gid"][row] = uid, gid
    for path, (major, minor) in spec.devices.items():
        columns["rdev"][tree.lookup(path.encode())] = (minor & 0xFF) | (major << 8) | ((minor & ~0xFF) << 12)
    for path, size in spec.sizes.items():
        columns["size"][tree.lookup(path.encode())] = size
    for first, second in spec.linked:
        rows = sorted(map(tree.lookup, (first.encode(), second.encode())))
        columns["link_row"][rows] = rows[0]
    buffer = bytes(tree.tables.buffer)
    areas: dict[bytes, tuple[Xattr, ...]] = {}
    for path, values in spec.xattrs.items():
        row = tree.lookup(path.encode())
        area = b"%d:" % row + b"".join(name + b"=" + value for name, value in values.items())
        areas[area] = tuple(Xattr(name=name, value=value) for name, value in values.items())
        columns["xattr_offset"][row], columns["xattr_size"][row] = len(buffer), len(area)
        buffer += area
    tables = replace(
        tree.tables, buffer=buffer, entries=replace(entries, **columns), read_xattrs=lambda area: areas[bytes(area)]
    )
    return TreeFacts(ImageTree(tables))


def contents_of(spec: Spec, tree: TreeFacts) -> Contents:
    files = {}
    for path, content in spec.files.items():
        if isinstance(content, bytes) and path not in spec.sizes:
            files[tree.tree.lookup(path.encode())] = content
    if spec.config is None:
        return Contents(files=files)
    raw = {
        "created": spec.created,
        "config": spec.config,
        "history": [one if isinstance(one, dict) else {"created_by": one} for one in spec.history],
    }
    return Contents(files=files, config=parse_config(json.dumps(raw).encode(), digest="sha256:0"))


def judge_spec(spec: Spec, *ids: str, settings: MisconfigSettings | None = None) -> Judgement:
    """Make some checks, or all."""
    tree = tree_of(spec)
    settings = settings or MisconfigSettings()
    planned = plan(tree, settings)
    read = contents_of(spec, tree)
    read = replace(read, files={row: content for row, content in read.files.items() if row in planned.rows})
    checks = [check for check in CATALOGUE if not ids or check.id in ids]
    found = judge(tree, planned, read, settings, today=TODAY, catalogue=checks)
    assert not [gap for gap in found.gaps if "mistake" in gap.detail], found.gaps
    return found


def said(spec: Spec, check_id: str) -> list[str]:
    """Make one check; return what it says about each place: `config.User: root`, `/etc/passwd:2: app is user 0`."""
    return [line for one in judge_spec(spec, check_id).misconfigurations for line in places(one)]


def places(one: Misconfiguration) -> list[str]:
    found = []
    for evidence in one.evidence:
        path = "/" + evidence.path.decode("utf-8", "backslashreplace") if evidence.path else evidence.place
        line = f":{evidence.line}" if evidence.line else ""
        found.append(f"{path}{line}: {evidence.detail}" if evidence.detail else path + line)
    return found


def capability(*bits: int, effective: bool = True) -> bytes:
    mask = sum(1 << bit for bit in bits)
    words = (0x02000000 | effective, mask & 0xFFFFFFFF, 0, mask >> 32, 0)
    return b"".join(int(np.uint32(word)).to_bytes(4, "little") for word in words)
