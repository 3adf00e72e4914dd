"""Who cannot be reached twice in a row is not asked again."""

from contextlib import contextmanager

import pytest

from rafsight.access.backend import NotFound
from rafsight.access.counting import Meter
from rafsight.access.patience import FAILURES, PatientBackend
from rafsight.access.registry.errors import RegistryBusy, RegistryUnreachable, RegistryUntrusted


class Script:
    """A backend whose calls end as they are told to, one after the other."""

    place = "script"
    supports_ranges = True

    def __init__(self, *ends):
        self.meter = Meter()
        self.ends = list(ends)
        self.calls = 0
        self.closed = False

    def _next(self):
        self.calls += 1
        end = self.ends.pop(0) if self.ends else b""
        if isinstance(end, Exception):
            raise end
        return end

    def fetch_manifest(self, name):
        return self._next()

    def fetch_range(self, digest, offset, size):
        return self._next()

    def blob_size(self, digest):
        return self._next()

    @contextmanager
    def open_blob(self, digest):
        yield iter([self._next()])

    def close(self):
        self.closed = True


def gone(host="r", why="connection refused"):
    return RegistryUnreachable(host=host, why=why)


def ask(backend, times):
    """Call again and again; return what came of it."""
    ends = []
    for _ in range(times):
        try:
            ends.append(backend.blob_size("x"))
        except (RegistryUnreachable, RegistryBusy, NotFound) as error:
            ends.append(str(error))
    return ends


def test_after_two_failures_in_a_row_nobody_asks():
    script = Script(7, gone(), gone(why="no bytes came"), 5)
    ends = ask(PatientBackend(script), 5)
    assert ends == [7, "r cannot be reached: connection refused", *["r cannot be reached: no bytes came"] * 3]
    assert script.calls == 1 + FAILURES


def test_every_kind_of_call_counts_and_is_refused():
    script = Script(gone(), gone())
    backend = PatientBackend(script)
    with pytest.raises(RegistryUnreachable), backend.open_blob("x") as pieces:
        next(pieces)
    with pytest.raises(RegistryUnreachable):
        backend.fetch_manifest("x")
    for call in (
        lambda: backend.fetch_range("x", 0, 1),
        lambda: backend.fetch_manifest("x"),
        lambda: backend.open_blob("x").__enter__(),
    ):
        with pytest.raises(RegistryUnreachable, match="connection refused"):
            call()
    assert script.calls == 2
    backend.close()
    assert script.closed


@pytest.mark.parametrize(
    "ends",
    [
        [gone(), 1] * 4,
        [gone("a"), gone("b")] * 4,
        [gone(), RegistryUntrusted(host="r", why="no trust")] * 4,
        [RegistryBusy(retry_after=None, host="r", status=500, because="")] * 8,
        [NotFound(place="r", what="x")] * 8,
    ],
    ids=["in between", "hosts", "kinds", "busy", "missing"],
)
def test_other_failures_do_not_end_it(ends):
    script = Script(*ends)
    ask(PatientBackend(script), 8)
    assert script.calls == 8


def test_it_is_otherwise_the_backend_itself():
    script = Script(b"abc", b"d")
    backend = PatientBackend(script)
    assert backend.fetch_range("x", 0, 3) == b"abc"
    with backend.open_blob("x") as pieces:
        assert list(pieces) == [b"d"]
    assert (backend.place, backend.meter) == ("script", script.meter)
    backend.supports_ranges = False
    assert not script.supports_ranges
    assert not backend.supports_ranges
