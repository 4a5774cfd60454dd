"""HTTPRoutes of the Gateway API, as far as their rules are paths, methods, full rewrites and weights."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

Object = Mapping[str, Any]
_ANYTHING: Final[Sequence[Object]] = ({},)


@dataclass(frozen=True)
class Backend:
    """A port of a Service, with its share of a rule's requests."""

    service: str
    """`<name>.<namespace>`."""
    port: int
    weight: int


@dataclass(frozen=True)
class Rule:
    """What becomes of the requests that match."""

    path: str
    exact: bool
    method: str
    """Empty for any."""
    rewritten: str
    """The path that the backend sees; empty for the one that was asked."""
    backends: Sequence[Backend]

    def takes(self, method: str, path: str) -> bool:
        """Whether a request is one of its."""
        below = path == self.path or path.startswith(f"{self.path.rstrip('/')}/")
        right = path == self.path if self.exact else below
        return right and self.method in ("", method)

    def chosen(self, draw: random.Random) -> Backend | None:
        """One of its backends, each as often as its weight says; None if no request should go anywhere."""
        weights = [each.weight for each in self.backends]
        return draw.choices(self.backends, weights)[0] if sum(weights) else None


def gateways(route: Object) -> Iterator[str]:
    """The Gateways that a route hangs on, as `<name>.<namespace>`."""
    namespace = route["metadata"]["namespace"]
    for parent in route["spec"].get("parentRefs") or ():
        yield f"{parent['name']}.{parent.get('namespace', namespace)}"


def rule_for(routes: Sequence[Object], host: str, method: str, path: str) -> Rule | None:
    """The rule that a request is sent by: of those that take it, the most exact one."""
    found = [
        rule
        for route in routes
        if _is_host(route["spec"].get("hostnames") or (), host)
        for rule in _rules(route)
        if rule.takes(method, path)
    ]
    return max(found, key=lambda rule: (rule.exact, len(rule.path), bool(rule.method)), default=None)


def _is_host(hostnames: Sequence[str], host: str) -> bool:
    named = host.partition(":")[0].lower()
    return not hostnames or any(
        named == each or (each.startswith("*.") and named.endswith(each[1:])) for each in hostnames
    )


def _rules(route: Object) -> Iterator[Rule]:
    namespace = route["metadata"]["namespace"]
    for rule in route["spec"].get("rules") or ():
        backends = [
            Backend(
                f"{each['name']}.{each.get('namespace', namespace)}",
                int(each["port"]),
                int(each.get("weight", 1)),
            )
            for each in rule.get("backendRefs") or ()
        ]
        for match in rule.get("matches") or _ANYTHING:
            path = match.get("path") or {}
            yield Rule(
                path=str(path.get("value", "/")),
                exact=path.get("type") == "Exact",
                method=str(match.get("method", "")),
                rewritten=_rewritten(rule),
                backends=backends,
            )


def _rewritten(rule: Object) -> str:
    for each in rule.get("filters") or ():
        path = (each.get("urlRewrite") or {}).get("path") or {}
        if path.get("type") == "ReplaceFullPath":
            return str(path["replaceFullPath"])
    return ""
