"""SageMaker: endpoints, notebooks, training, monitoring, tracking servers."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from pricing.bill import Bill
from pricing.money import HOURS_PER_MONTH, SECONDS_PER_MONTH, ZERO
from pricing.resources import Properties

_CONFIGURATION: Final = "aws:sagemaker/endpointConfiguration:EndpointConfiguration"
_SCALABLE_TARGET: Final = "aws:appautoscaling/target:Target"
_COUNT: Final = "sagemaker:variant:DesiredInstanceCount"
_MB_PER_GB: Final = Decimal(1024)
_KB_PER_GB: Final = Decimal(1024 * 1024)
_NOTEBOOK_GB: Final = 5
_PRICE_DIGITS: Final = Decimal("0.000001")


def hourly(bill: Bill, instance_type: str) -> Decimal | None:
    """The price of an hour of a SageMaker instance, or None, said to be unpriced.

    Where the snapshot lacks the region's own price, it is EC2's price there and SageMaker's mark-up on it:
    that of the same type elsewhere, else the highest of any type with (or without) accelerators. Said as an
    assumption.
    """
    found = bill.snapshot.sagemaker(bill.region).get(instance_type)
    if found is not None:
        bill.dates.append(bill.snapshot.instance_price_date("sagemaker", instance_type, bill.region))
        return found
    machine = instance_type.removeprefix("ml.")
    known = bill.instance_types().get(machine)
    if known is None or not instance_type.startswith("ml."):
        bill.unpriced(f"the price snapshot has no {instance_type or 'instance type'} in {bill.region}")
        return None
    markups = bill.snapshot.sagemaker_markups()
    markup = markups.get(instance_type) or _highest_markup(bill, machine, markups)
    basis = "as elsewhere" if instance_type in markups else "the highest known"
    bill.dates.append(bill.snapshot.instance_price_date("ec2", machine, bill.region))
    percent = ((markup - 1) * 100).quantize(Decimal(1))
    bill.assume(f"{instance_type} in {bill.region}: EC2's price and {percent:f} % on it, {basis}")
    return (known.hourly * markup).quantize(_PRICE_DIGITS)


def _highest_markup(bill: Bill, machine: str, markups: Mapping[str, Decimal]) -> Decimal:
    accelerated = bill.instance_types()[machine].accelerators > 0
    known = bill.snapshot.specifications()
    alike = [
        markup
        for name, markup in markups.items()
        if (known[name.removeprefix("ml.")]["accelerators"] > 0) is accelerated
    ]
    return max(alike, default=Decimal(1))


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
    memory = serverless.number("memorySizeInMb", 2048) / _MB_PER_GB
    requests = usage.inference_requests / variants
    expected = requests * usage.inference_seconds * memory
    # So many requests at once, all month, is all that can ever run.
    ceiling = serverless.number("maxConcurrency", 1) * memory * SECONDS_PER_MONTH
    worst = max(expected, min(expected * max(Decimal(1), usage.worst_factor), ceiling))
    bill.used(
        f"{name}, serverless, {memory.normalize():f} GB", "sagemaker", "serverless-gb-second", expected, worst
    )
    payload = requests * usage.inference_payload_kb / _KB_PER_GB
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
    likely = minimum + (maximum - minimum) * min(Decimal(1), bill.usage.autoscaling_share)
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
