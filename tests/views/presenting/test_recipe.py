"""Recipes: one key for all that the bytes depend on."""

import subprocess
import sys

import pytest

import rafsight
from rafsight.formats.oci.platform import MalformedPlatform
from rafsight.testing.registry import PLANTED
from rafsight.views.presenting.image import present_image
from rafsight.views.presenting.recipe import Recipe, recipe_for
from rafsight.views.presenting.shelf import Shelf
from rafsight.views.slim.rules import NoSuchRules, Programs, SlimRules

NAMES = ("trivy", "grype", "syft", "osv-scanner", "all", "full")


def test_keys_differ_and_are_names_of_files():
    keys = [recipe_for(name).key for name in NAMES] + [recipe_for("all", "linux/arm64").key]
    assert len(set(keys)) == len(keys)
    assert not [key for key in keys if set(key) - set("abcdefghijklmnopqrstuvwxyz0123456789-")]


def test_a_key_is_the_same_in_every_process():
    """Sets are written in another order by each."""
    code = "from rafsight.views.presenting.recipe import recipe_for; print(recipe_for('all').key)"
    done = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(3)]
    assert {one.stdout.strip() for one in done} == {recipe_for("all").key}


def test_what_there_is_not():
    with pytest.raises(NoSuchRules):
        recipe_for("snyk")
    with pytest.raises(MalformedPlatform):
        recipe_for("all", "a/b/c/d")


FEW = SlimRules(
    name="few",
    patterns=(b"etc/os-release", b"usr/lib/os-release"),
    follows_links=True,
    programs=Programs(names=(), sections=frozenset(), keeps_appended=False),
)
SHOWN = {
    "full": "sha256:454fb585c52c165a9278722f7d2bfcdb11f0b2b95aa38b5e61a996fe4ef2ad64",
    "few": "sha256:c4f7b509a678b0660a7e07b5aa6b45cb7dd02258c55cbdb75a504a0ea3aa9465",
}


@pytest.mark.parametrize(
    "recipe", [recipe_for("full"), Recipe(name="few", rules=FEW, key="")], ids=lambda one: one.name
)
def test_digests_that_were_shown_once_stay(tmp_path, recipe):
    """If they have to change, `_FORM` has to be counted up: else caches hold the old ones beside the new ones."""
    with rafsight.open_image(f"oci:{PLANTED}:v6") as image:
        assert present_image(image, recipe, Shelf(tmp_path)).digest == SHOWN[recipe.name]
