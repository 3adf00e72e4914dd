from tests.analysis import kinds
from tests.analysis.support import names, run

from rafsight.analysis.os.opkg import OPKG


def test_stanzas_in_opkgs_places():
    for place in (b"usr/lib/opkg/status", b"var/lib/opkg/status"):
        assert names(run({place: kinds.OPKG_STATUS}, [OPKG])) == [
            ("deb", "busybox", "1.36.1-1"),
            ("deb", "libopenssl3", "3.0.13-1"),
        ]
