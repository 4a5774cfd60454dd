"""A stack's own gateway in the twin's cluster, asked from this machine."""

import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from twin.kubernetes.cluster.addresses import Answering, answering

_ANSWER_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 0.25


class NobodyAnswersError(Exception):
    """No pod does; the text says what to do."""


@dataclass(frozen=True)
class ClusterGateway:
    """The application layer, and the live version of one model behind it."""

    folder: Path
    """The twin's cluster."""
    gateway_url: str
    live_url: str
    """Where they answer inside the cluster."""

    def gateway(self) -> Answering:
        """Who answers for it. Raises NobodyAnswersError."""
        return self._found(self.gateway_url)

    def live(self) -> Answering:
        """The live version's pods. Raises NobodyAnswersError."""
        return self._found(self.live_url)

    def wait(self, seconds: float) -> None:
        """Until both answer. Raises NobodyAnswersError: they do not, so long."""
        end = time.monotonic() + seconds
        while True:
            try:
                self.gateway(), self.live()
            except NobodyAnswersError:
                if time.monotonic() > end or not self.folder.exists():
                    raise
                time.sleep(_POLL_SECONDS)
            else:
                return

    def predict(self, model: str, entity: Mapping[str, Any], features: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to one question, whichever step of the ladder gives it.

        Raises:
            NobodyAnswersError: there is none.
        """
        body = json.dumps({"entity": entity, "features": features})
        connection = http.client.HTTPConnection(urlsplit(self.gateway().url).netloc, timeout=_ANSWER_SECONDS)
        try:
            headers = {"Content-Type": "application/json"}
            connection.request("POST", f"/v1/models/{model}/predict", body, headers)
            answer = connection.getresponse()
            told = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise NobodyAnswersError(f"the gateway gives no answer: {type(error).__name__}") from error
        finally:
            connection.close()
        if answer.status != http.HTTPStatus.OK:
            raise NobodyAnswersError(
                f"the gateway answers {answer.status}: {told[:300].decode(errors='replace')}"
            )
        value: dict[str, Any] = json.loads(told)
        return value

    def _found(self, url: str) -> Answering:
        there = answering(self.folder, url)
        if there is not None:
            return there
        stack = self.folder.parent.name
        raise NobodyAnswersError(
            f"no pod answers at {url}: `stagecraft cluster status --stack {stack}` tells how the cluster is; "
            f"`cluster up`, then `refresh` and `up`, bring it and its pods"
        )
