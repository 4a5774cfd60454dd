"""What a workspace tells the engine of the clusters that its stack talks to."""

from pathlib import Path

from cli.workspace import Workspace


def test_a_stack_records_its_objects_in_its_own_folder(tmp_path: Path) -> None:
    found = Workspace.find("local")
    environment = found.setup("", whole=True, packs=False).environment
    assert environment["STAGECRAFT_KUBERNETES"] == str(found.files.folder / "kubernetes")
    # A server that the user names is used.
    assert "STAGECRAFT_KUBECONFIG" not in environment


def test_a_scratch_copy_leaves_servers_alone(tmp_path: Path) -> None:
    environment = Workspace.find("local").scratch(tmp_path).setup("", whole=True, packs=False).environment
    assert environment["STAGECRAFT_KUBERNETES"] == str(tmp_path / "local" / "kubernetes")
    assert environment["STAGECRAFT_KUBECONFIG"] == ""
