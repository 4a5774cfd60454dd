"""Every metric that is watched or shown is one that something emits."""

from components.watch import metrics
from components.watch.dashboards import series_of
from components.watch.declaration import fed, judged, served
from components.watch.endpoint import alarms_of as endpoint_alarms
from components.watch.gpus import GpuPool, of_gpus
from components.watch.gpus import alarms_of as gpu_alarms
from components.watch.pages import of_model, of_stack
from components.watch.quality import alarms_of as quality_alarms
from components.watch.quality import data_alarms
from platform_jobs import metrics as emitted
from tests.components.examples import watched

MODELS = [
    watched(),
    watched(name="ranking", serverless=False, vcpus=4, gpus=1, gateway=True),
    {"name": "plain", "endpoint_name": "plain"},
    {key: value for key, value in watched(name="in-pods", gateway=True).items() if key != "endpoint_name"},
    {"name": "in-plain-pods", "gateway": True},
]
SERVED = [served("test", model, model.get("endpoint_name"), "live") for model in MODELS]
JUDGED = [judged("test", model) for model in MODELS]
FED = [fed("test", {"name": "activity"})]
GPUS = [GpuPool("shop", "training-l4")]
ALARMS = [
    *(alarm for each in SERVED for alarm in endpoint_alarms(each)),
    *(alarm for each in JUDGED for alarm in quality_alarms(each)),
    *data_alarms(FED[0]),
    *(alarm for each in GPUS for alarm in gpu_alarms(each)),
]
PAGES = [
    of_gpus("test", GPUS, runbooks="docs/runbooks"),
    of_stack("test", SERVED, JUDGED, FED, runbooks="docs/runbooks"),
    *(of_model(one, other, runbooks="docs/runbooks") for one, other in zip(SERVED, JUDGED, strict=True)),
]
SERIES = [
    *(series for alarm in ALARMS for _, series in alarm.series),
    *(series for page in PAGES for series in series_of(page)),
]


def test_the_platforms_metrics_are_those_its_jobs_emit():
    for metric in metrics.PLATFORM_METRICS:
        known = emitted.BY_NAME[metric.name]
        assert (metric.unit, metric.dimensions) == (known.unit, known.dimensions), metric.name
    assert emitted.NAMESPACE == metrics.PLATFORM
    assert emitted.STEPS == metrics.STEPS


def test_each_series_is_of_a_metric_in_the_tables_with_all_its_dimensions():
    known = {*metrics.PLATFORM_METRICS, *metrics.AWS_METRICS}
    assert SERIES
    for series in SERIES:
        assert series.metric in known
        assert set(series.dimensions) == set(series.metric.dimensions), series


def test_no_metric_of_the_tables_is_left_unwatched_and_unseen():
    used = {series.metric for series in SERIES}
    shown_one_by_one = {metrics.FEATURE_DRIFT, metrics.ROW_COUNT}
    assert {*metrics.PLATFORM_METRICS, *metrics.AWS_METRICS} - used == shown_one_by_one


def test_serverless_endpoints_are_asked_for_nothing_that_they_do_not_emit():
    machines_only = {metrics.CPU, metrics.GPU, metrics.GPU_MEMORY, metrics.PER_INSTANCE}
    serverless_only = {metrics.SETUP_TIME, metrics.CONCURRENCY}
    for one, other in zip(SERVED, JUDGED, strict=True):
        page = of_model(one, other, runbooks="r")
        used = {series.metric for series in series_of(page)}
        used |= {series.metric for alarm in endpoint_alarms(one) for _, series in alarm.series}
        assert not used & (machines_only if one.serverless else serverless_only)


def test_alarms_have_names_of_their_own():
    names = [alarm.name for alarm in ALARMS]
    assert len(names) == len(set(names))


def test_a_model_in_pods_is_watched_by_its_gateway_and_asked_for_nothing_of_sagemaker():
    for each in SERVED:
        alarms = {alarm.name.removeprefix(f"{each.model}-") for alarm in endpoint_alarms(each)}
        if each.endpoint is None:
            assert {"traffic", "waiting", "degraded"} <= alarms
            assert not {"client-errors", "memory", "concurrency"} & alarms
    of_pods = [served_model for served_model in SERVED if served_model.endpoint is None]
    assert len(of_pods) == 2
    shown = [
        series
        for one, other in zip(SERVED, JUDGED, strict=True)
        if one.endpoint is None
        for series in series_of(of_model(one, other, runbooks="docs/runbooks"))
    ]
    asked = [series for each in of_pods for alarm in endpoint_alarms(each) for _, series in alarm.series]
    assert shown
    assert {series.metric.namespace for series in (*shown, *asked)} == {metrics.PLATFORM}
