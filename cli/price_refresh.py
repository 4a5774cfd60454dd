"""`cost refresh`: renews the price snapshot from AWS. The one command of ours that talks to a real cloud."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import boto3
import typer
from botocore.exceptions import BotoCoreError
from rich.console import Console

from cli.failures import FAILED, MISUSED, stop
from cli.reports.as_json import as_text
from pricing import bundled
from pricing.refresh import RefreshError, RefreshSummary, refresh

_PERMISSIONS: Final = "pricing:GetProducts, ec2:DescribeSpotPriceHistory and ec2:DescribeInstanceTypes"
_SHOWN: Final = 20


def refresh_prices(regions: Sequence[str], out: Path | None, *, yes: bool, as_json: bool) -> None:
    """Fetches prices with the user's own AWS credentials and writes them to the snapshot.

    Args:
        regions: Which regions; none: those of the snapshot.
        out: Where the files go; None: in the place of the snapshot that comes with Stagecraft.
        yes: Do not ask.
        as_json: Tell what changed as one JSON object.
    """
    console = Console(stderr=as_json, highlight=False)
    base = bundled()
    problems = _unknown_regions(regions)
    if problems:
        raise stop(console, "\n  ".join(["nothing was asked of AWS:", *problems]), MISUSED)
    wanted = list(dict.fromkeys(regions)) or list(base.regions())
    target = base.directory if out is None else out
    console.print(
        f"This asks AWS itself, with your AWS credentials, for the prices of {', '.join(wanted)} "
        f"({_PERMISSIONS}: reading only, nothing is made or billed), and writes {target}.",
        soft_wrap=True,
        markup=False,
    )
    if not yes:
        if not sys.stdin.isatty():
            raise stop(console, "not asked at a terminal: add --yes to ask AWS without being asked", MISUSED)
        if not typer.confirm("Do you want to do this?"):
            raise stop(console, "nothing was asked of AWS")
    try:
        with console.status("asking AWS") as status:
            summary = refresh(boto3.Session(), wanted, target, base=base, progress=status.update)
    except (RefreshError, BotoCoreError) as error:
        raise stop(console, f"{error}", FAILED) from None
    except OSError as error:
        raise stop(console, f"{target} cannot be written: {error.strerror}", FAILED) from None
    if as_json:
        sys.stdout.write(as_text(summary.to_json()))
    else:
        _tell(console, summary)


def _unknown_regions(regions: Sequence[str]) -> list[str]:
    known = boto3.Session().get_available_regions("ec2")
    return [
        f"--region {region}: AWS has no such region; it has {', '.join(sorted(known))}"
        for region in dict.fromkeys(regions)
        if region not in known
    ]


def _tell(console: Console, summary: RefreshSummary) -> None:
    for item in summary.changes[:_SHOWN]:
        before = "new" if item.before is None else f"{item.before} →"
        line = f"  {item.file} {item.key} in {item.region}: {before} {item.after}"
        console.print(line, markup=False, soft_wrap=True)
    if len(summary.changes) > _SHOWN:
        console.print(f"  and {len(summary.changes) - _SHOWN} more, in the JSON format")
    for text in summary.unanswered[:_SHOWN]:
        console.print(f"  kept: {text}", style="yellow", markup=False, soft_wrap=True)
    if len(summary.unanswered) > _SHOWN:
        console.print(f"  and {len(summary.unanswered) - _SHOWN} more kept, in the JSON format")
    console.print(
        f"[green]renewed:[/] {len(summary.changes)} changed, {summary.confirmed} confirmed, "
        f"{len(summary.unanswered)} kept"
    )
