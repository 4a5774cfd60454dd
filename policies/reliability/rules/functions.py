"""Functions whose failures are kept, and that cannot take all capacity."""

from policies.catalogue import About, Findings, joined_rule
from policies.resources import Resource, Stack
from policies.settings import Settings
from policies.values import any_of

FUNCTION = "aws:lambda:Function"


@joined_rule(
    About(
        id="R7",
        name="function-fails-safely",
        title="Functions have a dead-letter queue and a concurrency limit",
        remedy="Set deadLetterConfig.targetArn and reservedConcurrentExecutions.",
        references=("CKV_AWS_116", "CKV_AWS_115"),
    ),
    types=(FUNCTION,),
)
def function_fails_safely(function: Resource, stack: Stack, _settings: Settings) -> Findings:
    """A destination for failures does what a dead-letter queue does."""
    destinations = stack.referrers(function, "aws:lambda:FunctionEventInvokeConfig", "functionName")
    dead_letters = function.props.block("deadLetterConfig").stated("targetArn") or any_of(
        destinations,
        lambda item: item.props.block("destinationConfig").block("onFailure").stated("destination"),
    )
    if not dead_letters:
        yield "events that it fails on are lost: it has no dead-letter queue"
    limit = function.props.number("reservedConcurrentExecutions")
    if limit is None or limit < 0:
        yield "it can take the whole account's concurrency: it has no limit"
