"""Files as property values: their bytes, their hashes, archives as deterministic zips."""

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from twin.wire import Archive, Asset

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


def hashed(value: Any) -> Any:
    """An asset or archive with its hash, so that a change of content shows; other values as they are."""
    if isinstance(value, Asset) and not value.hash:
        return replace(value, hash=hashlib.sha256(content(value)).hexdigest())
    if isinstance(value, Archive) and not value.hash:
        digest = hashlib.sha256()
        for name, data in members(value):
            digest.update(f"{name}\0{len(data)}\0".encode())
            digest.update(data)
        return replace(value, hash=digest.hexdigest())
    return value


def fingerprint(value: Any) -> str:
    """What stands for an asset or archive in a digest of inputs."""
    return str(getattr(value, "hash", "")) or repr(value)


def content(asset: Asset) -> bytes:
    """The bytes of an asset.

    Raises:
        ValueError: it is neither a text nor a file.
    """
    if asset.text is not None:
        return asset.text.encode()
    return _located(asset.path, asset.uri).read_bytes()


def zipped(value: Asset | Archive) -> bytes:
    """The archive as a zip whose bytes depend on its content only."""
    if isinstance(value, Asset):
        return content(value)
    if value.assets is None:
        path = _located(value.path, value.uri)
        if path.is_file() and zipfile.is_zipfile(path):
            return path.read_bytes()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for name, data in members(value):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            target.writestr(entry, data)
    return buffer.getvalue()


def members(archive: Archive, prefix: str = "") -> Iterator[tuple[str, bytes]]:
    """The files of an archive in the order of their names."""
    if archive.assets is not None:
        for name in sorted(archive.assets):
            inner = archive.assets[name]
            if isinstance(inner, Asset):
                yield f"{prefix}{name}", content(inner)
            else:
                yield from members(inner, f"{prefix}{name}/")
        return
    path = _located(archive.path, archive.uri)
    if path.is_dir():
        for file in sorted(found for found in path.rglob("*") if found.is_file()):
            if "__pycache__" not in file.parts:
                yield f"{prefix}{file.relative_to(path).as_posix()}", file.read_bytes()
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as source:
            for name in sorted(source.namelist()):
                if not name.endswith("/"):
                    yield f"{prefix}{name}", source.read(name)
    elif tarfile.is_tarfile(path):
        with tarfile.open(path) as source:
            for entry in sorted(source.getmembers(), key=lambda found: found.name):
                stream = source.extractfile(entry)
                if stream is not None:
                    yield f"{prefix}{entry.name}", stream.read()
    else:
        raise ValueError(f"{path} is neither a folder nor a zip or tar archive")


def _located(path: str | None, uri: str | None) -> Path:
    if path is not None:
        return Path(path)
    parts = urlsplit(uri or "")
    if parts.scheme != "file":
        raise ValueError(f"{uri!r}: the twin has no network; give a file or a text")
    return Path(unquote(parts.path))
