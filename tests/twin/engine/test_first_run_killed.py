"""A stack whose very first command died has no state file yet: its journal alone must open its secrets."""

from pathlib import Path

from twin.engine.deployment import ResourceState
from twin.engine.store import StackFiles, StackStore
from twin.wire import Secret

URN = "urn:pulumi:dev::trial::toy:index:Thing::one"


def test_the_secrets_of_a_first_run_open_again(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "pw")
    files = StackFiles(tmp_path, "dev")
    with StackStore(files, "3.272.0").locked() as store:
        journal, _, _ = store.begin()
        journal.change(add=ResourceState(URN, "toy:index:Thing", inputs={"password": Secret("hunter22")}))
        journal.close()  # and the process dies: no state file is written

    deployment, _ = StackStore(files, "3.272.0").load()
    assert [state.inputs for state in deployment.resources] == [{"password": Secret("hunter22")}]
    with StackStore(files, "3.272.0").locked() as store:
        journal, encryption, metadata = store.begin()
        store.finish(journal, encryption, metadata)
    deployment, _ = StackStore(files, "3.272.0").load()
    assert [state.inputs for state in deployment.resources] == [{"password": Secret("hunter22")}]
