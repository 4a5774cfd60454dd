"""Glue: updates that moto lacks, and data quality rulesets."""

from typing import Any, Final

from twin.aws.cloud.gaps.context import Context, utc_now
from twin.aws.cloud.gaps.kinds import Kind
from twin.aws.cloud.gaps.moto_objects import backend
from twin.aws.cloud.gaps.registry import GapRegistry
from twin.aws.cloud.protocol import AwsError

_CRAWLER_FIELDS: Final = {
    "Role": "role",
    "DatabaseName": "database_name",
    "Description": "description",
    "Targets": "targets",
    "Schedule": "schedule",
    "Classifiers": "classifiers",
    "TablePrefix": "table_prefix",
    "SchemaChangePolicy": "schema_change_policy",
    "RecrawlPolicy": "recrawl_policy",
    "LineageConfiguration": "lineage_configuration",
    "Configuration": "configuration",
    "CrawlerSecurityConfiguration": "crawler_security_configuration",
}


def fill(registry: GapRegistry) -> None:
    """Registers Glue's gap fillers."""
    registry.kind(RULESET)
    for name, answer in {
        "UpdateCrawler": _update_crawler,
        "UpdateJob": _update_job,
        "UpdateRegistry": _update_registry,
        "UpdateTrigger": _update_trigger,
        "UpdateConnection": _update_connection,
        "DeleteConnection": _delete_connection,
    }.items():
        registry.answer("glue", name, answer)


def _named(kept: Any, noun: str, name: str) -> Any:
    found = kept.get(name)
    if found is None:
        raise AwsError("EntityNotFoundException", f"{noun} {name} not found")
    return found


def _set(target: Any, given: dict[str, Any], fields: dict[str, str]) -> None:
    for name, attribute in fields.items():
        if given.get(name) is not None:
            setattr(target, attribute, given[name])


def _update_crawler(context: Context) -> None:
    crawler = _named(backend(context, "glue").crawlers, "Crawler", context.required("Name"))
    _set(crawler, context.parameters, _CRAWLER_FIELDS)
    crawler.version += 1
    crawler.last_updated = utc_now()


def _update_job(context: Context) -> dict[str, Any]:
    """An update says all of the job: what it leaves out falls back to its default."""
    from moto.core.utils import camelcase_to_underscores

    name, update = context.required("JobName"), context.required("JobUpdate")
    job = _named(backend(context, "glue").jobs, "Job", name)
    members = context.operation.model.service_model.shape_for("JobUpdate").members
    for member in members:
        attribute = camelcase_to_underscores(member)
        if hasattr(job, attribute):
            setattr(job, attribute, update.get(member))
    job.last_modified_on = utc_now()
    return {"JobName": name}


def _update_registry(context: Context) -> dict[str, Any]:
    wanted = context.required("RegistryId")
    name = wanted.get("RegistryName") or wanted.get("RegistryArn", "").rpartition("/")[2]
    registry = _named(backend(context, "glue").registries, "Registry", name)
    registry.description = context.required("Description")
    registry.updated_time = utc_now()
    return {"RegistryName": registry.name, "RegistryArn": registry.registry_arn}


def _update_trigger(context: Context) -> dict[str, Any]:
    from moto.glue.utils import Action, Predicate

    trigger = _named(backend(context, "glue").triggers, "Trigger", context.required("Name"))
    update = context.required("TriggerUpdate")
    _set(
        trigger,
        update,
        {
            "Description": "description",
            "Schedule": "schedule",
            "EventBatchingCondition": "event_batching_condition",
        },
    )
    for name, attribute, kind in (("Actions", "actions", Action), ("Predicate", "predicate", Predicate)):
        if update.get(name) is None:
            continue
        given = update[name]
        make = getattr(kind, "from_dict", None) or (lambda each, kind=kind: kind(**_snake(each)))
        setattr(
            trigger, attribute, [make(each) for each in given] if isinstance(given, list) else make(given)
        )
    return {"Trigger": trigger.as_dict()}


def _snake(given: dict[str, Any]) -> dict[str, Any]:
    from moto.core.utils import camelcase_to_underscores

    return {camelcase_to_underscores(key): value for key, value in given.items()}


def _update_connection(context: Context) -> None:
    connection = _named(backend(context, "glue").connections, "Connection", context.required("Name"))
    given = context.required("ConnectionInput")
    connection.connection_input = given
    connection.description = given.get("Description")
    connection.connection_properties = given.get("ConnectionProperties", {})
    connection.spark_properties = given.get("SparkProperties", {})
    connection.athena_properties = given.get("AthenaProperties", {})
    connection.python_properties = given.get("PythonProperties", {})
    connection.updated_time = utc_now()


def _delete_connection(context: Context) -> None:
    connections, name = backend(context, "glue").connections, context.required("ConnectionName")
    _named(connections, "Connection", name)
    del connections[name]


RULESET: Final = Kind(
    service="glue",
    noun="DataQualityRuleset",
    name="Name",
    arn="arn:aws:glue:{region}:{account}:dataQualityRuleset/{name}",
    arn_field="_arn",
    create="CreateDataQualityRuleset",
    describe="GetDataQualityRuleset",
    list="ListDataQualityRulesets",
    update="UpdateDataQualityRuleset",
    delete="DeleteDataQualityRuleset",
    created="CreatedOn",
    modified="LastModifiedOn",
    missing=("EntityNotFoundException", "Cannot find Data Quality Ruleset with name {name}"),
    exists=("AlreadyExistsException", "Data Quality Ruleset {name} already exists"),
)
