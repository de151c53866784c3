"""Records a training run and registers its model, with MLflow or in MLflow's own words; reads a version back, and adds
to its run what is measured of it later.

Serverless compute brings MLflow along; the wheel does not ask for it, so that everything else runs without. Where
there is a workspace and no MLflow, the same few calls are made over HTTP.
"""

from __future__ import annotations

import importlib.util
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Training:
    experiment: str
    model_name: str
    folder: Path
    params: dict[str, object]
    metrics: dict[str, float]
    tags: dict[str, str]
    # What the metrics were taken on: two models compare only on the same data.
    dataset: str
    digest: str


def record(training: Training) -> str | None:
    """Returns the version that was registered, or None where there is neither MLflow nor a workspace."""
    if importlib.util.find_spec("mlflow") is not None:
        return _with_mlflow(training)
    if os.environ.get("DATABRICKS_HOST") and os.environ.get("DATABRICKS_TOKEN"):
        return _over_http(training)
    return None


def fetch(model_name: str, version: str, file: str) -> str:
    """A file of a registered version, as text."""
    if importlib.util.find_spec("mlflow") is not None:
        import mlflow

        mlflow.set_registry_uri("databricks-uc")
        place = mlflow.artifacts.download_artifacts(f"models:/{model_name}/{version}")
        return Path(place, file).read_text(encoding="utf-8")
    path = urllib.parse.quote("/".join(["/Models", *model_name.split("."), version, file]))
    return _call("GET", f"/api/2.0/fs/files{path}").decode()


def measured(model_name: str, version: str, metrics: dict[str, float], dataset: str, digest: str) -> None:
    """Logs metrics on the run that made a version, with the data that they were taken on."""
    if importlib.util.find_spec("mlflow") is not None:
        from mlflow import MlflowClient

        client = MlflowClient(registry_uri="databricks-uc")
        run = client.get_model_version(model_name, version).run_id
        for key, value in metrics.items():
            client.log_metric(run, key, value, dataset_name=dataset, dataset_digest=digest)
        return
    query = urllib.parse.urlencode({"name": model_name, "version": version})
    run = _mlflow(f"unity-catalog/model-versions/get?{query}")["model_version"]["run_id"]
    point = {"timestamp": int(time.time() * 1000), "step": 0, "dataset_name": dataset, "dataset_digest": digest}
    points = [{"key": key, "value": value, **point} for key, value in metrics.items()]
    _mlflow("runs/log-batch", {"run_id": run, "metrics": points})


def _with_mlflow(training: Training) -> str:
    import mlflow
    from mlflow.entities import Dataset, DatasetInput

    mlflow.set_registry_uri("databricks-uc")
    mlflow.set_experiment(training.experiment)
    with mlflow.start_run(tags=training.tags) as run:
        mlflow.log_params(training.params)
        data = Dataset(training.dataset, training.digest, "code", "{}")
        mlflow.MlflowClient().log_inputs(run.info.run_id, datasets=[DatasetInput(data)])
        mlflow.log_metrics(training.metrics)
        mlflow.log_artifacts(str(training.folder), artifact_path="model")
        version = mlflow.register_model(
            mlflow.get_artifact_uri("model"), training.model_name, await_registration_for=300, tags=training.tags
        )
    return str(version.version)


def _over_http(training: Training) -> str:
    experiment = _experiment(training.experiment)
    # MLflow's own variable: what the surroundings know about the run, such as the job it belongs to.
    tags = {**json.loads(os.environ.get("MLFLOW_RUN_CONTEXT") or "{}"), **training.tags}
    now = int(time.time() * 1000)
    begun = {"experiment_id": experiment, "start_time": now, "tags": _pairs(tags)}
    run = _mlflow("runs/create", begun)["run"]["info"]["run_id"]
    data = {"name": training.dataset, "digest": training.digest, "source_type": "code", "source": "{}"}
    _mlflow("runs/log-inputs", {"run_id": run, "datasets": [{"dataset": data, "tags": []}]})
    metrics = [{"key": key, "value": value, "timestamp": now, "step": 0} for key, value in training.metrics.items()]
    _mlflow("runs/log-batch", {"run_id": run, "params": _pairs(training.params), "metrics": metrics})
    _upload(training.folder, f"/WorkspaceInternal/Mlflow/Artifacts/{experiment}/Runs/{run}/artifacts/model")
    version = _register(training, run)
    _mlflow("runs/update", {"run_id": run, "status": "FINISHED", "end_time": int(time.time() * 1000)})
    return version


def _experiment(name: str) -> str:
    query = urllib.parse.urlencode({"experiment_name": name})
    try:
        return _mlflow(f"experiments/get-by-name?{query}")["experiment"]["experiment_id"]
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise
    return _mlflow("experiments/create", {"name": name})["experiment_id"]


def _register(training: Training, run: str) -> str:
    """A version takes files until it is finalized, and none after."""
    new = {
        "name": training.model_name,
        "source": f"runs:/{run}/model",
        "run_id": run,
        "tags": _pairs(training.tags),
    }
    version = _mlflow("unity-catalog/model-versions/create", new)["model_version"]["version"]
    _upload(training.folder, "/".join(["/Models", *training.model_name.split("."), version]))
    _mlflow("unity-catalog/model-versions/finalize", {"name": training.model_name, "version": version})
    return str(version)


def _pairs(values: dict[str, object]) -> list[dict[str, str]]:
    return [{"key": key, "value": str(value)} for key, value in values.items()]


def _upload(folder: Path, to: str) -> None:
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        path = urllib.parse.quote(f"{to}/{file.relative_to(folder).as_posix()}")
        _call("PUT", f"/api/2.0/fs/files{path}?overwrite=true", file.read_bytes(), "application/octet-stream")


def _mlflow(call: str, body: dict | None = None) -> dict:
    path = f"/api/2.0/mlflow/{call}"
    if body is None:
        return json.loads(_call("GET", path))
    return json.loads(_call("POST", path, json.dumps(body).encode(), "application/json"))


def _call(method: str, path: str, body: bytes | None = None, kind: str | None = None) -> bytes:
    headers = {"Authorization": f"Bearer {os.environ['DATABRICKS_TOKEN']}"}
    if kind:
        headers["Content-Type"] = kind
    host = os.environ["DATABRICKS_HOST"].rstrip("/")
    request = urllib.request.Request(host + path, data=body, headers=headers, method=method)
    with urllib.request.urlopen(request, timeout=60) as reply:
        return reply.read() or b"{}"
