"""`fetch-model`: a registered, approved version's files, put where a model server looks for them.

In a cluster it runs before the server does, in the same pod; SageMaker does as much for its endpoints. The
files are those that were registered, or none.
"""

import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from platform_jobs import registry, settings
from platform_jobs.aws import Clients
from platform_jobs.errors import JobError
from platform_jobs.hashing import file_sha256
from platform_jobs.log import event
from platform_jobs.settings import Env


@dataclass(frozen=True, kw_only=True)
class FetchSettings:
    """What `fetch-model` reads from its environment."""

    version: Annotated[str, Env("STAGECRAFT_MODEL_PACKAGE")]
    """ARN of the version."""
    model_dir: Annotated[Path, Env("SM_MODEL_DIR", Path)] = Path("/opt/ml/model")
    digest_file: Annotated[Path, Env("STAGECRAFT_MODEL_DIGEST_FILE", Path)]
    """Where to say which model `serve` must find; outside of the model's folder."""


def fetch(clients: Clients, config: FetchSettings) -> str:
    """Fetches, unpacks, and says which model it is; returns the model's digest.

    Raises:
        JobError: reason `no-version`, `not-approved`, `no-model` (its archive is not there), or `altered`
            (it is not the registered one).
    """
    version = registry.describe(clients, config.version)
    if version.status != registry.APPROVED:
        raise JobError("not-approved", f"version {version.arn} is {version.status}: approve it first")
    bucket, _, key = version.artifact_uri.removeprefix("s3://").partition("/")
    if not version.artifact_uri.startswith("s3://") or not key:
        raise JobError("no-model", f"version {version.arn} names no archive: {version.artifact_uri!r}")
    config.model_dir.mkdir(parents=True, exist_ok=True)
    # Beside the model, not in memory: a language model's archive has more bytes than its pod.
    with tempfile.NamedTemporaryFile(dir=config.model_dir, suffix=".tar.gz") as archive:
        if clients.bucket(bucket).metadata(key) is None:
            raise JobError("no-model", f"{version.artifact_uri} is not there")
        clients.bucket(bucket).download(key, archive)
        archive.flush()
        found, wanted = file_sha256(Path(archive.name)), version.properties.get("artifact_sha256")
        if found != wanted:
            raise JobError(
                "altered",
                f"{version.artifact_uri} is not the registered one: its SHA-256 is {found}, "
                f"the version's is {wanted}",
            )
        with tarfile.open(archive.name) as tar:
            tar.extractall(config.model_dir, filter="data")
    digest = version.properties.get("model_digest", "")
    config.digest_file.parent.mkdir(parents=True, exist_ok=True)
    config.digest_file.write_text(digest, encoding="ascii")
    event("fetch-model", "fetched", version=version.arn, digest=digest)
    return digest


def main(_argv: Sequence[str]) -> int:
    """`fetch-model`: everything comes from the environment."""
    config = settings.load(FetchSettings)
    fetch(Clients(), config)
    return 0
