"""Helm releases: checked against the table of pinned charts, and recorded. The twin renders no templates."""

import json
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, Final

from twin.kubernetes.checks.structure import shown
from twin.kubernetes.kinds import Kind
from twin.kubernetes.provider import naming as names
from twin.kubernetes.provider.clusters.cluster import Apply, Place
from twin.kubernetes.provider.clusters.recorded import RecordedCluster
from twin.kubernetes.provider.difference import Change, changes
from twin.kubernetes.provider.objects import Difference, Found, State, manager_of
from twin.providers.naming import Naming
from twin.providers.problems import Problems, join
from twin.wire import UNKNOWN

TOKEN: Final = "kubernetes:helm.sh/v3:Release"
_KIND: Final = Kind("helm.sh/v3", "Release", "releases", True, {})
_TABLE: Final = Path(__file__).parents[1] / "charts" / "charts.json"
_REPLACES: Final = ("name", "namespace")
_INPUTS: Final = frozenset(
    {
        "allowNullValues",
        "atomic",
        "chart",
        "cleanupOnFail",
        "createNamespace",
        "dependencyUpdate",
        "description",
        "devel",
        "disableCRDHooks",
        "disableOpenapiValidation",
        "disableWebhooks",
        "forceUpdate",
        "keyring",
        "lint",
        "manifest",
        "maxHistory",
        "name",
        "namespace",
        "postrender",
        "recreatePods",
        "renderSubchartNotes",
        "replace",
        "repositoryOpts",
        "resetValues",
        "resourceNames",
        "reuseValues",
        "skipAwait",
        "skipCrds",
        "timeout",
        "valueYamlFiles",
        "values",
        "verify",
        "version",
        "waitForJobs",
        "compat",
    }
)


@cache
def charts() -> tuple[Mapping[str, Any], ...]:
    """The pinned charts."""
    return tuple(json.loads(_TABLE.read_text()))


class Releases:
    """Carries releases through their life."""

    def __init__(self, records: RecordedCluster, namespace: str) -> None:
        self._records = records
        self._namespace = namespace

    def check(self, news: Mapping[str, Any], naming: Naming, problems: Problems) -> State:
        """The inputs, completed; what is wrong with them is in `problems`."""
        inputs = dict(news)
        for name in sorted(set(inputs) - _INPUTS):
            if not name.startswith("__"):
                _unknown(name, name, _INPUTS, problems)
        if not inputs.get("name"):
            old = naming.olds.get("name")
            kept = isinstance(old, str) and old.startswith(f"{naming.name}-")
            given = old if kept else names.made(naming)
            if given is None:
                problems.add("name", "is missing", "automatic naming is switched off: give a name")
            else:
                inputs["name"] = given
        inputs.setdefault("namespace", self._namespace)
        chart = _pinned(inputs, problems)
        if chart is not None:
            _version(inputs.get("version"), chart, problems)
            known = chart.get("values")
            if isinstance(known, Mapping) and isinstance(inputs.get("values"), dict):
                _values(inputs["values"], known, "values", problems)
        return inputs

    def diff(self, olds: Mapping[str, Any], news: Mapping[str, Any], ignored: tuple[str, ...]) -> Difference:
        """What differs; another name or namespace is another release."""
        found: list[Change] = [
            change for change in changes(olds, news) if not change.path.startswith(ignored or ("\0",))
        ]
        replaces = [change.path for change in found if change.path in _REPLACES]
        return Difference(found, replaces)

    def create(self, urn: str, inputs: Mapping[str, Any]) -> Found:
        """Records the release."""
        return self._record(urn, inputs, revision=1, creates=True)

    def update(self, urn: str, old: State, inputs: Mapping[str, Any]) -> Found:
        """Records the next revision."""
        status = old.get("status")
        revision = int(status.get("revision", 0)) + 1 if isinstance(status, dict) else 1
        return self._record(urn, inputs, revision=revision, creates=False)

    def preview(self, inputs: Mapping[str, Any]) -> State:
        """The state that a release would leave."""
        return dict(inputs)

    def read(self, identifier: str, inputs: State) -> Found | None:
        """The release as recorded; None if it is gone."""
        place = _place(identifier)
        live = self._records.get(place)
        if live is None:
            return None
        state = _without_object(live)
        kept = {key: state.get(key) for key in inputs if key in state} if inputs else state
        return Found(place.id, state, {key: value for key, value in kept.items() if key != "status"})

    def released(self, names: Collection[str]) -> bool:
        """Whether one of these charts is released."""
        return any(each["status"]["chart"] in names for each in self._records.all_of("helm.sh/v3", "Release"))

    def delete(self, identifier: str) -> None:
        """Forgets the release."""
        self._records.delete(_place(identifier), 0)

    def _record(self, urn: str, inputs: Mapping[str, Any], *, revision: int, creates: bool) -> Found:
        place = Place(_KIND, str(inputs["namespace"]), str(inputs["name"]))
        chart = _named(inputs)
        status = {
            "chart": chart["name"] if chart else str(inputs["chart"]),
            "name": place.name,
            "namespace": place.namespace,
            "revision": revision,
            "status": "deployed",
            "version": str(inputs["version"]),
        }
        content = {**{key: value for key, value in inputs.items() if value is not None}, "status": status}
        live, _ = self._records.apply(place, content, Apply(manager=manager_of(urn), creates=creates))
        return Found(place.id, _without_object(live), dict(inputs))


