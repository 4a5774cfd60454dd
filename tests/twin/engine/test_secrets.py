"""Secrets at rest, and kept out of what is shown."""

import base64
import hashlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.engine.redaction import Redactor
from twin.engine.secrets import Encryption, SecretsError, find_passphrase
from twin.wire import Secret

ENCRYPTION = Encryption("word")


@settings(deadline=None)
@given(st.text(max_size=40), st.text(max_size=5))
def test_what_is_encrypted_opens_elsewhere(plain: str, place: str) -> None:
    sealed = ENCRYPTION.encrypt(plain, place)
    assert Encryption("word", ENCRYPTION.salt_text).decrypt(sealed) == plain
    assert ENCRYPTION.encrypt(plain, place) == sealed


def test_it_is_the_clis_format() -> None:
    version, salt, *canary = ENCRYPTION.salt_text.split(":")
    key = hashlib.pbkdf2_hmac("sha256", b"word", base64.b64decode(salt), 1_000_000, 32)
    assert (version, canary[0], len(base64.b64decode(salt))) == ("v1", "v1", 8)
    opened = AESGCM(key).decrypt(base64.b64decode(canary[1]), base64.b64decode(canary[2]), None)
    assert opened == b"pulumi"


def test_another_passphrase_is_refused() -> None:
    with pytest.raises(SecretsError, match="PULUMI_CONFIG_PASSPHRASE"):
        Encryption("other", ENCRYPTION.salt_text).verify()


@pytest.mark.parametrize("text", ["v1:x", "v2:a:b", "v1:!!:v1:a:b", ""])
def test_a_damaged_salt(text: str) -> None:
    with pytest.raises(SecretsError):
        Encryption("word", text)


@pytest.mark.parametrize("text", ["v1:a", "v2:a:b", "v1:AAAA:AAAA", "nonsense", "v1:!:!"])
def test_a_damaged_ciphertext(text: str) -> None:
    with pytest.raises(SecretsError):
        ENCRYPTION.decrypt(text)


def test_the_passphrase_is_found_as_the_cli_finds_it(tmp_path: Path) -> None:
    file = tmp_path / "word"
    file.write_text("from a file\n")
    assert find_passphrase({"PULUMI_CONFIG_PASSPHRASE": "x"}, tmp_path) == "x"
    assert find_passphrase({"PULUMI_CONFIG_PASSPHRASE_FILE": str(file)}, tmp_path) == "from a file"
    with pytest.raises(SecretsError, match="PULUMI_CONFIG_PASSPHRASE_FILE"):
        find_passphrase({"PULUMI_CONFIG_PASSPHRASE_FILE": str(tmp_path / "none")}, tmp_path)


def test_a_passphrase_of_our_own_is_made_once_and_private(tmp_path: Path) -> None:
    home = tmp_path / "home"
    made = find_passphrase({}, home)
    assert len(made) >= 32
    assert find_passphrase({}, home) == made
    assert (home / "passphrase").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in home.iterdir()] == ["passphrase"]


def test_the_redactor_blanks_whole_lines_and_escaped_forms() -> None:
    redactor = Redactor()
    redactor.learn({"a": [Secret('line one\nline "two"')], "b": "not secret"})
    assert redactor.clean("x line one y") == "x [secret] y"
    assert redactor.clean('{"v": "line one\\nline \\"two\\""}') == '{"v": "[secret]"}'
    assert redactor.clean("not secret") == "not secret"


def test_short_secrets_do_not_garble_everything() -> None:
    redactor = Redactor()
    redactor.learn(Secret("a"))
    assert redactor.clean("banana") == "banana"


@given(
    st.lists(st.text("abc", min_size=4, max_size=12), min_size=1, max_size=5), st.text("abcx", max_size=60)
)
def test_no_known_secret_survives(words: list[str], text: str) -> None:
    redactor = Redactor()
    redactor.learn(Secret(words))
    longest = max(words, key=len)
    assert longest not in redactor.clean(f"{text}{longest}")
