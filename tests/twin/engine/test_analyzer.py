"""The host against real packs: small ones written here, run by the real policy SDK."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from twin.engine.analyzer import (
    PolicyPack,
    PolicyPackError,
    PolicyResource,
    ProviderResource,
    ResourceOptions,
    StackInfo,
    start_policy_packs,
)
from twin.engine.engine_service import EngineServer, EngineService
from twin.engine.policy_config import load_pack_config
from twin.wire import UNKNOWN, Asset, ResourceReference, Secret

STACK = StackInfo(stack="dev", project="shop", config={"shop:colour": "blue"}, tags={"team": "growth"})

ECHO = """
    import json
    import os
    import sys

    import pulumi
    from pulumi_policy import (
        EnforcementLevel, PolicyConfigSchema, PolicyPack, ResourceValidationPolicy, StackValidationPolicy,
    )

    def plain(value):
        if isinstance(value, (str, int, float, bool)) or value is None:
            return value
        if isinstance(value, pulumi.Asset):
            return "asset"
        if hasattr(value, "keys"):
            return {key: plain(value[key]) for key in value}
        return [plain(item) for item in value]

    def echo(args, report):
        if args.resource_type == "t:echo":
            report(json.dumps({
                "props": plain(args.props), "name": args.name, "protect": args.opts.protect,
                "parent": args.opts.parent, "ignore": list(args.opts.ignore_changes),
                "before": args.opts.delete_before_replace,
                "timeout": args.opts.custom_timeouts.create_seconds,
                "provider": args.provider and [args.provider.name, plain(args.provider.props)],
                "config": dict(args.get_config()), "tags": dict(args.stack_tags),
            }, sort_keys=True) + chr(10) + "Remedy: do it well")

    def misbehave(args, report):
        if args.resource_type == "t:crash":
            print("dying now", file=sys.stderr, flush=True)
            os._exit(7)
        if args.resource_type == "t:raise":
            raise ValueError("a bug in the rule")
        if args.resource_type == "t:hang":
            import time
            time.sleep(600)
        if args.resource_type == "t:noisy":
            print("x" * 1_000_000)

    def tag(args):
        if args.resource_type == "t:tagged":
            props = args.props
            return {**{key: props[key] for key in props}, "tags": {"owner": "growth"}}

    def chained(args):
        if args.resource_type == "t:tagged":
            props = args.props
            return {**{key: props[key] for key in props}, "seen": dict(props["tags"])["owner"]}

    def stack(args, report):
        for resource in args.resources:
            report(json.dumps({
                "parent": resource.parent and resource.parent.name,
                "depends": [item.name for item in resource.dependencies],
                "by": {key: [item.name for item in items]
                       for key, items in resource.property_dependencies.items()},
            }, sort_keys=True), resource.urn)

    PolicyPack("echo", enforcement_level=EnforcementLevel.MANDATORY, policies=[
        ResourceValidationPolicy("echo", "[E1] Echoes", validate=echo, config_schema=PolicyConfigSchema(
            {"size": {"type": "integer", "minimum": 1, "default": 3}, "names": {"type": "array",
             "items": {"type": "string"}}, "kind": {"type": "string", "enum": ["a", "b"]}})),
        ResourceValidationPolicy("misbehave", "Misbehaves", validate=misbehave),
        ResourceValidationPolicy("tag", "[E2] Tags", remediate=tag,
                                 enforcement_level=EnforcementLevel.REMEDIATE),
        ResourceValidationPolicy("chained", "Sees it", remediate=chained,
                                 enforcement_level=EnforcementLevel.REMEDIATE),
        StackValidationPolicy("whole", "Whole stack", validate=stack,
                              enforcement_level=EnforcementLevel.ADVISORY),
    ])
