"""Golden texts: `RAFSIGHT_UPDATE_GOLDEN=1 pytest tests/reports` writes them anew; then read the difference."""

import os
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "golden" / "reports"


def expect(name, text):
    """Compare a text with what is stored under its name."""
    path = FOLDER / name
    if os.environ.get("RAFSIGHT_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert path.is_file(), f"{name} is not stored yet: run with RAFSIGHT_UPDATE_GOLDEN=1"
    assert text == path.read_text(encoding="utf-8")
