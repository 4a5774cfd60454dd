"""Services that moto has nothing of, and whose tables say everything.

Access Analyzer, Grafana, Global Accelerator; a further such service is one more `Kind` here.
"""

from typing import Any, Final

from twin.aws.cloud.gaps.context import Context
from twin.aws.cloud.gaps.kinds import Kind
from twin.aws.cloud.gaps.registry import GapRegistry
from twin.aws.cloud.gaps.store import Record


def fill(registry: GapRegistry) -> None:
    """Registers these services' gap fillers."""
    for kind in KINDS:
        registry.kind(kind)


def _begin_analyzer(_context: Context, analyzer: Record) -> None:
    analyzer["name"] = analyzer["analyzerName"]


def _made(prefix: str, length: int) -> Any:
    """A maker of names that AWS makes up."""

    def make(_kind: Kind, _context: Context) -> str:
        from moto.moto_api._internal import mock_random

        return prefix + mock_random.get_random_hex(length)

    return make


def _begin_workspace(context: Context, workspace: Record) -> None:
    workspace["id"] = workspace["workspaceId"]
    workspace["endpoint"] = f"{workspace['id']}.grafana-workspace.{context.region}.amazonaws.com"
    workspace["authentication"] = {"providers": workspace.pop("authenticationProviders", [])}
    _rename_workspace(context, workspace)


def _rename_workspace(_context: Context, workspace: Record) -> None:
    """Requests say `workspaceName`, answers `name`; the role keeps its name."""
    for name in ("Name", "Description", "DataSources", "NotificationDestinations", "OrganizationalUnits"):
        if f"workspace{name}" in workspace:
            workspace[name[0].lower() + name[1:]] = workspace.pop(f"workspace{name}")


def _begin_accelerator(_context: Context, accelerator: Record) -> None:
    identity = accelerator["AcceleratorArn"]
    accelerator["_id"] = identity
    accelerator["DnsName"] = f"{identity[:16]}.awsglobalaccelerator.com"
    accelerator["IpSets"] = [
        {
            "IpFamily": "IPv4",
            "IpAddressFamily": "IPv4",
            "IpAddresses": accelerator.pop("IpAddresses", None) or ["192.0.2.1", "198.51.100.1"],
        }
    ]


def _begin_child(parent: str, word: str) -> Any:
    """The ARN of a listener or endpoint group lies below its parent's."""

    def begin(_context: Context, record: Record) -> None:
        record["_below"] = f"{record[parent]}/{word}"
        arn = next(name for name in ("EndpointGroupArn", "ListenerArn") if name in record and name != parent)
        record["_id"] = record[arn]

    return begin


KINDS: Final = (
    Kind(
        service="accessanalyzer",
        noun="Analyzer",
        name="analyzerName",
        arn="arn:aws:access-analyzer:{region}:{account}:analyzer/{name}",
        arn_field="arn",
        create="CreateAnalyzer",
        describe="GetAnalyzer",
        list="ListAnalyzers",
        update="UpdateAnalyzer",
        delete="DeleteAnalyzer",
        wrap="analyzer",
        tags="tags",
        initial={"status": "ACTIVE"},
        created="createdAt",
        before_create=_begin_analyzer,
    ),
    Kind(
        service="grafana",
        noun="Workspace",
        name="workspaceId",
        arn="arn:aws:grafana:{region}:{account}:/workspaces/{name}",
        arn_field="_arn",
        create="CreateWorkspace",
        describe="DescribeWorkspace",
        list="ListWorkspaces",
        update="UpdateWorkspace",
        delete="DeleteWorkspace",
        wrap="workspace",
        tags="tags",
        initial={"status": "ACTIVE", "grafanaVersion": "10.4"},
        created="created",
        modified="modified",
        make_name=_made("g-", 10),
        before_create=_begin_workspace,
        after_update=_rename_workspace,
    ),
    Kind(
        service="globalaccelerator",
        noun="Accelerator",
        name="AcceleratorArn",
        arn="arn:aws:globalaccelerator::{account}:accelerator/{_id}",
        arn_field="AcceleratorArn",
        create="CreateAccelerator",
        describe="DescribeAccelerator",
        list="ListAccelerators",
        update="UpdateAccelerator",
        delete="DeleteAccelerator",
        wrap="Accelerator",
        initial={"Status": "DEPLOYED", "Enabled": True, "IpAddressType": "IPV4"},
        created="CreatedTime",
        modified="LastModifiedTime",
        everywhere=True,
        missing=("AcceleratorNotFoundException", "Accelerator {name} not found"),
        make_name=_made("", 32),
        before_create=_begin_accelerator,
    ),
    Kind(
        service="globalaccelerator",
        noun="Listener",
        name="ListenerArn",
        arn="{_below}/{_id}",
        arn_field="ListenerArn",
        create="CreateListener",
        describe="DescribeListener",
        list="ListListeners",
        update="UpdateListener",
        delete="DeleteListener",
        wrap="Listener",
        initial={"ClientAffinity": "NONE"},
        everywhere=True,
        missing=("ListenerNotFoundException", "Listener {name} not found"),
        make_name=_made("", 8),
        before_create=_begin_child("AcceleratorArn", "listener"),
    ),
    Kind(
        service="globalaccelerator",
        noun="EndpointGroup",
        name="EndpointGroupArn",
        arn="{_below}/{_id}",
        arn_field="EndpointGroupArn",
        create="CreateEndpointGroup",
        describe="DescribeEndpointGroup",
        list="ListEndpointGroups",
        update="UpdateEndpointGroup",
        delete="DeleteEndpointGroup",
        wrap="EndpointGroup",
        initial={"TrafficDialPercentage": 100.0, "HealthCheckIntervalSeconds": 30, "ThresholdCount": 3},
        everywhere=True,
        missing=("EndpointGroupNotFoundException", "Endpoint group {name} not found"),
        make_name=_made("", 12),
        before_create=_begin_child("ListenerArn", "endpoint-group"),
    ),
)