"""


def write_pack(directory, program, project="runtime: python\nversion: 1.2.3\n"):
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "PulumiPolicy.yaml").write_text(project)
    (directory / "__main__.py").write_text(textwrap.dedent(program))
    return directory


@pytest.fixture(scope="module")
def engine():
    with EngineServer(EngineService(lambda *_line: None)) as server:
        yield server.address


@pytest.fixture(scope="module")
def echo_directory(tmp_path_factory):
    return write_pack(tmp_path_factory.mktemp("a path with spaces") / "echo", ECHO)


@pytest.fixture(scope="module")
def echo(echo_directory, engine):
    with PolicyPack(echo_directory, engine, stack=STACK) as pack:
        yield pack


def resource(kind="t:echo", name="r", **fields):
    return PolicyResource(type=kind, name=name, urn=f"urn:pulumi:dev::shop::{kind}::{name}", **fields)


def test_a_pack_tells_what_it_is(echo):
    assert (echo.name, echo.version) == ("echo", "1.2.3")
    assert {name: policy.catalogue_id for name, policy in echo.policies.items()} == {
        "echo": "E1",
        "misbehave": "",
        "tag": "E2",
        "chained": "",
        "whole": "",
    }
    assert echo.policies["echo"].kind == "resource"
    assert echo.policies["whole"].kind == "stack"
    assert echo.level("whole") == "advisory"


def test_a_resource_arrives_whole_and_the_finding_comes_back_in_parts(echo):
    judged = resource(
        properties={
            "number": 3,
            "nothing": None,
            "key": ResourceReference("urn:key", "key-1"),
            "component": ResourceReference("urn:component"),
            "nested": {"list": [Secret("hush"), True]},
            "source": Asset(text="code", hash="abc"),
            "__internal": "x",
        },
        options=ResourceOptions(
            protect=True, ignore_changes=["tags"], delete_before_replace=False, custom_timeouts={"create": 60}
        ),
        provider=ProviderResource("pulumi:providers:aws", "eu", "urn:eu", {"region": "eu-west-1"}),
        parent="urn:parent",
    )
    (finding,) = echo.analyze(judged)
    assert (finding.pack, finding.version, finding.rule, finding.id) == ("echo", "1.2.3", "echo", "E1")
    assert (finding.level, finding.urn, finding.remedy) == ("mandatory", judged.urn, "do it well")
    assert json.loads(finding.message) == {
        "props": {
            "number": 3,
            "key": "key-1",
            "component": "urn:component",
            "nested": {"list": ["hush", True]},
            "source": "asset",
        },
        "name": "r",
        "protect": True,
        "parent": "urn:parent",
        "ignore": ["tags"],
        "before": False,
        "timeout": 60,
        "provider": ["eu", {"region": "eu-west-1"}],
        "config": {"size": 3},
        "tags": {"team": "growth"},
    }


def test_an_unknown_stays_unknown(echo):
    (finding,) = echo.analyze(resource(properties={"later": UNKNOWN}))
    assert finding.level == "advisory"
    assert "can't be known" in finding.message


def test_remediations_come_in_order_and_keep_secrets_references_and_assets(echo):
    reference = ResourceReference("urn:key", "key-1", "1.0")
    asset = Asset(text="code", hash="abc")
    judged = resource(
        "t:tagged",
        properties={
            "key": reference,
            "password": Secret("hush"),
            "deep": [{"key": reference}],
            "source": asset,
        },
    )
    first, second = echo.remediate(judged)
    assert (first.rule, first.id, second.rule) == ("tag", "E2", "chained")
    assert first.properties == {**judged.properties, "tags": {"owner": "growth"}}
    assert second.properties is not None
    assert second.properties["seen"] == "growth"
    assert echo.remediate(resource()) == []


def test_the_stack_is_analysed_with_its_edges(echo):
    bucket = resource("t:b", "bucket")
    rule = resource("t:v", "versioning", parent=bucket.urn, dependencies=[bucket.urn])
    other = resource("t:v", "other", property_dependencies={"bucket": [bucket.urn], "none": []})
    findings = echo.analyze_stack([bucket, rule, other])
    assert [json.loads(finding.message) for finding in findings] == [
        {"parent": None, "depends": [], "by": {}},
        {"parent": "bucket", "depends": ["bucket"], "by": {}},
        {"parent": None, "depends": [], "by": {"bucket": ["bucket"]}},
    ]
    assert [finding.urn for finding in findings] == [bucket.urn, rule.urn, other.urn]
    assert {finding.level for finding in findings} == {"advisory"}


def test_a_pack_may_print_as_much_as_it_likes(echo):
    assert echo.analyze(resource("t:noisy")) == []
    assert echo.analyze(resource("t:noisy")) == []


def test_a_bug_in_a_rule_fails_the_run_and_is_named(echo):
    with pytest.raises(PolicyPackError, match=r"policy pack echo: Analyze failed: .*a bug in the rule"):
        echo.analyze(resource("t:raise"))


def test_configuration_goes_over_schema_defaults(echo_directory, engine):
    config = {
        "all": "advisory",
        "echo": {"enforcementLevel": "mandatory", "kind": "a"},
        "another-packs": "disabled",
    }
    with PolicyPack(echo_directory, engine, stack=STACK, config=config) as pack:
        (finding,) = pack.analyze(resource())
        assert finding.level == "mandatory"
        assert json.loads(finding.message)["config"] == {"size": 3, "kind": "a"}
        assert pack.level("tag") == "advisory"
        assert pack.remediate(resource("t:tagged")) == []


def test_a_pack_can_be_configured_anew_and_keeps_what_it_has_if_that_is_wrong(echo_directory, engine):
    with PolicyPack(echo_directory, engine, stack=STACK) as pack:
        pack.configure({"echo": {"enforcementLevel": "advisory", "size": 5}})
        with pytest.raises(PolicyPackError, match="size has the minimum 1"):
            pack.configure({"echo": {"size": 0}})
        (finding,) = pack.analyze(resource())
        assert (finding.level, json.loads(finding.message)["config"]["size"]) == ("advisory", 5)


@pytest.mark.parametrize("kind", [dict, list])
def test_what_is_nested_deeper_than_the_sdk_can_read_is_left_open(echo, kind):
    value = "bottom"
    for _ in range(900):
        value = {"a": value} if kind is dict else [value]
    (finding,) = echo.analyze(resource(properties={"deep": value, "flat": Secret([1])}))
    assert "can't be known" in finding.message
    (stacked,) = echo.analyze_stack([resource(properties={"deep": Secret(value)})])
    assert stacked.urn


def test_disabled_policies_say_nothing(echo_directory, engine):
    with PolicyPack(echo_directory, engine, stack=STACK, config={"all": "disabled"}) as pack:
        assert pack.analyze(resource()) == []
        assert pack.analyze_stack([resource()]) == []


def test_every_problem_of_a_configuration_is_named(echo_directory, engine):
    config = {"echo": {"size": 0, "kind": "c", "names": ["a", 1]}, "tag": "loud", "misbehave": 3}
    with pytest.raises(PolicyPackError) as error:
        PolicyPack(echo_directory, engine, stack=STACK, config=config)
    for problem in (
        "size has the minimum 1",
        "kind must be one of a, b",
        "names[1] must be",
        "'loud'",
        "misbehave",
    ):
        assert problem in str(error.value)


def test_a_pack_that_dies_fails_the_run_with_its_last_words(echo_directory, engine):
    with PolicyPack(echo_directory, engine, stack=STACK) as pack:
        with pytest.raises(PolicyPackError, match=r"policy pack echo: Analyze failed.*code 7") as error:
            pack.analyze(resource("t:crash"))
        assert "dying now" in error.value.stderr
        with pytest.raises(PolicyPackError):
            pack.analyze(resource())


def test_a_pack_that_hangs_fails_the_run(echo_directory, engine):
    with (
        PolicyPack(echo_directory, engine, stack=STACK, call_seconds=0.5) as pack,
        pytest.raises(PolicyPackError, match=r"did not answer Analyze within 0\.5 s"),
    ):
        pack.analyze(resource("t:hang"))


@pytest.mark.parametrize(
    ("program", "problem"),
    [
        ("print('hello', flush=True)\nimport time; time.sleep(600)", "must be its port, not 'hello'"),
        ("print('99999999', flush=True)\nimport time; time.sleep(600)", "must be its port"),
        ("import sys; sys.exit('no such module')", r"ended before it told its port(.|\n)*no such module"),
        ("import time; time.sleep(600)", "did not start within"),
        ("raise RuntimeError('broken pack')", r"(?s)ended before it told its port.*broken pack"),
    ],
)
def test_a_pack_that_does_not_start_fails_the_run(tmp_path, engine, program, problem):
    directory = write_pack(tmp_path / "bad", program)
    with pytest.raises(PolicyPackError, match=problem):
        PolicyPack(directory, engine, stack=STACK, start_seconds=5 if "ended" in problem else 1.5)


@pytest.mark.parametrize(
    ("project", "problem"),
    [
        (None, "cannot read"),
        ("runtime: nodejs", "only packs with `runtime: python`"),
        ("[1, 2", "cannot read"),
        ("just text", "not a mapping"),
        ("runtime: {name: python, options: {virtualenv: venv}}", "virtual environment 'venv' does not exist"),
    ],
)
def test_a_wrong_project_file_is_named(tmp_path, engine, project, problem):
    if project is not None:
        write_pack(tmp_path / "bad", "", project)
    with pytest.raises(PolicyPackError, match=problem):
        PolicyPack(tmp_path / "bad", engine, stack=STACK)


def test_no_credentials_reach_a_pack(tmp_path, engine, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "do-not-leak")
    monkeypatch.setenv("GITHUB_TOKEN", "do-not-leak")
    program = """
        import json, os
        from pulumi_policy import PolicyPack, ResourceValidationPolicy
        def tell(args, report):
            report(json.dumps(dict(os.environ)))
        PolicyPack("env", policies=[ResourceValidationPolicy("tell", "Tells", validate=tell)])
    """
    with PolicyPack(write_pack(tmp_path / "env", program), engine, stack=STACK) as pack:
        (finding,) = pack.analyze(resource())
    environment = json.loads(finding.message)
    assert "do-not-leak" not in environment.values()
    assert json.loads(environment["PULUMI_CONFIG"]) == {"shop:colour": "blue"}
    assert (environment["PULUMI_STACK"], environment["PULUMI_PROJECT"]) == ("dev", "shop")
    assert environment["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull


def test_packs_start_together_and_one_bad_pack_closes_the_others(tmp_path, engine, echo_directory):
    packs = start_policy_packs([echo_directory, echo_directory], engine, stack=STACK)
    try:
        assert [pack.name for pack in packs] == ["echo", "echo"]
    finally:
        for pack in packs:
            pack.close()
    bad = write_pack(tmp_path / "bad", "raise SystemExit(3)")
    with pytest.raises(PolicyPackError, match="policy pack bad"):
        start_policy_packs([echo_directory, bad], engine, stack=STACK)


def test_a_pack_ends_with_the_engine_even_if_that_is_killed(echo_directory, engine):
    script = textwrap.dedent(
        f"""
        import time
        from pathlib import Path
        from twin.engine.analyzer import PolicyPack, StackInfo
        pack = PolicyPack(Path({str(echo_directory)!r}), {engine!r}, stack=StackInfo("s", "p"))
        print(pack._process.pid, flush=True)
        time.sleep(600)
        """
    )
    root = Path(__file__).parents[3]
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=root, stdout=subprocess.PIPE, text=True)
    pid = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("the pack outlived the engine")


@pytest.mark.parametrize("text", ["[]", "{", '"mandatory"'])
def test_a_config_file_that_cannot_be_read_is_named(tmp_path, text):
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"config\.json"):
        load_pack_config(path)


def test_an_empty_config_file_is_an_empty_configuration(tmp_path):
    path = tmp_path / "config.json"
    path.write_text("\n")
    assert load_pack_config(path) == {}