def brought_by(group: str) -> list[str]:
    """The pinned charts that bring the definitions of a group."""
    return [chart["name"] for chart in charts() if group in chart["definitions"]]


def _place(identifier: str) -> Place:
    namespace, _, name = identifier.rpartition("/")
    return Place(_KIND, namespace, name)


def _without_object(live: Mapping[str, Any]) -> State:
    return {key: value for key, value in live.items() if key != "metadata"}


def _named(inputs: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The table's entry for the chart that the inputs name, by its whole address."""
    chart, options = inputs.get("chart"), inputs.get("repositoryOpts")
    repository = options.get("repo") if isinstance(options, dict) else None
    address = f"{repository.rstrip('/')}/{chart}" if isinstance(repository, str) else str(chart)
    return next((each for each in charts() if f"{each['repository']}/{each['name']}" == address), None)


def _pinned(inputs: Mapping[str, Any], problems: Problems) -> Mapping[str, Any] | None:
    chart, options = inputs.get("chart"), inputs.get("repositoryOpts")
    repository = options.get("repo") if isinstance(options, dict) else None
    if UNKNOWN in (chart, options, repository):
        return None
    if not isinstance(chart, str) or not chart:
        problems.add("chart", "is missing", "name the chart to release")
        return None
    found = _named(inputs)
    if found is None:
        name = chart.rstrip("/").rpartition("/")[2]
        same = [each for each in charts() if each["name"] == name]
        close = get_close_matches(name, [each["name"] for each in charts()], 1)
        if same:
            remedy = f"{name} is pinned from {same[0]['repository']}"
        elif close:
            remedy = f'did you mean "{close[0]}"?'
        else:
            remedy = f"pin it in twin/kubernetes/charts/charts.json; pinned are {', '.join(_names())}"
        problems.add("chart", f"{shown(chart)} is not a pinned chart", remedy)
    return found


def _names() -> Iterator[str]:
    return (each["name"] for each in charts())


def _version(given: Any, chart: Mapping[str, Any], problems: Problems) -> None:
    pinned = chart["version"]
    if given is UNKNOWN:
        return
    if not given:
        problems.add("version", "is missing", f'a release without one moves by itself: give "{pinned}"')
    elif str(given).removeprefix("v") != pinned:
        problems.add(
            "version",
            f"{shown(given)} is not the pinned version of {chart['name']}",
            f'give "{pinned}", or renew the pins in twin/kubernetes/charts and the schemas with `make crds`',
        )


def _values(values: Mapping[str, Any], known: Mapping[str, Any], path: str, problems: Problems) -> None:
    for key, value in values.items():
        where = join(path, key)
        if key not in known:
            _unknown(key, where, known, problems)
        elif isinstance(known[key], Mapping) and isinstance(value, dict):
            _values(value, known[key], where, problems)
        elif isinstance(known[key], Mapping) and value is not None and value is not UNKNOWN:
            problems.add(where, f"{shown(value)} is not an object", "give an object")


def _unknown(name: str, path: str, known: Any, problems: Problems) -> None:
    close = get_close_matches(name, known, 1)
    what = "is no value of the chart" if path.startswith("values") else "is no input of a release"
    problems.add(path, what, f'did you mean "{close[0]}"?' if close else "leave it out")
