from typing import Any

import boto3
import pytest

from cli.demo import DemoError, run_demo
from platform_jobs.aws import Clients
from tests.platform_jobs.conftest import REGION


def test_a_stack_without_the_demos_view_is_told_so():
    outputs: dict[str, Any] = {"views": {}, "jobs": {}}
    with pytest.raises(DemoError, match="declares no feature view cell_measurements") as caught:
        run_demo(outputs, "http://127.0.0.1:1", REGION, lambda _: None, lambda: outputs)
    assert caught.value.step == "ingest"


def test_clients_use_the_sessions_own_endpoint():
    class TwinSession(boto3.Session):
        def client(self, *args: Any, **kwargs: Any) -> Any:
            return super().client(*args, **{"endpoint_url": "http://127.0.0.1:1", **kwargs})

    session = TwinSession(region_name=REGION)
    assert Clients(session=session).s3.meta.endpoint_url == "http://127.0.0.1:1"
    told = Clients(session=session, endpoint_url="http://127.0.0.1:2")
    assert told.s3.meta.endpoint_url == "http://127.0.0.1:2"
