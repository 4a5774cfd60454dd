"""`stagecraft cost refresh`: the one command of ours that asks AWS; here, a loopback stand-in answers."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pricing import bundled
from tests.cli_driver import Stagecraft

REGION = "eu-central-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "example"}


def _product(attributes: dict[str, str], price: str) -> str:
    """An entry of GetProducts' PriceList, as AWS sends it."""
    dimensions = {"d": {"unit": "Hrs", "beginRange": "0", "pricePerUnit": {"USD": price}}}
    return json.dumps(
        {"product": {"attributes": attributes}, "terms": {"OnDemand": {"t": {"priceDimensions": dimensions}}}}
    )


class _Aws(BaseHTTPRequestHandler):
    """Answers the Pricing API with one instance price, and EC2 with an empty history."""

    asked: list[str]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        target = self.headers.get("X-Amz-Target", "")
        if target.endswith("GetProducts"):
            self.asked.append(json.loads(body)["ServiceCode"])
            products = []
            if '"AmazonEC2"' in body and '"operatingSystem"' in body:
                products = [_product({"instanceType": "m5.xlarge", "usagetype": "x"}, "0.2345")]
            self._answer(json.dumps({"FormatVersion": "aws_v1", "PriceList": products}), "x-amz-json-1.1")
        else:
            name = body.split("Action=")[1].split("&")[0]
            self.asked.append(name)
            sets = "<spotPriceHistorySet/><instanceTypeSet/>"
            self._answer(f"<{name}Response><requestId>1</requestId>{sets}</{name}Response>", "xml")

    def _answer(self, text: str, kind: str) -> None:
        data = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", f"application/{kind}")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def aws() -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []
    handler = type("Aws", (_Aws,), {"asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()
    thread.join()


def test_it_says_whom_it_asks_and_does_not_without_consent(stagecraft, tmp_path, aws):
    endpoint, asked = aws
    stagecraft.environment = {**CREDENTIALS, "AWS_ENDPOINT_URL": endpoint}
    told = stagecraft.run("cost", "refresh", "--region", REGION, "--out", str(tmp_path / "out"), code=2)
    assert "AWS itself, with your AWS credentials" in told.out
    assert "pricing:GetProducts" in told.out
    assert "--yes" in told.err + told.out
    assert asked == []
    assert not (tmp_path / "out").exists()


def test_it_writes_what_aws_answers(stagecraft: Stagecraft, tmp_path: Path, aws) -> None:
    endpoint, asked = aws
    stagecraft.environment = {**CREDENTIALS, "AWS_ENDPOINT_URL": endpoint}
    out = tmp_path / "new prices"
    ran = stagecraft.run("cost", "refresh", "--region", REGION, "--out", str(out), "--yes", "--json")
    told = ran.object
    assert {"key": "m5.xlarge", "after": "0.2345"}.items() <= {
        key: value for item in told["changes"] for key, value in item.items() if item["key"] == "m5.xlarge"
    }.items()
    assert told["unanswered"]
    assert {"AmazonEC2", "DescribeSpotPriceHistory"} <= set(asked)
    table = json.loads((out / "ec2" / f"on-demand-{REGION}.json").read_text())
    assert table["families"]["m5"]["xlarge"] == "0.2345"
    assert "example" not in ran.all
    unchanged = f"{bundled().on_demand(REGION)['m5.xlarge']}"
    assert unchanged != "0.2345"


def test_without_credentials_or_with_an_unknown_region_nothing_is_written(stagecraft, tmp_path):
    stagecraft.environment = {
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "HOME": str(tmp_path),
    }
    out = tmp_path / "out"
    told = stagecraft.run("cost", "refresh", "--region", REGION, "--out", str(out), "--yes", code=1)
    assert "credentials" in told.out + told.err
    assert "Traceback" not in told.all
    assert not out.exists()
    wrong = stagecraft.run("cost", "refresh", "--region", "moon-1", "--yes", code=2)
    assert "--region moon-1: AWS has no such region" in wrong.all
