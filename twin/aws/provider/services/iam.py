"""AWS IAM."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from twin.aws.provider import documents
from twin.aws.provider.adapter import Adapter, Declared, State, found, listed
from twin.aws.provider.clients import missing_is_fine
from twin.aws.provider.names import AutoName
from twin.aws.provider.operation import Operation
from twin.aws.provider.tagging import Tagging, as_pairs, from_pairs
from twin.providers.problems import Problems

_NAME: Final = re.compile(r"^[\w+=,.@-]+$")
_PATH: Final = re.compile(r"^/([!-~]+/)?$")
_VERSIONS_KEPT: Final = 5
_POLICY_LIMIT: Final = 6144


def _check_name(inputs: Mapping[str, Any], problems: Problems) -> None:
    name = inputs.get("name")
    if isinstance(name, str) and not _NAME.match(name):
        problems.add("name", f"{name!r} is not allowed", "letters, digits and + = , . @ - _")
    path = inputs.get("path")
    if isinstance(path, str) and not _PATH.match(path):
        problems.add("path", f"{path!r} is no path", "begin and end with /")


class Role(Adapter):
    """A role; its id is its name."""

    token = "aws:iam/role:Role"
    service = "iam"
    is_global = True
    auto_name = AutoName(max_length=64)
    create_shapes = ("CreateRole.input",)
    rename: ClassVar[Mapping[str, str]] = {
        "name": "RoleName",
        "assumeRolePolicy": "AssumeRolePolicyDocument",
        "permissionsBoundary": "PermissionsBoundary",
    }
    handled = frozenset({"inlinePolicies", "managedPolicyArns"})
    local = frozenset({"forceDetachPolicies"})
    in_place = frozenset(
        {
            "assumeRolePolicy",
            "description",
            "inlinePolicies",
            "managedPolicyArns",
            "maxSessionDuration",
            "permissionsBoundary",
        }
    )
    defaults: ClassVar[Mapping[str, Any]] = {
        "forceDetachPolicies": False,
        "maxSessionDuration": 3600,
        "path": "/",
    }
    tagging = Tagging(
        resource="RoleName", add="tag_role", remove="untag_role", read="list_role_tags", target="name"
    )
    policies: ClassVar[Mapping[str, bool]] = {"assumeRolePolicy": True}

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """Name, path and inline policies."""
        _check_name(inputs, problems)
        for place, inline in enumerate(listed(inputs.get("inlinePolicies"))):
            if isinstance(inline, dict) and isinstance(inline.get("policy"), str):
                documents.check_policy(inline["policy"], f"inlinePolicies[{place}].policy", problems)

    def create(self, op: Operation, inputs: State) -> State | None:
        """Creates the role, then its policies; the state follows from the answer."""
        role = op.client().create_role(**self.request(op, "CreateRole.input", inputs))["Role"]
        op.id = role["RoleName"]
        self._set_policies(op, {}, inputs, frozenset({"inlinePolicies", "managedPolicyArns"}))
        return {**inputs, **_computed(role, "RoleId")}

    def _set_policies(
        self, op: Operation, olds: Mapping[str, Any], news: Mapping[str, Any], changed: frozenset[str]
    ) -> None:
        client = op.client()
        if "inlinePolicies" in changed:
            wanted = {each["name"]: each["policy"] for each in news.get("inlinePolicies") or ()}
            for name in sorted({each["name"] for each in olds.get("inlinePolicies") or ()} - set(wanted)):
                with missing_is_fine():
                    client.delete_role_policy(RoleName=op.id, PolicyName=name)
            for name in sorted(wanted):
                client.put_role_policy(RoleName=op.id, PolicyName=name, PolicyDocument=wanted[name])
        if "managedPolicyArns" in changed:
            before, after = set(olds.get("managedPolicyArns") or ()), set(news.get("managedPolicyArns") or ())
            for arn in sorted(before - after):
                with missing_is_fine():
                    client.detach_role_policy(RoleName=op.id, PolicyArn=arn)
            for arn in sorted(after - before):
                client.attach_role_policy(RoleName=op.id, PolicyArn=arn)

    def read(self, op: Operation, known: State) -> State | None:
        """The role, and those policies that are declared on it itself."""
        client = op.client()
        answer = found(client.get_role, RoleName=op.id)
        if answer is None:
            return None
        role = answer["Role"]
        state: State = {
            **_computed(role, "RoleId"),
            "assumeRolePolicy": documents.dump(role["AssumeRolePolicyDocument"]),
            "description": role.get("Description"),
            "maxSessionDuration": role.get("MaxSessionDuration") or 3600,
            "name": role["RoleName"],
            "path": role["Path"],
            "permissionsBoundary": role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
            "tagsAll": from_pairs(role.get("Tags")),
        }
        if known.get("inlinePolicies"):
            names = client.list_role_policies(RoleName=op.id)["PolicyNames"]
            state["inlinePolicies"] = [
                {
                    "name": name,
                    "policy": documents.dump(
                        client.get_role_policy(RoleName=op.id, PolicyName=name)["PolicyDocument"]
                    ),
                }
                for name in names
            ]
        if known.get("managedPolicyArns"):
            attached = client.list_attached_role_policies(RoleName=op.id)["AttachedPolicies"]
            state["managedPolicyArns"] = [each["PolicyArn"] for each in attached]
        return state

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Each part has a call of its own."""
        client = op.client()
        if "assumeRolePolicy" in changed:
            document = self.request(op, "CreateRole.input", news)["AssumeRolePolicyDocument"]
            client.update_assume_role_policy(RoleName=op.id, PolicyDocument=document)
        if changed & {"description", "maxSessionDuration"}:
            client.update_role(
                RoleName=op.id,
                Description=news.get("description") or "",
                MaxSessionDuration=news["maxSessionDuration"],
            )
        if "permissionsBoundary" in changed:
            if news.get("permissionsBoundary"):
                client.put_role_permissions_boundary(
                    RoleName=op.id, PermissionsBoundary=news["permissionsBoundary"]
                )
            else:
                client.delete_role_permissions_boundary(RoleName=op.id)
        self._set_policies(op, olds, news, changed)

    def delete(self, op: Operation, known: State) -> None:
        """Takes it out of instance profiles, drops what is declared on it, and deletes it."""
        client = op.client()
        for profile in client.list_instance_profiles_for_role(RoleName=op.id)["InstanceProfiles"]:
            client.remove_role_from_instance_profile(
                InstanceProfileName=profile["InstanceProfileName"], RoleName=op.id
            )
        forced = known.get("forceDetachPolicies")
        inline = {each["name"] for each in known.get("inlinePolicies") or ()}
        managed = set(known.get("managedPolicyArns") or ())
        if forced:
            inline |= set(client.list_role_policies(RoleName=op.id)["PolicyNames"])
            attached = client.list_attached_role_policies(RoleName=op.id)["AttachedPolicies"]
            managed |= {each["PolicyArn"] for each in attached}
        for name in sorted(inline):
            with missing_is_fine():
                client.delete_role_policy(RoleName=op.id, PolicyName=name)
        for arn in sorted(managed):
            with missing_is_fine():
                client.detach_role_policy(RoleName=op.id, PolicyArn=arn)
        client.delete_role(RoleName=op.id)


