"""Gathers an environment's facts: its state, its cloud, and what policies say of what is deployed."""

import datetime
from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from cli.alerting import entry
from cli.checking import budget_of
from cli.estimating import declared_usage, estimate_deployment
from cli.overview.cloud import CloudReader
from cli.overview.components import ComponentMap, map_of
from cli.overview.facts import Overview
from cli.policy_eval import diagnosed
from cli.reports.findings import Sorted, every_pack, rules_in_force
from cli.reports.report import Costs, Report
from cli.workspace import Workspace
from platform_jobs.aws import Clients
from policies.inputs import read_resources
from policies.settings import STAGES
from pricing import Estimate
from stacks.settings import parse_settings
from twin.aws.cloud.client import inbox, session
from twin.engine.deployment import Deployment, plain_outputs

TOLD: Final = 20
"""How many messages are shown."""


def gather(
    workspace: Workspace,
    deployment: Deployment,
    document: Mapping[str, Any],
    cloud: str,
    now: datetime.datetime,
) -> Overview:
    """Everything that the page shows.

    Args:
        workspace: The stack; its settings are sound.
        deployment: Its state.
        document: The same in Pulumi's deployment format, secrets encrypted.
        cloud: The endpoint of the twin's cloud that it lives in.
        now: The moment that windows end at, with its zone.

    Raises:
        ValueError: The state holds what no policy can be shown, or the declared usage is wrong.
    """
    outputs = plain_outputs(deployment)
    components = map_of(deployment.resources)
    estimate = estimate_deployment(
        deployment, workspace.region, declared_usage(workspace.setting("usage"), None)
    )
    reader = CloudReader(Clients(session=session(cloud, workspace.region), endpoint_url=cloud), outputs, now)
    settings = parse_settings(workspace.config.values) if workspace.ours else None
    models = (
        tuple(
            reader.model(workspace.stack, each, fallback="fallback" in settings.enabled)
            for each in settings.models
        )
        if settings
        else ()
    )
    views = tuple(reader.view(each.name) for each in settings.feature_views) if settings else ()
    topics = {str(arn): name for name, arn in (outputs.get("topics") or {}).items()}
    return Overview(
        stack=workspace.stack,
        region=workspace.region,
        at=now,
        components=components,
        component_costs=_by_component(components, estimate),
        models=models,
        views=views,
        alarms=reader.alarms(),
        told=[entry(message, topics) for message in inbox(cloud)][-TOLD:][::-1],
        verdict=_verdict(workspace, document, len(components.owners), Costs(estimate, budget_of(workspace))),
        unknown=tuple(reader.unknown),
    )


def _by_component(components: ComponentMap, estimate: Estimate) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for item in estimate.resources:
        sums[components.owners[item.urn]] += item.amounts.expected
    return dict(sums)


def _verdict(workspace: Workspace, document: Mapping[str, Any], resources: int, costs: Costs) -> Report:
    """What the packs say of the deployed resources; a value that the state keeps secret is a remark."""
    config = workspace.setup("", whole=False).policy_config
    stage = str(workspace.setting("stage") or STAGES[0])
    said, failures = diagnosed(every_pack(), config, read_resources(document))
    rules = rules_in_force(every_pack(), config, stage)
    found = Sorted(said, rules)
    return Report(
        subject=workspace.stack,
        source=workspace.project.stack_file(workspace.stack).name,
        stage=stage,
        environment=str(workspace.setting("environment") or "prod"),
        resources=resources,
        rules=rules,
        violations=found.violations,
        cannot_judge=found.cannot_judge,
        waived=found.waived,
        cost=costs,
        problems=tuple(failures),
    )
