import pytest

from policies.testing import PackUnderTest


def _running(*packs):
    with PackUnderTest(*packs) as pack:
        yield pack


@pytest.fixture(scope="session")
def cost():
    yield from _running("cost")


@pytest.fixture(scope="session")
def governance():
    yield from _running("governance")


@pytest.fixture(scope="session")
def security():
    yield from _running("security")


@pytest.fixture(scope="session")
def reliability():
    yield from _running("reliability")


@pytest.fixture(scope="session")
def maturity():
    yield from _running("maturity")
