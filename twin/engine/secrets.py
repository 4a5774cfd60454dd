"""Secrets at rest, as the Pulumi CLI's passphrase provider keeps them, so that either opens the other's.

PBKDF2-HMAC-SHA256 (1,000,000 rounds, 8-byte salt) gives an AES-256-GCM key; a value is
`v1:base64(nonce):base64(ciphertext + tag)`; the salt text carries an encryption of `pulumi` to test a
passphrase against.
"""

import base64
import binascii
import contextlib
import functools
import hashlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_ROUNDS: Final = 1_000_000
_CANARY: Final = "pulumi"
PASSPHRASE_VARIABLE: Final = "PULUMI_CONFIG_PASSPHRASE"
PASSPHRASE_FILE_VARIABLE: Final = "PULUMI_CONFIG_PASSPHRASE_FILE"


class SecretsError(Exception):
    """A passphrase that does not fit, or a ciphertext that is damaged."""


class Encryption:
    """Encrypts and decrypts with one passphrase and salt.

    Deriving the key takes a good part of a second, so it is done at first use, and once a process. The same
    plaintext at the same place keeps its ciphertext, so that states and exports do not differ for nothing.
    """

    def __init__(self, passphrase: str, salt_text: str | None = None) -> None:
        self._passphrase = passphrase
        self._known: dict[tuple[str, str], str] = {}
        self._plain: dict[str, str] = {}
        self._salt_text = salt_text
        self._canary = ""
        if salt_text is None:
            self._salt = secrets.token_bytes(8)
        else:
            self._salt, self._canary = _parse_salt(salt_text)

    @functools.cached_property
    def _cipher(self) -> "AESGCM":
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        cipher = AESGCM(_derived(self._passphrase, self._salt))
        if self._canary:
            try:
                opened = _open(cipher, self._canary)
            except SecretsError:
                opened = ""
            if opened != _CANARY:
                raise SecretsError(
                    "the passphrase does not open this stack's secrets; set "
                    f"{PASSPHRASE_VARIABLE} (or {PASSPHRASE_FILE_VARIABLE}) to the one they were made with"
                )
        return cipher

    def verify(self) -> None:
        """Derives the key and tries it on the salt. Raises SecretsError if the passphrase does not fit."""
        _ = self._cipher

    @property
    def salt_text(self) -> str:
        """`v1:base64(salt):<encryption of "pulumi">`, as state files and stack configurations carry it."""
        if self._salt_text is None:
            self._salt_text = f"v1:{_encode(self._salt)}:{self._seal(_CANARY)}"
        return self._salt_text

    def encrypt(self, plaintext: str, place: str = "") -> str:
        """The ciphertext of a text; `place` (a URN and path) keeps it stable between saves."""
        known = self._known.get((place, plaintext))
        if known is None:
            known = self._known[place, plaintext] = self._seal(plaintext)
            self._plain[known] = plaintext
        return known

    def decrypt(self, ciphertext: str, place: str = "") -> str:
        """The text behind a ciphertext. Raises SecretsError when it is damaged or not ours."""
        plaintext = self._plain.get(ciphertext)
        if plaintext is None:
            plaintext = self._plain[ciphertext] = _open(self._cipher, ciphertext)
        self._known[place, plaintext] = ciphertext
        return plaintext

    def _seal(self, plaintext: str) -> str:
        nonce = secrets.token_bytes(12)
        return f"v1:{_encode(nonce)}:{_encode(self._cipher.encrypt(nonce, plaintext.encode(), None))}"


@functools.lru_cache(maxsize=16)
def _derived(passphrase: str, salt: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", passphrase.encode(), salt, _ROUNDS, 32)


def _open(cipher: "AESGCM", ciphertext: str) -> str:
    from cryptography.exceptions import InvalidTag

    version, _, rest = ciphertext.partition(":")
    nonce, _, body = rest.partition(":")
    if version != "v1":
        raise SecretsError("a secret is not in the passphrase format `v1:nonce:ciphertext`")
    try:
        return cipher.decrypt(_decode(nonce), _decode(body), None).decode()
    except (InvalidTag, ValueError) as error:
        raise SecretsError("a secret cannot be decrypted: wrong passphrase or damaged text") from error


def _encode(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error


def _parse_salt(text: str) -> tuple[bytes, str]:
    version, _, rest = text.partition(":")
    salt, _, canary = rest.partition(":")
    if version != "v1" or not canary:
        raise SecretsError("the salt of the secrets provider is not `v1:salt:v1:nonce:ciphertext`")
    try:
        return _decode(salt), canary
    except ValueError as error:
        raise SecretsError("the salt of the secrets provider is not base64") from error


def find_passphrase(environment: Mapping[str, str], home: Path) -> str:
    """The passphrase as the CLI finds it in the environment, else the twin's own, made at first use."""
    if PASSPHRASE_VARIABLE in environment:
        return environment[PASSPHRASE_VARIABLE]
    if named := environment.get(PASSPHRASE_FILE_VARIABLE):
        try:
            return Path(named).read_text().strip()
        except OSError as error:
            raise SecretsError(f"{PASSPHRASE_FILE_VARIABLE}: {error.strerror}: {named}") from error
    path = home / "passphrase"
    home.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        draft = home / f".passphrase-{os.getpid()}"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        # A link, not a rename: of two commands that start at once, one wins and both read its passphrase.
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return path.read_text().strip()
