"""Reports to render: one with everything in it, and text that wants to break out."""

from decimal import Decimal
from typing import Any

from cli.reports.report import Comparison, Costs, Finding, Report, RuleInfo, Waiver
from pricing import Estimate, diff, estimate
from tests.pricing.stack import STACK, component, resource

HOSTILE = (
    "a|b `tick` <script>alert(1)</script> @octocat #12 **bold** [x](http://evil) "
    ']]> & "quoted" \x07\x1b[31m\n| --- |'
)
BUCKET = "urn:pulumi:prod::shop::stagecraft:index:DataLake$aws:s3/bucket:Bucket::lake-raw"


def priced(*, tables: int = 1, unpriced: bool = True) -> Estimate:
    """An estimate of a component with some tables, a volume outside it, and a type without a price."""
    platform = component()
    parts: list[Any] = [platform, resource("aws:ebs/volume:Volume", "disk", size=100, type="gp3")]
    parts += [
        resource(
            "aws:dynamodb/table:Table", f"table-{index}", parent=platform.urn, billingMode="PAY_PER_REQUEST"
        )
        for index in range(tables)
    ]
    if unpriced:
        parts.append(resource("aws:braket/job:Job", "quantum"))
    return estimate(parts, region="us-east-1")


def rule(identity: str, name: str, pack: str = "stagecraft-cost", **more: Any) -> RuleInfo:
    told = {"title": f"title of {identity}", "remedy": f"mend {identity}", "level": "mandatory"} | more
    return RuleInfo(identity, name, pack, **told)


def finding(identity: str = "C11", name: str = "bucket-has-lifecycle", **more: Any) -> Finding:
    told = {
        "pack": "stagecraft-cost",
        "level": "mandatory",
        "urn": BUCKET,
        "message": "it has no lifecycle",
        "remedy": "add one",
    } | more
    return Finding(identity, name, **told)


RULES = (
    rule("C11", "bucket-has-lifecycle", references=("CKV2_AWS_61",), severity="medium"),
    rule("C14", "repository-has-lifecycle"),
    rule("C17", "network-fits-stage", level="advisory"),
    rule("S1", "bucket-blocks-public-access", "stagecraft-security", severity="high"),
    rule("S8", "policy-is-not-admin", "stagecraft-security", severity="critical"),
    rule("G3", "personal-data-can-be-erased", "stagecraft-governance", skipped="applies from stage govern"),
)

WAIVER = Waiver("growth", "2027-01-31", "migration (till spring)")


def report(**changes: Any) -> Report:
    """Two violations, a remark, an open question, a waived finding, and what it costs."""
    told: dict[str, Any] = {
        "subject": "prod",
        "source": "stacks/Pulumi.prod.yaml",
        "stage": "validate",
        "environment": "prod",
        "resources": 7,
        "rules": RULES,
        "violations": (
            finding(),
            finding(urn=BUCKET.replace("raw", "curated"), message="its rule is disabled"),
            finding("C17", "network-fits-stage", level="advisory", urn="", message="two NAT gateways"),
        ),
        "cannot_judge": (
            finding(
                "S8",
                "policy-is-not-admin",
                pack="stagecraft-security",
                urn=f"{STACK.rpartition('::')[0].rpartition('::')[0]}::aws:iam/policy:Policy::jobs",
                message="cannot judge, because policy is not known yet",
            ),
        ),
        "waived": (
            finding(
                "S1",
                "bucket-blocks-public-access",
                pack="stagecraft-security",
                message="nothing blocks public access",
                waiver=WAIVER,
            ),
        ),
        "cost": Costs(
            priced(tables=3),
            Decimal(400),
            Comparison("main", diff(priced(tables=1, unpriced=False), priced(tables=3))),
        ),
        "changes": {"create": 7, "update": 0, "replace": 0, "delete": 0, "same": 0},
        "outputs": {"token": "[secret]"},
        "seconds": 1.25,
    }
    return Report(**(told | changes))


def clean(**changes: Any) -> Report:
    """Nothing is wrong."""
    nothing = {"violations": (), "cannot_judge": (), "waived": (), "cost": None}
    return report(**(nothing | changes))


def hostile() -> Report:
    """Every text from outside tries to be something else."""
    return report(
        subject=HOSTILE,
        violations=(
            finding(message=HOSTILE, remedy=HOSTILE, urn=f"urn:pulumi:a::b::x:y:Z::{HOSTILE}"),
            finding("", HOSTILE, pack=HOSTILE, urn="no urn"),
        ),
        waived=(finding(message=HOSTILE, waiver=Waiver(HOSTILE, HOSTILE, HOSTILE)),),
        problems=(HOSTILE,),
    )
