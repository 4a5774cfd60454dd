"""SageMaker: registry, hosting, feature store, monitoring and MLflow, which moto lacks or keeps in part."""

import re
from functools import partial
from typing import Any, Final, Protocol

from twin.aws.cloud.gaps.announcements import announce
from twin.aws.cloud.gaps.context import Context, utc_now
from twin.aws.cloud.gaps.kinds import Kind, create, delete, given_name, list_all, shown
from twin.aws.cloud.gaps.registry import GapRegistry
from twin.aws.cloud.gaps.store import Record, RecordStore
from twin.aws.cloud.protocol import AwsError

_ARN: Final = "arn:aws:sagemaker:{region}:{account}"
_INVALID: Final = "ValidationException"
_PUBLIC_URL: Final = "https://{name}.studio.{region}.sagemaker.aws"


class Hosting(Protocol):
    """What runs the models behind endpoints."""

    def deploy(self, region: str, endpoint: str) -> None:
        """The endpoint has a configuration to be brought into service."""

    def retire(self, region: str, endpoint: str) -> None:
        """The endpoint is gone."""


def _said(text: str, code: str = _INVALID) -> tuple[str, str]:
    return code, text


def fill(registry: GapRegistry, hosting: Hosting) -> None:
    """Registers SageMaker's gap fillers."""
    for kind in (MODEL, ENDPOINT_CONFIG, ENDPOINT, GROUP, PACKAGE, *_PLAIN):
        registry.kind(kind)
    registry.answer("sagemaker", "CreateEndpoint", partial(_create_endpoint, hosting))
    registry.answer("sagemaker", "UpdateEndpoint", partial(_update_endpoint, hosting))
    registry.answer("sagemaker", "DeleteEndpoint", partial(_delete_endpoint, hosting))
    registry.answer("sagemaker", "UpdateEndpointWeightsAndCapacities", _update_weights)
    registry.answer("sagemaker", "CreateModelPackage", _create_package)
    registry.answer("sagemaker", "UpdateModelPackage", _update_package)
    registry.answer("sagemaker", "ListModelPackages", _list_packages)
    for verb, status in (("Start", "Scheduled"), ("Stop", "Stopped")):
        registry.answer("sagemaker", f"{verb}MonitoringSchedule", partial(_set_schedule_status, status))
    for verb, status in (("Start", "Started"), ("Stop", "Stopped")):
        registry.answer("sagemaker", f"{verb}MlflowTrackingServer", partial(_set_server_status, status))
    for name, answer in _RECORD_OPERATIONS.items():
        registry.answer("sagemaker-featurestore-runtime", name, answer)


# --- the model registry ---


def _check_empty_group(context: Context, group: Record) -> None:
    packages = PACKAGE.records(context).values()
    name = group["ModelPackageGroupName"]
    if any(package.get("ModelPackageGroupName") == name for package in packages):
        raise AwsError(
            "ConflictException",
            f"Model package group {name} cannot be deleted: it still contains model packages",
        )


GROUP: Final = Kind(
    service="sagemaker",
    noun="ModelPackageGroup",
    name="ModelPackageGroupName",
    arn=_ARN + ":model-package-group/{name}",
    arn_field="ModelPackageGroupArn",
    create="CreateModelPackageGroup",
    describe="DescribeModelPackageGroup",
    list="ListModelPackageGroups",
    delete="DeleteModelPackageGroup",
    initial={"ModelPackageGroupStatus": "Completed", "CreatedBy": {}},
    created="CreationTime",
    missing=_said("ModelPackageGroup {arn} does not exist."),
    exists=_said("Model Package Group already exists: {arn}"),
    before_delete=_check_empty_group,
)


def _group_of(context: Context, named: str) -> Record:
    return GROUP.find(context, named)


