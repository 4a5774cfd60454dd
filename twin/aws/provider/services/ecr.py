"""Amazon ECR: repositories of images, which images stay, who may pull them."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from twin.aws.provider import documents
from twin.aws.provider.adapter import Adapter, Declared, State
from twin.aws.provider.adapter import found as answer_of
from twin.aws.provider.names import AutoName
from twin.aws.provider.operation import Operation
from twin.aws.provider.tagging import Tagging
from twin.providers.problems import Problems
from twin.wire import UNKNOWN

_EXCLUDING: Final = frozenset({"IMMUTABLE_WITH_EXCLUSION", "MUTABLE_WITH_EXCLUSION"})
_MOST_FILTERS: Final = 5
_FILTER: Final = re.compile(r"^[0-9A-Za-z._*-]{1,128}$")
_STATUSES: Final = frozenset({"any", "tagged", "untagged"})
_COUNTS: Final = frozenset(
    {"imageCountMoreThan", "sinceImagePulled", "sinceImagePushed", "sinceImageTransitioned"}
)
_TAG_LISTS: Final = ("tagPatternList", "tagPrefixList")


class Repository(Declared):
    """A repository; its id is its name."""

    token = "aws:ecr/repository:Repository"
    service = "ecr"
    auto_name = AutoName(max_length=256, transform=str.lower)
    create_call, read_call, delete_call = "CreateRepository", "DescribeRepositories", "DeleteRepository"
    result = "repositories"
    key: ClassVar[Mapping[str, str]] = {"repositoryName": "name"}
    rename: ClassVar[Mapping[str, str]] = {
        "arn": "repositoryArn",
        "name": "repositoryName",
        "repositoryUrl": "repositoryUri",
    }
    local = frozenset({"forceDelete"})
    in_place = frozenset(
        {"imageScanningConfiguration", "imageTagMutability", "imageTagMutabilityExclusionFilters"}
    )
    defaults: ClassVar[Mapping[str, Any]] = {"imageTagMutability": "MUTABLE"}
    tagging = Tagging(resource="resourceArn", tags="tags", keys="tagKeys")

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """Encryption, and exceptions from the rule for tags."""
        encryption = inputs.get("encryptionConfigurations")
        entries = encryption if isinstance(encryption, list) else []
        for entry in entries[:1]:
            if isinstance(entry, dict) and entry.get("encryptionType") == "AES256" and entry.get("kmsKey"):
                path = "encryptionConfigurations[0].kmsKey"
                problems.add(path, "is not for AES256", 'say encryptionType "KMS"')
        _check_filters(inputs, problems)

    def complete(self, op: Operation, inputs: State) -> None:
        """Without a kind of encryption it is AES-256."""
        entries = inputs.get("encryptionConfigurations")
        if isinstance(entries, list) and entries and isinstance(entries[0], dict):
            inputs["encryptionConfigurations"] = [{"encryptionType": "AES256", **entries[0]}, *entries[1:]]

    def named(self, known: Mapping[str, Any], key: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Reading asks for a list."""
        if key is None:
            return {"repositoryNames": [known["name"]]}
        return super().named(known, key)

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Tags' rule and scanning have a call each."""
        name = {"repositoryName": op.id}
        if changed & {"imageTagMutability", "imageTagMutabilityExclusionFilters"}:
            op.call("PutImageTagMutability", self.request(op, "PutImageTagMutability.input", news) | name)
        if "imageScanningConfiguration" in changed:
            scanning = news.get("imageScanningConfiguration") or {"scanOnPush": False}
            op.call("PutImageScanningConfiguration", {**name, "imageScanningConfiguration": scanning})

    def delete(self, op: Operation, known: State) -> None:
        """With `forceDelete` images go along; without, AWS refuses a repository that has any."""
        force = bool(known.get("forceDelete"))
        op.call("DeleteRepository", {"repositoryName": op.id, "force": force})


def _check_filters(inputs: Mapping[str, Any], problems: Problems) -> None:
    path = "imageTagMutabilityExclusionFilters"
    filters, kind = inputs.get(path), inputs.get("imageTagMutability")
    if filters and filters is not UNKNOWN and isinstance(kind, str) and kind not in _EXCLUDING:
        problems.add(path, f"is not for {kind}", f"set imageTagMutability to {kind}_WITH_EXCLUSION")
    if kind in _EXCLUDING and not filters:
        problems.add(path, "is missing", f"{kind} needs filters")
    entries = filters if isinstance(filters, list) else []
    if len(entries) > _MOST_FILTERS:
        problems.add(path, f"there are {len(entries)}", f"give at most {_MOST_FILTERS}")
    for place, entry in enumerate(entries):
        text = entry.get("filter") if isinstance(entry, dict) else None
        if isinstance(text, str) and (not _FILTER.match(text) or text.count("*") > 2):
            remedy = "up to 128 letters, digits, . _ - and two *"
            problems.add(f"{path}[{place}].filter", f"{text!r} is not allowed", remedy)


