"""VPC: NAT gateways, interface endpoints, flow logs."""

from decimal import Decimal
from typing import Final

from pricing.bill import Bill


def _nat_gateway(bill: Bill) -> None:
    bill.hours("gateway", "network", "nat-gateway-hour")
    bill.used("data processed", "network", "nat-gateway-gb", bill.usage.nat_gb)


def _endpoint(bill: Bill) -> None:
    properties = bill.properties
    # Gateway endpoints (S3, DynamoDB), AWS's default type, are free.
    if properties.text("vpcEndpointType", "Gateway") == "Gateway":
        return
    zones = max(1, properties.size("subnetIds"), properties.size("subnetConfigurations"))
    bill.hours(f"in {zones} zones", "network", "interface-endpoint-hour", Decimal(zones))
    bill.used("data processed", "network", "interface-endpoint-gb", bill.usage.endpoint_gb)


def _flow_log(bill: Bill) -> None:
    kind = bill.properties.text("logDestinationType", "cloud-watch-logs")
    if kind == "s3":
        bill.used("delivery to S3", "cloudwatch", "vended-logs-s3-gb", bill.usage.flow_logs_gb)
    elif kind == "cloud-watch-logs":
        bill.used("delivery to CloudWatch Logs", "cloudwatch", "logs-ingest-gb", bill.usage.flow_logs_gb)
    else:
        bill.unpriced(f"delivery of flow logs to {kind} is not in the price snapshot")


ESTIMATORS: Final = {
    "aws:ec2/flowLog:FlowLog": _flow_log,
    "aws:ec2/natGateway:NatGateway": _nat_gateway,
    "aws:ec2/vpcEndpoint:VpcEndpoint": _endpoint,
}
