"""S22 to S36 and S38: SageMaker, stores, registries, functions and databases."""

import json

from tests.policies.cases import (
    UNKNOWN,
    depends,
    fails,
    missing,
    open_question,
    parametrized,
    passes,
    resource,
)

CONFIGURATION = "aws:sagemaker/endpointConfiguration:EndpointConfiguration"
MODEL = "aws:sagemaker/model:Model"
NOTEBOOK = "aws:sagemaker/notebookInstance:NotebookInstance"
TRAINING = "aws:sagemaker/trainingJob:TrainingJob"
FEATURES = "aws:sagemaker/featureGroup:FeatureGroup"
TABLE = "aws:dynamodb/table:Table"
STREAM = "aws:kinesis/stream:Stream"
TOPIC = "aws:sns/topic:Topic"
TOPIC_POLICY = "aws:sns/topicPolicy:TopicPolicy"
QUEUE = "aws:sqs/queue:Queue"
QUEUE_POLICY = "aws:sqs/queuePolicy:QueuePolicy"
REPOSITORY = "aws:ecr/repository:Repository"
FUNCTION = "aws:lambda/function:Function"
FUNCTION_URL = "aws:lambda/functionUrl:FunctionUrl"
DATABASE = "aws:rds/instance:Instance"
DOMAIN = "aws:opensearch/domain:Domain"
BROKERS = "aws:msk/cluster:Cluster"
LOGS = "aws:cloudwatch/logGroup:LogGroup"
SECRET = "aws:secretsmanager/secret:Secret"
ZONE = "aws:route53/zone:Zone"

ARN = "arn:aws:kms:eu-west-1:123456789012:key/1"
KEY = resource("aws:kms/key:Key", "key")
SERVERLESS = {"modelName": "churn", "serverlessConfig": {"memorySizeInMb": 2048, "maxConcurrency": 5}}
REALTIME = {"modelName": "churn", "instanceType": "ml.m5.large", "initialInstanceCount": 2}
CONTAINED = {
    "directInternetAccess": "Disabled",
    "rootAccess": "Disabled",
    "subnetId": "subnet-1",
    "instanceMetadataServiceConfiguration": {"minimumInstanceMetadataServiceVersion": "2"},
}
TRAINED = {
    "outputDataConfig": {"kmsKeyId": ARN, "s3OutputPath": "s3://b"},
    "resourceConfig": {"instanceType": "ml.m5.xlarge", "instanceCount": 2, "volumeKmsKeyId": ARN},
    "vpcConfig": {"subnets": ["s"], "securityGroupIds": ["g"]},
    "enableNetworkIsolation": True,
    "enableInterContainerTrafficEncryption": True,
}
HARDENED = {
    "imageTagMutability": "IMMUTABLE",
    "imageScanningConfiguration": {"scanOnPush": True},
    "encryptionConfigurations": [{"encryptionType": "KMS"}],
}
SEARCH = {
    "encryptAtRest": {"enabled": True},
    "nodeToNodeEncryption": {"enabled": True},
    "domainEndpointOptions": {"enforceHttps": True},
    "vpcOptions": {"subnetIds": ["s"]},
    "clusterConfig": {"instanceCount": 3},
}
KAFKA = {"encryptionInfo": {"encryptionInTransit": {"clientBroker": "TLS", "inCluster": True}}}


def without(properties, *names):
    return {name: value for name, value in properties.items() if name not in names}


def configuration(*variants, **properties):
    return resource(CONFIGURATION, productionVariants=list(variants), **properties)


def offline(**storage):
    return resource(FEATURES, offlineStoreConfig={"s3StorageConfig": {"s3Uri": "s3://b", **storage}})


def allowing(principal, condition=None):
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sqs:SendMessage", "Resource": "*"}
    return json.dumps({"Statement": [statement | ({"Condition": condition} if condition else {})]})


