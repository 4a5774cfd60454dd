"""Values of every kind: assets, archives, references, dynamic providers' own."""

from tests.twin.engine.world import World
from twin.wire import Archive, Asset, ResourceReference


def test_assets_and_archives(world: World) -> None:
    (world.root / "program" / "file.txt").write_text("from a file")
    source = """
    Thing("a", text=pulumi.StringAsset("hello"), file=pulumi.FileAsset("file.txt"),
          folder=pulumi.FileArchive("."), parts=pulumi.AssetArchive({"x": pulumi.StringAsset("y")}),
          many=[pulumi.StringAsset("1")])
    """
    world.deployed(source)
    inputs = world.record("a").inputs
    assert isinstance(inputs["text"], Asset)
    assert inputs["text"].text == "hello"
    assert inputs["text"].hash
    assert inputs["file"].path == "file.txt"
    assert isinstance(inputs["folder"], Archive)
    assert inputs["parts"].assets["x"].text == "y"
    assert inputs["many"][0].text == "1"
    assert world.deployed().changes == {"same": 3}
    assert world.deployed(source.replace("hello", "bye")).changes == {"update": 1, "same": 2}


def test_a_changed_file_is_a_change(world: World) -> None:
    file = world.root / "program" / "file.txt"
    file.write_text("one")
    world.deployed('Thing("a", file=pulumi.FileAsset("file.txt"))')
    file.write_text("two")
    outcome = world.deployed()
    assert outcome.changes == {"update": 1, "same": 2}


def test_a_file_that_is_not_there(world: World) -> None:
    outcome = world.up('Thing("a", file=pulumi.FileAsset("nowhere.txt"))')
    assert not outcome.ok
    assert "nowhere.txt: No such file or directory" in outcome.problems


def test_a_file_of_the_network_is_refused(world: World) -> None:
    outcome = world.up('Thing("a", file=pulumi.RemoteAsset("https://example.com/x"))')
    assert not outcome.ok
    assert "local files only" in outcome.problems


def test_a_program_that_is_a_file(world: World) -> None:
    (world.root / "Pulumi.yaml").write_text("name: toys\nruntime: python\nmain: program/other.py\n")
    (world.root / "program" / "other.py").write_text(
        "from toy import *\nThing('a', file=pulumi.FileAsset('toy.py'))"
    )
    assert world.deployed().changes == {"create": 3}


def test_a_changed_file_in_a_folder_is_a_change(world: World) -> None:
    folder = world.root / "program" / "code"
    folder.mkdir()
    (folder / "main.py").write_text("one")
    world.deployed('Thing("a", code=pulumi.AssetArchive({"code": pulumi.FileArchive("code")}))')
    assert world.deployed().changes == {"same": 3}
    (folder / "main.py").write_text("two")
    assert world.deployed().changes == {"update": 1, "same": 2}


def test_a_resource_as_a_value(world: World) -> None:
    world.deployed("""
    a = Thing("a")
    g = Group("g", child=a)
    Thing("b", other=a)
    pulumi.export("a", a.urn)
    g.register_outputs({"child": a})
    """)
    a = world.record("a")
    assert world.record("g").outputs == {"child": ResourceReference(a.urn, a.id)}
    assert world.record("b").inputs["other"] == a.id  # the toy does not take references
    assert world.things()["b"]["other"] == a.id
    assert world.record("b").dependencies == [a.urn]
    assert world.deployed().changes == {"same": 5}


def test_numbers_nulls_and_text_survive(world: World) -> None:
    world.deployed('Thing("a", n=[0, -1, 1.5, 2**53, True, False, None, "", "é☃", [], {}])')
    assert world.record("a").inputs["n"] == [0, -1, 1.5, 2**53, True, False, None, "", "é☃", [], {}]
    assert world.deployed().changes == {"same": 3}


def test_a_null_property_is_as_if_it_were_not_there(world: World) -> None:
    world.deployed('Thing("a", x=None)')
    assert "x" not in world.record("a").inputs
    assert world.deployed('Thing("a")').changes == {"same": 3}


def test_a_large_value(world: World) -> None:
    world.deployed('Thing("a", big="x" * 6_000_000)')
    assert len(world.record("a").inputs["big"]) == 6_000_000


DYNAMIC = """
from pathlib import Path
from pulumi.dynamic import *
from helper import stamp
class Files(ResourceProvider):
    def check(self, olds, news):
        return CheckResult(news, [CheckFailure("path", "no path")] if news.get("path") == "" else [])
    def diff(self, id, olds, news):
        return DiffResult(changes=olds["text"] != news["text"] or olds["path"] != news["path"],
                          replaces=["path"] if olds["path"] != news["path"] else [])
    def create(self, props):
        Path(props["path"]).write_text(stamp(props["text"]))
        return CreateResult(props["path"], {**props, "size": len(props["text"])})
    def update(self, id, olds, news):
        Path(id).write_text(stamp(news["text"]))
        return UpdateResult({"path": id, "text": news["text"], "size": len(news["text"])})
    def read(self, id, props):
        return ReadResult(id, {**props, "text": Path(id).read_text()})
    def delete(self, id, props):
        Path(id).unlink()
class File(Resource):
    size: pulumi.Output[int]
    def __init__(self, name, path, text, opts=None):
        super().__init__(Files(), name, {"path": path, "text": text, "size": None}, opts)
"""


def test_dynamic_providers(world: World) -> None:
    (world.root / "program" / "helper.py").write_text("def stamp(text):\n    return text\n")
    path = world.root / "made.txt"
    source = DYNAMIC + 'f = File("f", "{path}", "{text}")\npulumi.export("size", f.size)'.replace(
        "{path}", str(path)
    )
    outcome = world.deployed(source.replace("{text}", "hello"))
    assert outcome.result.outputs == {"size": 5}
    assert path.read_text() == "hello"
    assert world.deployed().changes == {"same": 3}
    assert world.preview(source.replace("{text}", "other!")).changes == {"update": 1, "same": 2}
    assert world.deployed(source.replace("{text}", "other!")).changes == {"update": 1, "same": 2}
    assert path.read_text() == "other!"
    path.write_text("meddled")
    assert world.refresh().changes == {"update": 1}
    assert world.destroy().ok
    assert not path.exists()


def test_a_dynamic_providers_error_is_told(world: World) -> None:
    (world.root / "program" / "helper.py").write_text("def stamp(text):\n    raise ValueError('no ink')\n")
    outcome = world.up(DYNAMIC + f'File("f", "{world.root / "x"}", "y")')
    assert not outcome.ok
    assert "no ink" in outcome.problems
