"""Amounts of money as the jobs are told them."""


def dollars(amount: float) -> str:
    """To a millionth of a millionth, without an exponent: `0.0000041`."""
    return f"{amount:.12f}".rstrip("0").rstrip(".")