def function(variables=None, **properties):
    environment = {} if variables is None else {"environment": {"variables": variables}}
    return resource(FUNCTION, **environment, **properties)


def brokers(client="TLS", in_cluster=True, access=None):
    info = {"encryptionInTransit": {"clientBroker": client, "inCluster": in_cluster}}
    nodes = {} if access is None else {"connectivityInfo": {"publicAccess": {"type": access}}}
    return resource(BROKERS, encryptionInfo=info, brokerNodeGroupInfo=nodes)


CASES = [
    passes("S22", "a key", configuration(REALTIME, kmsKeyArn=ARN)),
    passes(
        "S22",
        "a key that is being made",
        KEY,
        configuration(REALTIME, kmsKeyArn=UNKNOWN) | depends("key", "kmsKeyArn"),
    ),
    passes("S22", "serverless", configuration(SERVERLESS)),
    passes(
        "S22", "machines with disks of their own", configuration({**REALTIME, "instanceType": "ml.g5.xlarge"})
    ),
    fails("S22", "an empty key", configuration(REALTIME, kmsKeyArn="")),
    fails("S22", "one of two is not serverless", configuration(SERVERLESS, REALTIME)),
    missing("S22", "nothing said", configuration(REALTIME)),
    open_question("S22", "unknown", configuration(REALTIME, kmsKeyArn=UNKNOWN)),
    passes("S23", "isolated", resource(MODEL, enableNetworkIsolation=True)),
    passes("S23", "serverless", resource(MODEL, "churn"), configuration(SERVERLESS)),
    fails("S23", "not isolated", resource(MODEL, enableNetworkIsolation=False)),
    fails("S23", "serverless and realtime", resource(MODEL, "churn"), configuration(SERVERLESS, REALTIME)),
    missing("S23", "nothing said", resource(MODEL)),
    open_question("S23", "unknown", resource(MODEL, enableNetworkIsolation=UNKNOWN)),
    passes("S24", "contained", resource(NOTEBOOK, **CONTAINED)),
    fails("S24", "internet", resource(NOTEBOOK, **{**CONTAINED, "directInternetAccess": "Enabled"})),
    fails("S24", "root", resource(NOTEBOOK, **{**CONTAINED, "rootAccess": "Enabled"})),
    fails("S24", "no VPC", resource(NOTEBOOK, **without(CONTAINED, "subnetId"))),
    fails(
        "S24",
        "IMDSv1",
        resource(
            NOTEBOOK,
            **{
                **CONTAINED,
                "instanceMetadataServiceConfiguration": {"minimumInstanceMetadataServiceVersion": "1"},
            },
        ),
    ),
    missing("S24", "internet by default", resource(NOTEBOOK, **without(CONTAINED, "directInternetAccess"))),
    missing("S24", "root by default", resource(NOTEBOOK, **without(CONTAINED, "rootAccess"))),
    missing(
        "S24",
        "IMDSv1 by default",
        resource(NOTEBOOK, **without(CONTAINED, "instanceMetadataServiceConfiguration")),
    ),
    open_question("S24", "unknown", resource(NOTEBOOK, **{**CONTAINED, "rootAccess": UNKNOWN})),
    passes("S25", "contained", resource(TRAINING, **TRAINED)),
    passes(
        "S25",
        "one machine",
        resource(
            TRAINING,
            **{
                **without(TRAINED, "enableInterContainerTrafficEncryption"),
                "resourceConfig": {"instanceCount": 1, "volumeKmsKeyId": ARN},
            },
        ),
    ),
    passes(
        "S25",
        "disks of its own",
        resource(
            TRAINING, **{**TRAINED, "resourceConfig": {"instanceType": "ml.g5.xlarge", "instanceCount": 1}}
        ),
    ),
    fails(
        "S25",
        "no output key",
        resource(TRAINING, **{**TRAINED, "outputDataConfig": {"s3OutputPath": "s3://b"}}),
    ),
    fails(
        "S25",
        "no disk key",
        resource(TRAINING, **{**TRAINED, "resourceConfig": {"instanceType": "ml.m5.xlarge"}}),
    ),
    fails("S25", "no VPC", resource(TRAINING, **without(TRAINED, "vpcConfig"))),
    fails("S25", "no isolation", resource(TRAINING, **{**TRAINED, "enableNetworkIsolation": False})),
    fails(
        "S25",
        "traffic in the clear",
        resource(TRAINING, **{**TRAINED, "enableInterContainerTrafficEncryption": False}),
    ),
    missing("S25", "nothing said", resource(TRAINING)),
    open_question("S25", "unknown", resource(TRAINING, **{**TRAINED, "enableNetworkIsolation": UNKNOWN})),
    passes("S26", "a key", offline(kmsKeyId=ARN)),
    passes("S26", "online only", resource(FEATURES, onlineStoreConfig={"enableOnlineStore": True})),
    fails("S26", "AWS's key", offline(kmsKeyId="alias/aws/s3")),
    missing("S26", "nothing said", offline()),
    open_question("S26", "unknown", offline(kmsKeyId=UNKNOWN)),
    passes("S27", "a key", resource(TABLE, serverSideEncryption={"enabled": True, "kmsKeyArn": ARN})),
    passes(
        "S27",
        "a key that is being made",
        KEY,
        resource(TABLE, serverSideEncryption={"enabled": True, "kmsKeyArn": UNKNOWN})
        | depends("key", "serverSideEncryption"),
    ),
    fails("S27", "without a key", resource(TABLE, serverSideEncryption={"enabled": True})),
    fails("S27", "off", resource(TABLE, serverSideEncryption={"enabled": False, "kmsKeyArn": ARN})),
    missing("S27", "AWS's key", resource(TABLE)),
    open_question(
        "S27", "unknown", resource(TABLE, serverSideEncryption={"enabled": True, "kmsKeyArn": UNKNOWN})
    ),
    passes("S28", "a key", resource(STREAM, encryptionType="KMS", kmsKeyId=ARN)),
    fails("S28", "off", resource(STREAM, encryptionType="NONE", kmsKeyId=ARN)),
    fails("S28", "AWS's key", resource(STREAM, encryptionType="KMS", kmsKeyId="alias/aws/kinesis")),
    missing("S28", "nothing said", resource(STREAM)),
    open_question("S28", "unknown", resource(STREAM, kmsKeyId=UNKNOWN)),
    passes("S29", "a topic", resource(TOPIC, kmsMasterKeyId="alias/aws/sns")),
    passes("S29", "a queue", resource(QUEUE, kmsMasterKeyId=ARN)),
    passes("S29", "a queue with SQS's own", resource(QUEUE, sqsManagedSseEnabled=True)),
    passes(
        "S29", "a named principal", resource(QUEUE_POLICY, policy=allowing({"AWS": "arn:aws:iam::1:role/a"}))
    ),
    passes(
        "S29",
        "from a topic only",
        resource(QUEUE_POLICY, policy=allowing("*", {"ArnEquals": {"aws:SourceArn": "arn:aws:sns:eu:1:t"}})),
    ),
    passes(
        "S29",
        "from an account only",
        resource(
            TOPIC_POLICY, policy=allowing({"AWS": "*"}, {"StringEquals": {"AWS:SourceOwner": "123456789012"}})
        ),
    ),
    fails("S29", "a queue in the clear", resource(QUEUE, sqsManagedSseEnabled=False)),
    fails("S29", "open to everyone", resource(QUEUE_POLICY, policy=allowing("*"))),
    fails("S29", "inline", resource(QUEUE, kmsMasterKeyId=ARN, policy=allowing({"AWS": "*"}))),
    fails("S29", "with a comma too many", resource(TOPIC_POLICY, policy=allowing("*").replace("}", ",}"))),
    fails("S29", "an open topic", resource(TOPIC_POLICY, policy=allowing({"AWS": ["*"]}))),
    fails(
        "S29",
        "any address",
        resource(QUEUE_POLICY, policy=allowing("*", {"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}})),
    ),
    fails(
        "S29", "any account's role", resource(QUEUE_POLICY, policy=allowing({"AWS": "arn:aws:iam::*:role/a"}))
    ),
    fails(
        "S29",
        "a condition that holds nobody",
        resource(QUEUE_POLICY, policy=allowing("*", {"Bool": {"aws:SecureTransport": "true"}})),
    ),
    missing("S29", "a topic that says nothing", resource(TOPIC)),
    missing("S29", "a queue that says nothing", resource(QUEUE)),
    open_question("S29", "unknown", resource(QUEUE, sqsManagedSseEnabled=UNKNOWN)),
    open_question("S29", "unknown policy", resource(QUEUE_POLICY, policy=UNKNOWN)),
    passes("S30", "hardened", resource(REPOSITORY, **HARDENED)),
    passes(
        "S30",
        "the other spelling",
        resource(
            REPOSITORY,
            **{
                **without(HARDENED, "encryptionConfigurations"),
                "encryptionConfiguration": {"encryptionType": "KMS"},
            },
        ),
    ),
    passes(
        "S30",
        "scanned by the registry",
        resource(REPOSITORY, **without(HARDENED, "imageScanningConfiguration")),
        resource(
            "aws:ecr/registryScanningConfiguration:RegistryScanningConfiguration",
            rules=[{"scanFrequency": "SCAN_ON_PUSH", "repositoryFilters": [{"filter": "*"}]}],
        ),
    ),
    fails("S30", "mutable", resource(REPOSITORY, **{**HARDENED, "imageTagMutability": "MUTABLE"})),
    fails(
        "S30",
        "not scanned",
        resource(REPOSITORY, **{**HARDENED, "imageScanningConfiguration": {"scanOnPush": False}}),
    ),
    fails(
        "S30",
        "AES256",
        resource(REPOSITORY, **{**HARDENED, "encryptionConfigurations": [{"encryptionType": "AES256"}]}),
    ),
    missing("S30", "mutable by default", resource(REPOSITORY, **without(HARDENED, "imageTagMutability"))),
    missing(
        "S30", "AES256 by default", resource(REPOSITORY, **without(HARDENED, "encryptionConfigurations"))
    ),
    open_question("S30", "unknown", resource(REPOSITORY, **{**HARDENED, "imageTagMutability": UNKNOWN})),
    passes("S31", "no variables", function()),
    passes("S31", "variables and a key", function({"MODE": "fast"}, kmsKeyArn=ARN)),
    passes("S31", "a URL with IAM", resource(FUNCTION_URL, authorizationType="AWS_IAM")),
    fails("S31", "variables without a key", function({"MODE": "fast"})),
    fails("S31", "a credential", function({"ID": "AKIAIOSFODNN7EXAMPLE"}, kmsKeyArn=ARN)),
    fails("S31", "an open URL", resource(FUNCTION_URL, authorizationType="NONE")),
    missing("S31", "a URL that says nothing", resource(FUNCTION_URL)),
    fails("S31", "a key for nothing", function(kmsKeyArn=ARN)),
    passes("S31", "a key for snapshots", function(kmsKeyArn=ARN, snapStart={"applyOn": "PublishedVersions"})),
    open_question("S31", "an unknown variable", function({"TABLE": UNKNOWN}, kmsKeyArn=ARN)),
    passes(
        "S32", "encrypted and private", resource(DATABASE, storageEncrypted=True, publiclyAccessible=False)
    ),
    passes("S32", "private by default", resource(DATABASE, storageEncrypted=True)),
    passes("S32", "an Aurora instance", resource("aws:rds/clusterInstance:ClusterInstance")),
    fails("S32", "public", resource(DATABASE, storageEncrypted=True, publiclyAccessible=True)),
    fails(
        "S32",
        "a public Aurora instance",
        resource("aws:rds/clusterInstance:ClusterInstance", publiclyAccessible=True),
    ),
    fails("S32", "a cluster in the clear", resource("aws:rds/cluster:Cluster", storageEncrypted=False)),
    missing("S32", "not encrypted by default", resource(DATABASE)),
    open_question("S32", "unknown", resource(DATABASE, storageEncrypted=UNKNOWN)),
    passes("S33", "all of it", resource(DOMAIN, **SEARCH)),
    passes(
        "S33",
        "one node",
        resource(
            DOMAIN, **{**without(SEARCH, "nodeToNodeEncryption"), "clusterConfig": {"instanceCount": 1}}
        ),
    ),
    passes("S33", "elasticsearch", resource("aws:elasticsearch/domain:Domain", **SEARCH)),
    fails("S33", "not at rest", resource(DOMAIN, **{**SEARCH, "encryptAtRest": {"enabled": False}})),
    fails(
        "S33", "not between nodes", resource(DOMAIN, **{**SEARCH, "nodeToNodeEncryption": {"enabled": False}})
    ),
    fails(
        "S33", "plain HTTP", resource(DOMAIN, **{**SEARCH, "domainEndpointOptions": {"enforceHttps": False}})
    ),
    fails("S33", "on the internet", resource(DOMAIN, **without(SEARCH, "vpcOptions"))),
    missing("S33", "nothing said", resource(DOMAIN)),
    open_question("S33", "unknown", resource(DOMAIN, **{**SEARCH, "encryptAtRest": {"enabled": UNKNOWN}})),
    passes("S34", "TLS", resource(BROKERS, **KAFKA)),
    passes(
        "S34", "defaults in transit", resource(BROKERS, encryptionInfo={"encryptionAtRestKmsKeyArn": ARN})
    ),
    passes("S34", "an empty block", resource(BROKERS, encryptionInfo={})),
    fails("S34", "clients in the clear", brokers(client="TLS_PLAINTEXT")),
    fails("S34", "brokers in the clear", brokers(in_cluster=False)),
    fails("S34", "public", brokers(access="SERVICE_PROVIDED_EIPS")),
    missing("S34", "nothing said", resource(BROKERS)),
    open_question("S34", "unknown", brokers(client=UNKNOWN)),
    passes("S35", "a key", resource(LOGS, kmsKeyId=ARN)),
    passes("S35", "a key that is being made", resource(LOGS, kmsKeyId=UNKNOWN)),
    fails("S35", "an empty key", resource(LOGS, kmsKeyId="")),
    missing("S35", "nothing said", resource(LOGS)),
    passes(
        "S36",
        "rotates",
        resource(SECRET, "s"),
        resource("aws:secretsmanager/secretRotation:SecretRotation", secretId="s", rotationLambdaArn="a"),
    ),
    fails(
        "S36",
        "another rotates",
        resource(SECRET, "s"),
        resource(SECRET, "t"),
        resource("aws:secretsmanager/secretRotation:SecretRotation", secretId="t"),
    ),
    missing("S36", "nothing said", resource(SECRET)),
    passes(
        "S38",
        "logs",
        resource(ZONE, "z"),
        resource("aws:route53/queryLog:QueryLog", zoneId="z", cloudwatchLogGroupArn="a"),
    ),
    passes("S38", "private", resource(ZONE, vpcs=[{"vpcId": "v"}])),
    fails(
        "S38",
        "another logs",
        resource(ZONE, "z"),
        resource(ZONE, "y"),
        resource("aws:route53/queryLog:QueryLog", zoneId="y"),
    ),
    missing("S38", "nothing said", resource(ZONE)),
]


@parametrized(CASES)
def test_rule(security, case):
    case.check(security)
