"""Bodies bent out of shape, reproducibly: bytes flipped, swapped, cut, doubled, and tokens that parsers trip over."""

from random import Random

TOKENS = [
    b"null", b"true", b"[]", b"{}", b'""', b"-1", b"0", b"1e999", b"9" * 30, b"1.5", b'"\\ud800"', b"\\u0000",
    b"[[", b"}", b"\xff", b"\x00", b"\n", b"&", b"=", b"%", b"%zz", b"+", b"\xc3", b'"', b",", b":", b"~",
    b"2026-13-45T99:99:99Z", b"NaN", b"x" * 600,
]  # fmt: skip


def mutated(body: bytes, random: Random) -> bytes:
    """`body` after one to four changes; it may come out as it was."""
    data = bytearray(body)
    for _ in range(random.randint(1, 4)):
        start = random.randrange(len(data) + 1)
        end = min(len(data), start + random.choice((0, 1, 1, 2, 4, 16, 200)))
        change = random.randrange(7)
        if change == 0 and start < len(data):
            data[start] ^= 1 << random.randrange(8)
        elif change == 1:
            del data[start:end]
        elif change == 2:
            data[start:start] = data[start:end]
        elif change == 3:
            data[start:end] = random.choice(TOKENS)
        elif change == 4:
            data[start:start] = random.choice(TOKENS)
        elif change == 5 and start + 1 < len(data):
            data[start], data[start + 1] = data[start + 1], data[start]
        elif change == 6:
            data[start:end] = random.randbytes(end - start)
    return bytes(data)
