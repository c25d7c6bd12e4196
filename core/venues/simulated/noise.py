"""Counter-based random numbers: a value is a pure function of (key, index), so any part of the market can be made alone.

The hash is SplitMix64's finaliser (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.int64]
Words: TypeAlias = NDArray[np.uint64]
Floats: TypeAlias = NDArray[np.float64]
Mask: TypeAlias = NDArray[np.bool_]

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_M1 = 0xBF58476D1CE4E5B9
_M2 = 0x94D049BB133111EB

_GOLDEN_WORD = np.uint64(_GOLDEN)
_M1_WORD, _M2_WORD = np.uint64(_M1), np.uint64(_M2)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)


def derive_key(seed: int, *names: str | int) -> int:
    """A 64-bit key for one purpose, e.g. `derive_key(seed, "ETHUSDT", "volume", 3)`."""
    key = seed & _MASK
    for name in names:
        for byte in str(name).encode() + b"\0":
            key = _mix_one((key + _GOLDEN * (byte + 1)) & _MASK)
    return key


def _mix_one(x: int) -> int:
    x = ((x ^ (x >> 30)) * _M1) & _MASK
    x = ((x ^ (x >> 27)) * _M2) & _MASK
    return x ^ (x >> 31)


def words(key: int, index: Ints) -> Words:
    """64 random bits for every index."""
    x = index.astype(np.uint64) * _GOLDEN_WORD + np.uint64(key)
    x ^= x >> _S30
    x *= _M1_WORD
    x ^= x >> _S27
    x *= _M2_WORD
    x ^= x >> _S31
    return x


def uniform(key: int, index: Ints) -> Floats:
    """Uniform in the open interval (0, 1)."""
    return ((words(key, index) >> _S11).astype(np.float64) + 0.5) * 2.0**-53


def exponential(key: int, index: Ints) -> Floats:
    """Exponential with mean 1."""
    return -np.log(uniform(key, index))


def normal(key: int, index: Ints) -> Floats:
    """Standard normal (Box-Muller)."""
    radius = np.sqrt(2.0 * exponential(key, index))
    return radius * np.cos(2.0 * np.pi * uniform(key ^ _GOLDEN, index))
