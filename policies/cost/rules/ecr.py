"""What images cost once they are old."""

import json

from policies.catalogue import About, Findings, joined_rule
from policies.resources import Resource, Stack
from policies.settings import Settings
from policies.values import CannotJudge, any_of


@joined_rule(
    About(
        id="C14",
        name="repository-has-lifecycle",
        title="ECR repositories have a lifecycle",
        remedy="Add an ecr.LifecyclePolicy for the repository that expires untagged and old images.",
        references=("ECR.3",),
    ),
    types=("aws:ecr:Repository",),
)
def repository_has_lifecycle(repository: Resource, stack: Stack, _settings: Settings) -> Findings:
    """ECR keeps every image until a lifecycle policy expires it."""
    policies = stack.referrers(repository, "aws:ecr:LifecyclePolicy", "repository")
    if not any_of(policies, _has_rules):
        yield "images are kept for ever: the repository has no lifecycle policy" + (
            " with a rule" if policies else ""
        )


def _has_rules(policy: Resource) -> bool:
    document = policy.props.get("policy")
    if isinstance(document, str):
        try:
            document = json.loads(document)
        except ValueError as error:
            raise CannotJudge(f"policy is no JSON ({error})") from None
    return isinstance(document, dict) and bool(document.get("rules"))
