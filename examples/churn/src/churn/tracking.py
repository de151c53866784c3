"""Records a training run and registers its model, where MLflow is there.

Serverless compute brings MLflow along; the wheel does not ask for it, so that everything else runs without.
"""

from __future__ import annotations

import importlib.util
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


def record(training: Training) -> str | None:
    """Returns the version that was registered, or None where MLflow is not installed."""
    if importlib.util.find_spec("mlflow") is None:
        return None
    import mlflow

    mlflow.set_registry_uri("databricks-uc")
    mlflow.set_experiment(training.experiment)
    with mlflow.start_run(tags=training.tags):
        mlflow.log_params(training.params)
        mlflow.log_metrics(training.metrics)
        mlflow.log_artifacts(str(training.folder), artifact_path="model")
        version = mlflow.register_model(
            mlflow.get_artifact_uri("model"), training.model_name, await_registration_for=300, tags=training.tags
        )
    return str(version.version)
