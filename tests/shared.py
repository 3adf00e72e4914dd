"""Where the large fixtures lie, if they are there: beside the checkout."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[1].parent / "shared"

needs_shared = pytest.mark.skipif(
    not SHARED.is_dir(), reason=f"needs the large fixtures in {SHARED.name}/ beside the checkout"
)
