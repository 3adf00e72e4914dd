"""The public surface is what `rafsight.__all__` says, and it is small."""

import subprocess
import sys

import rafsight


def test_every_public_name_can_be_had():
    for name in rafsight.__all__:
        assert getattr(rafsight, name) is not None


def test_the_surface_is_sorted_small_and_documented():
    assert rafsight.__all__ == sorted(rafsight.__all__)
    assert len(rafsight.__all__) <= 40
    for name in rafsight.__all__:
        value = getattr(rafsight, name)
        assert isinstance(value, str) or value.__doc__, name


def test_names_and_homes_agree():
    assert set(rafsight._HOMES) | {"__version__"} == set(rafsight.__all__)
    assert dir(rafsight) == rafsight.__all__


def test_importing_the_package_imports_nothing_heavy():
    code = (
        "import sys, rafsight; print([m for m in ('numpy', 'sqlite3', 'urllib3', 'rich', 'click') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
