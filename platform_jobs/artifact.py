"""A model's artifact: `model.tar.gz` with the fitted model and what a server must know of it.

The same model gives the same bytes. A model is a pickle, so a server loads it only if the files' digest is
the one that the registered version names.
"""

import gzip
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from platform_jobs.encoding import Feature
from platform_jobs.errors import JobError
from platform_jobs.hashing import sha256

MODEL_FILE: Final = "model.joblib"
OPTIMISED_FILE: Final = "model.onnx"
METADATA_FILE: Final = "metadata.json"
FORMAT: Final = 1


@dataclass(frozen=True)
class Artifact:
    """A packed model: the archive, its hash, and the digest of the files in it."""

    body: bytes
    sha256: str
    digest: str


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to answer."""

    estimator: Any
    name: str
    task: str
    features: tuple[Feature, ...]
    classes: tuple[Any, ...]
    digest: str
    optimised: bool = False
    """Whether the estimator is the smaller form of the model."""


def pack(estimator: Any, metadata: Mapping[str, Any], optimised: bytes | None = None) -> Artifact:
    """Packs a fitted estimator, and its smaller form, with its metadata (`model`, `task`, `features`, …)."""
    import sklearn

    described = {**metadata, "format": FORMAT, "sklearn": sklearn.__version__}
    files = {
        METADATA_FILE: (json.dumps(described, indent=1, sort_keys=True) + "\n").encode(),
        MODEL_FILE: _pickled(estimator),
    }
    if optimised is not None:
        files[OPTIMISED_FILE] = optimised
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in sorted(files):
            entry = tarfile.TarInfo(name)  # owner and time stay zero
            entry.size = len(files[name])
            entry.mode = 0o644
            tar.addfile(entry, io.BytesIO(files[name]))
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", fileobj=packed, mode="wb", mtime=0) as stream:
        stream.write(archive.getvalue())
    body = packed.getvalue()
    return Artifact(body, sha256(body), _digest(files))


def load(folder: Path, expected_digest: str, *, optimised: bool = False) -> LoadedModel:
    """Loads an unpacked artifact.

    Args:
        folder: Where it is.
        expected_digest: What its files' digest must be.
        optimised: Whether to take the model's smaller form, if it has one that was found to be as good.

    Raises:
        JobError: reason `no-model` if files are missing, `altered` if they are not the registered ones,
            `wrong-library` if they were made with another scikit-learn.
    """
    try:
        files = {name: (folder / name).read_bytes() for name in _files(folder)}
    except OSError as error:
        raise JobError("no-model", f"{error.filename} cannot be read: {error.strerror}") from None
    digest = _digest(files)
    if digest != expected_digest:
        raise JobError(
            "altered",
            f"the model in {folder} is not the registered one: its digest is {digest}, "
            f"the version's is {expected_digest}",
        )
    metadata = json.loads(files[METADATA_FILE])
    if optimised and OPTIMISED_FILE in files and metadata["format"] == FORMAT:
        from platform_jobs.onnx_model import OnnxModel

        return _loaded(OnnxModel(files[OPTIMISED_FILE]), metadata, digest, optimised=True)

    import joblib
    import sklearn

    if metadata["format"] != FORMAT or _release(metadata["sklearn"]) != _release(sklearn.__version__):
        raise JobError(
            "wrong-library",
            f"the model was made with scikit-learn {metadata['sklearn']} (artifact format "
            f"{metadata['format']}), this image has {sklearn.__version__} (format {FORMAT}): train it anew",
        )
    return _loaded(joblib.load(io.BytesIO(files[MODEL_FILE])), metadata, digest)


def _files(folder: Path) -> list[str]:
    """What an artifact is made of; the smaller form is not in each."""
    return [METADATA_FILE, MODEL_FILE, *([OPTIMISED_FILE] if (folder / OPTIMISED_FILE).exists() else [])]


def _loaded(
    estimator: Any, metadata: Mapping[str, Any], digest: str, *, optimised: bool = False
) -> LoadedModel:
    return LoadedModel(
        estimator=estimator,
        name=metadata["model"],
        task=metadata["task"],
        features=tuple(Feature.from_json(item) for item in metadata["features"]),
        classes=tuple(metadata["classes"]),
        digest=digest,
        optimised=optimised,
    )


def _release(version: str) -> list[str]:
    return version.split(".")[:2]


def _digest(files: Mapping[str, bytes]) -> str:
    return sha256("\n".join(f"{name} {sha256(files[name])}" for name in sorted(files)).encode())


def _pickled(estimator: Any) -> bytes:
    import joblib

    buffer = io.BytesIO()
    joblib.dump(estimator, buffer)
    return buffer.getvalue()
