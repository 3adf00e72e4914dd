"""Which of several images a name means."""

import pytest

from rafsight.access.backend import NoSuchTag
from rafsight.access.tags import Tagged, find_tagged

IMAGES = [
    Tagged(identity="a", names=("v1", "registry.example/app:v1")),
    Tagged(identity="b", names=("registry.example/team/app:v2",)),
    Tagged(identity="c", names=("tool",)),
    Tagged(identity="c", names=("docker.io/library/tool:latest",)),
    Tagged(identity="d", names=("x:v1",)),
    Tagged(identity="e", names=()),
]


@pytest.mark.parametrize(
    ("name", "row"),
    [("v1", 0), ("app:v1", 0), ("v2", 1), ("team/app:v2", 1), ("tool", 2), ("tool:latest", 3), ("docker.io/tool", 2), ("x:v1", 4)],
)  # fmt: skip
def test_one_is_meant(name, row):
    assert find_tagged(IMAGES, name, "here") == row


@pytest.mark.parametrize("name", ["v", "2", "pp:v2", "v3", "TOOL", "oci:v1", "@0"])
def test_none_is_meant(name):
    with pytest.raises(NoSuchTag, match=r"here has no tag '.*' \(its tags: v1, registry\.example/team/app:v2, tool, "):
        find_tagged(IMAGES, name, "here")


def test_several_are_meant():
    both = [Tagged(identity=one, names=(f"{one}:v1",)) for one in "ab"]
    with pytest.raises(NoSuchTag, match="single image 'v1' \\(2 carry that tag"):
        find_tagged(both, "v1", "here")
    assert find_tagged([both[0], both[0]], "v1", "here") == 0


def test_without_a_name_the_only_one_is_meant():
    assert find_tagged(IMAGES[2:4], "", "here") == 0
    with pytest.raises(NoSuchTag, match=r"no single image \(its tags: v1"):
        find_tagged(IMAGES, "", "here")
    with pytest.raises(NoSuchTag, match="its tags: none"):
        find_tagged([], "", "here")


def test_many_tags_are_not_all_told():
    many = [Tagged(identity=str(row), names=(f"t{row}",)) for row in range(100)]
    with pytest.raises(NoSuchTag, match="t11 and 88 more"):
        find_tagged(many, "none", "here")