def _package_name(kind: Kind, context: Context) -> str:
    """`group/version` for a version, else the name given."""
    given = context.parameters
    if given.get("ModelPackageGroupName") is None:
        return given_name(kind, context)
    if given.get("ModelPackageName") is not None:
        raise AwsError(_INVALID, "Both ModelPackageName and ModelPackageGroupName are provided; give one")
    group = _group_of(context, given["ModelPackageGroupName"])
    group["_version"] = group.get("_version", 0) + 1
    return f"{group['ModelPackageGroupName']}/{group['_version']}"


def _begin_package(context: Context, package: Record) -> None:
    package["ModelPackageStatusDetails"] = {"ValidationStatuses": [], "ImageScanStatuses": []}
    if package.get("ModelPackageGroupName") is None:
        return
    group = _group_of(context, package["ModelPackageGroupName"])
    package["ModelPackageGroupName"] = group["ModelPackageGroupName"]
    package["ModelPackageVersion"] = group["_version"]
    package.setdefault("ModelApprovalStatus", "PendingManualApproval")


PACKAGE: Final = Kind(
    service="sagemaker",
    noun="ModelPackage",
    name="ModelPackageName",
    arn=_ARN + ":model-package/{name}",
    arn_field="ModelPackageArn",
    create="CreateModelPackage",
    describe="DescribeModelPackage",
    delete="DeleteModelPackage",
    initial={"ModelPackageStatus": "Completed", "CertifyForMarketplace": False, "CreatedBy": {}},
    created="CreationTime",
    missing=_said("ModelPackage {name} does not exist."),
    exists=_said("Model Package already exists: {arn}"),
    make_name=_package_name,
    before_create=_begin_package,
)


def _update_package(context: Context) -> dict[str, Any]:
    given = context.parameters
    package = PACKAGE.find(context, context.required("ModelPackageArn"))
    status = given.get("ModelApprovalStatus")
    if status is not None and package.get("ModelPackageGroupName") is None:
        raise AwsError(_INVALID, "ModelApprovalStatus applies to versioned model packages only")
    merged = package.get("CustomerMetadataProperties", {}) | given.get("CustomerMetadataProperties", {})
    for key in given.get("CustomerMetadataPropertiesToRemove", []):
        merged.pop(key, None)
    added = given.get("AdditionalInferenceSpecificationsToAdd", [])
    for name in (
        "ModelApprovalStatus",
        "ApprovalDescription",
        "InferenceSpecification",
        "SourceUri",
        "ModelCard",
        "ModelLifeCycle",
    ):
        if given.get(name) is not None:
            package[name] = given[name]
    if merged:
        package["CustomerMetadataProperties"] = merged
    if added:
        package["AdditionalInferenceSpecifications"] = [
            *package.get("AdditionalInferenceSpecifications", []),
            *added,
        ]
    package["LastModifiedTime"] = utc_now()
    _announce_package(context.region, package)
    return {"ModelPackageArn": package["ModelPackageArn"]}


def _announce_package(region: str, package: Record) -> None:
    arn = package["ModelPackageArn"]
    announce(region, "aws.sagemaker", "SageMaker Model Package State Change", arn, package)


def _create_package(context: Context) -> dict[str, Any]:
    made = create(PACKAGE, context)
    _announce_package(context.region, made)
    return made


def _list_packages(context: Context) -> dict[str, Any]:
    given = context.parameters
    group = given.get("ModelPackageGroupName")
    if group is not None:
        given["ModelPackageGroupName"] = _group_of(context, group)["ModelPackageGroupName"]
    wanted = given.pop("ModelPackageType", None) or ("Versioned" if group else "Unversioned")
    listed = list_all(PACKAGE, context)
    for package in list(listed["ModelPackageSummaryList"]):
        versioned = "ModelPackageVersion" in package
        if wanted != "Both" and versioned != (wanted == "Versioned"):
            listed["ModelPackageSummaryList"].remove(package)
        elif versioned:
            package.pop("ModelPackageName", None)
    return listed


def foresee_version(store: RecordStore, arn: str) -> None:
    """Has an approved version be there that nobody registered here; of whatever account."""
    region = arn.split(":")[3]
    store.all_of("sagemaker", "ModelPackage", region)[arn] = {
        **PACKAGE.initial,
        "ModelPackageArn": arn,
        "ModelApprovalStatus": "Approved",
        "CreationTime": utc_now(),
    }


