"""Ask an image what was asked of nydus-image, and find every difference: (what, what it said, what ours says)."""

import base64
from contextlib import contextmanager, suppress

from tests.verbs.inspect import recorded

from rafsight.access.session import open_image
from rafsight.reports.inspection.metadata_render import RENDERERS
from rafsight.verbs.inspect.metadata import (
    NoSuchInode,
    check_inode,
    describe_entry,
    find_chunks,
    list_blobs,
    list_directory,
    list_prefetch,
    read_stats,
)

ABSENT = "(nothing)"


@contextmanager
def opened(name, *, lazy=False):
    """A golden image as its bootstrap alone: inlined blobs get the name of the file, as in the recordings."""
    with open_image(f"boot:{recorded.GOLDEN / name / 'image.boot'}", lazy=lazy) as image:
        yield image


def as_json(answer):
    return RENDERERS[type(answer)].to_json(answer)


def octets(described, key):
    """The bytes that `named` wrote."""
    encoded = described.get(f"{key}_b64")
    return described[key].encode() if encoded is None else base64.b64decode(encoded)


def json_differences(name, request):
    """Compare `stats`, `blobs` or `prefetch`, value by value."""
    ask = {"stats": read_stats, "blobs": list_blobs, "prefetch": list_prefetch}[request]
    with opened(name) as image:
        ours = as_json(ask(image))
    theirs = recorded.json_of(name, request)
    if request == "stats":
        return list(_unequal(theirs, ours, ""))
    return [
        difference
        for index, (their, our) in enumerate(_paired(theirs, ours))
        for difference in _unequal(their, our, f"{index} ")
    ]


def text_differences(image, request, exit_code, text):
    """Compare one recorded text request with the JSON of ours."""
    command, *words = request.split(" ", 1)
    answer = None
    with suppress(NoSuchInode):
        answer = as_json(_ask(image, command, *words))
    if exit_code or not text:
        assert answer is None or answer == [] or not answer.get("files", True), "ours has an answer, theirs has not"
    if answer is None:
        return [] if exit_code else [("answer", ABSENT, NoSuchInode.code)]
    return list(_COMPARE[command](text, answer))


def _ask(image, command, word=""):
    match command:
        case "ls":
            return list_directory(image, 0)
        case "stat":
            return describe_entry(image, image.tree.lookup(word.encode(), follow=False))
        case "chunk":
            return find_chunks(image, int(word))
        case "icheck":
            return check_inode(image, int(word))
    raise AssertionError(command)


def _compare_ls(text, ours):
    assert recorded.listed(text) == [(one["sign"], one["inode"], octets(one, "name")) for one in ours]
    return ()


def _compare_stat(text, ours):
    if not text.strip("\n"):
        return [("answer", ABSENT, ours["path"])]
    theirs = recorded.stat(text)
    assert ("chunks" in theirs) == (ours["chunks"] is not None)
    for their, our in _paired(theirs.pop("chunks", []), ours["chunks"] or []):
        assert their == {key: our[key] for key in their}
    return _unequal(theirs, {**ours, "name": octets(ours, "name")}, "")


def _compare_icheck(text, ours):
    theirs = recorded.checked_inode(text)
    names = {octets(one, "path"): one for one in ours["names"]}
    assert [path for path, _ in theirs] == list(names)
    for path, their in theirs:
        our = names[path]
        if their is None:
            yield (path.decode(), ABSENT, "attributes")
        else:
            yield from _unequal(their, {**our, "name": octets(our, "name")}, f"{path.decode()} ")


def _compare_chunk(text, ours):
    """Names and chunks of each file, multiplied out; in the order of a walk by names."""
    found = [{**name, **chunk} for use in ours["files"] for name in use["names"] for chunk in use["chunks"]]
    found.sort(key=lambda one: one["path"].encode().split(b"/"))
    theirs = recorded.uses(text)
    assert theirs == [{key: our[key] for key in their} for their, our in _paired(theirs, found)]
    return ()


_COMPARE = {"ls": _compare_ls, "stat": _compare_stat, "icheck": _compare_icheck, "chunk": _compare_chunk}


def _unequal(theirs, ours, prefix):
    assert theirs.keys() <= ours.keys()
    for key, value in theirs.items():
        if ours[key] != value:
            yield (f"{prefix}{key}", value, ours[key])


def _paired(theirs, ours):
    return zip(theirs, ours, strict=True)
