"""The inventory lists what a user made, and nothing else."""

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from tests.twin.aws.cloud.conftest import Cloud

ACCOUNT = "123456789012"
TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})
POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::lake/*"}],
    }
)
Undo = Callable[[], object]
ROLE = f"arn:aws:iam::{ACCOUNT}:role/r"
QUEUE_ARN = f"arn:aws:sqs:us-east-1:{ACCOUNT}:q"


@pytest.mark.slow
def test_a_fresh_cloud_is_empty_also_after_it_was_looked_at(cloud: Cloud) -> None:
    assert cloud.inventory() == []
    for service, look in {
        "ec2": "describe_vpcs",
        "iam": "list_roles",
        "kms": "list_aliases",
        "events": "list_event_buses",
        "athena": "list_work_groups",
        "ssm": "describe_parameters",
        "rds": "describe_db_parameter_groups",
        "config": "describe_configuration_recorders",
        "s3": "list_buckets",
        "sagemaker": "list_models",
        "ecs": "list_clusters",
        "glue": "get_databases",
        "stepfunctions": "list_state_machines",
        "scheduler": "list_schedule_groups",
    }.items():
        getattr(cloud.client(service), look)()
    cloud.client("ec2", "eu-west-1").describe_subnets()
    cloud.client("kms").describe_key(KeyId="alias/aws/s3")
    assert cloud.inventory() == []


def make(cloud: Cloud) -> list[Undo]:
    """Makes one of nearly everything; returns how to delete it, in the order of making."""
    undo: list[Undo] = []

    def then(action: Callable[..., object], **parameters: Any) -> None:
        undo.append(lambda: action(**parameters))

    for section in (storage, access, network, data, messages, stores, code, operations, models):
        section(cloud.client, then)
    return undo


def storage(c: Any, then: Any) -> None:
    s3 = c("s3")
    s3.create_bucket(Bucket="lake")
    s3.put_bucket_versioning(Bucket="lake", VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket="lake", Key="a", Body=b"1")
    s3.put_bucket_metrics_configuration(Bucket="lake", Id="m", MetricsConfiguration={"Id": "m"})
    then(s3.delete_bucket, Bucket="lake")
    then(
        lambda: [
            s3.delete_object(Bucket="lake", Key=each["Key"], VersionId=each["VersionId"])
            for each in s3.list_object_versions(Bucket="lake").get("Versions", [])
        ]
    )


def access(c: Any, then: Any) -> None:
    iam = c("iam")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
    then(iam.delete_role, RoleName="r")
    policy = iam.create_policy(PolicyName="p", PolicyDocument=POLICY)["Policy"]["Arn"]
    then(iam.delete_policy, PolicyArn=policy)
    iam.attach_role_policy(RoleName="r", PolicyArn=policy)
    then(iam.detach_role_policy, RoleName="r", PolicyArn=policy)
    iam.put_role_policy(RoleName="r", PolicyName="inline", PolicyDocument=POLICY)
    then(iam.delete_role_policy, RoleName="r", PolicyName="inline")
    iam.create_instance_profile(InstanceProfileName="i")
    then(iam.delete_instance_profile, InstanceProfileName="i")
    iam.add_role_to_instance_profile(InstanceProfileName="i", RoleName="r")
    then(iam.remove_role_from_instance_profile, InstanceProfileName="i", RoleName="r")
    oidc = iam.create_open_id_connect_provider(Url="https://token.example.com", ThumbprintList=["a" * 40])
    then(
        iam.delete_open_id_connect_provider,
        OpenIDConnectProviderArn=oidc["OpenIDConnectProviderArn"],
    )
    kms = c("kms")
    key = kms.create_key()["KeyMetadata"]
    then(kms.schedule_key_deletion, KeyId=key["KeyId"])
    kms.create_alias(AliasName="alias/data", TargetKeyId=key["KeyId"])
    then(kms.delete_alias, AliasName="alias/data")


def network(c: Any, then: Any) -> None:
    ec2 = c("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", AmazonProvidedIpv6CidrBlock=True)["Vpc"]["VpcId"]
    then(ec2.delete_vpc, VpcId=vpc)
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    then(ec2.delete_subnet, SubnetId=subnet)
    routes = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    then(ec2.delete_route_table, RouteTableId=routes)
    associated = ec2.associate_route_table(RouteTableId=routes, SubnetId=subnet)["AssociationId"]
    then(ec2.disassociate_route_table, AssociationId=associated)
    gateway = ec2.create_egress_only_internet_gateway(VpcId=vpc)["EgressOnlyInternetGateway"]
    gateway_id = gateway["EgressOnlyInternetGatewayId"]
    then(ec2.delete_egress_only_internet_gateway, EgressOnlyInternetGatewayId=gateway_id)
    group = ec2.create_security_group(GroupName="g", Description="d", VpcId=vpc)["GroupId"]
    then(ec2.delete_security_group, GroupId=group)
    endpoint = ec2.create_vpc_endpoint(
        VpcId=vpc, ServiceName="com.amazonaws.us-east-1.s3", RouteTableIds=[routes]
    )["VpcEndpoint"]["VpcEndpointId"]
    then(ec2.delete_vpc_endpoints, VpcEndpointIds=[endpoint])
    flow = ec2.create_flow_logs(
        ResourceIds=[vpc], ResourceType="VPC", TrafficType="ALL", LogDestinationType="s3",
        LogDestination="arn:aws:s3:::lake",
    )["FlowLogIds"]  # fmt: skip
    then(ec2.delete_flow_logs, FlowLogIds=flow)
    ec2.create_launch_template(LaunchTemplateName="template", LaunchTemplateData={"InstanceType": "m5.large"})
    then(ec2.delete_launch_template, LaunchTemplateName="template")


def data(c: Any, then: Any) -> None:
    table = c("dynamodb")
    table.create_table(
        TableName="t",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )
    then(table.delete_table, TableName="t")
    glue = c("glue")
    glue.create_database(DatabaseInput={"Name": "d"})
    then(glue.delete_database, Name="d")
    glue.create_table(DatabaseName="d", TableInput={"Name": "t"})
    then(glue.delete_table, DatabaseName="d", Name="t")
    glue.create_registry(RegistryName="reg")
    then(glue.delete_registry, RegistryId={"RegistryName": "reg"})
    glue.create_data_quality_ruleset(Name="q", Ruleset="Rules = []")
    then(glue.delete_data_quality_ruleset, Name="q")
    athena = c("athena")
    athena.create_work_group(Name="w", Configuration={})
    then(athena.delete_work_group, WorkGroup="w")


def messages(c: Any, then: Any) -> None:
    sqs = c("sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    then(sqs.delete_queue, QueueUrl=url)
    sns = c("sns")
    topic = sns.create_topic(Name="n")["TopicArn"]
    then(sns.delete_topic, TopicArn=topic)
    subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=QUEUE_ARN)["SubscriptionArn"]
    then(sns.unsubscribe, SubscriptionArn=subscription)
    logs = c("logs")
    logs.create_log_group(logGroupName="/a")
    then(logs.delete_log_group, logGroupName="/a")
    events = c("events")
    events.put_rule(Name="r", ScheduleExpression="rate(1 day)")
    then(events.delete_rule, Name="r")
    events.put_targets(Rule="r", Targets=[{"Id": "1", "Arn": QUEUE_ARN}])
    then(events.remove_targets, Rule="r", Ids=["1"])
    scheduler = c("scheduler")
    scheduler.create_schedule(
        Name="s", ScheduleExpression="rate(1 day)", FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": QUEUE_ARN, "RoleArn": ROLE},
    )  # fmt: skip
    then(scheduler.delete_schedule, Name="s")


def stores(c: Any, then: Any) -> None:
    ecr = c("ecr")
    ecr.create_repository(repositoryName="platform")
    then(ecr.delete_repository, repositoryName="platform", force=True)
    ssm = c("ssm")
    ssm.put_parameter(Name="/p", Value="v", Type="String")
    then(ssm.delete_parameter, Name="/p")
    secrets = c("secretsmanager")
    secrets.create_secret(Name="s", SecretString="x")
    then(secrets.delete_secret, SecretId="s")
    kinesis = c("kinesis")
    kinesis.create_stream(StreamName="k", ShardCount=1)
    then(kinesis.delete_stream, StreamName="k")
    firehose = c("firehose")
    firehose.create_delivery_stream(
        DeliveryStreamName="f",
        ExtendedS3DestinationConfiguration={"RoleARN": ROLE, "BucketARN": "arn:aws:s3:::lake"},
    )
    then(firehose.delete_delivery_stream, DeliveryStreamName="f")


def code(c: Any, then: Any) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("mine.py", "def handler(event, context): return event")
    functions = c("lambda")
    functions.create_function(
        FunctionName="f", Runtime="python3.11", Handler="mine.handler", Role=ROLE,
        Code={"ZipFile": buffer.getvalue()},
    )  # fmt: skip
    then(functions.delete_function, FunctionName="f")
    mapping = functions.create_event_source_mapping(FunctionName="f", EventSourceArn=QUEUE_ARN)["UUID"]
    then(functions.delete_event_source_mapping, UUID=mapping)
    states = c("stepfunctions")
    definition = json.dumps({"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}})
    machine = states.create_state_machine(name="m", definition=definition, roleArn=ROLE)["stateMachineArn"]
    then(states.delete_state_machine, stateMachineArn=machine)


def operations(c: Any, then: Any) -> None:
    watch = c("cloudwatch")
    watch.put_metric_alarm(
        AlarmName="a", EvaluationPeriods=1, ComparisonOperator="GreaterThanThreshold", Threshold=1.0,
        Namespace="n", MetricName="m", Period=60, Statistic="Sum",
    )  # fmt: skip
    then(watch.delete_alarms, AlarmNames=["a"])
    watch.put_dashboard(DashboardName="d", DashboardBody='{"widgets": []}')
    then(watch.delete_dashboards, DashboardNames=["d"])
    watch.put_metric_data(Namespace="n", MetricData=[{"MetricName": "m", "Value": 1.0}])
    batch = c("batch")
    batch.create_compute_environment(
        computeEnvironmentName="e",
        type="MANAGED",
        computeResources={"type": "SPOT", "maxvCpus": 1, "subnets": ["subnet-1"]},
    )
    then(batch.delete_compute_environment, computeEnvironment="e")
    then(batch.update_compute_environment, computeEnvironment="e", state="DISABLED")


def models(c: Any, then: Any) -> None:
    sagemaker = c("sagemaker")
    sagemaker.create_model_package_group(ModelPackageGroupName="g")
    then(sagemaker.delete_model_package_group, ModelPackageGroupName="g")
    package = sagemaker.create_model_package(ModelPackageGroupName="g", ModelApprovalStatus="Approved")
    then(sagemaker.delete_model_package, ModelPackageName=package["ModelPackageArn"])
    sagemaker.create_model(
        ModelName="m",
        ExecutionRoleArn=ROLE,
        PrimaryContainer={"ModelPackageName": package["ModelPackageArn"]},
    )
    then(sagemaker.delete_model, ModelName="m")
    variant = {"VariantName": "v", "ModelName": "m", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant])
    then(sagemaker.delete_endpoint_config, EndpointConfigName="c")
    sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="c")
    then(sagemaker.delete_endpoint, EndpointName="e")
    scaling = c("application-autoscaling")
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/e/variant/v",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    scaling.register_scalable_target(**target, MinCapacity=1, MaxCapacity=2)
    then(scaling.deregister_scalable_target, **target)
    budgets = c("budgets")
    budgets.create_budget(
        AccountId=ACCOUNT,
        Budget={
            "BudgetName": "b",
            "BudgetType": "COST",
            "TimeUnit": "MONTHLY",
            "BudgetLimit": {"Amount": "1", "Unit": "USD"},
        },
    )
    then(budgets.delete_budget, AccountId=ACCOUNT, BudgetName="b")
    trail = c("cloudtrail")
    trail.create_trail(Name="trail", S3BucketName="lake")
    then(trail.delete_trail, Name="trail")


MADE = {
    "applicationautoscaling:ScalableTarget",
    "athena:WorkGroup",
    "batch:ComputeEnvironment",
    "budgets:Budget",
    "cloudtrail:Trail",
    "cloudwatch:Alarm",
    "cloudwatch:Dashboard",
    "dynamodb:Table",
    "ec2:EgressOnlyInternetGateway",
    "ec2:FlowLogs",
    "ec2:LaunchTemplate",
    "ec2:RouteTable",
    "ec2:SecurityGroup",
    "ec2:Subnet",
    "ec2:VPC",
    "ec2:VPCEndPoint",
    "ecr:Repository",
    "events:Rule",
    "firehose:DeliveryStream",
    "glue:DataQualityRuleset",
    "glue:Database",
    "glue:Registry",
    "iam:InstanceProfile",
    "iam:ManagedPolicy",
    "iam:OpenIDConnectProvider",
    "iam:Role",
    "kinesis:Stream",
    "kms:Key",
    "awslambda:EventSourceMapping",
    "awslambda:LambdaFunction",
    "logs:LogGroup",
    "s3:Bucket",
    "sagemaker:Endpoint",
    "sagemaker:EndpointConfig",
    "sagemaker:Model",
    "sagemaker:ModelPackage",
    "sagemaker:ModelPackageGroup",
    "scheduler:Schedule",
    "secretsmanager:Secret",
    "sns:Subscription",
    "sns:Topic",
    "sqs:Queue",
    "ssm:Parameter",
    "stepfunctions:StateMachine",
}


@pytest.mark.slow
def test_everything_made_is_listed_and_nothing_is_left_after_its_deletion(
    new_cloud: Callable[..., Cloud],
) -> None:
    cloud = new_cloud(live=False)
    undo = make(cloud)
    listed = cloud.inventory()
    types = {each["type"] for each in listed}
    assert types >= MADE, sorted(MADE - types)
    assert all(set(each) == {"type", "id", "arn", "region"} for each in listed)
    assert listed == sorted(listed, key=lambda each: (each["type"], each["region"], each["id"]))
    for step in reversed(undo):
        step()
    left = cloud.inventory()
    assert left == [], left


def test_a_nat_gateway_takes_its_network_interface_along(new_cloud: Callable[..., Cloud]) -> None:
    cloud = new_cloud(live=False)
    ec2 = cloud.client("ec2")
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    gateway = ec2.create_nat_gateway(SubnetId=subnet, ConnectivityType="private")["NatGateway"]
    assert "ec2:NetworkInterface" in {each["type"] for each in cloud.inventory()}
    ec2.delete_nat_gateway(NatGatewayId=gateway["NatGatewayId"])
    assert cloud.inventory() == []


@pytest.mark.slow
def test_what_is_left_is_listed(new_cloud: Callable[..., Cloud]) -> None:
    cloud = new_cloud(live=False)
    steps = make(cloud)
    for step in reversed(steps[2:]):
        step()
    assert [each["type"] for each in cloud.inventory()] == ["s3:Bucket"]
