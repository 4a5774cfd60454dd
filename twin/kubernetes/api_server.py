"""Calls to a Kubernetes API server on this machine."""

import json
import ssl
import tempfile
from pathlib import Path
from typing import Any, Final

import urllib3

from twin.kubernetes.provider.kubeconfig import Access

APPLY: Final = "application/apply-patch+yaml"
_CALL_SECONDS: Final = 60.0


class ApiServer:
    """Talks to a Kubernetes API server; any address but this machine's is refused."""

    def __init__(self, access: Access) -> None:
        if not access.local:
            raise ValueError(f"{access.server} is not on this machine: the twin talks to loopback only")
        self._access = access
        # Straight to the server: no proxy, no redirect elsewhere.
        self._pool = urllib3.PoolManager(
            maxsize=16,
            block=False,
            ssl_context=ssl_context(access) if access.server.startswith("https:") else None,
            retries=urllib3.Retry(total=4, redirect=0, backoff_factor=0.2, status_forcelist=(429, 503)),
            timeout=urllib3.Timeout(connect=5, read=_CALL_SECONDS),
            headers={"Authorization": f"Bearer {access.token}"} if access.token else None,
        )

    def call(
        self, method: str, path: str, content: Any = None, form: str = "application/json"
    ) -> tuple[int, Any, list[str]]:
        """One call: its HTTP status, the answer's JSON, and what the server warned of.

        Raises:
            ValueError: the server does not answer.
        """
        headers = dict(self._pool.headers)
        if content is not None:
            headers["Content-Type"] = form
        try:
            answer = self._pool.request(
                method,
                f"{self._access.server}{path}",
                body=None if content is None else json.dumps(content).encode(),
                headers=headers,
            )
        except urllib3.exceptions.HTTPError as error:
            raise ValueError(f"the API server {self._access.server} does not answer: {error}") from error
        try:
            body = json.loads(answer.data) if answer.data else {}
        except ValueError:
            body = {"message": answer.data.decode(errors="replace")[:500]}
        warnings = [text for each in answer.headers.getlist("Warning") if (text := _warning(each))]
        return answer.status, body, warnings

    def close(self) -> None:
        """Closes the connections."""
        self._pool.clear()


def _warning(header: str) -> str:
    """The text of `299 - "text"`."""
    _, quote_mark, rest = header.partition('"')
    return rest.rpartition('"')[0].replace('\\"', '"') if quote_mark else ""


def ssl_context(access: Access) -> ssl.SSLContext:
    """Trusts the server's own authority, and shows who we are."""
    context = ssl.create_default_context(cadata=access.authority or None)
    if access.certificate and access.key:
        # The ssl module reads a client's certificate and key from files only.
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "client.pem"
            path.touch(mode=0o600)
            path.write_text(f"{access.certificate}\n{access.key}")
            context.load_cert_chain(path)
    return context
