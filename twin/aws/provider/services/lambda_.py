"""AWS Lambda."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from twin.aws.provider import assets
from twin.aws.provider.adapter import Adapter, Declared, State, found
from twin.aws.provider.names import AutoName
from twin.aws.provider.operation import Operation
from twin.aws.provider.shapes import NOT_SENT
from twin.aws.provider.tagging import Tagging
from twin.providers.problems import Problems
from twin.wire import Archive, Asset

_CODE: Final = frozenset({"code", "imageUri", "s3Bucket", "s3Key", "s3ObjectVersion"})
_MEMORY: Final = range(128, 32_769)
_TIMEOUT: Final = range(1, 901)


class Function(Adapter):
    """A function; its id is its name."""

    token = "aws:lambda/function:Function"
    service = "lambda"
    auto_name = AutoName(max_length=64)
    create_shapes = ("CreateFunction.input",)
    rename: ClassVar[Mapping[str, str]] = {
        "name": "FunctionName",
        "arn": "FunctionArn",
        "code": NOT_SENT,
        "capacityProviderConfig": NOT_SENT,
        "codeSha256": NOT_SENT,
        "durableConfig": NOT_SENT,
        "environment": NOT_SENT,
        "layers": NOT_SENT,
        "imageConfig.commands": "Command",
        "imageConfig.entryPoints": "EntryPoint",
        "snapStart.optimizationStatus": NOT_SENT,
        "vpcConfig.vpcId": NOT_SENT,
    }
    handled = frozenset({*_CODE, "environment", "layers", "reservedConcurrentExecutions", "sourceCodeHash"})
    local = frozenset(
        {
            "replaceSecurityGroupsOnDestroy",
            "replacementSecurityGroupIds",
            "skipDestroy",
            "useResourceTimeoutForPropagation",
        }
    )
    in_place = frozenset(
        {
            *_CODE,
            "architectures",
            "codeSigningConfigArn",
            "deadLetterConfig",
            "description",
            "environment",
            "ephemeralStorage",
            "fileSystemConfig",
            "handler",
            "imageConfig",
            "kmsKeyArn",
            "layers",
            "loggingConfig",
            "memorySize",
            "publish",
            "reservedConcurrentExecutions",
            "role",
            "runtime",
            "snapStart",
            "sourceCodeHash",
            "timeout",
            "tracingConfig",
            "vpcConfig",
        }
    )
    defaults: ClassVar[Mapping[str, Any]] = {
        "memorySize": 128,
        "packageType": "Zip",
        "publish": False,
        "reservedConcurrentExecutions": -1,
        "skipDestroy": False,
        "timeout": 3,
    }
    volatile = frozenset(
        {"codeSha256", "lastModified", "qualifiedArn", "qualifiedInvokeArn", "sourceCodeSize", "version"}
    )
    tagging = Tagging(resource="Resource", pair=None, read="list_tags")

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """One source of code, with what its package type needs; sizes."""
        sources = [name for name in ("code", "imageUri", "s3Bucket") if inputs.get(name)]
        if len(sources) != 1:
            problems.add(
                "code", f"{len(sources)} sources of code", "give one of code, s3Bucket + s3Key, imageUri"
            )
        if inputs.get("s3Bucket") and not inputs.get("s3Key"):
            problems.add("s3Key", "is missing", "name the object")
        if inputs.get("packageType") == "Zip":
            for name in ("handler", "runtime"):
                if not inputs.get(name):
                    problems.add(name, "is missing", "a Zip package needs it")
        for name, allowed in (("memorySize", _MEMORY), ("timeout", _TIMEOUT)):
            value = inputs.get(name)
            if isinstance(value, int) and value not in allowed:
                problems.add(name, f"{value} is out of range", f"give {allowed.start} to {allowed.stop - 1}")

    def create(self, op: Operation, inputs: State) -> State | None:
        """Creates the function, then limits its concurrency."""
        parameters = self._settings(op, inputs)
        op.client().create_function(**parameters, Code=_code(inputs))
        op.id = inputs["name"]
        self._limit(op, inputs)
        return None

    def _settings(self, op: Operation, inputs: Mapping[str, Any]) -> dict[str, Any]:
        parameters = self.request(op, "CreateFunction.input", inputs)
        variables = (inputs.get("environment") or {}).get("variables")
        if variables:
            parameters["Environment"] = {"Variables": variables}
        if inputs.get("layers"):
            parameters["Layers"] = inputs["layers"]
        return parameters

    def _limit(self, op: Operation, inputs: Mapping[str, Any]) -> None:
        limit = inputs["reservedConcurrentExecutions"]
        if limit >= 0:
            op.client().put_function_concurrency(FunctionName=op.id, ReservedConcurrentExecutions=limit)

    def read(self, op: Operation, known: State) -> State | None:
        """The function's configuration, with its latest version."""
        answer = found(op.client().get_function, FunctionName=op.id)
        if answer is None:
            return None
        data = answer["Configuration"]
        state = self.properties(op, "FunctionConfiguration", data)
        variables = (data.get("Environment") or {}).get("Variables")
        state["environment"] = {"variables": variables} if variables else None
        state["layers"] = [each["Arn"] for each in data.get("Layers") or ()] or None
        image = (data.get("ImageConfigResponse") or {}).get("ImageConfig")
        kind = self.described.outputs["imageConfig"]
        mapper = self.mapper(op.cloud)
        state["imageConfig"] = (
            mapper.incoming(image, kind, mapper.shape("ImageConfig"), "imageConfig") if image else None
        )
        limit = (answer.get("Concurrency") or {}).get("ReservedConcurrentExecutions")
        arn = data["FunctionArn"].removesuffix(":$LATEST")
        version = str(data.get("Version") or "$LATEST")
        state.update(
            arn=arn,
            codeSha256=data.get("CodeSha256") or "",
            invokeArn=_invoke_arn(op, arn),
            qualifiedArn=f"{arn}:{version}",
            qualifiedInvokeArn=_invoke_arn(op, f"{arn}:{version}"),
            reservedConcurrentExecutions=-1 if limit is None else limit,
            sourceCodeSize=data.get("CodeSize") or 0,
            packageType=data.get("PackageType") or "Zip",
            architectures=data.get("Architectures") or ["x86_64"],
            ephemeralStorage={"size": (data.get("EphemeralStorage") or {}).get("Size") or 512},
            tracingConfig={"mode": (data.get("TracingConfig") or {}).get("Mode") or "PassThrough"},
            tagsAll=answer.get("Tags") or {},
            version=version,
        )
        vpc = data.get("VpcConfig") or {}
        if not vpc.get("SubnetIds"):
            state["vpcConfig"] = None
        if (data.get("SnapStart") or {}).get("ApplyOn", "None") == "None":
            state["snapStart"] = None
        if not (data.get("DeadLetterConfig") or {}).get("TargetArn"):
            state["deadLetterConfig"] = None
        state.pop("publish", None)
        return state

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Configuration and code have calls of their own."""
        client = op.client()
        if (
            changed
            - _CODE
            - self.local
            - {"tags", "publish", "reservedConcurrentExecutions", "sourceCodeHash"}
        ):
            parameters = self._settings(op, news)
            for member in ("Architectures", "CodeSigningConfigArn", "PackageType", "Publish", "Tags"):
                parameters.pop(member, None)
            parameters.setdefault("Environment", {"Variables": {}})
            if "layers" in changed:
                parameters.setdefault("Layers", [])
            if "description" in changed:
                parameters.setdefault("Description", "")
            if "deadLetterConfig" in changed:
                parameters.setdefault("DeadLetterConfig", {"TargetArn": ""})
            if "vpcConfig" in changed:
                parameters.setdefault("VpcConfig", {"SubnetIds": [], "SecurityGroupIds": []})
            client.update_function_configuration(**parameters)
        if changed & {*_CODE, "architectures", "sourceCodeHash"}:
            architectures = {"Architectures": news["architectures"]} if news.get("architectures") else {}
            client.update_function_code(
                FunctionName=op.id, Publish=bool(news.get("publish")), **_code(news), **architectures
            )
        if "reservedConcurrentExecutions" in changed:
            if news["reservedConcurrentExecutions"] < 0:
                client.delete_function_concurrency(FunctionName=op.id)
            else:
                self._limit(op, news)

    def delete(self, op: Operation, known: State) -> None:
        """Deletes the function, unless it is to stay."""
        if not known.get("skipDestroy"):
            op.client().delete_function(FunctionName=op.id)


def _code(inputs: Mapping[str, Any]) -> dict[str, Any]:
    code = inputs.get("code")
    if isinstance(code, Archive | Asset):
        return {"ZipFile": assets.zipped(code)}
    if inputs.get("imageUri"):
        return {"ImageUri": inputs["imageUri"]}
    members = {"s3Bucket": "S3Bucket", "s3Key": "S3Key", "s3ObjectVersion": "S3ObjectVersion"}
    return {member: inputs[name] for name, member in members.items() if inputs.get(name)}


def _invoke_arn(op: Operation, arn: str) -> str:
    return op.arn("apigateway", f"path/2015-03-31/functions/{arn}/invocations", account="lambda")


class Permission(Adapter):
    """Who may invoke a function; its id is the statement's."""

    token = "aws:lambda/permission:Permission"
    service = "lambda"
    auto_name = AutoName("statementId", 100)
    create_shapes = ("AddPermission.input",)
    rename: ClassVar[Mapping[str, str]] = {"function": "FunctionName", "principalOrgId": "PrincipalOrgID"}

    def create(self, op: Operation, inputs: State) -> State | None:
        """Adds the statement."""
        op.client().add_permission(**self.request(op, "AddPermission.input", inputs))
        op.id = inputs["statementId"]
        return None

    def read(self, op: Operation, known: State) -> State | None:
        """Finds the statement in the function's policy."""
        where = {"FunctionName": known["function"]}
        if known.get("qualifier"):
            where["Qualifier"] = known["qualifier"]
        answer = found(op.client().get_policy, **where)
        statements = json.loads(answer["Policy"])["Statement"] if answer else []
        for statement in statements:
            if statement.get("Sid") == known["statementId"]:
                principal = statement["Principal"]
                tests = {
                    k.lower(): v for each in statement.get("Condition", {}).values() for k, v in each.items()
                }
                return {
                    "action": statement["Action"],
                    "function": known["function"],
                    "principal": next(iter(principal.values())) if isinstance(principal, dict) else principal,
                    "statementId": statement["Sid"],
                    "sourceArn": tests.get("aws:sourcearn"),
                    "sourceAccount": tests.get("aws:sourceaccount"),
                    "qualifier": known.get("qualifier"),
                }
        return None

    def delete(self, op: Operation, known: State) -> None:
        """Takes the statement away."""
        where = {"FunctionName": known["function"], "StatementId": known["statementId"]}
        if known.get("qualifier"):
            where["Qualifier"] = known["qualifier"]
        op.client().remove_permission(**where)

    def parse_id(self, op: Operation, identifier: str) -> State:
        """An import names function and statement."""
        function, _, statement = identifier.rpartition("/")
        name, _, qualifier = function.partition(":")
        return {"function": name, "statementId": statement, **({"qualifier": qualifier} if qualifier else {})}