# --- hosting ---


def _check_model(context: Context, model: Record) -> None:
    containers = [model["PrimaryContainer"]] if model.get("PrimaryContainer") else model.get("Containers", [])
    if not containers:
        raise AwsError(_INVALID, "One of PrimaryContainer or Containers is required")
    for container in containers:
        named = container.get("ModelPackageName")
        if named is None:
            if container.get("Image") is None:
                raise AwsError(_INVALID, "A container needs an Image or a ModelPackageName")
            continue
        package = PACKAGE.find(context, named)
        status = package.get("ModelApprovalStatus", "Approved")
        if status != "Approved":
            raise AwsError(_INVALID, f"Model package {named} can't be deployed: it is {status}, not Approved")


MODEL: Final = Kind(
    service="sagemaker",
    noun="Model",
    name="ModelName",
    arn=_ARN + ":model/{name}",
    arn_field="ModelArn",
    create="CreateModel",
    describe="DescribeModel",
    list="ListModels",
    delete="DeleteModel",
    initial={"EnableNetworkIsolation": False},
    created="CreationTime",
    missing=_said('Could not find model "{arn}".'),
    exists=_said('Cannot create already existing model "{arn}".'),
    before_create=_check_model,
)


def _check_variants(context: Context, config: Record) -> None:
    shape = context.operation.model.service_model.shape_for("ProductionVariantInstanceType")
    for variant in [*config.get("ProductionVariants", []), *config.get("ShadowProductionVariants", [])]:
        if variant.get("ModelName") is not None:
            MODEL.find(context, variant["ModelName"])
        instance, serverless = variant.get("InstanceType"), variant.get("ServerlessConfig")
        if (instance is None) == (serverless is None):
            raise AwsError(
                _INVALID,
                f"Variant {variant['VariantName']} needs exactly one of InstanceType and ServerlessConfig",
            )
        if instance is not None and instance not in shape.enum:
            raise AwsError(
                _INVALID,
                f"Value '{instance}' at 'productionVariants.instanceType' failed to satisfy constraint: "
                "Member must satisfy enum value set",
            )
        memory = (serverless or {}).get("MemorySizeInMB", 1024)
        if memory not in range(1024, 6145, 1024):
            raise AwsError(_INVALID, f"MemorySizeInMB {memory} is not one of 1024, 2048, …, 6144")
        variant.setdefault("InitialVariantWeight", 1.0)


ENDPOINT_CONFIG: Final = Kind(
    service="sagemaker",
    noun="EndpointConfig",
    name="EndpointConfigName",
    arn=_ARN + ":endpoint-config/{name}",
    arn_field="EndpointConfigArn",
    create="CreateEndpointConfig",
    describe="DescribeEndpointConfig",
    list="ListEndpointConfigs",
    delete="DeleteEndpointConfig",
    created="CreationTime",
    missing=_said('Could not find endpoint configuration "{arn}".'),
    exists=_said('Cannot create already existing endpoint configuration "{arn}".'),
    before_create=_check_variants,
)


def _begin_endpoint(context: Context, endpoint: Record) -> None:
    config = ENDPOINT_CONFIG.find(context, endpoint["EndpointConfigName"])
    endpoint["ProductionVariants"] = variants_in_service(config)
    if config.get("DataCaptureConfig"):
        endpoint["DataCaptureConfig"] = _capture_summary(config["DataCaptureConfig"])


ENDPOINT: Final = Kind(
    service="sagemaker",
    noun="Endpoint",
    name="EndpointName",
    arn=_ARN + ":endpoint/{name}",
    arn_field="EndpointArn",
    describe="DescribeEndpoint",
    list="ListEndpoints",
    initial={"EndpointStatus": "Creating"},
    created="CreationTime",
    modified="LastModifiedTime",
    missing=_said('Could not find endpoint "{arn}".'),
    exists=_said('Cannot create already existing endpoint "{arn}".'),
    before_create=_begin_endpoint,
)


