"""Rows that cannot be scored: kept as they were, each with all its reasons, counted by reason."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from platform_jobs.aws import Bucket
from platform_jobs.schema import Reason


@dataclass
class Aside:
    """Collects them in a local folder, in the format of the quality gate's quarantine."""

    folder: Path
    rows: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    """`<field>:<check>` → rows."""

    def add(self, name: str, rows: Iterable[tuple[str, int, list[Reason], Any]]) -> None:
        """Adds rows to a file: where each came from, its number there, why it is here, what it was."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / f"{name}.jsonl").open("a", encoding="utf-8") as file:
            for source, number, found, data in rows:
                self.rows += 1
                self.reasons.update(f"{reason.field}:{reason.check}".lstrip(":") for reason in found)
                told = [reason._asdict() for reason in found]
                file.write(
                    json.dumps({"source": source, "row": number, "reasons": told, "data": data}, default=str)
                    + "\n"
                )

    def upload(self, bucket: Bucket, prefix: str) -> None:
        """Writes the files under a prefix; the same rows give the same objects."""
        for path in sorted(self.folder.glob("*.jsonl")) if self.folder.exists() else []:
            if path.stat().st_size:
                bucket.s3.upload_file(str(path), bucket.name, f"{prefix}{path.name}")
