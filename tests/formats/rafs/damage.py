"""Ways to damage a file, as a hypothesis strategy."""

from hypothesis import strategies as st

_INTERESTING = [0, 1, 7, 12, 0x7F, 0xFF, 0x0FFF, 0x1000, 0x7FFF, 0xFFFF, 1 << 24, 1 << 31, (1 << 32) - 1, 1 << 40]
_INTERESTING += [1 << 62, 1 << 63, (1 << 64) - 1]


@st.composite
def damages(draw, content: bytes) -> bytes:
    """Damage some bytes in one to eight ways."""
    damaged = bytearray(content)
    for _ in range(draw(st.integers(1, 8))):
        # most of a bootstrap is zeros: prefer places that say something
        place = draw(st.integers(0, len(content) - 1))
        if draw(st.integers(0, 3)):
            found = next((i for i in range(place, min(place + 8192, len(content))) if content[i]), place)
            place = max(0, found - draw(st.integers(0, 8)))
        kind = draw(st.sampled_from(["flip", "u8", "u16", "u32", "u64", "copy", "cut"]))
        if kind == "flip":
            damaged[place : place + 1] = bytes([content[place] ^ (1 << draw(st.integers(0, 7)))])
        elif kind == "copy":
            source, size = draw(st.integers(0, len(content) - 1)), draw(st.integers(1, 4096))
            damaged[place : place + size] = content[source : source + size]
        elif kind == "cut":
            if draw(st.integers(0, 5)) == 0:
                del damaged[place:]
        else:
            size = int(kind[1:]) // 8
            number = draw(st.one_of(st.sampled_from(_INTERESTING), st.integers(0, (1 << 64) - 1)))
            damaged[place : place + size] = (number & ((1 << (8 * size)) - 1)).to_bytes(size, "little")
    return bytes(damaged)
