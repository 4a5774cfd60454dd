"""Content hashes: data, code and models are named by what they hold."""

import hashlib
from pathlib import Path


def sha256(body: bytes) -> str:
    """The content's hash, in hex."""
    return hashlib.sha256(body).hexdigest()


def file_sha256(path: Path) -> str:
    """A file's content hash, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def code_version() -> str:
    """A hash of this package's source: which code made something."""
    digest = hashlib.sha256()
    folder = Path(__file__).parent
    for path in sorted(folder.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:32]
