"""The order of rows that zbridge draws under a seed, so that both programs look at the same images.

Only rows are taken from zbridge's streams; every latent that an estimate rests on is drawn by NumPy.
"""

WORD = (1 << 64) - 1


def permutation(seed, name, count):
    """The order of `count` rows in zbridge's stream `name`: Fisher-Yates from the last place down."""
    words = xoshiro256pp(*splitmix_words(stream_key(seed, name), 4))
    order = list(range(count))
    for place in range(count - 1, 0, -1):
        other = below(place + 1, words)
        order[place], order[other] = order[other], order[place]
    return order


def stream_key(seed, name):
    """FNV-1a over the name, from an offset that depends on the seed."""
    key = 0xCBF29CE484222325 ^ (seed * 0x9E3779B97F4A7C15 & WORD)
    for byte in name.encode():
        key = (key ^ byte) * 0x100000001B3 & WORD
    return key


def xoshiro256pp(a, b, c, d):
    """The generator xoshiro256++ (Blackman & Vigna 2019) from this state."""
    while True:
        yield (rotate(a + d & WORD, 23) + a) & WORD
        shifted = b << 17 & WORD
        c, d = c ^ a, d ^ b
        b, a = b ^ c, a ^ d
        c, d = c ^ shifted, rotate(d, 45)


def splitmix_words(state, count):
    """The generator SplitMix64 (Steele, Lea & Flood 2014)."""
    words = []
    for _ in range(count):
        state = state + 0x9E3779B97F4A7C15 & WORD
        word = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & WORD
        word = (word ^ word >> 27) * 0x94D049BB133111EB & WORD
        words.append(word ^ word >> 31)
    return words


def below(bound, words):
    """A draw from 0..bound by one 32-bit multiplication and, where that is uneven, a second one (Canon)."""
    high, low = divmod((next(words) >> 32) * bound, 1 << 32)
    if low > (1 << 32) - bound:
        low += (next(words) >> 32) * bound >> 32
        high += low >> 32
    return high


def rotate(word, by):
    return (word << by | word >> 64 - by) & WORD
