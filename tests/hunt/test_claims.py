from concurrent.futures import CancelledError, ThreadPoolExecutor

import pytest

from rafsight.hunt.claims import Claims
from rafsight.hunt.state import State


def test_who_comes_first_looks():
    claims = Claims(State(None, "q"))
    first = claims.claim([b"a", b"b"])
    second = claims.claim([b"b", b"c"])
    assert (first.mine, first.others) == ((b"a", b"b"), ())
    assert (second.mine, second.others) == ((b"c",), (b"b",))
    claims.settle({b"a": None, b"b": ()})
    third = claims.claim([b"a", b"b", b"c"])
    assert (third.known, third.mine, third.others) == ({b"a": None, b"b": ()}, (), (b"c",))
    assert claims.settled == 2


@pytest.mark.parametrize(
    ("wake", "error"),
    [
        (lambda claims: claims.settle({b"a": None}), None),
        (lambda claims: claims.release([b"a"]), None),
        (lambda claims: claims.end(), CancelledError),
    ],
)
def test_who_waits_is_woken_by_a_verdict_by_a_release_and_by_the_end(wake, error):
    claims = Claims(State(None, "q"))
    claims.claim([b"a"])
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(claims.wait, [b"a"])
        wake(claims)
        assert type(waiting.exception(10)) is (error or type(None))


def test_each_is_looked_into_once_by_many():
    claims = Claims(State(None, "q"))
    looked: list[bytes] = []

    def image(number: int) -> int:
        wanted = {bytes([n]) for n in range(number % 7, 60 + number % 5)}
        done = 0
        while wanted:
            share = claims.claim(wanted)
            wanted -= share.known.keys()
            done += len(share.known)
            for key in share.mine:
                looked.append(key)
                claims.settle({key: None})
            done += len(share.mine)
            wanted -= set(share.mine)
            claims.wait(share.others)
        return done

    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(image, range(40)))
    assert all(counts)
    assert sorted(looked) == sorted(set(looked))
