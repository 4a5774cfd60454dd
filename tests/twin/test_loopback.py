"""Only this machine is spoken to."""

import pytest

from twin.loopback import require_loopback


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1:5000",
        "http://127.0.0.1:5000",
        "http://127.9.9.9/path",
        "localhost:80",
        "http://localhost",
        "[::1]:9",
        "http://[::1]:9/x",
        "unix:/tmp/socket",
        "http://user:word@127.0.0.1:1",
    ],
)
def test_this_machine(address: str) -> None:
    assert require_loopback(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "192.0.2.1:80",
        "http://example.com",
        "http://127.0.0.1.example.com:80",
        "http://127.0.0.1@example.com",
        "http://localhost@192.0.2.1:80",
        "https://127.0.0.1:443",
        "dns:///example.com",
        "[2001:db8::1]:80",
        "0.0.0.0:80",
        "http://[::]:80",
        "",
        "http://",
        "//127.0.0.1:99999999",
        "http://127.0.0.1:port",
        "ipv4:192.0.2.1:80",
        "http://localhost.:80",
        "http://2130706433:80",
        "[::ffff:192.0.2.1]:1",
    ],
)
def test_anything_else(address: str) -> None:
    with pytest.raises(ValueError, match=r"this machine|not an address"):
        require_loopback(address)
