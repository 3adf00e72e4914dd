import numpy as np
from hypothesis import given
from hypothesis import strategies as some

from rafsight.image.letters import Letters

NAMES = some.lists(some.binary(max_size=6) | some.text("ab.\0", max_size=6).map(str.encode), max_size=20)


@given(
    names=NAMES, text=some.binary(max_size=6) | some.text("ab.\0", max_size=6).map(str.encode), from_end=some.booleans()
)
def test_no_name_with_such_letters_is_missing_and_few_are_others(names, text, from_end):
    sizes = np.array([len(name) for name in names], dtype=np.uint32)
    offsets = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.uint64) if names else np.zeros(0, dtype=np.uint64)
    letters = Letters(np.frombuffer(b"".join(names), dtype=np.uint8), offsets, sizes, from_end=from_end)
    found = letters.rows(text).tolist()
    has = bytes.endswith if from_end else bytes.startswith
    assert found == sorted(found)
    assert set(found) >= {row for row, name in enumerate(names) if has(name, text)}
    some_letters = (text[-4:] if from_end else text[:4]).strip(
        b"\0\xff"
    )  # short names are as if there were more of those
    assert all(some_letters in names[row] or len(names[row]) < 4 for row in found)
