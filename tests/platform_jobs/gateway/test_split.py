"""Who gets which variant: always the same, in the declared shares, and moved as little as can be."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare, kstest

from platform_jobs.gateway.split import assigned, place, sampled

weights = st.dictionaries(
    st.sampled_from(["live", "canary", "b", "c"]), st.floats(0.1, 100), min_size=1, max_size=4
)
users = st.text(max_size=30)


@given(weights, users, st.text(max_size=10))
def test_a_user_keeps_the_variant_whatever_order_it_is_declared_in(
    shares: dict[str, float], user: str, salt: str
):
    variant = assigned(shares, user, salt=salt)
    assert variant in shares
    assert variant == assigned(dict(reversed(shares.items())), user, salt=salt)
    doubled = {name: weight * 2 for name, weight in shares.items()}
    assert variant == assigned(doubled, user, salt=salt)


@given(weights, users, st.floats(1.01, 50))
def test_a_weight_that_rises_moves_users_to_that_variant_and_between_no_others(
    shares: dict[str, float], user: str, factor: float
):
    risen = sorted(shares)[0]
    before = assigned(shares, user, salt="m")
    after = assigned({**shares, risen: shares[risen] * factor}, user, salt="m")
    assert after in {before, risen}


@pytest.mark.parametrize("shares", [{"live": 95, "canary": 5}, {"a": 1, "b": 2, "c": 7}])
def test_shares_are_those_of_the_weights(shares: dict[str, float]):
    number = 20_000
    found = Counter(assigned(shares, f"user-{user}", salt="churn") for user in range(number))
    total = sum(shares.values())
    expected = [number * weight / total for weight in shares.values()]
    assert chisquare([found[name] for name in shares], expected).pvalue > 0.001


def test_places_are_uniform_and_salts_are_independent():
    numbers = [place("churn", f"user-{user}") for user in range(5000)]
    assert kstest(numbers, "uniform").pvalue > 0.001
    others = [place("ranking", f"user-{user}") for user in range(5000)]
    both = sum(a < 0.5 and b < 0.5 for a, b in zip(numbers, others, strict=True))
    assert 0.22 < both / 5000 < 0.28
    assert place("ab", "c") != place("a", "bc")


def test_a_weight_of_0_gets_nobody():
    assert {assigned({"live": 1, "canary": 0}, str(user), salt="m") for user in range(500)} == {"live"}


@given(users, st.floats(0, 100), st.floats(0, 100))
def test_who_is_sampled_stays_sampled_when_the_sample_grows(user: str, some: float, more: float):
    low, high = sorted((some, more))
    if sampled(low, user, salt="m"):
        assert sampled(high, user, salt="m")
    assert sampled(100, user, salt="m")
    assert not sampled(0, user, salt="m")