def _computed(described: Mapping[str, Any], unique: str) -> State:
    return {
        "arn": described["Arn"],
        "uniqueId": described[unique],
        "createDate": described["CreateDate"].strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


class Policy(Adapter):
    """A managed policy; its id is its ARN."""

    token = "aws:iam/policy:Policy"
    service = "iam"
    is_global = True
    auto_name = AutoName(max_length=128)
    create_shapes = ("CreatePolicy.input",)
    rename: ClassVar[Mapping[str, str]] = {"name": "PolicyName", "policy": "PolicyDocument"}
    local = frozenset({"delayAfterPolicyCreationInMs"})
    in_place = frozenset({"policy"})
    defaults: ClassVar[Mapping[str, Any]] = {"path": "/"}
    tagging = Tagging(
        resource="PolicyArn", add="tag_policy", remove="untag_policy", read="list_policy_tags", target="arn"
    )
    policies: ClassVar[Mapping[str, bool]] = {"policy": False}

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """Name, path, and the size that AWS allows."""
        _check_name(inputs, problems)
        document = documents.parse(inputs.get("policy"))
        size = len(documents.dump(document)) if document is not None else 0
        if size > _POLICY_LIMIT:
            problems.add("policy", f"has {size} characters", f"AWS allows {_POLICY_LIMIT}: split it")

    def create(self, op: Operation, inputs: State) -> State | None:
        """Creates the policy."""
        policy = op.client().create_policy(**self.request(op, "CreatePolicy.input", inputs))["Policy"]
        op.id = policy["Arn"]
        return {**inputs, "arn": op.id, "policyId": policy["PolicyId"], "attachmentCount": 0}

    def read(self, op: Operation, known: State) -> State | None:
        """The policy and its default version."""
        client = op.client()
        answer = found(client.get_policy, PolicyArn=op.id)
        if answer is None:
            return None
        policy = answer["Policy"]
        version = client.get_policy_version(PolicyArn=op.id, VersionId=policy["DefaultVersionId"])
        return {
            "arn": policy["Arn"],
            # Attachments are resources of their own: counted here, each would show as a change of the policy.
            "attachmentCount": known.get("attachmentCount", policy.get("AttachmentCount", 0)),
            "description": policy.get("Description") or None,
            "name": policy["PolicyName"],
            "path": policy["Path"],
            "policy": documents.dump(version["PolicyVersion"]["Document"]),
            "policyId": policy["PolicyId"],
            "tagsAll": from_pairs(client.list_policy_tags(PolicyArn=op.id)["Tags"]),
        }

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Adds a version and makes it the default; AWS keeps five."""
        if "policy" not in changed:
            return
        client = op.client()
        versions = client.list_policy_versions(PolicyArn=op.id)["Versions"]
        others = sorted((each for each in versions if not each["IsDefaultVersion"]), key=_version_number)
        if len(versions) >= _VERSIONS_KEPT:
            client.delete_policy_version(PolicyArn=op.id, VersionId=others[0]["VersionId"])
        document = self.request(op, "CreatePolicy.input", news)["PolicyDocument"]
        client.create_policy_version(PolicyArn=op.id, PolicyDocument=document, SetAsDefault=True)

    def delete(self, op: Operation, known: State) -> None:
        """Deletes the other versions, then the policy."""
        client = op.client()
        for version in client.list_policy_versions(PolicyArn=op.id)["Versions"]:
            if not version["IsDefaultVersion"]:
                client.delete_policy_version(PolicyArn=op.id, VersionId=version["VersionId"])
        client.delete_policy(PolicyArn=op.id)

    def parse_id(self, op: Operation, identifier: str) -> State:
        """The ARN ends in path and name."""
        return {"arn": identifier, "name": identifier.rsplit("/", 1)[-1]}


def _version_number(version: Mapping[str, Any]) -> int:
    return int(str(version["VersionId"]).removeprefix("v"))


class _InlinePolicy(Adapter):
    """A policy inside a role or user; its id is `owner:name`."""

    service = "iam"
    is_global = True
    auto_name = AutoName(max_length=128)
    in_place = frozenset({"policy"})
    policies: ClassVar[Mapping[str, bool]] = {"policy": False}
    owner: ClassVar[str]
    """The input that names the owner."""
    member: ClassVar[str]
    """The API's parameter for it."""

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """The name's letters."""
        _check_name(inputs, problems)

    def _call(self, op: Operation, verb: str) -> Any:
        return getattr(op.client(), f"{verb}_{self.owner}_policy")

    def _put(self, op: Operation, inputs: Mapping[str, Any]) -> None:
        document = inputs["policy"]
        self._call(op, "put")(
            **{self.member: inputs[self.owner]},
            PolicyName=inputs["name"],
            PolicyDocument=document if isinstance(document, str) else documents.dump(document),
        )

    def create(self, op: Operation, inputs: State) -> State | None:
        """Puts the policy."""
        self._put(op, inputs)
        op.id = f"{inputs[self.owner]}:{inputs['name']}"
        return dict(inputs)

    def read(self, op: Operation, known: State) -> State | None:
        """Gets the policy."""
        where = {self.member: known[self.owner], "PolicyName": known["name"]}
        answer = found(self._call(op, "get"), **where)
        if answer is None:
            return None
        return {
            self.owner: known[self.owner],
            "name": answer["PolicyName"],
            "policy": documents.dump(answer["PolicyDocument"]),
        }

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Puts it again."""
        self._put(op, news)

    def delete(self, op: Operation, known: State) -> None:
        """Deletes the policy."""
        self._call(op, "delete")(**{self.member: known[self.owner]}, PolicyName=known["name"])

    def parse_id(self, op: Operation, identifier: str) -> State:
        """Owner and name."""
        owner, _, name = identifier.partition(":")
        return {self.owner: owner, "name": name}


class RolePolicy(_InlinePolicy):
    """A policy inside a role."""

    token = "aws:iam/rolePolicy:RolePolicy"
    owner, member = "role", "RoleName"
    handled = frozenset({"role"})


class UserPolicy(_InlinePolicy):
    """A policy inside a user."""

    token = "aws:iam/userPolicy:UserPolicy"
    owner, member = "user", "UserName"
    handled = frozenset({"user"})


class _Attachment(Adapter):
    """A managed policy attached to a role or user; its id is `owner/ARN`."""

    service = "iam"
    is_global = True
    owner: ClassVar[str]
    member: ClassVar[str]

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """An ARN, not a name."""
        arn = inputs.get("policyArn")
        if isinstance(arn, str) and not arn.startswith("arn:"):
            problems.add("policyArn", f"{arn!r} is no ARN", "give the policy's ARN")

    def create(self, op: Operation, inputs: State) -> State | None:
        """Attaches it."""
        call = getattr(op.client(), f"attach_{self.owner}_policy")
        call(**{self.member: inputs[self.owner]}, PolicyArn=inputs["policyArn"])
        op.id = f"{inputs[self.owner]}/{inputs['policyArn']}"
        return dict(inputs)

    def read(self, op: Operation, known: State) -> State | None:
        """Looks among those attached."""
        call = getattr(op.client(), f"list_attached_{self.owner}_policies")
        answer = found(call, **{self.member: known[self.owner]})
        attached = {each["PolicyArn"] for each in (answer or {}).get("AttachedPolicies", ())}
        if known["policyArn"] not in attached:
            return None
        return {self.owner: known[self.owner], "policyArn": known["policyArn"]}

    def delete(self, op: Operation, known: State) -> None:
        """Detaches it."""
        call = getattr(op.client(), f"detach_{self.owner}_policy")
        call(**{self.member: known[self.owner]}, PolicyArn=known["policyArn"])

    def parse_id(self, op: Operation, identifier: str) -> State:
        """Owner and ARN."""
        owner, _, arn = identifier.partition("/")
        return {self.owner: owner, "policyArn": arn}


class RolePolicyAttachment(_Attachment):
    """A managed policy of a role."""

    token = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
    owner, member = "role", "RoleName"
    handled = frozenset({"role", "policyArn"})


class UserPolicyAttachment(_Attachment):
    """A managed policy of a user."""

    token = "aws:iam/userPolicyAttachment:UserPolicyAttachment"
    owner, member = "user", "UserName"
    handled = frozenset({"user", "policyArn"})


class InstanceProfile(Adapter):
    """What gives an instance its role; its id is its name."""

    token = "aws:iam/instanceProfile:InstanceProfile"
    service = "iam"
    is_global = True
    auto_name = AutoName(max_length=128)
    handled = frozenset({"role", "path"})
    in_place = frozenset({"role"})
    defaults: ClassVar[Mapping[str, Any]] = {"path": "/"}
    tagging = Tagging(
        resource="InstanceProfileName",
        add="tag_instance_profile",
        remove="untag_instance_profile",
        read="list_instance_profile_tags",
        target="name",
    )

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """Name and path."""
        _check_name(inputs, problems)

    def create(self, op: Operation, inputs: State) -> State | None:
        """Creates the profile, then puts the role in."""
        answer = op.client().create_instance_profile(
            InstanceProfileName=inputs["name"], Path=inputs["path"], Tags=as_pairs(inputs.get("tags") or {})
        )
        op.id = inputs["name"]
        if inputs.get("role"):
            op.client().add_role_to_instance_profile(InstanceProfileName=op.id, RoleName=inputs["role"])
        return {**inputs, **_computed(answer["InstanceProfile"], "InstanceProfileId")}

    def read(self, op: Operation, known: State) -> State | None:
        """The profile with its role."""
        answer = found(op.client().get_instance_profile, InstanceProfileName=op.id)
        if answer is None:
            return None
        profile = answer["InstanceProfile"]
        roles = [role["RoleName"] for role in profile["Roles"]]
        return {
            **_computed(profile, "InstanceProfileId"),
            "name": profile["InstanceProfileName"],
            "path": profile["Path"],
            "role": roles[0] if roles else None,
            "tagsAll": from_pairs(profile.get("Tags")),
        }

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """A profile holds one role: the old one goes first."""
        if "role" not in changed:
            return
        client = op.client()
        profile = client.get_instance_profile(InstanceProfileName=op.id)["InstanceProfile"]
        for role in profile["Roles"]:
            client.remove_role_from_instance_profile(InstanceProfileName=op.id, RoleName=role["RoleName"])
        if news.get("role"):
            client.add_role_to_instance_profile(InstanceProfileName=op.id, RoleName=news["role"])

    def delete(self, op: Operation, known: State) -> None:
        """Takes the role out and deletes the profile."""
        client = op.client()
        profile = client.get_instance_profile(InstanceProfileName=op.id)["InstanceProfile"]
        for role in profile["Roles"]:
            client.remove_role_from_instance_profile(InstanceProfileName=op.id, RoleName=role["RoleName"])
        client.delete_instance_profile(InstanceProfileName=op.id)


class OpenIdConnectProvider(Adapter):
    """Somebody else's identities, trusted; its id is its ARN."""

    token = "aws:iam/openIdConnectProvider:OpenIdConnectProvider"
    service = "iam"
    is_global = True
    create_shapes = ("CreateOpenIDConnectProvider.input",)
    in_place = frozenset({"clientIdLists", "thumbprintLists"})
    tagging = Tagging(
        resource="OpenIDConnectProviderArn",
        add="tag_open_id_connect_provider",
        remove="untag_open_id_connect_provider",
        read="list_open_id_connect_provider_tags",
    )

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """An https URL."""
        url = inputs.get("url")
        if isinstance(url, str) and not url.startswith("https://"):
            problems.add("url", f"{url!r} is no https URL", "begin with https://")

    def create(self, op: Operation, inputs: State) -> State | None:
        """Creates the provider."""
        parameters = self.request(op, "CreateOpenIDConnectProvider.input", inputs)
        op.id = op.client().create_open_id_connect_provider(**parameters)["OpenIDConnectProviderArn"]
        return None

    def read(self, op: Operation, known: State) -> State | None:
        """Gets the provider."""
        answer = found(op.client().get_open_id_connect_provider, OpenIDConnectProviderArn=op.id)
        if answer is None:
            return None
        return {
            "arn": op.id,
            "url": answer["Url"] if "://" in answer["Url"] else f"https://{answer['Url']}",
            "clientIdLists": answer["ClientIDList"],
            "thumbprintLists": answer["ThumbprintList"],
            "tagsAll": from_pairs(answer.get("Tags")),
        }

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Clients come and go one by one; thumbprints are set."""
        client = op.client()
        if "clientIdLists" in changed:
            before, after = set(olds.get("clientIdLists") or ()), set(news["clientIdLists"])
            for name in sorted(after - before):
                client.add_client_id_to_open_id_connect_provider(
                    OpenIDConnectProviderArn=op.id, ClientID=name
                )
            for name in sorted(before - after):
                client.remove_client_id_from_open_id_connect_provider(
                    OpenIDConnectProviderArn=op.id, ClientID=name
                )
        if "thumbprintLists" in changed and news.get("thumbprintLists"):
            client.update_open_id_connect_provider_thumbprint(
                OpenIDConnectProviderArn=op.id, ThumbprintList=news["thumbprintLists"]
            )

    def delete(self, op: Operation, known: State) -> None:
        """Deletes the provider."""
        op.client().delete_open_id_connect_provider(OpenIDConnectProviderArn=op.id)

    def parse_id(self, op: Operation, identifier: str) -> State:
        """The ARN."""
        return {"arn": identifier}


class User(Declared):
    """A user; its id is the name."""

    token = "aws:iam/user:User"
    service = "iam"
    is_global = True
    auto_name = AutoName(max_length=64)
    create_call, read_call, delete_call = "CreateUser", "GetUser", "DeleteUser"
    result = "User"
    key: ClassVar[Mapping[str, str]] = {"UserName": "name"}
    rename: ClassVar[Mapping[str, str]] = {
        "name": "UserName",
        "uniqueId": "UserId",
        "permissionsBoundary": "PermissionsBoundary",
    }
    local = frozenset({"forceDestroy"})
    in_place = frozenset({"permissionsBoundary"})
    defaults: ClassVar[Mapping[str, Any]] = {"forceDestroy": False, "path": "/"}
    tagging = Tagging(
        resource="UserName", add="tag_user", remove="untag_user", read="list_user_tags", target="name"
    )

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """Name and path."""
        _check_name(inputs, problems)

    def adjust(self, op: Operation, state: State, data: Mapping[str, Any]) -> None:
        """The boundary is inside an object."""
        state["permissionsBoundary"] = data.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Sets or takes away the boundary."""
        if "permissionsBoundary" in changed:
            if news.get("permissionsBoundary"):
                op.client().put_user_permissions_boundary(
                    UserName=op.id, PermissionsBoundary=news["permissionsBoundary"]
                )
            else:
                op.client().delete_user_permissions_boundary(UserName=op.id)

    def delete(self, op: Operation, known: State) -> None:
        """With `forceDestroy` keys and policies go first."""
        client = op.client()
        if known.get("forceDestroy"):
            for entry in client.list_access_keys(UserName=op.id)["AccessKeyMetadata"]:
                client.delete_access_key(UserName=op.id, AccessKeyId=entry["AccessKeyId"])
            for name in client.list_user_policies(UserName=op.id)["PolicyNames"]:
                client.delete_user_policy(UserName=op.id, PolicyName=name)
            for attached in client.list_attached_user_policies(UserName=op.id)["AttachedPolicies"]:
                client.detach_user_policy(UserName=op.id, PolicyArn=attached["PolicyArn"])
        client.delete_user(UserName=op.id)