def variants_in_service(config: Record) -> list[Record]:
    """A configuration's variants as an endpoint shows them."""
    shown_variants = []
    for variant in config.get("ProductionVariants", []):
        weight, count = variant["InitialVariantWeight"], variant.get("InitialInstanceCount")
        summary = {
            "VariantName": variant["VariantName"],
            "CurrentWeight": weight,
            "DesiredWeight": weight,
            "CurrentServerlessConfig": variant.get("ServerlessConfig"),
            "CurrentInstanceCount": count
            if count is not None
            else (0 if "ServerlessConfig" in variant else 1),
            "DesiredInstanceCount": count,
            "ManagedInstanceScaling": variant.get("ManagedInstanceScaling"),
            "RoutingConfig": variant.get("RoutingConfig"),
        }
        shown_variants.append({key: value for key, value in summary.items() if value is not None})
    return shown_variants


def _capture_summary(config: Record) -> Record:
    enabled = bool(config.get("EnableCapture"))
    return {
        "EnableCapture": enabled,
        "CaptureStatus": "Started" if enabled else "Stopped",
        "CurrentSamplingPercentage": config["InitialSamplingPercentage"],
        "DestinationS3Uri": config["DestinationS3Uri"],
        "KmsKeyId": config.get("KmsKeyId", ""),
    }


def _create_endpoint(hosting: Hosting, context: Context) -> dict[str, Any]:
    result = create(ENDPOINT, context)
    hosting.deploy(context.region, result["EndpointName"])
    return result


def _update_endpoint(hosting: Hosting, context: Context) -> dict[str, Any]:
    endpoint = ENDPOINT.find(context, context.required("EndpointName"))
    config = ENDPOINT_CONFIG.find(context, context.required("EndpointConfigName"))
    if endpoint["EndpointStatus"] in ("Creating", "Updating"):
        raise AwsError(_INVALID, f'Cannot update in-progress endpoint "{endpoint["EndpointArn"]}".')
    endpoint.pop("FailureReason", None)
    endpoint["EndpointStatus"] = "Updating"
    endpoint["_pending"] = config["EndpointConfigName"]
    endpoint["LastModifiedTime"] = utc_now()
    if context.parameters.get("DeploymentConfig"):
        endpoint["LastDeploymentConfig"] = context.parameters["DeploymentConfig"]
    hosting.deploy(context.region, endpoint["EndpointName"])
    return shown(ENDPOINT, context, endpoint)


def settle_endpoint(store: RecordStore, region: str, name: str, failure: str) -> None:
    """The endpoint's configuration came into service, or failed to, for a reason."""
    endpoint = store.all_of("sagemaker", "Endpoint", region).get(name)
    if endpoint is None:
        return
    pending = endpoint.pop("_pending", None)
    endpoint["LastModifiedTime"] = utc_now()
    if failure:
        # A failed update leaves the old configuration in service.
        endpoint["EndpointStatus"] = "InService" if pending else "Failed"
        endpoint["FailureReason"] = failure
        _announce_endpoint(region, endpoint)
        return
    endpoint["EndpointStatus"] = "InService"
    endpoint.pop("FailureReason", None)
    if pending:
        endpoint["EndpointConfigName"] = pending
        config = store.all_of("sagemaker", "EndpointConfig", region).get(pending, {})
        endpoint["ProductionVariants"] = variants_in_service(config)
        endpoint.pop("DataCaptureConfig", None)
        if config.get("DataCaptureConfig"):
            endpoint["DataCaptureConfig"] = _capture_summary(config["DataCaptureConfig"])
    _announce_endpoint(region, endpoint)


def _announce_endpoint(region: str, endpoint: Record) -> None:
    # The event says IN_SERVICE where the API says InService.
    status = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", endpoint["EndpointStatus"]).upper()
    detail = {**endpoint, "EndpointStatus": status}
    announce(region, "aws.sagemaker", "SageMaker Endpoint State Change", endpoint["EndpointArn"], detail)


