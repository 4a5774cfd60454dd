"""Who gets which variant: weights by a hash of the user, so that everybody keeps the variant they have.

Weighted rendezvous hashing (J. Resch, "New hashing algorithms for data storage", SNIA 2015): each variant
draws a number from the user and its own name, and the largest `-weight / log(number)` wins. Shares are those
of the weights, and a weight that rises moves users to that variant and between no others.
"""

import hashlib
import math
from collections.abc import Mapping
from typing import Final

_STEPS: Final = 2**53
"""As many numbers as a double tells apart between 0 and 1."""


def place(salt: str, user: str) -> float:
    """A user's number, above 0 and below 1: uniform over users, and the same everywhere and always."""
    digest = hashlib.blake2b(f"{len(salt)}:{salt}{user}".encode(), digest_size=8).digest()
    return ((int.from_bytes(digest, "big") >> 11) + 0.5) / _STEPS


def assigned(weights: Mapping[str, float], user: str, *, salt: str) -> str:
    """The variant of a user.

    Args:
        weights: Variant → weight, 0 or more, at least one above 0; only their ratios count.
        user: Whoever is to be answered alike each time.
        salt: What is being compared: two experiments with other salts split their users independently.
    """
    return max(
        (name for name, weight in weights.items() if weight > 0),
        key=lambda name: (-weights[name] / math.log(place(f"{salt}/{name}", user)), name),
    )


def sampled(percent: float, user: str, *, salt: str) -> bool:
    """Whether a user is among `percent` of all; who is in at 5 percent stays in at 25."""
    return place(salt, user) * 100 < percent
