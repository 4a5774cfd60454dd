"""SageMaker: endpoints, notebooks, training, monitoring, tracking servers."""

from decimal import Decimal
from typing import Final

from pricing.bill import Bill
from pricing.hosting import hosting_price
from pricing.money import HOURS_PER_MONTH, SECONDS_PER_MONTH, ZERO
from pricing.resources import Properties
from pricing.serving import average, gb, payload_gb, serverless_gb_seconds
from pricing.snapshot import PriceUnknownError

_CONFIGURATION: Final = "aws:sagemaker/endpointConfiguration:EndpointConfiguration"
_SCALABLE_TARGET: Final = "aws:appautoscaling/target:Target"
_COUNT: Final = "sagemaker:variant:DesiredInstanceCount"
_NOTEBOOK_GB: Final = 5


def hourly(bill: Bill, instance_type: str) -> Decimal | None:
    """The price of an hour of a SageMaker instance, or None, said to be unpriced."""
    try:
        price = hosting_price(instance_type, bill.region, bill.snapshot)
    except PriceUnknownError as error:
        bill.unpriced(str(error))
        return None
    bill.dates.append(price.as_of)
    if price.assumption:
        bill.assume(price.assumption)
    return price.hourly


def _endpoint(bill: Bill) -> None:
    configuration = bill.join("endpointConfigName", _CONFIGURATION, ("name", "id", "arn"))
    if configuration is None:
        bill.unpriced("its configuration is not among the resources")
        return
    variants = [
        *configuration.blocks("productionVariants"),
        *configuration.blocks("shadowProductionVariants"),
    ]
    if not variants:
        bill.unpriced("its configuration declares no variant")
    for position, variant in enumerate(variants):
        name = variant.text("variantName", f"variant {position + 1}")
        serverless = variant.block("serverlessConfig")
        if serverless.values:
            _serverless(bill, name, serverless, len(variants))
        else:
            _instances(bill, name, variant)


def _serverless(bill: Bill, name: str, serverless: Properties, variants: int) -> None:
    usage = bill.usage
    mib = serverless.number("memorySizeInMb", 2048)
    memory = gb(mib)
    requests = usage.inference_requests / variants
    expected = requests * serverless_gb_seconds(mib, usage)
    # So many requests at once, all month, is all that can ever run.
    ceiling = serverless.number("maxConcurrency", 1) * memory * SECONDS_PER_MONTH
    worst = max(expected, min(expected * max(Decimal(1), usage.worst_factor), ceiling))
    bill.used(
        f"{name}, serverless, {memory.normalize():f} GB", "sagemaker", "serverless-gb-second", expected, worst
    )
    payload = requests * payload_gb(usage)
    bill.used(f"{name}, data in and out", "sagemaker", "serverless-data-gb", payload)
    provisioned = serverless.number("provisionedConcurrency", 0)
    if provisioned:
        bill.unpriced("provisioned concurrency of serverless endpoints is not in the price snapshot")


def _instances(bill: Bill, name: str, variant: Properties) -> None:
    instance_type = variant.text("instanceType")
    price = hourly(bill, instance_type)
    initial = variant.number("initialInstanceCount", 1)
    managed = variant.block("managedInstanceScaling")
    minimum = maximum = initial
    if managed.text("status") == "ENABLED":
        minimum = managed.number("minInstanceCount", initial)
        maximum = max(minimum, managed.number("maxInstanceCount", initial))
    target = _scaling(bill, name)
    if target is not None:
        minimum = target.number("minCapacity", initial)
        maximum = max(minimum, target.number("maxCapacity", initial))
    likely = average(minimum, maximum, bill.usage)
    if price is not None:
        bill.amount(
            f"{name}, {instance_type}",
            "instance-hour",
            price,
            idle=minimum * HOURS_PER_MONTH,
            expected=likely * HOURS_PER_MONTH,
            worst=maximum * HOURS_PER_MONTH,
        )
    volume = variant.number("volumeSizeInGb", 0)
    if volume:
        bill.charge(
            f"{name}, storage",
            "sagemaker",
            "volume",
            idle=volume * minimum,
            expected=volume * likely,
            worst=volume * maximum,
        )