def fail_endpoint(store: RecordStore, region: str, name: str, failure: str) -> None:
    """The endpoint's model, in service until now, can't be started any more."""
    endpoint = store.all_of("sagemaker", "Endpoint", region).get(name)
    if endpoint is not None:
        endpoint |= {"EndpointStatus": "Failed", "FailureReason": failure, "LastModifiedTime": utc_now()}
        _announce_endpoint(region, endpoint)


def _delete_endpoint(hosting: Hosting, context: Context) -> dict[str, Any]:
    result = delete(ENDPOINT, context)
    hosting.retire(context.region, result["EndpointName"])
    return {}


def _update_weights(context: Context) -> dict[str, Any]:
    endpoint = ENDPOINT.find(context, context.required("EndpointName"))
    variants = {variant["VariantName"]: variant for variant in endpoint["ProductionVariants"]}
    for wanted in context.required("DesiredWeightsAndCapacities"):
        variant = variants.get(wanted["VariantName"])
        if variant is None:
            raise AwsError(_INVALID, f'The variant name(s) "{wanted["VariantName"]}" is/are not present')
        if wanted.get("DesiredWeight") is not None:
            variant["CurrentWeight"] = variant["DesiredWeight"] = wanted["DesiredWeight"]
        if wanted.get("DesiredInstanceCount") is not None:
            variant["CurrentInstanceCount"] = variant["DesiredInstanceCount"] = wanted["DesiredInstanceCount"]
    endpoint["LastModifiedTime"] = utc_now()
    return {"EndpointArn": endpoint["EndpointArn"]}


# --- what needs no more than its table ---


def _begin_schedule(context: Context, schedule: Record) -> None:
    config = schedule.get("MonitoringScheduleConfig", {})
    definition = config.get("MonitoringJobDefinition", {})
    schedule["MonitoringType"] = config.get("MonitoringType", "DataQuality")
    for given in definition.get("MonitoringInputs", []):
        endpoint = given.get("EndpointInput", {}).get("EndpointName")
        if endpoint is not None:
            schedule["EndpointName"] = endpoint
    if config.get("MonitoringJobDefinitionName"):
        schedule["MonitoringJobDefinitionName"] = config["MonitoringJobDefinitionName"]


def _set_schedule_status(status: str, context: Context) -> dict[str, Any]:
    schedule = MONITORING_SCHEDULE.find(context, context.required("MonitoringScheduleName"))
    schedule |= {"MonitoringScheduleStatus": status, "LastModifiedTime": utc_now()}
    return {}


MONITORING_SCHEDULE: Final = Kind(
    service="sagemaker",
    noun="MonitoringSchedule",
    name="MonitoringScheduleName",
    arn=_ARN + ":monitoring-schedule/{name}",
    arn_field="MonitoringScheduleArn",
    create="CreateMonitoringSchedule",
    describe="DescribeMonitoringSchedule",
    list="ListMonitoringSchedules",
    update="UpdateMonitoringSchedule",
    delete="DeleteMonitoringSchedule",
    initial={"MonitoringScheduleStatus": "Scheduled"},
    created="CreationTime",
    modified="LastModifiedTime",
    missing=_said("Could not find monitoring schedule {arn}", "ResourceNotFound"),
    exists=_said("Monitoring schedule {arn} already exists", "ResourceInUse"),
    before_create=_begin_schedule,
    after_update=_begin_schedule,
)


def _begin_feature_group(context: Context, group: Record) -> None:
    offline = group.get("OfflineStoreConfig")
    if offline is not None:
        offline.setdefault("DisableGlueTableCreation", False)
        storage = offline.setdefault("S3StorageConfig", {})
        uri = str(storage.get("S3Uri", "")).rstrip("/")
        name = group["FeatureGroupName"]
        storage["ResolvedOutputS3Uri"] = (
            f"{uri}/{context.account}/sagemaker/{context.region}/offline-store/{name}/data"
        )
        group["OfflineStoreStatus"] = {"Status": "Active"}


