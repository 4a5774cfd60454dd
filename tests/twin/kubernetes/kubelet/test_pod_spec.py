"""What a container is told, as it is true on this machine."""

import json
from pathlib import Path
from typing import Any

from twin.kubernetes.cluster.stages import RUN_FOR_REAL, stages
from twin.kubernetes.kubelet.pod_spec import IMAGE, PLATFORM, ContainerSpec, PodSpec, runs_here

FOLDER = Path("/somewhere/volumes")


def container(**changes: Any) -> ContainerSpec:
    return ContainerSpec.of(
        {
            "name": "model",
            "image": "registry.invalid/platform@sha256:" + "0" * 64,
            "args": ["serve"],
            "ports": [{"name": "http", "containerPort": 8080}],
            "volumeMounts": [
                {"name": "scratch", "mountPath": "/tmp"},
                {"name": "model", "mountPath": "/opt/ml/model"},
                {"name": "version", "mountPath": "/opt/ml/version"},
            ],
            **changes,
        }
    )


def told(found: ContainerSpec, port: int | None = 4321) -> dict[str, str]:
    return found.environment(FOLDER, port, lambda service, asked: f"http://127.0.0.1:1/{service}/{asked}")


def test_paths_in_volumes_are_where_the_volumes_are():
    env = [
        {"name": "SM_MODEL_DIR", "value": "/opt/ml/model"},
        {"name": "STAGECRAFT_MODEL_DIGEST_FILE", "value": "/opt/ml/version/digest"},
        {"name": "ELSEWHERE", "value": "/opt/ml/models"},
        {"name": "WORDS", "value": "in /opt/ml/model"},
    ]
    found = told(container(env=env))
    assert found["SM_MODEL_DIR"] == "/somewhere/volumes/model"
    assert found["STAGECRAFT_MODEL_DIGEST_FILE"] == "/somewhere/volumes/version/digest"
    assert (found["ELSEWHERE"], found["WORDS"]) == ("/opt/ml/models", "in /opt/ml/model")
    assert found["TMPDIR"] == "/somewhere/volumes/scratch"


def test_services_are_where_they_answer_even_inside_json():
    declared = {
        "live": {"url": "http://churn-live.serving.svc:8080"},
        "plain": {"url": "http://churn-live.serving.svc.cluster.local"},
        "other": {"url": "https://example.com/a.svc"},
    }
    found = json.loads(told(container(env=[{"name": "MODELS", "value": json.dumps(declared)}]))["MODELS"])
    assert found["live"]["url"] == "http://127.0.0.1:1/churn-live.serving/8080"
    assert found["plain"]["url"] == "http://127.0.0.1:1/churn-live.serving/80"
    assert found["other"] == declared["other"]


def test_each_command_is_told_its_port_in_its_own_words():
    assert told(container())["SAGEMAKER_BIND_TO_PORT"] == "4321"
    gateway = container(args=["gateway"], env=[{"name": "STAGECRAFT_GATEWAY_PORT", "value": "8090"}])
    assert told(gateway)["STAGECRAFT_GATEWAY_PORT"] == "4321"
    assert "SAGEMAKER_BIND_TO_PORT" not in told(container(args=["fetch-model"], ports=[]), None)


def test_only_pods_of_the_platforms_image_run_here_and_kwok_leaves_those_alone():
    pod = {"metadata": {"namespace": "a", "name": "b", "uid": "c"}, "spec": {"containers": []}}
    assert not runs_here(pod)
    pod["metadata"]["annotations"] = {IMAGE: "another"}
    assert not runs_here(pod)
    pod["metadata"]["annotations"] = {IMAGE: PLATFORM}
    assert runs_here(pod)
    assert PodSpec.of(pod).path == "/api/v1/namespaces/a/pods/b"
    assert IMAGE in RUN_FOR_REAL
    assert stages(runs_pods=False).count(b"stagecraft.dev/image") == 0
    # Pods that become ready, that complete, and that are deleted; nodes are always played.
    assert stages(runs_pods=True).count(b"stagecraft.dev/image") == 3
