"""A stack's own gateway in the cluster, found by what the cluster's kubelet writes down."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cli.cluster_gateway import ClusterGateway, NobodyAnswersError
from cli.load.fronts import InCluster
from cli.load.gateway_process import GatewayError
from cli.load.watch import Reading, together
from twin.kubernetes.cluster.addresses import answering
from twin.kubernetes.cluster.files import ClusterFiles

GATEWAY = "http://gateway.serving.svc:8090"
LIVE = "http://churn-live.serving.svc:8080"


class _Gateway(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = asked["entity"]["customer_id"] == "c1"
        told = (
            {"step": "live", "features": asked["features"], "path": self.path} if known else {"error": "no"}
        )
        body = json.dumps(told).encode()
        self.send_response(200 if known else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Nothing."""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A cluster's folder, as its kubelet leaves it while both answer."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Gateway)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    made = tmp_path / "local" / "cluster"
    made.mkdir(parents=True)
    told = {
        "gateway.serving.svc:8090": {"url": url, "pods": [{"name": "gateway-1", "url": url, "pids": [1]}]},
        "churn-live.serving.svc:8080": {
            "url": url,
            "pods": [{"name": "churn-1", "url": url, "pids": [2, 3]}],
        },
    }
    ClusterFiles(made).addresses.write_text(json.dumps(told))
    yield made
    server.shutdown()
    server.server_close()


def test_it_answers_where_its_pods_do(folder):
    gateway = ClusterGateway(folder, GATEWAY, LIVE)
    gateway.wait(0)
    told = gateway.predict("churn", {"customer_id": "c1"}, {"age": 3})
    assert told == {"step": "live", "features": {"age": 3}, "path": "/v1/models/churn/predict"}
    assert gateway.live().pods[0].processes == (2, 3)


def test_a_question_without_an_answer_says_so(folder):
    gateway = ClusterGateway(folder, GATEWAY, LIVE)
    with pytest.raises(NobodyAnswersError, match="answers 503"):
        gateway.predict("churn", {"customer_id": "c2"}, {"age": 3})
    assert answering(folder, "http://other.serving.svc:80") is None


def test_without_a_cluster_the_remedy_is_told_at_once(tmp_path):
    gateway = ClusterGateway(tmp_path / "local-two" / "cluster", GATEWAY, LIVE)
    with pytest.raises(NobodyAnswersError, match="cluster status --stack local-two"):
        gateway.wait(600)
    with pytest.raises(GatewayError, match="no pod answers at http://gateway"), InCluster(gateway).open():
        pass


def test_a_damaged_file_is_nobody(folder):
    ClusterFiles(folder).addresses.write_text("{")
    with pytest.raises(NobodyAnswersError):
        ClusterGateway(folder, GATEWAY, LIVE).live()


def test_what_several_processes_counted_is_added_up():
    found = together([Reading(1.0, {"live": 2.0}, 1.0), Reading(1.0, {"live": 3.0, "last-good": 1.0}, 0.0)])
    assert found == Reading(1.0, {"live": 5.0, "last-good": 1.0}, 1.0)