class EventSourceMapping(Declared):
    """A queue or stream that a function reads."""

    token = "aws:lambda/eventSourceMapping:EventSourceMapping"
    service = "lambda"
    create_call, read_call = "CreateEventSourceMapping", "GetEventSourceMapping"
    update_call, delete_call = "UpdateEventSourceMapping", "DeleteEventSourceMapping"
    rename: ClassVar[Mapping[str, str]] = {
        "arn": "EventSourceMappingArn",
        "destinationConfig.onFailure.destinationArn": "Destination",
        "queues": NOT_SENT,
        "selfManagedEventSource": NOT_SENT,
        "amazonManagedKafkaEventSourceConfig": NOT_SENT,
        "selfManagedKafkaEventSourceConfig": NOT_SENT,
    }
    key: ClassVar[Mapping[str, str]] = {"UUID": "uuid"}
    id_property = "uuid"
    defaults: ClassVar[Mapping[str, Any]] = {"enabled": True}
    local = frozenset({"useResourceTimeoutForPropagation"})
    tagging = Tagging(resource="Resource", pair=None, read="list_tags")

    def made(self, op: Operation, inputs: State, answer: Mapping[str, Any]) -> State:
        """Lambda makes the id."""
        return {"uuid": answer["UUID"]}

    def adjust(self, op: Operation, state: State, data: Mapping[str, Any]) -> None:
        """What Lambda fills in, and calls by other names."""
        state["arn"] = state.get("arn") or op.arn("lambda", f"event-source-mapping:{data['UUID']}")
        state["enabled"] = data.get("State") not in ("Disabled", "Disabling")
        state["functionName"] = data["FunctionArn"].rsplit(":", 1)[-1]
        if not (data.get("FilterCriteria") or {}).get("Filters"):
            state["filterCriteria"] = None
        state.pop("startingPosition", None)

    def same(self, name: str, left: Any, right: Any) -> bool:
        """A function by its name or by its ARN."""
        return name == "functionName" and _function_name(left) == _function_name(right)


