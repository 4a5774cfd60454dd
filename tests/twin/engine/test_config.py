"""`Pulumi.yaml` and `Pulumi.<stack>.yaml` as the CLI reads them."""

from pathlib import Path

import pytest

from twin.engine.config import ConfigError, check_stack_name, load_project, load_stack
from twin.engine.secrets import Encryption, SecretsError
from twin.wire import Secret


def lay(folder: Path, project: str, **stacks: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "Pulumi.yaml").write_text(project)
    for name, text in stacks.items():
        (folder / f"Pulumi.{name}.yaml").write_text(text)
    return folder


def test_a_project(tmp_path: Path) -> None:
    root = lay(tmp_path / "a b", "name: shop\nruntime:\n  name: python\nmain: code\n", dev="", prod="")
    project = load_project(root)
    assert (project.name, project.program, project.stack_folder) == ("shop", root / "code", root)
    assert project.stacks() == ["dev", "prod"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("runtime: python\n", "`name` is missing"),
        ("name: x\nruntime: nodejs\n", "'nodejs'"),
        ("name: x\n", "runtime None"),
        ("[1]", "not a mapping"),
        ("a: [", "cannot be read"),
        ("", "`name` is missing"),
    ],
)
def test_a_project_that_cannot_be_used(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as error:
        load_project(lay(tmp_path, text))
    assert "Pulumi.yaml" in str(error.value)


def test_no_project(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        load_project(tmp_path)


def test_values_as_the_sdk_takes_them(tmp_path: Path) -> None:
    root = lay(
        tmp_path,
        "name: shop\nruntime: python\n",
        dev="config:\n  text: x\n  shop:number: 3\n  aws:region: eu-west-1\n  flag: true\n  day: 2026-01-02\n"
        "  tree:\n    leaves: [1, {a: null}]\n  empty:\n",
    )
    config = load_stack(load_project(root), "dev", "word")
    texts, secret = config.for_program()
    assert texts == {
        "shop:text": "x",
        "shop:number": "3",
        "aws:region": "eu-west-1",
        "shop:flag": "true",
        "shop:day": "2026-01-02",
        "shop:tree": '{"leaves":[1,{"a":null}]}',
        "shop:empty": "null",
    }
    assert secret == ()
    assert config.of_providers()["aws"] == {"region": "eu-west-1"}


def test_secrets_open_and_stay_marked(tmp_path: Path) -> None:
    encryption = Encryption("word")
    sealed = encryption.encrypt("hush")
    text = f"encryptionsalt: {encryption.salt_text}\nconfig:\n  a:\n    secure: {sealed}\n"
    text += f"  b:\n    list:\n      - secure: {sealed}\n  aws:secretKey:\n    secure: {sealed}\n"
    root = lay(tmp_path, "name: shop\nruntime: python\n", dev=text)
    config = load_stack(load_project(root), "dev", "word")
    assert config.values["shop:a"] == Secret("hush")
    texts, secret = config.for_program()
    assert texts["shop:b"] == '{"list":["hush"]}'
    assert secret == ("aws:secretKey", "shop:a", "shop:b")
    assert config.of_providers()["aws"] == {"secretKey": Secret("hush")}
    with pytest.raises(SecretsError):
        load_stack(load_project(root), "dev", "another")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("config: [1]", "`config` is not a mapping"),
        ("config:\n  a:\n    secure: v1:x:y\n", "encryptionsalt"),
        ("config: {a: [", "cannot be read"),
    ],
)
def test_a_stack_that_cannot_be_used(tmp_path: Path, text: str, told: str) -> None:
    root = lay(tmp_path, "name: shop\nruntime: python\n", dev=text)
    with pytest.raises(ConfigError, match=told):
        load_stack(load_project(root), "dev", "word")


def test_a_stack_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    root = lay(tmp_path, "name: shop\nruntime: python\n", dev="", prod="")
    with pytest.raises(ConfigError, match="dev, prod"):
        load_stack(load_project(root), "nope", "word")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a b", "é", "x" * 101, "../x"])
def test_what_is_no_stack_name(name: str) -> None:
    with pytest.raises(ConfigError, match="stack name"):
        check_stack_name(name)
    assert check_stack_name("dev-1.a_B") == "dev-1.a_B"
