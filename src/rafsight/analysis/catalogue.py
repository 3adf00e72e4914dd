"""All extractors, in the order in which their results are shown where nothing else decides.

Adding an analyzer: its module, its test, and a line here (docs/how-to-add-an-analyzer.md).
"""

from typing import Final

from rafsight.analysis.extractor import Extractor
from rafsight.analysis.lang.node import NODE
from rafsight.analysis.lang.python import PYTHON
from rafsight.analysis.os.apk import APK
from rafsight.analysis.os.dpkg import DPKG
from rafsight.analysis.os.dpkg_ownership import DPKG_OWNERSHIP
from rafsight.analysis.os.release import RELEASE
from rafsight.analysis.os.rpm import RPM
from rafsight.analysis.os.rpm_manifest import RPM_MANIFEST

CATALOGUE: Final[tuple[Extractor, ...]] = (
    RELEASE,
    DPKG,
    APK,
    RPM,
    RPM_MANIFEST,
    DPKG_OWNERSHIP,
    PYTHON,
    NODE,
)