def _function_name(value: Any) -> str:
    return str(value).split(":function:")[-1].split(":")[0]


class Alias(Declared):
    """A name of a function's version."""

    token = "aws:lambda/alias:Alias"
    service = "lambda"
    auto_name = AutoName(max_length=128)
    create_call, read_call = "CreateAlias", "GetAlias"
    update_call, delete_call = "UpdateAlias", "DeleteAlias"
    key: ClassVar[Mapping[str, str]] = {"FunctionName": "functionName", "Name": "name"}
    rename: ClassVar[Mapping[str, str]] = {"arn": "AliasArn"}
    id_property = "{functionName}/{name}"

    def adjust(self, op: Operation, state: State, data: Mapping[str, Any]) -> None:
        """The ARN with which API Gateway calls it."""
        state["invokeArn"] = _invoke_arn(op, state["arn"])


class LayerVersion(Adapter):
    """A version of a layer; its id is its ARN."""

    token = "aws:lambda/layerVersion:LayerVersion"
    service = "lambda"
    create_shapes = ("PublishLayerVersion.input",)
    rename: ClassVar[Mapping[str, str]] = {"code": NOT_SENT, "layerName": "LayerName"}
    handled = frozenset({"code", "s3Bucket", "s3Key", "s3ObjectVersion", "sourceCodeHash"})
    local = frozenset({"skipDestroy"})
    defaults: ClassVar[Mapping[str, Any]] = {"skipDestroy": False}

    def create(self, op: Operation, inputs: State) -> State | None:
        """Publishes a version."""
        parameters = self.request(op, "PublishLayerVersion.input", inputs)
        answer = op.client().publish_layer_version(**parameters, Content=_code(inputs))
        op.id = answer["LayerVersionArn"]
        op.made = {"version": str(answer["Version"])}
        return None

    def read(self, op: Operation, known: State) -> State | None:
        """Gets the version."""
        number = int(known["version"])
        answer = found(op.client().get_layer_version, LayerName=known["layerName"], VersionNumber=number)
        if answer is None:
            return None
        content = answer["Content"]
        return {
            **self.properties(op, "GetLayerVersion.output", answer),
            "arn": op.id,
            "layerArn": op.id.rpartition(":")[0],
            "layerName": known["layerName"],
            "version": str(answer["Version"]),
            "codeSha256": content.get("CodeSha256") or "",
            "sourceCodeSize": content.get("CodeSize") or 0,
            "createdDate": str(answer.get("CreatedDate") or ""),
        }

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Only what steers the provider changes in place."""

    def delete(self, op: Operation, known: State) -> None:
        """Deletes the version, unless it is to stay."""
        if not known.get("skipDestroy"):
            op.client().delete_layer_version(
                LayerName=known["layerName"], VersionNumber=int(known["version"])
            )

    def parse_id(self, op: Operation, identifier: str) -> State:
        """The ARN ends in name and version."""
        *_, name, version = identifier.split(":")
        return {"layerName": name, "version": version}