def _grow_feature_group(_context: Context, group: Record) -> None:
    group["FeatureDefinitions"] = [*group["FeatureDefinitions"], *group.pop("FeatureAdditions", [])]
    group["LastUpdateStatus"] = {"Status": "Successful"}


FEATURE_GROUP: Final = Kind(
    service="sagemaker",
    noun="FeatureGroup",
    name="FeatureGroupName",
    arn=_ARN + ":feature-group/{name}",
    arn_field="FeatureGroupArn",
    create="CreateFeatureGroup",
    describe="DescribeFeatureGroup",
    list="ListFeatureGroups",
    update="UpdateFeatureGroup",
    delete="DeleteFeatureGroup",
    initial={"FeatureGroupStatus": "Created"},
    created="CreationTime",
    modified="LastModifiedTime",
    missing=_said("Resource Not Found: FeatureGroup {name} does not exist", "ResourceNotFound"),
    exists=_said("Resource Already Exists: FeatureGroup with name {name} already exists", "ResourceInUse"),
    before_create=_begin_feature_group,
    after_update=_grow_feature_group,
)


def _begin_server(context: Context, server: Record) -> None:
    server["TrackingServerUrl"] = _PUBLIC_URL.format(name=server["TrackingServerName"], region=context.region)


def _set_server_status(status: str, context: Context) -> dict[str, Any]:
    server = TRACKING_SERVER.find(context, context.required("TrackingServerName"))
    server |= {"TrackingServerStatus": status, "LastModifiedTime": utc_now()}
    return {"TrackingServerArn": server["TrackingServerArn"]}


TRACKING_SERVER: Final = Kind(
    service="sagemaker",
    noun="MlflowTrackingServer",
    name="TrackingServerName",
    arn=_ARN + ":mlflow-tracking-server/{name}",
    arn_field="TrackingServerArn",
    create="CreateMlflowTrackingServer",
    describe="DescribeMlflowTrackingServer",
    list="ListMlflowTrackingServers",
    update="UpdateMlflowTrackingServer",
    delete="DeleteMlflowTrackingServer",
    initial={
        "TrackingServerStatus": "Created",
        "TrackingServerSize": "Small",
        "IsActive": "Active",
        "MlflowVersion": "2.16",
        "AutomaticModelRegistration": False,
    },
    created="CreationTime",
    modified="LastModifiedTime",
    missing=_said("Tracking server {name} does not exist", "ResourceNotFound"),
    exists=_said("Tracking server {name} already exists", "ConflictException"),
    before_create=_begin_server,
)


def _app_name(_kind: Kind, context: Context) -> str:
    return str(context.required("Name"))


def _begin_app(_context: Context, app: Record) -> None:
    # The app is named by `Name` when it is made, by `Arn` ever after.
    app["name_part"] = "app-" + re.sub(r"[^A-Z0-9]", "", app["Name"].upper())[:12].ljust(12, "X")


MLFLOW_APP: Final = Kind(
    service="sagemaker",
    noun="MlflowApp",
    name="Arn",
    arn=_ARN + ":mlflow-app/{name_part}",
    arn_field="Arn",
    create="CreateMlflowApp",
    describe="DescribeMlflowApp",
    list="ListMlflowApps",
    update="UpdateMlflowApp",
    delete="DeleteMlflowApp",
    initial={
        "Status": "Created",
        "ModelRegistrationMode": "AutoModelRegistrationDisabled",
        "AccountDefaultStatus": "DISABLED",
        "MlflowVersion": "3.4",
    },
    created="CreationTime",
    modified="LastModifiedTime",
    missing=_said("MLflow app {name} does not exist", "ResourceNotFound"),
    exists=_said("MLflow app {name} already exists", "ConflictException"),
    make_name=_app_name,
    before_create=_begin_app,
)