class _Policy(Adapter):
    """A document that hangs on a repository; its id is the repository's name."""

    service = "ecr"
    put: ClassVar[str]
    get: ClassVar[str]
    remove: ClassVar[str]
    text: ClassVar[str]
    """The API's member with the document."""
    handled = frozenset({"policy", "repository"})
    in_place = frozenset({"policy"})

    def create(self, op: Operation, inputs: State) -> State | None:
        """Puts the document; the state follows from the answer."""
        state = self._put(op, inputs)
        op.id = inputs["repository"]
        return state

    def _put(self, op: Operation, inputs: State) -> State:
        policy = inputs["policy"]
        text = policy if isinstance(policy, str) else documents.dump(policy)
        answer = op.call(self.put, {"repositoryName": inputs["repository"], self.text: text})
        return {**inputs, "registryId": answer.get("registryId") or op.account}

    def read(self, op: Operation, known: State) -> State | None:
        """Gets the document."""
        answer = answer_of(op.call, operation=self.get, params={"repositoryName": op.id})
        if answer is None:
            return None
        registry = answer.get("registryId") or op.account
        return {"repository": op.id, "policy": answer[self.text], "registryId": registry}

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Puts the document again."""
        self._put(op, news)

    def delete(self, op: Operation, known: State) -> None:
        """Deletes the document."""
        op.call(self.remove, {"repositoryName": op.id})

    def parse_id(self, op: Operation, identifier: str) -> State:
        """The repository's name."""
        return {"repository": identifier}


class RepositoryPolicy(_Policy):
    """Who may pull from a repository, and push to it."""

    token = "aws:ecr/repositoryPolicy:RepositoryPolicy"
    put, get, remove = "SetRepositoryPolicy", "GetRepositoryPolicy", "DeleteRepositoryPolicy"
    text = "policyText"
    policies: ClassVar[Mapping[str, bool]] = {"policy": True}


class LifecyclePolicy(_Policy):
    """Which images go when."""

    token = "aws:ecr/lifecyclePolicy:LifecyclePolicy"
    put, get, remove = "PutLifecyclePolicy", "GetLifecyclePolicy", "DeleteLifecyclePolicy"
    text = "lifecyclePolicyText"

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """The rules one by one, and their priorities together."""
        policy = inputs.get("policy")
        document = documents.parse(policy)
        if policy is UNKNOWN or policy is None:
            return
        if not isinstance(document, dict) or not document.get("rules"):
            problems.add("policy", "has no rules", 'give a JSON object {"rules": […]}')
            return
        rules = [rule for rule in document["rules"] if isinstance(rule, dict)]
        priorities = [rule.get("rulePriority") for rule in rules]
        for place, rule in enumerate(rules):
            priority = priorities[place]
            if not isinstance(priority, int) or priority < 1:
                problems.add(
                    "policy", f"rules[{place}].rulePriority is {priority!r}", "give a number from 1 on"
                )
            elif priorities.index(priority) < place:
                problems.add("policy", f"rulePriority {priority} is used twice", "give each rule its own")
            _check_rule(rule, f"rules[{place}]", problems)
            selection = rule.get("selection")
            status = selection.get("tagStatus") if isinstance(selection, dict) else None
            numbers = [number for number in priorities if isinstance(number, int)]
            if status == "any" and isinstance(priority, int) and priority < max(numbers):
                problems.add("policy", f"rules[{place}] is for any image", "give it the highest rulePriority")


def _check_rule(rule: Mapping[str, Any], place: str, problems: Problems) -> None:
    def add(name: str, wrong: str, remedy: str) -> None:
        problems.add("policy", f"{place}.{name} {wrong}", remedy)

    selection, action = rule.get("selection"), rule.get("action")
    if not isinstance(action, dict) or action.get("type") not in ("expire", "transition"):
        add("action.type", "says neither expire nor transition", 'use "expire"')
    if not isinstance(selection, dict):
        add("selection", "is missing", "say which images")
        return
    status, count = selection.get("tagStatus"), selection.get("countType")
    if status not in _STATUSES:
        add("selection.tagStatus", f"is {status!r}", f"use one of {', '.join(sorted(_STATUSES))}")
    lists = [name for name in _TAG_LISTS if selection.get(name)]
    if status == "tagged" and len(lists) != 1:
        add("selection", f"names {len(lists)} lists of tags", f"give one of {', '.join(_TAG_LISTS)}")
    if status in ("any", "untagged") and lists:
        add(f"selection.{lists[0]}", f"is not for {status} images", "leave it out")
    if count not in _COUNTS:
        add("selection.countType", f"is {count!r}", f"use one of {', '.join(sorted(_COUNTS))}")
    elif count == "imageCountMoreThan" and selection.get("countUnit"):
        add("selection.countUnit", "is for ages", "leave it out")
    elif count != "imageCountMoreThan" and selection.get("countUnit") != "days":
        add("selection.countUnit", f"is {selection.get('countUnit')!r}", 'say "days"')
    number = selection.get("countNumber")
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        add("selection.countNumber", f"is {number!r}", "give a number from 1 on")
