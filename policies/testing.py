"""The harness for testing rules as the runtime sees them: a pack's own process, over the Analyzer service.

```python
with PackUnderTest("security") as pack:
    verdict = pack.judge([{"type": "aws:s3/bucket:Bucket", "name": "raw", "properties": {}}])
    assert "S1" in verdict.ids
```

Starting a pack takes a second, judging milliseconds: start it once for many cases (a fixture per module).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from policies.evaluation import Evaluator, Resources, Verdict
from policies.levels import pack_config
from twin.engine.analyzer import Remediation
from twin.wire import UNKNOWN_TEXT

UNKNOWN: Final = UNKNOWN_TEXT
"""Write this for a value that is not known yet."""


class PackUnderTest:
    """A running pack, judged with every rule on unless said otherwise. Close it, or use it with `with`."""

    def __init__(self, *packs: str | Path) -> None:
        """Starts packs: names of ours, or folders of any."""
        self._config = pack_config("prod", "govern", repair=False)
        self._evaluator = Evaluator(packs, self._config)

    def judge(self, resources: Resources, **settings: Any) -> Verdict:
        """What the packs find.

        Args:
            resources: As `policies.inputs.read_resources` takes them.
            settings: Those of `policies.levels.pack_config` that differ from prod, govern, nothing repaired.
        """
        self._configure({"repair": False, **settings})
        return self._evaluator.judge(resources)

    def repair(self, resources: Resources, **settings: Any) -> list[Remediation]:
        """What the packs would rewrite."""
        self._configure(settings)
        return self._evaluator.remediate(resources)

    def _configure(self, settings: Mapping[str, Any]) -> None:
        config = pack_config(**{"environment": "prod", "stage": "govern", **settings})
        if config != self._config:
            self._evaluator.configure(config)
            self._config = config

    def close(self) -> None:
        """Ends the packs."""
        self._evaluator.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def resource(kind: str, name: str = "subject", /, **properties: Any) -> dict[str, Any]:
    """A resource for `judge`; `propertyDependencies` and the like are added with `|`."""
    return {"type": kind, "name": name, "properties": properties}


def depends(on: str, *properties: str) -> Mapping[str, Mapping[str, Sequence[str]]]:
    """To be put on a resource with `|`: these properties come from the resource of that name."""
    return {"propertyDependencies": {name: [on] for name in properties}}