def _plain(noun: str, path: str, *, update: bool = False, **more: Any) -> Kind:
    """A kind whose operations and members all follow from its noun."""
    return Kind(
        service="sagemaker",
        noun=noun,
        name=f"{noun}Name",
        arn=f"{_ARN}:{path}/{{name}}",
        arn_field=f"{noun}Arn",
        create=f"Create{noun}",
        describe=f"Describe{noun}",
        list=f"List{noun}s",
        update=f"Update{noun}" if update else None,
        delete=f"Delete{noun}",
        missing=_said("Could not find {noun} {name}", "ResourceNotFound"),
        exists=_said("{noun} {name} already exists", "ResourceInUse"),
        **more,
    )


def _begin_workteam(context: Context, team: Record) -> None:
    team["SubDomain"] = f"{team['WorkteamName']}.labeling.{context.region}.sagemaker.aws"
    team["CreateDate"] = team["LastUpdatedDate"] = utc_now()


_PLAIN: Final = (
    MONITORING_SCHEDULE,
    FEATURE_GROUP,
    TRACKING_SERVER,
    MLFLOW_APP,
    _plain(
        "FlowDefinition",
        "flow-definition",
        created="CreationTime",
        initial={"FlowDefinitionStatus": "Active"},
    ),
    _plain("HumanTaskUi", "human-task-ui", created="CreationTime", initial={"HumanTaskUiStatus": "Active"}),
    _plain("Workteam", "workteam/private-crowd", update=True, wrap="Workteam", before_create=_begin_workteam),
)


# --- the online feature store's records ---


def _feature_records(context: Context, named: str) -> tuple[Record, dict[str, Any]]:
    group = FEATURE_GROUP.find(context, named)
    if not (group.get("OnlineStoreConfig") or {}).get("EnableOnlineStore"):
        raise AwsError(_INVALID, f"Feature group {named} has no online store")
    return group, group.setdefault("_records", {})


def _put_record(context: Context) -> None:
    group, records = _feature_records(context, context.required("FeatureGroupName"))
    record = {each["FeatureName"]: each for each in context.required("Record")}
    known = {definition["FeatureName"] for definition in group["FeatureDefinitions"]}
    unknown = sorted(set(record) - known)
    if unknown:
        raise AwsError(_INVALID, f"Feature group {group['FeatureGroupName']} has no features {unknown}")
    for needed in (group["RecordIdentifierFeatureName"], group["EventTimeFeatureName"]):
        if needed not in record:
            raise AwsError(_INVALID, f"Missing required feature {needed}")
    key = record[group["RecordIdentifierFeatureName"]]["ValueAsString"]
    when = record[group["EventTimeFeatureName"]]["ValueAsString"]
    before = records.get(key)
    if before is None or before[0] <= when:
        records[key] = (when, list(record.values()))


def _get_record(context: Context) -> dict[str, Any]:
    _, records = _feature_records(context, context.required("FeatureGroupName"))
    _, found = records.get(context.required("RecordIdentifierValueAsString"), ("", []))
    wanted = context.parameters.get("FeatureNames")
    return {"Record": [each for each in found if not wanted or each["FeatureName"] in wanted]}


def _delete_record(context: Context) -> None:
    _, records = _feature_records(context, context.required("FeatureGroupName"))
    records.pop(context.required("RecordIdentifierValueAsString"), None)


def _batch_get_records(context: Context) -> dict[str, Any]:
    found = []
    for wanted in context.required("Identifiers"):
        group, records = _feature_records(context, wanted["FeatureGroupName"])
        for key in wanted["RecordIdentifiersValueAsString"]:
            _, record = records.get(key, ("", []))
            names = wanted.get("FeatureNames")
            record = [each for each in record if not names or each["FeatureName"] in names]
            if record:
                found.append(
                    {
                        "FeatureGroupName": group["FeatureGroupName"],
                        "RecordIdentifierValueAsString": key,
                        "Record": record,
                    }
                )
    return {"Records": found, "Errors": [], "UnprocessedIdentifiers": []}


_RECORD_OPERATIONS: Final = {
    "PutRecord": _put_record,
    "GetRecord": _get_record,
    "DeleteRecord": _delete_record,
    "BatchGetRecord": _batch_get_records,
}
