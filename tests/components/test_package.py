"""The components as a package: its interface, and the plugin process that serves it."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from pulumi.provider.experimental.component import ComponentProvider
from pulumi.provider.experimental.util import camel_case
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

import components
from tests.components.examples import NAMES, example, make
from tests.components.recording import run

FOLDER = Path(components.__file__).parent
GOLDEN = Path(__file__).parent / "schema.json"
REMEDY = (
    "the interface changed; if that is meant: STAGECRAFT_UPDATE_GOLDEN=1 python -m pytest tests/components"
)


def _plugin_constants() -> Any:
    spec = importlib.util.spec_from_file_location("plugin_main", FOLDER / "__main__.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _schema() -> dict[str, Any]:
    main = _plugin_constants()
    provider = ComponentProvider(list(components.COMPONENTS), main.NAME, None, main.VERSION)
    return dict(json.loads(provider.schema or "{}"))


def test_the_interface_is_the_one_that_was_published():
    schema = _schema()
    if os.environ.get("STAGECRAFT_UPDATE_GOLDEN"):
        GOLDEN.write_text(json.dumps(schema, indent=1, sort_keys=True) + "\n")
    assert schema == json.loads(GOLDEN.read_text()), REMEDY


def test_everything_in_the_interface_is_described():
    schema = _schema()
    parts = {**schema["resources"], **schema["types"]}
    for name, part in parts.items():
        assert part.get("description"), name
        for group in ("properties", "inputProperties"):
            for key, prop in part.get(group, {}).items():
                assert prop.get("description"), f"{name}.{key}"


def test_the_manifest_names_what_is_installed_with_it():
    manifest = yaml.safe_load((FOLDER / "PulumiPlugin.yaml").read_text())
    assert manifest["runtime"]["name"] == "python"
    # An environment of its own: installing a plugin writes into it.
    assert not Path(manifest["runtime"]["options"]["virtualenv"]).is_absolute()
    pins = [line for line in (FOLDER / "requirements.txt").read_text().splitlines() if line[0] != "#"]
    project = (FOLDER.parent / "pyproject.toml").read_text()
    assert all(f'"{pin}"' in project for pin in pins)


def _on_the_wire(value: Any, *, names: bool = True) -> Any:
    """Inputs as another language sends them: camel case, every number a float."""
    if isinstance(value, dict):
        return {
            camel_case(key) if names else key: _on_the_wire(
                item, names=key not in ("environment", "tag_filter", "tags")
            )
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_on_the_wire(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


@pytest.mark.parametrize("name", NAMES)
def test_another_language_gets_what_python_gets(name):
    provider = ComponentProvider(list(components.COMPONENTS), "stagecraft", None, "0.1.0")
    states = []

    def construct():
        wire = _on_the_wire(example(name))
        states.append(provider.construct("it", f"stagecraft:index:{name}", wire).state)

    foreign, own = run(construct), run(lambda: make(name))
    assert sorted(foreign.resources[1:], key=str) == sorted(own.resources[1:], key=str)
    properties = _schema()["resources"][f"stagecraft:index:{name}"]["properties"]
    assert set(states[0]) == set(properties)


@contextmanager
def _plugin(folder: Path) -> Iterator[provider_pb2_grpc.ResourceProviderStub]:
    # As the CLI's language host does: the folder as a script, the engine's address as its first argument.
    process = subprocess.Popen(
        [sys.executable, str(folder), "127.0.0.1:1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder.parent,
        text=True,
    )
    try:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        assert port.isdecimal(), process.stderr.read() if process.stderr else ""
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield provider_pb2_grpc.ResourceProviderStub(channel)
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("name", ["components", "another name"])
def test_the_plugin_serves_the_folder_it_lies_in(tmp_path, name):
    copy = tmp_path / "a checkout" / name
    shutil.copytree(FOLDER, copy, ignore=shutil.ignore_patterns("__pycache__", ".venv"))
    source = copy / "network.py"
    marked = source.read_text().replace("A VPC of IPv6-only private subnets", "A marked VPC")
    source.write_text(marked)
    with _plugin(copy) as stub:
        answer = stub.GetSchema(provider_pb2.GetSchemaRequest(version=0), timeout=30)
        info = stub.GetPluginInfo(provider_pb2.google_dot_protobuf_dot_empty__pb2.Empty(), timeout=30)
    schema = json.loads(answer.schema)
    assert schema["resources"]["stagecraft:index:Network"]["description"].startswith("A marked VPC")
    assert info.version == _plugin_constants().VERSION


def test_the_components_need_nothing_else_of_the_repository(tmp_path):
    shutil.copytree(FOLDER, tmp_path / "components", ignore=shutil.ignore_patterns("__pycache__", ".venv"))
    program = (
        "import sys, importlib.abc\n"
        f"sys.path[:0] = [{str(tmp_path)!r}]\n"
        "class Refuse(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        ours = ('stacks', 'policies', 'twin', 'pricing', 'platform_jobs', 'cli')\n"
        "        if name.split('.')[0] in ours:\n"
        "            raise ImportError(name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "from components import COMPONENTS\n"
        "import components\n"
        "print(components.__file__, len(COMPONENTS))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{tmp_path}/components/__init__.py {len(components.COMPONENTS)}"