def _scaling(bill: Bill, variant: str) -> Properties | None:
    """The autoscaling target of a variant, joined by its resource id."""
    wanted = f"endpoint/{bill.properties.text('name')}/variant/{variant}"
    found = bill.inventory.having(_SCALABLE_TARGET, "resourceId", wanted)
    for target in found:
        return bill.read(target)
    # Before the endpoint has a name, by where the target's id was made from.
    for target in bill.inventory.of_type(_SCALABLE_TARGET):
        properties = bill.read(target)
        made_from = target.property_dependencies.get("resourceId", ())
        same_variant = properties.text("resourceId", wanted).endswith(f"/variant/{variant}")
        if bill.resource.urn in made_from and properties.text("scalableDimension") == _COUNT and same_variant:
            return properties
    return None


def _notebook(bill: Bill) -> None:
    properties = bill.properties
    instance_type = properties.text("instanceType")
    price = hourly(bill, instance_type)
    stops = properties.has("lifecycleConfigName")
    likely = bill.usage.notebook_hours if stops else HOURS_PER_MONTH
    if price is not None:
        bill.amount(
            instance_type,
            "instance-hour",
            price,
            idle=ZERO if stops else HOURS_PER_MONTH,
            expected=likely,
            worst=HOURS_PER_MONTH,
        )
    if stops:
        bill.assume(f"{bill.resource.name}: its lifecycle configuration stops it when idle")
    bill.standing("storage", "sagemaker", "volume", properties.number("volumeSize", _NOTEBOOK_GB))


def _app(bill: Bill) -> None:
    instance_type = bill.properties.text("resourceSpec.instanceType")
    if not instance_type or instance_type == "system":
        return
    price = hourly(bill, instance_type)
    if price is not None:
        bill.amount(
            instance_type, "instance-hour", price, expected=bill.usage.notebook_hours, worst=HOURS_PER_MONTH
        )


def _training_job(bill: Bill) -> None:
    resources = bill.properties.block("resourceConfig")
    instance_type = resources.text("instanceType")
    price = hourly(bill, instance_type)
    if price is None:
        return
    count = resources.number("instanceCount", 1)
    runs, hours = bill.usage.training_runs, bill.usage.training_hours
    limit = bill.properties.number("stoppingCondition.maxRuntimeInSeconds", 86400) / 3600
    likely = min(hours, limit)
    bill.amount(
        f"{instance_type} x {count.normalize():f}",
        "instance-hour",
        price,
        expected=runs * likely * count,
        worst=runs * limit * count,
    )


def _monitoring_schedule(bill: Bill) -> None:
    configuration = bill.properties.block("monitoringScheduleConfig")
    cluster = configuration.block("monitoringJobDefinition.monitoringResources.clusterConfig")
    if not cluster.values:
        name = configuration.text("monitoringJobDefinitionName")
        cluster = _job_cluster(bill, name)
    instance_type = cluster.text("instanceType")
    if not instance_type:
        bill.unpriced("the instances of its monitoring job are not among the resources")
        return
    price = hourly(bill, instance_type)
    if price is None:
        return
    hours = bill.usage.monitoring_runs * bill.usage.monitoring_hours * cluster.number("instanceCount", 1)
    worst = hours * max(Decimal(1), bill.usage.worst_factor)
    bill.amount(instance_type, "instance-hour", price, expected=hours, worst=worst)


def _job_cluster(bill: Bill, name: str) -> Properties:
    token = "aws:sagemaker/dataQualityJobDefinition:DataQualityJobDefinition"
    path = "monitoringScheduleConfig"
    found = bill.inventory.referred(bill.resource, path, name, token, ("name", "id"))
    definition = Properties({}, bill.assume) if found is None else bill.read(found)
    return definition.block("jobResources.clusterConfig")


def _feature_group(bill: Bill) -> None:
    # The offline store is in S3 and Glue; the online store is billed by reads, writes and storage of its own.
    if bill.properties.flag("onlineStoreConfig.enableOnlineStore"):
        bill.unpriced("the online store of SageMaker feature groups is not in the price snapshot")


def _tracking_server(bill: Bill) -> None:
    bill.unpriced("MLflow tracking servers are not in the price snapshot")


ESTIMATORS: Final = {
    "aws:sagemaker/endpoint:Endpoint": _endpoint,
    "aws:sagemaker/notebookInstance:NotebookInstance": _notebook,
    "aws:sagemaker/app:App": _app,
    "aws:sagemaker/trainingJob:TrainingJob": _training_job,
    "aws:sagemaker/monitoringSchedule:MonitoringSchedule": _monitoring_schedule,
    "aws:sagemaker/featureGroup:FeatureGroup": _feature_group,
    "aws:sagemaker/mlflowTrackingServer:MlflowTrackingServer": _tracking_server,
}
