"""Hashes of files as values: by them, a change of content is a change of the resource."""

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from urllib.parse import unquote, urlsplit

from twin.engine.errors import StepError
from twin.wire import Archive, Asset


def hashed(value: Asset | Archive, folder: Path) -> Asset | Archive:
    """An asset or archive with its hash, as Pulumi's engine completes it.

    Args:
        value: The asset or archive.
        folder: What relative paths start from: the program's folder.

    Raises:
        StepError: It cannot be read.
    """
    if value.hash:
        return value
    try:
        if isinstance(value, Asset):
            return replace(value, hash=sha256(_content(value, folder)).hexdigest())
        digest = sha256()
        for name, content in _members(value, folder):
            digest.update(f"{name}\0{len(content)}\0".encode())
            digest.update(content)
    except OSError as error:
        raise StepError(f"{error.filename}: {error.strerror}; paths start from {folder}") from error
    inner = value.assets
    if inner is not None:
        inner = {name: hashed(each, folder) for name, each in inner.items()}
    return replace(value, assets=inner, hash=digest.hexdigest())


def _content(asset: Asset, folder: Path) -> bytes:
    if asset.text is not None:
        return asset.text.encode()
    return _located(asset, folder).read_bytes()


def _members(archive: Archive, folder: Path, prefix: str = "") -> Iterator[tuple[str, bytes]]:
    if archive.assets is not None:
        for name, inner in sorted(archive.assets.items()):
            if isinstance(inner, Archive):
                yield from _members(inner, folder, f"{prefix}{name}/")
            else:
                yield f"{prefix}{name}", _content(inner, folder)
        return
    path = _located(archive, folder)
    if not path.is_dir():
        yield prefix, path.read_bytes()
        return
    for file in sorted(found for found in path.rglob("*") if found.is_file()):
        if "__pycache__" not in file.parts:
            yield f"{prefix}{file.relative_to(path).as_posix()}", file.read_bytes()


def _located(value: Asset | Archive, folder: Path) -> Path:
    if value.path is not None:
        return folder / value.path
    parts = urlsplit(value.uri or "")
    if parts.scheme != "file":
        raise StepError(f"{value.uri!r} is not on this machine: the twin reads local files only")
    return Path(unquote(parts.path))
