import json
from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws
from moto.sagemaker.models import sagemaker_backends

from platform_jobs import registry, release, retire, review
from platform_jobs.errors import JobError
from platform_jobs.release import PointerNames, Pointers
from platform_jobs.train import TrainSettings
from tests.platform_jobs.conftest import REGION, World, make_world
from tests.platform_jobs.training import GROUP, LINEAGE, prepare, run, wine

NAMES = PointerNames("/stagecraft/test/models/screening/live", "/stagecraft/test/models/screening/previous")


@pytest.fixture
def trained(world: World) -> World:
    """Wines to train on."""
    prepare(world, *wine())
    world.environ["STAGECRAFT_MODEL_TASK"] = "multiclass"
    return world


def approve(
    world: World, arn: str, reason: str = "as good as it gets", **options: Any
) -> registry.Registered:
    return review.approve(world.clients, GROUP, arn, "ada", reason, lineage_table=LINEAGE, **options)


def test_approval_is_recorded_and_final(trained: World):
    arn = run(trained).arn
    with pytest.raises(JobError, match="needs a reviewer and a reason"):
        approve(trained, arn, reason=" ")
    approved = approve(trained, arn)
    assert (approved.status, approved.description) == ("Approved", "ada: as good as it gets")
    assert approved.properties["reviewed_by"] == "ada"
    assert approved.properties["task"] == "multiclass"  # what was registered stays
    with pytest.raises(JobError, match=r"is Approved already \(ada: as good as it gets\)") as caught:
        review.reject(trained.clients, GROUP, arn, "bob", "no", lineage_table=LINEAGE)
    assert caught.value.reason == "decided"
    forced = review.reject(trained.clients, GROUP, arn, "bob", "biased", lineage_table=LINEAGE, force=True)
    assert forced.status == "Rejected"
    known = registry.lineage(trained.clients, LINEAGE, arn)
    assert known is not None
    assert [(item["status"], item["reviewer"], item["forced"]) for item in known["decisions"]] == [
        ("Approved", "ada", False),
        ("Rejected", "bob", True),
    ]
    assert known["data_version"]  # decisions are added, nothing is lost


def test_a_version_under_its_floor_is_not_approved(trained: World):
    arn = run(trained, STAGECRAFT_METRIC_FLOORS='{"f1": 1.01, "auc": 0.1, "recall_at_5": 0.5}').arn
    with pytest.raises(JobError) as caught:
        approve(trained, arn)
    assert "its floor is 1.01; recall_at_5 is not known, its floor is 0.5" in str(caught.value)
    assert "roc_auc" not in str(caught.value)
    assert registry.describe(trained.clients, arn).status == "PendingManualApproval"
    assert approve(trained, arn, force=True).status == "Approved"
    known = registry.lineage(trained.clients, LINEAGE, arn)
    assert known is not None
    assert known["decisions"][0]["forced"] is True


def test_only_versions_of_the_group_are_reviewed(trained: World):
    arn = run(trained).arn
    with pytest.raises(JobError, match="is not a version of other"):
        review.approve(trained.clients, "other", arn, "ada", "why not", lineage_table=LINEAGE)
    with pytest.raises(JobError, match="there is no model version"):
        approve(trained, arn.rpartition("/")[0] + "/99")


def test_releases_and_rollbacks_move_the_pointers(trained: World):
    clients = trained.clients
    first, second = run(trained).arn, run(trained).arn
    with pytest.raises(
        JobError, match="PendingManualApproval: only approved versions are released"
    ) as caught:
        release.release(clients, GROUP, NAMES, first)
    assert caught.value.reason == "not-approved"
    assert release.read(clients, NAMES) == Pointers("none", "none")
    with pytest.raises(JobError, match="nothing to roll back to"):
        release.rollback(clients, GROUP, NAMES)
    approve(trained, first)
    approve(trained, second)
    assert release.release(clients, GROUP, NAMES, first) == Pointers(first, "none")
    assert release.release(clients, GROUP, NAMES, first) == Pointers(first, "none")
    assert release.release(clients, GROUP, NAMES, second) == Pointers(second, first)
    assert release.rollback(clients, GROUP, NAMES) == Pointers(first, second)
    review.reject(clients, GROUP, second, "ada", "fails on new data", lineage_table=LINEAGE, force=True)
    with pytest.raises(JobError, match="is Rejected"):
        release.rollback(clients, GROUP, NAMES)
    assert release.read(clients, NAMES) == Pointers(first, second)


@pytest.fixture
def deletable(trained: World) -> Iterator[World]:
    """moto has no DeleteModelPackage; this one forgets the version as AWS does."""

    def delete(params: dict[str, Any], **_: Any) -> tuple[Any, dict[str, Any]]:
        backend = sagemaker_backends["123456789012"][REGION]
        del backend.model_packages[json.loads(params["body"])["ModelPackageName"]]
        response = type("Response", (), {"status_code": 200})()
        return response, {}

    event = "before-call.sagemaker.DeleteModelPackage"
    trained.clients.sagemaker.meta.events.register(event, delete)
    yield trained
    trained.clients.sagemaker.meta.events.unregister(event, delete)


def test_retiring_leaves_no_version_and_no_pointer(deletable: World):
    clients = deletable.clients
    arns = [run(deletable).arn for _ in range(3)]
    approve(deletable, arns[0])
    release.release(clients, GROUP, NAMES, arns[0])
    assert retire.retire(clients, GROUP, NAMES) == arns[::-1]
    assert registry.versions(clients.sagemaker, GROUP) == []
    assert release.read(clients, NAMES) == Pointers("none", "none")
    assert registry.lineage(clients, LINEAGE, arns[0]) is not None  # lineage outlives versions
    again = run(deletable).arn
    retire.retire(clients, GROUP, NAMES, lineage_table=LINEAGE)
    assert registry.lineage(clients, LINEAGE, again) is None
    assert retire.retire(clients, GROUP, NAMES) == []


def test_settings_of_training_name_every_problem(tmp_path: Any):
    with mock_aws():
        world = make_world(tmp_path)
    from platform_jobs.errors import SettingsError

    with pytest.raises(SettingsError) as caught:
        world.settings(
            TrainSettings, STAGECRAFT_MODEL_VIEWS="x", STAGECRAFT_SEED="0", STAGECRAFT_MODEL_TASK="rank"
        )
    assert caught.value.problems == (
        "STAGECRAFT_MODEL is not set",
        "STAGECRAFT_MODEL_VIEWS='x': expected a JSON list of names, such as [\"customer_activity\"]",
        "STAGECRAFT_MODEL_PACKAGE_GROUP is not set",
        "STAGECRAFT_LINEAGE_TABLE is not set",
        "STAGECRAFT_IMAGE_URI is not set",
        "STAGECRAFT_MODEL_TASK='rank': expected one of binary, multiclass, regression",
        "STAGECRAFT_SEED='0': expected a whole number of at least 1",
    )
