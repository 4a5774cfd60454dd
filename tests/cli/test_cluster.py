"""`stagecraft cluster` and `stagecraft simulate pools`, from the shell."""

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.cli_driver import LABELLED, Stagecraft, waived, write_project
from twin.kubernetes.cluster import programs
from twin.kubernetes.cluster.api import Api

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples" / "simulation"
TRACE, POOLS = str(EXAMPLES / "day.json"), str(EXAMPLES / "pools.yaml")
PROGRAM = f"""
import pathlib, pulumi_kubernetes as k8s, yaml

level = {{"pod-security.kubernetes.io/enforce": "restricted"}}
k8s.core.v1.Namespace("team", metadata={{"name": "team", "labels": level}})
for item in yaml.safe_load_all(pathlib.Path({POOLS!r}).read_text()):
    name = item["kind"].lower() + "-" + item["metadata"]["name"]
    k8s.apiextensions.CustomResource(
        name, api_version=item["apiVersion"], kind=item["kind"], metadata=item["metadata"], spec=item["spec"]
    )
"""
SHORT = {
    "jobs": [
        {"name": "a", "at": 0.0, "hours": 4.0, "gpus": 1, "workers": 2, "deadline": 6},
        {"name": "b", "at": 0.5, "hours": 4.0, "gpus": 1, "deadline": 6},
    ],
    "serving": [
        {"name": "assistant", "gpus": 1, "replicas": [{"at": 0, "count": 1}, {"at": 4.5, "count": 0}]}
    ],
}


@pytest.fixture
def no_go(stagecraft: Stagecraft, tmp_path: Path) -> Stagecraft:
    """The command on a machine without Go, that never built anything."""
    stagecraft.environment |= {"PATH": "/usr/bin:/bin", "STAGECRAFT_CACHE": str(tmp_path / "cache")}
    if shutil.which("go", path="/usr/bin:/bin"):
        pytest.skip("Go lies among the system's own commands")
    return stagecraft


def test_without_a_cluster_status_says_how_to_get_one(stagecraft):
    told = stagecraft.run("cluster", "status", code=1)
    assert "stack local has no cluster; `stagecraft cluster up --stack local` starts one" in told.out
    assert stagecraft.run("cluster", "status", "--json", code=1).object["exists"] is False
    assert "was not there" in stagecraft.run("cluster", "down").all


def test_without_go_the_reason_is_told_and_nothing_is_made(no_go, tmp_path):
    for arguments in (("cluster", "up"), ("simulate", "pools", "--trace", TRACE, "--pools", POOLS)):
        told = no_go.run(*arguments, code=1).all
        assert "needs Go 1.26" in told
        assert "no `go` on PATH" in told
        assert "Traceback" not in told
    assert not (tmp_path / "cache").exists()
    assert not list(no_go.home.rglob("cluster.json"))


def test_every_problem_of_a_simulation_is_told_before_anything_starts(stagecraft, tmp_path):
    trace, pools = tmp_path / "trace.json", tmp_path / "pools.yaml"
    trace.write_text(json.dumps({"jobs": [{"name": "a", "at": 0}]}))
    pools.write_text("kind: Pod\n")
    told = stagecraft.run(
        *("simulate", "pools", "--trace", str(trace), "--pools", str(pools)),
        *("--json", str(tmp_path / "missing" / "r.json"), "--plot", str(tmp_path / "nodes.png")),
        code=2,
    ).all
    for problem in (
        "there is no folder",
        "the drawing is an SVG; name it .svg",
        "jobs[0].hours is missing; it must be a number",
        "there is no NodePool among the objects",
    ):
        assert problem in told


def test_a_trace_that_names_a_pool_that_is_not_there_is_refused(stagecraft, tmp_path):
    trace = tmp_path / "trace.json"
    trace.write_text(json.dumps({"jobs": [{"name": "a", "at": 0, "hours": 1, "pool": "elsewhere"}]}))
    told = stagecraft.run("simulate", "pools", "--trace", str(trace), "--pools", POOLS, code=2).all
    assert "a: pool is 'elsewhere'; it must be one of training-spot, training-on-demand" in told


@pytest.mark.slow
@pytest.mark.timeout(2700)
def test_a_stacks_own_objects_are_deployed_to_its_cluster(stagecraft, tmp_path):
    reason = programs.why_not()
    if reason is not None:
        pytest.skip(reason)
    stagecraft.environment |= {"PATH": os.environ["PATH"]}
    stagecraft.project = write_project(
        tmp_path / "project", PROGRAM, {"local": LABELLED + waived("C2", "C5")}
    )
    stagecraft.run("cluster", "up", seconds=2600)
    try:
        folder = stagecraft.home / "local" / "cluster"
        stagecraft.run("up", "--yes", "--json")
        with Api(folder / "admin.kubeconfig") as api:
            pool = api.get("/apis/karpenter.sh/v1/nodepools/training-spot")
            assert pool["spec"]["weight"] == 50
            assert api.get("/api/v1/namespaces/team")["status"]["phase"] == "Active"
            stagecraft.run("destroy", "--yes", "--json")
            assert api.items("/apis/karpenter.sh/v1/nodepools") == []
    finally:
        stagecraft.run("cluster", "down")


@pytest.mark.slow
@pytest.mark.timeout(2700)
def test_a_replayed_load_runs_to_its_end_and_agrees_with_the_estimate(stagecraft, tmp_path):
    reason = programs.why_not()
    if reason is not None:
        pytest.skip(reason)
    stagecraft.environment |= {"PATH": os.environ["PATH"]}
    trace, report, drawing = tmp_path / "trace.json", tmp_path / "report.json", tmp_path / "nodes.svg"
    trace.write_text(json.dumps(SHORT))
    told = stagecraft.run(
        *("simulate", "pools", "--trace", str(trace), "--pools", POOLS, "--speed", "300"),
        *("--spot-missing", "0", "--json", str(report), "--plot", str(drawing)),
        seconds=2600,
    )
    (group,) = json.loads(report.read_text())["groups"]
    assert group["jobsDone"] == group["jobs"] == 2
    assert group["deadlinesMissed"] == 0
    assert group["spotShare"] == 1
    assert abs(group["offEstimate"]) < 0.10
    assert group["costUsd"] < 0.6 * group["allOnDemandUsd"]
    assert group["pools"][0]["overTime"][-1][1] == 0
    assert drawing.read_text().startswith("<svg")
    assert "2 of 2 jobs done" in told.out
    assert not list(stagecraft.home.rglob("simulation"))
