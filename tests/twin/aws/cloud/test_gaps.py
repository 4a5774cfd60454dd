"""What moto lacks or loses works as in AWS."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.twin.aws.cloud.conftest import REGION, Cloud
from twin.aws.cloud.client import foresee

ACCOUNT = "123456789012"


def refused(match: str) -> Any:
    return pytest.raises(ClientError, match=match)


def test_model_packages_have_versions_and_approval(shared_cloud: Cloud) -> None:
    sagemaker = shared_cloud.client("sagemaker")
    sagemaker.create_model_package_group(ModelPackageGroupName="versions", ModelPackageGroupDescription="d")
    with refused("already exists"):
        sagemaker.create_model_package_group(ModelPackageGroupName="versions")
    arns = [
        sagemaker.create_model_package(
            ModelPackageGroupName="versions", CustomerMetadataProperties={"a": "1"}
        )["ModelPackageArn"]
        for _ in range(3)
    ]
    assert [arn.rpartition("/")[2] for arn in arns] == ["1", "2", "3"]
    assert sagemaker.describe_model_package(ModelPackageName=arns[0])["ModelApprovalStatus"] == (
        "PendingManualApproval"
    )
    sagemaker.update_model_package(
        ModelPackageArn=arns[1],
        ModelApprovalStatus="Approved",
        ApprovalDescription="good",
        CustomerMetadataProperties={"b": "2"},
        CustomerMetadataPropertiesToRemove=["a"],
    )
    told = sagemaker.describe_model_package(ModelPackageName=arns[1])
    assert (told["ModelApprovalStatus"], told["ApprovalDescription"]) == ("Approved", "good")
    assert told["CustomerMetadataProperties"] == {"b": "2"}
    approved = sagemaker.list_model_packages(
        ModelPackageGroupName="versions",
        ModelApprovalStatus="Approved",
        SortBy="CreationTime",
        SortOrder="Descending",
    )["ModelPackageSummaryList"]
    assert [each["ModelPackageVersion"] for each in approved] == [2]
    assert sagemaker.list_model_packages()["ModelPackageSummaryList"] == []
    with refused("still contains model packages"):
        sagemaker.delete_model_package_group(ModelPackageGroupName="versions")
    sagemaker.delete_model_package(ModelPackageName=arns[2])
    with refused("does not exist"):
        sagemaker.describe_model_package(ModelPackageName=arns[2])
    again = sagemaker.create_model_package(ModelPackageGroupName="versions")["ModelPackageArn"]
    assert again.endswith("/4")
    for arn in (*arns[:2], again):
        sagemaker.delete_model_package(ModelPackageName=arn)
    sagemaker.delete_model_package_group(ModelPackageGroupName="versions")


def test_only_approved_packages_become_models(shared_cloud: Cloud) -> None:
    sagemaker = shared_cloud.client("sagemaker")
    sagemaker.create_model_package_group(ModelPackageGroupName="gate")
    arn = sagemaker.create_model_package(ModelPackageGroupName="gate")["ModelPackageArn"]
    model = {
        "ModelName": "gated",
        "ExecutionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/any",
        "PrimaryContainer": {"ModelPackageName": arn},
    }
    with refused("not Approved"):
        sagemaker.create_model(**model)
    sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    sagemaker.create_model(**model)
    assert sagemaker.describe_model(ModelName="gated")["PrimaryContainer"] == {"ModelPackageName": arn}
    with refused("Could not find model"):
        sagemaker.create_endpoint_config(
            EndpointConfigName="c", ProductionVariants=[{"VariantName": "v", "ModelName": "nobody"}]
        )
    for variant in (
        {"InstanceType": "ml.nonsense.large"},
        {},
        {"ServerlessConfig": {"MemorySizeInMB": 1500, "MaxConcurrency": 1}},
    ):
        with refused("ValidationException"):
            sagemaker.create_endpoint_config(
                EndpointConfigName="c",
                ProductionVariants=[
                    {"VariantName": "v", "ModelName": "gated", "InitialInstanceCount": 1, **variant}
                ],
            )
    serverless = {"MemorySizeInMB": 2048, "MaxConcurrency": 5, "ProvisionedConcurrency": 1}
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 20,
        "DestinationS3Uri": "s3://b/capture",
        "CaptureOptions": [{"CaptureMode": "Input"}],
    }
    for name, variant in (
        ("gpu", {"InstanceType": "ml.g5.xlarge", "InitialInstanceCount": 1}),
        ("serverless", {"ServerlessConfig": serverless}),
    ):
        sagemaker.create_endpoint_config(
            EndpointConfigName=name,
            KmsKeyId="key",
            DataCaptureConfig=capture,
            ProductionVariants=[{"VariantName": "v", "ModelName": "gated", **variant}],
        )
    told = sagemaker.describe_endpoint_config(EndpointConfigName="serverless")
    assert told["ProductionVariants"][0]["ServerlessConfig"] == serverless
    assert told["DataCaptureConfig"] == capture
    assert told["KmsKeyId"] == "key"
    sagemaker.create_endpoint(EndpointName="declared", EndpointConfigName="gpu")
    sagemaker.update_endpoint(EndpointName="declared", EndpointConfigName="serverless")
    told = sagemaker.describe_endpoint(EndpointName="declared")
    assert (told["EndpointStatus"], told["EndpointConfigName"]) == ("InService", "serverless")
    assert told["DataCaptureConfig"]["CaptureStatus"] == "Started"


def test_the_feature_store_keeps_both_its_stores(shared_cloud: Cloud) -> None:
    sagemaker, runtime = (
        shared_cloud.client("sagemaker"),
        shared_cloud.client("sagemaker-featurestore-runtime"),
    )
    sagemaker.create_feature_group(
        FeatureGroupName="customers",
        RecordIdentifierFeatureName="id",
        EventTimeFeatureName="at",
        FeatureDefinitions=[{"FeatureName": name, "FeatureType": "String"} for name in ("id", "at", "age")],
        OnlineStoreConfig={"EnableOnlineStore": True, "SecurityConfig": {"KmsKeyId": "k"}},
        OfflineStoreConfig={"S3StorageConfig": {"S3Uri": "s3://b/f"}},
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/any",
        Tags=[{"Key": "owner", "Value": "me"}],
    )
    told = sagemaker.describe_feature_group(FeatureGroupName="customers")
    assert told["OnlineStoreConfig"]["SecurityConfig"]["KmsKeyId"] == "k"
    assert told["OfflineStoreConfig"]["S3StorageConfig"]["ResolvedOutputS3Uri"].startswith("s3://b/f/")
    sagemaker.update_feature_group(
        FeatureGroupName="customers", FeatureAdditions=[{"FeatureName": "x", "FeatureType": "String"}]
    )
    assert len(sagemaker.describe_feature_group(FeatureGroupName="customers")["FeatureDefinitions"]) == 4
    for at, age in (("2", "41"), ("1", "40")):  # the later event wins, whichever comes last
        values = {"id": "a", "at": at, "age": age}
        runtime.put_record(
            FeatureGroupName="customers",
            Record=[{"FeatureName": key, "ValueAsString": value} for key, value in values.items()],
        )
    record = runtime.get_record(
        FeatureGroupName="customers", RecordIdentifierValueAsString="a", FeatureNames=["age"]
    )["Record"]
    assert record == [{"FeatureName": "age", "ValueAsString": "41"}]
    with refused("no features"):
        runtime.put_record(
            FeatureGroupName="customers", Record=[{"FeatureName": "nonsense", "ValueAsString": "1"}]
        )
    sagemaker.delete_feature_group(FeatureGroupName="customers")
    with refused("ResourceNotFound"):
        sagemaker.describe_feature_group(FeatureGroupName="customers")


def test_monitoring_schedules_and_mlflow(shared_cloud: Cloud) -> None:
    sagemaker = shared_cloud.client("sagemaker")
    config = {
        "ScheduleConfig": {"ScheduleExpression": "cron(0 * ? * * *)"},
        "MonitoringJobDefinitionName": "drift",
        "MonitoringType": "DataQuality",
    }
    sagemaker.create_monitoring_schedule(MonitoringScheduleName="s", MonitoringScheduleConfig=config)
    sagemaker.stop_monitoring_schedule(MonitoringScheduleName="s")
    told = sagemaker.describe_monitoring_schedule(MonitoringScheduleName="s")
    assert (told["MonitoringScheduleStatus"], told["MonitoringScheduleConfig"]) == ("Stopped", config)
    listed = sagemaker.list_monitoring_schedules(StatusEquals="Stopped")["MonitoringScheduleSummaries"]
    assert [each["MonitoringScheduleName"] for each in listed] == ["s"]
    assert sagemaker.list_monitoring_schedules(StatusEquals="Failed")["MonitoringScheduleSummaries"] == []
    sagemaker.delete_monitoring_schedule(MonitoringScheduleName="s")
    role = f"arn:aws:iam::{ACCOUNT}:role/any"
    sagemaker.create_mlflow_tracking_server(
        TrackingServerName="t", ArtifactStoreUri="s3://b", RoleArn=role, TrackingServerSize="Medium"
    )
    sagemaker.update_mlflow_tracking_server(TrackingServerName="t", TrackingServerSize="Large")
    assert sagemaker.describe_mlflow_tracking_server(TrackingServerName="t")["TrackingServerSize"] == "Large"
    sagemaker.delete_mlflow_tracking_server(TrackingServerName="t")
    arn = sagemaker.create_mlflow_app(
        Name="tracking", ArtifactStoreUri="s3://b", RoleArn=role, Tags=[{"Key": "a", "Value": "b"}]
    )["Arn"]
    told = sagemaker.describe_mlflow_app(Arn=arn)
    assert (told["Name"], told["Status"]) == ("tracking", "Created")
    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "c", "Value": "d"}])
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["a"])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "c", "Value": "d"}]
    sagemaker.delete_mlflow_app(Arn=arn)
    assert sagemaker.list_mlflow_apps()["Summaries"] == []


def test_budgets_can_be_changed_and_notify(shared_cloud: Cloud) -> None:
    budgets = shared_cloud.client("budgets")
    limit = {"Amount": "100", "Unit": "USD"}
    start = datetime(2026, 1, 1, tzinfo=UTC)
    budget = {
        "BudgetName": "month",
        "BudgetType": "COST",
        "TimeUnit": "MONTHLY",
        "BudgetLimit": limit,
        "TimePeriod": {"Start": start},
        "CostFilters": {"TagKeyValue": ["user:owner$me"]},
    }
    notification = {
        "NotificationType": "ACTUAL",
        "ComparisonOperator": "GREATER_THAN",
        "Threshold": 80.0,
        "ThresholdType": "PERCENTAGE",
    }
    mail = {"SubscriptionType": "EMAIL", "Address": "a@example.com"}
    budgets.create_budget(
        AccountId=ACCOUNT,
        Budget=budget,
        NotificationsWithSubscribers=[{"Notification": notification, "Subscribers": [mail]}],
        ResourceTags=[{"Key": "owner", "Value": "me"}],
    )
    with refused("DuplicateRecordException"):
        budgets.create_budget(AccountId=ACCOUNT, Budget=budget)
    budgets.update_budget(AccountId=ACCOUNT, NewBudget={**budget, "BudgetLimit": {**limit, "Amount": "200"}})
    told = budgets.describe_budget(AccountId=ACCOUNT, BudgetName="month")["Budget"]
    assert told["BudgetLimit"]["Amount"] == "200"
    assert told["TimePeriod"]["Start"].astimezone(UTC) == start
    assert told["CostFilters"] == budget["CostFilters"]
    assert told["CostTypes"]["IncludeTax"] is True
    of = {"AccountId": ACCOUNT, "BudgetName": "month"}
    other = {**mail, "Address": "b@example.com"}
    budgets.create_subscriber(**of, Notification=notification, Subscriber=other)
    budgets.update_subscriber(
        **of,
        Notification=notification,
        OldSubscriber=mail,
        NewSubscriber={**mail, "Address": "c@example.com"},
    )
    found = budgets.describe_subscribers_for_notification(**of, Notification=notification)["Subscribers"]
    assert {each["Address"] for each in found} == {"b@example.com", "c@example.com"}
    budgets.update_notification(
        **of, OldNotification=notification, NewNotification={**notification, "Threshold": 90.0}
    )
    (told,) = budgets.describe_notifications_for_budget(**of)["Notifications"]
    assert (told["Threshold"], told["NotificationState"]) == (90.0, "OK")
    with refused("NotFoundException"):
        budgets.delete_notification(**of, Notification=notification)
    budgets.delete_notification(**of, Notification={**notification, "Threshold": 90.0})
    arn = f"arn:aws:budgets::{ACCOUNT}:budget/month"
    assert budgets.list_tags_for_resource(ResourceARN=arn)["ResourceTags"] == [
        {"Key": "owner", "Value": "me"}
    ]
    budgets.delete_budget(**of)
    with refused("NotFoundException"):
        budgets.describe_budget(**of)


def test_cost_anomalies(shared_cloud: Cloud) -> None:
    costs = shared_cloud.client("ce")
    monitor = costs.create_anomaly_monitor(
        AnomalyMonitor={"MonitorName": "m", "MonitorType": "DIMENSIONAL", "MonitorDimension": "SERVICE"},
        ResourceTags=[{"Key": "a", "Value": "b"}],
    )["MonitorArn"]
    costs.update_anomaly_monitor(MonitorArn=monitor, MonitorName="n")
    subscription = costs.create_anomaly_subscription(
        AnomalySubscription={
            "SubscriptionName": "s",
            "MonitorArnList": [monitor],
            "Subscribers": [{"Type": "EMAIL", "Address": "a@example.com"}],
            "Frequency": "DAILY",
            "ThresholdExpression": {
                "Dimensions": {
                    "Key": "ANOMALY_TOTAL_IMPACT_ABSOLUTE",
                    "Values": ["100"],
                    "MatchOptions": ["GREATER_THAN_OR_EQUAL"],
                }
            },
        }
    )["SubscriptionArn"]
    costs.update_anomaly_subscription(SubscriptionArn=subscription, Frequency="WEEKLY")
    (told,) = costs.get_anomaly_subscriptions(SubscriptionArnList=[subscription])["AnomalySubscriptions"]
    assert (told["Frequency"], told["MonitorArnList"]) == ("WEEKLY", [monitor])
    (told,) = costs.get_anomaly_monitors()["AnomalyMonitors"]
    assert told["MonitorName"] == "n"
    assert costs.list_tags_for_resource(ResourceArn=monitor)["ResourceTags"] == [{"Key": "a", "Value": "b"}]
    with refused("UnknownMonitorException"):
        costs.get_anomaly_monitors(MonitorArnList=[monitor + "x"])
    costs.delete_anomaly_subscription(SubscriptionArn=subscription)
    costs.delete_anomaly_monitor(MonitorArn=monitor)


def test_athena_workgroups_can_be_updated(shared_cloud: Cloud) -> None:
    athena = shared_cloud.client("athena")
    configuration = {
        "ResultConfiguration": {"OutputLocation": "s3://b/a"},
        "BytesScannedCutoffPerQuery": 10_000_000,
    }
    athena.create_work_group(Name="w", Configuration=configuration, Tags=[{"Key": "a", "Value": "b"}])
    athena.update_work_group(
        WorkGroup="w",
        Description="d",
        State="DISABLED",
        ConfigurationUpdates={
            "ResultConfigurationUpdates": {"OutputLocation": "s3://b/c"},
            "RemoveBytesScannedCutoffPerQuery": True,
            "PublishCloudWatchMetricsEnabled": True,
        },
    )
    told = athena.get_work_group(WorkGroup="w")["WorkGroup"]
    assert (told["Description"], told["State"]) == ("d", "DISABLED")
    assert told["Configuration"]["ResultConfiguration"]["OutputLocation"] == "s3://b/c"
    assert told["Configuration"]["PublishCloudWatchMetricsEnabled"] is True
    assert "BytesScannedCutoffPerQuery" not in told["Configuration"]
    athena.delete_work_group(WorkGroup="w")
    with refused("not found"):
        athena.get_work_group(WorkGroup="w")


def test_glue_can_be_updated(shared_cloud: Cloud) -> None:
    glue = shared_cloud.client("glue")
    glue.create_crawler(Name="c", Role="r", DatabaseName="d", Targets={"S3Targets": [{"Path": "s3://a"}]})
    glue.update_crawler(Name="c", Schedule="cron(0 1 * * ? *)", Targets={"S3Targets": [{"Path": "s3://b"}]})
    told = glue.get_crawler(Name="c")["Crawler"]
    assert told["Targets"]["S3Targets"][0]["Path"] == "s3://b"
    assert told["Schedule"]["ScheduleExpression"] == "cron(0 1 * * ? *)"
    glue.create_job(Name="j", Role="r", Command={"Name": "glueetl", "ScriptLocation": "s3://a"}, MaxRetries=2)
    glue.update_job(
        JobName="j", JobUpdate={"Role": "s", "Command": {"Name": "glueetl", "ScriptLocation": "s3://b"}}
    )
    told = glue.get_job(JobName="j")["Job"]
    assert (told["Role"], told["Command"]["ScriptLocation"]) == ("s", "s3://b")
    glue.create_registry(RegistryName="events")
    glue.update_registry(RegistryId={"RegistryName": "events"}, Description="d")
    assert glue.get_registry(RegistryId={"RegistryName": "events"})["Description"] == "d"
    glue.create_connection(
        ConnectionInput={"Name": "n", "ConnectionType": "NETWORK", "ConnectionProperties": {}}
    )
    glue.delete_connection(ConnectionName="n")
    with refused("EntityNotFoundException"):
        glue.get_connection(Name="n")
    glue.create_data_quality_ruleset(Name="q", Ruleset="Rules = []")
    assert glue.get_data_quality_ruleset(Name="q")["Ruleset"] == "Rules = []"
    with refused("EntityNotFoundException"):
        glue.update_crawler(Name="nobody", Role="r")


def test_s3_keeps_what_moto_drops(shared_cloud: Cloud) -> None:
    s3 = shared_cloud.client("s3")
    s3.create_bucket(Bucket="full")
    rules = [
        {
            "ID": "old",
            "Status": "Enabled",
            "Filter": {
                "And": {"Prefix": "a/", "ObjectSizeGreaterThan": 10, "Tags": [{"Key": "k", "Value": "v"}]}
            },
            "NoncurrentVersionExpiration": {"NoncurrentDays": 30, "NewerNoncurrentVersions": 3},
        },
        {
            "ID": "parts",
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
        },
    ]
    s3.put_bucket_lifecycle_configuration(Bucket="full", LifecycleConfiguration={"Rules": rules})
    assert s3.get_bucket_lifecycle_configuration(Bucket="full")["Rules"] == rules
    s3.put_bucket_lifecycle_configuration(Bucket="full", LifecycleConfiguration={"Rules": rules[1:]})
    assert s3.get_bucket_lifecycle_configuration(Bucket="full")["Rules"] == rules[1:]
    s3.delete_bucket_lifecycle(Bucket="full")
    with refused("NoSuchLifecycleConfiguration"):
        s3.get_bucket_lifecycle_configuration(Bucket="full")
    s3.put_bucket_notification_configuration(
        Bucket="full", NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    assert s3.get_bucket_notification_configuration(Bucket="full")["EventBridgeConfiguration"] == {}
    s3.put_bucket_notification_configuration(Bucket="full", NotificationConfiguration={})
    assert "EventBridgeConfiguration" not in s3.get_bucket_notification_configuration(Bucket="full")
    tiering = {"Id": "cold", "Status": "Enabled", "Tierings": [{"Days": 90, "AccessTier": "ARCHIVE_ACCESS"}]}
    s3.put_bucket_intelligent_tiering_configuration(
        Bucket="full", Id="cold", IntelligentTieringConfiguration=tiering
    )
    listed = s3.list_bucket_intelligent_tiering_configurations(Bucket="full")
    assert listed["IntelligentTieringConfigurationList"] == [tiering]
    s3.put_object(Bucket="full", Key="a&b?c d", Body=b"x")
    assert s3.get_object(Bucket="full", Key="a&b?c d")["Body"].read() == b"x"
    with refused("BucketNotEmpty"):
        s3.delete_bucket(Bucket="full")


def test_a_bucket_made_anew_remembers_nothing(shared_cloud: Cloud) -> None:
    s3 = shared_cloud.client("s3")
    rule = {
        "ID": "a",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 3, "NewerNoncurrentVersions": 2},
    }
    s3.create_bucket(Bucket="again")
    s3.put_bucket_lifecycle_configuration(Bucket="again", LifecycleConfiguration={"Rules": [rule]})
    s3.put_bucket_metrics_configuration(Bucket="again", Id="m", MetricsConfiguration={"Id": "m"})
    s3.put_bucket_notification_configuration(
        Bucket="again", NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    s3.delete_bucket(Bucket="again")
    s3.create_bucket(Bucket="again")
    with refused("NoSuchLifecycleConfiguration"):
        s3.get_bucket_lifecycle_configuration(Bucket="again")
    plain = {**rule, "NoncurrentVersionExpiration": {"NoncurrentDays": 3}}
    s3.put_bucket_lifecycle_configuration(Bucket="again", LifecycleConfiguration={"Rules": [plain]})
    assert s3.get_bucket_lifecycle_configuration(Bucket="again")["Rules"] == [plain]
    with refused("NoSuchConfiguration"):
        s3.get_bucket_metrics_configuration(Bucket="again", Id="m")
    assert "EventBridgeConfiguration" not in s3.get_bucket_notification_configuration(Bucket="again")


def test_percentiles_of_a_metric(shared_cloud: Cloud) -> None:
    watch = shared_cloud.client("cloudwatch")
    start = datetime(2026, 3, 1, tzinfo=UTC)
    dimensions = [{"Name": "d", "Value": "x"}]

    def put(minute: int, values: list[float], **more: Any) -> None:
        at = start + timedelta(minutes=minute)
        datum = {"MetricName": "took", "Timestamp": at, "Values": values, "Dimensions": dimensions} | more
        watch.put_metric_data(Namespace="percentiles", MetricData=[datum])

    def told(**more: Any) -> list[dict[str, Any]]:
        found = watch.get_metric_statistics(
            Namespace="percentiles",
            MetricName="took",
            StartTime=start,
            EndTime=start + timedelta(minutes=10),
            Period=300,
            **({"Dimensions": dimensions} | more),
        )
        return sorted(found["Datapoints"], key=lambda point: point["Timestamp"])

    put(0, [10.0, 20.0, 30.0, 40.0, 50.0])
    put(1, [1000.0], Dimensions=[{"Name": "d", "Value": "other"}])
    put(6, [7.0])
    put(10, [99.0])
    first, second = told(ExtendedStatistics=["p50", "PR(20:)"], Statistics=["Maximum"])
    assert (first["Timestamp"], first["Maximum"]) == (start, 50.0)
    assert first["ExtendedStatistics"] == {"p50": 30.0, "PR(20:)": 60.0}
    assert (second["Maximum"], second["ExtendedStatistics"]["p50"]) == (7.0, 7.0)
    assert [point["Maximum"] for point in told(Statistics=["Maximum"])] == [50.0, 7.0]
    assert told(ExtendedStatistics=["p50"], Dimensions=[{"Name": "d", "Value": "none"}]) == []
    with refused("InvalidParameterValue"):
        told(ExtendedStatistics=["tm99"])

    def data(**more: Any) -> Any:
        metric = {"Namespace": "percentiles", "MetricName": "took", "Dimensions": dimensions}
        stats = {"above": "PR(20:)", "count": "SampleCount"}
        queries = [
            {"Id": name, "MetricStat": {"Metric": metric, "Period": 300, "Stat": stat}}
            for name, stat in stats.items()
        ]
        window = {"StartTime": start, "EndTime": start + timedelta(minutes=10)}
        found = watch.get_metric_data(**({"MetricDataQueries": queries} | window | more))
        return {each["Id"]: each for each in found["MetricDataResults"]}

    newest_first = data()
    assert newest_first["above"]["Timestamps"] == [start + timedelta(minutes=5), start]
    assert newest_first["above"]["Values"] == [0.0, 60.0]
    assert data(ScanBy="TimestampAscending")["count"]["Values"] == [5.0, 1.0]
    with refused("ValidationError"):
        told_of = {"Metric": {"Namespace": "percentiles", "MetricName": "took", "Dimensions": dimensions}}
        data(MetricDataQueries=[{"Id": "odd", "MetricStat": {**told_of, "Period": 300, "Stat": "tm99"}}])


def test_composite_alarms(shared_cloud: Cloud) -> None:
    watch = shared_cloud.client("cloudwatch")
    watch.put_metric_alarm(
        AlarmName="metric",
        EvaluationPeriods=1,
        ComparisonOperator="GreaterThanThreshold",
        Threshold=1.0,
        Namespace="n",
        MetricName="m",
        Period=60,
        Statistic="Sum",
    )
    watch.put_composite_alarm(
        AlarmName="both",
        AlarmRule="ALARM(metric)",
        AlarmActions=["arn:aws:sns:us-east-1:1:t"],
        Tags=[{"Key": "a", "Value": "b"}],
    )
    watch.put_composite_alarm(AlarmName="both", AlarmRule="ALARM(metric) OR TRUE")
    told = watch.describe_alarms(AlarmTypes=["CompositeAlarm", "MetricAlarm"])
    assert [each["AlarmRule"] for each in told["CompositeAlarms"]] == ["ALARM(metric) OR TRUE"]
    assert told["CompositeAlarms"][0]["AlarmActions"] == []
    assert [each["AlarmName"] for each in told["MetricAlarms"]] == ["metric"]
    assert watch.describe_alarms()["CompositeAlarms"] == []
    arn = told["CompositeAlarms"][0]["AlarmArn"]
    assert watch.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "a", "Value": "b"}]
    watch.delete_alarms(AlarmNames=["both"])
    watch.delete_alarms(AlarmNames=["metric"])
    assert watch.describe_alarms(AlarmNames=["both", "metric"])["CompositeAlarms"] == []
    detector = {"Namespace": "n", "MetricName": "m", "Stat": "Average"}
    watch.put_anomaly_detector(SingleMetricAnomalyDetector=detector)
    assert len(watch.describe_anomaly_detectors(Namespace="n")["AnomalyDetectors"]) == 1
    watch.delete_anomaly_detector(SingleMetricAnomalyDetector=detector)


def test_tables_keep_their_settings(shared_cloud: Cloud) -> None:
    tables = shared_cloud.client("dynamodb")
    tables.create_table(
        TableName="kept",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        SSESpecification={"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": "alias/data"},
        DeletionProtectionEnabled=True,
        TableClass="STANDARD_INFREQUENT_ACCESS",
        Tags=[{"Key": "a", "Value": "b"}],
    )
    told = tables.describe_table(TableName="kept")["Table"]
    assert told["DeletionProtectionEnabled"] is True
    assert told["TableClassSummary"]["TableClass"] == "STANDARD_INFREQUENT_ACCESS"
    assert told["SSEDescription"]["SSEType"] == "KMS"
    assert tables.list_tags_of_resource(ResourceArn=told["TableArn"])["Tags"] == [{"Key": "a", "Value": "b"}]
    recovery = {"PointInTimeRecoveryEnabled": True, "RecoveryPeriodInDays": 7}
    tables.update_continuous_backups(TableName="kept", PointInTimeRecoverySpecification=recovery)
    backups = tables.describe_continuous_backups(TableName="kept")["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    tables.update_time_to_live(
        TableName="kept", TimeToLiveSpecification={"Enabled": True, "AttributeName": "t"}
    )
    ttl = tables.describe_time_to_live(TableName="kept")["TimeToLiveDescription"]
    assert ttl == {"TimeToLiveStatus": "ENABLED", "AttributeName": "t"}
    with refused("DeletionProtectionEnabled"):
        tables.delete_table(TableName="kept")
    tables.update_table(TableName="kept", DeletionProtectionEnabled=False)
    tables.delete_table(TableName="kept")


def test_networks_have_ipv6_and_a_way_out(shared_cloud: Cloud) -> None:
    ec2 = shared_cloud.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.7.0.0/16", AmazonProvidedIpv6CidrBlock=True)["Vpc"]["VpcId"]
    (told,) = ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"]
    block = told["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"].replace("/56", "/64")
    ec2.create_subnet(VpcId=vpc, CidrBlock="10.7.1.0/24", Ipv6CidrBlock=block)
    (subnet,) = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
    assert subnet["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlockState"] == {"State": "associated"}
    gateway = ec2.create_egress_only_internet_gateway(VpcId=vpc)["EgressOnlyInternetGateway"]
    identity = gateway["EgressOnlyInternetGatewayId"]
    routes = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.create_route(
        RouteTableId=routes, DestinationIpv6CidrBlock="::/0", EgressOnlyInternetGatewayId=identity
    )
    (told,) = ec2.describe_route_tables(RouteTableIds=[routes])["RouteTables"]
    assert identity in [route.get("EgressOnlyInternetGatewayId") for route in told["Routes"]]
    with refused("DependencyViolation"):
        ec2.delete_vpc(VpcId=vpc)


def test_small_fields_and_limits(shared_cloud: Cloud) -> None:
    kms, logs, iam = (shared_cloud.client(name) for name in ("kms", "logs", "iam"))
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.enable_key_rotation(KeyId=key, RotationPeriodInDays=180)
    assert kms.get_key_rotation_status(KeyId=key)["RotationPeriodInDays"] == 180
    with refused("between 7 and 30"):
        kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=3)
    logs.create_log_group(logGroupName="/rare", logGroupClass="INFREQUENT_ACCESS")
    with refused("31 is not one of"):
        logs.put_retention_policy(logGroupName="/rare", retentionInDays=31)
    logs.associate_kms_key(logGroupName="/rare", kmsKeyId=f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{key}")
    (group,) = logs.describe_log_groups(logGroupNamePrefix="/rare")["logGroups"]
    assert group["logGroupClass"] == "INFREQUENT_ACCESS"
    assert group["kmsKeyId"].endswith(key)
    iam.create_user(UserName="u")
    iam.put_user_permissions_boundary(
        UserName="u", PermissionsBoundary="arn:aws:iam::aws:policy/ReadOnlyAccess"
    )
    boundary = iam.get_user(UserName="u")["User"]["PermissionsBoundary"]
    assert boundary["PermissionsBoundaryArn"] == "arn:aws:iam::aws:policy/ReadOnlyAccess"


def test_clusters_have_addons_access_and_pod_identity(shared_cloud: Cloud) -> None:
    eks, iam, ec2 = (shared_cloud.client(name) for name in ("eks", "iam", "ec2"))
    with refused("No cluster found"):
        eks.create_addon(clusterName="nobody", addonName="vpc-cni")
    role = iam.create_role(
        RoleName="eks", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": []})
    )["Role"]["Arn"]
    subnets = [each["SubnetId"] for each in ec2.describe_subnets()["Subnets"][:2]]
    access = {"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": False}
    eks.create_cluster(name="k", roleArn=role, resourcesVpcConfig={"subnetIds": subnets}, accessConfig=access)
    assert eks.describe_cluster(name="k")["cluster"]["accessConfig"] == access
    eks.create_addon(clusterName="k", addonName="vpc-cni", addonVersion="v1.2.3", tags={"a": "b"})
    eks.update_addon(clusterName="k", addonName="vpc-cni", addonVersion="v1.2.4")
    addon = eks.describe_addon(clusterName="k", addonName="vpc-cni")["addon"]
    assert (addon["addonVersion"], addon["status"], addon["tags"]) == ("v1.2.4", "ACTIVE", {"a": "b"})
    assert eks.list_addons(clusterName="k")["addons"] == ["vpc-cni"]
    eks.create_access_entry(clusterName="k", principalArn=role, kubernetesGroups=["admins"])
    policy = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
    eks.associate_access_policy(
        clusterName="k", principalArn=role, policyArn=policy, accessScope={"type": "cluster"}
    )
    listed = eks.list_associated_access_policies(clusterName="k", principalArn=role)
    assert [each["policyArn"] for each in listed["associatedAccessPolicies"]] == [policy]
    assert eks.list_access_entries(clusterName="k")["accessEntries"] == [role]
    made = eks.create_pod_identity_association(
        clusterName="k", namespace="ml", serviceAccount="train", roleArn=role
    )["association"]
    told = eks.describe_pod_identity_association(clusterName="k", associationId=made["associationId"])
    assert told["association"]["serviceAccount"] == "train"
    eks.delete_pod_identity_association(clusterName="k", associationId=made["associationId"])
    assert eks.list_pod_identity_associations(clusterName="k")["associations"] == []
    eks.tag_resource(resourceArn=addon["addonArn"], tags={"c": "d"})
    assert eks.list_tags_for_resource(resourceArn=addon["addonArn"])["tags"] == {"a": "b", "c": "d"}
    eks.delete_addon(clusterName="k", addonName="vpc-cni")
    with refused("ResourceNotFoundException"):
        eks.describe_addon(clusterName="k", addonName="vpc-cni")


def test_services_that_are_tables_only(shared_cloud: Cloud) -> None:
    analyzer = shared_cloud.client("accessanalyzer")
    arn = analyzer.create_analyzer(analyzerName="a", type="ACCOUNT", tags={"k": "v"})["arn"]
    assert analyzer.get_analyzer(analyzerName="a")["analyzer"]["tags"] == {"k": "v"}
    assert analyzer.list_analyzers()["analyzers"][0]["arn"] == arn
    analyzer.delete_analyzer(analyzerName="a")
    grafana = shared_cloud.client("grafana")
    workspace = grafana.create_workspace(
        accountAccessType="CURRENT_ACCOUNT",
        authenticationProviders=["AWS_SSO"],
        permissionType="SERVICE_MANAGED",
        workspaceName="w",
    )["workspace"]
    assert (workspace["name"], workspace["status"]) == ("w", "ACTIVE")
    grafana.update_workspace(workspaceId=workspace["id"], workspaceDescription="d")
    assert grafana.describe_workspace(workspaceId=workspace["id"])["workspace"]["description"] == "d"
    grafana.delete_workspace(workspaceId=workspace["id"])
    accelerator = shared_cloud.client("globalaccelerator", "us-west-2")
    arn = accelerator.create_accelerator(Name="g", IdempotencyToken="t")["Accelerator"]["AcceleratorArn"]
    listener = accelerator.create_listener(
        AcceleratorArn=arn,
        PortRanges=[{"FromPort": 443, "ToPort": 443}],
        Protocol="TCP",
        IdempotencyToken="t",
    )["Listener"]["ListenerArn"]
    assert listener.startswith(f"{arn}/listener/")
    group = accelerator.create_endpoint_group(
        ListenerArn=listener, EndpointGroupRegion="us-east-1", IdempotencyToken="t"
    )["EndpointGroup"]
    assert group["EndpointGroupArn"].startswith(f"{listener}/endpoint-group/")
    assert accelerator.list_listeners(AcceleratorArn=arn)["Listeners"][0]["ListenerArn"] == listener
    accelerator.update_accelerator(AcceleratorArn=arn, Enabled=False)
    assert accelerator.describe_accelerator(AcceleratorArn=arn)["Accelerator"]["Enabled"] is False


def test_a_clouds_plan_takes_for_given_what_its_account_will_hold(shared_cloud: Cloud) -> None:
    ssm, sagemaker = shared_cloud.client("ssm"), shared_cloud.client("sagemaker")
    path, version = "/foreseen/models", "arn:aws:sagemaker:us-east-1:210987654321:model-package/theirs/7"
    parameters = {f"{path}/churn/live": version, f"{path}/top": "x", "/foreseen/modelsother": "y"}
    foresee(shared_cloud.endpoint, REGION, parameters=parameters, versions=[version])

    def listed(*, deep: bool) -> dict[str, str]:
        told = ssm.get_parameters_by_path(Path=path, Recursive=deep)["Parameters"]
        return {parameter["Name"]: parameter["Value"] for parameter in told}

    assert listed(deep=True) == {f"{path}/churn/live": version, f"{path}/top": "x"}
    assert listed(deep=False) == {f"{path}/top": "x"}
    ssm.put_parameter(Name=f"{path}/top", Type="String", Value="made")
    assert listed(deep=False) == {f"{path}/top": "made"}
    sagemaker.create_model(
        ModelName="foreseen",
        ExecutionRoleArn=f"arn:aws:iam::{ACCOUNT}:role/any",
        PrimaryContainer={"ModelPackageName": version},
    )
    with refused("does not exist"):
        sagemaker.create_model(
            ModelName="unforeseen",
            ExecutionRoleArn=f"arn:aws:iam::{ACCOUNT}:role/any",
            PrimaryContainer={"ModelPackageName": version.replace("/7", "/8")},
        )
