"""The platform's code, as functions get it: an archive of its modules, by name."""

from pathlib import Path
from typing import Final

import pulumi

PACKAGE: Final = Path(__file__).resolve().parent.parent / "platform_jobs"


def function_code() -> pulumi.Archive:
    """`platform_jobs` at the archive's root: its Python files and nothing that a run leaves beside them."""
    files = sorted(path.relative_to(PACKAGE.parent) for path in PACKAGE.rglob("*.py"))
    return pulumi.AssetArchive(
        {path.as_posix(): pulumi.FileAsset(str(PACKAGE.parent / path)) for path in files}
    )
