"""MLflow's own client against the stand-in workspace: logs, registers, promotes by alias, loads and predicts.

Arguments: the sources of the example, whose model it is; the address of the workspace. The registry's surface and the
way of the files are chosen by MLflow's own variables. Says "all fine" at the end.
"""
import logging
import math
import os
import sys
import tempfile
from pathlib import Path

sources, url = sys.argv[1:3]
os.environ.update(DATABRICKS_HOST=url, DATABRICKS_TOKEN="dbapi0mlflow", GIT_PYTHON_REFRESH="quiet", MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT="true")
sys.path.insert(0, sources)
logging.getLogger("mlflow").setLevel(logging.ERROR)

import mlflow
import pandas
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from churn import package
from churn.customers import FEATURES, make_customers
from churn.model import fit

mlflow.set_tracking_uri("databricks")
mlflow.set_registry_uri("databricks-uc")
client = MlflowClient()


def refused(call, *words):
    try:
        call()
    except MlflowException as error:
        assert any(word in str(error) for word in words), error
        return
    raise AssertionError(f"not refused: {words}")


def trained(rounds):
    customers = make_customers(300, seed=5)
    model = fit(FEATURES, [c.features() for c in customers], [c.churned for c in customers], rounds=rounds)
    return model, package.write(model, Path(tempfile.mkdtemp()) / "model")


rows = [c.features() for c in make_customers(5, seed=9)]
model, folder = trained(20)

# A run, with what may be logged to one.
experiment = mlflow.set_experiment("/Shared/churn")
with mlflow.start_run(run_name="first", tags={"git_sha": "abc123"}) as run:
    mlflow.log_params({"rounds": 20, "seed": 5})
    for step, value in enumerate([0.7, 0.75, 0.8]):
        mlflow.log_metric("roc_auc", value, step=step)
    mlflow.log_metric("odd", math.nan)
    mlflow.log_metric("endless", math.inf)
    mlflow.set_tag("team", "risk")
    mlflow.log_artifacts(str(folder), artifact_path="model")
run_id = run.info.run_id
read = client.get_run(run_id)
assert read.info.status == "FINISHED" and read.info.run_name == "first"
assert read.data.params == {"rounds": "20", "seed": "5"}
assert read.data.metrics["roc_auc"] == 0.8 and math.isnan(read.data.metrics["odd"]) and math.isinf(read.data.metrics["endless"])
assert read.data.tags["git_sha"] == "abc123" and read.data.tags["team"] == "risk"
assert [m.value for m in client.get_metric_history(run_id, "roc_auc")] == [0.7, 0.75, 0.8]
assert {f.path for f in client.list_artifacts(run_id, "model")} == {f"model/{p.name}" for p in folder.iterdir()}
refused(lambda: client.log_param(run_id, "rounds", 21), "Changing param values")
refused(lambda: client.get_run("0" * 32), "not found")
found = client.search_runs([experiment.experiment_id], "tags.`git_sha` = 'abc123' and metrics.roc_auc > 0.5")
assert [r.info.run_id for r in found] == [run_id]
assert not client.search_runs([experiment.experiment_id], "tags.git_sha = 'other'")

# The registry: a version of what the run left, and its life.
name = "main.default.churn"
client.create_registered_model(name, description="Who leaves?")
refused(lambda: client.create_registered_model(name), "RESOURCE_ALREADY_EXISTS")
first = mlflow.register_model(f"runs:/{run_id}/model", name, tags={"git_sha": "abc123"})
assert first.version == "1", first
first = client.get_model_version(name, "1")
assert first.status == "READY" and first.run_id == run_id and first.tags == {"git_sha": "abc123"}, first
with open(folder / package.MODEL_FILE, "rb") as file:
    written = file.read()
local = Path(mlflow.artifacts.download_artifacts(f"models:/{name}/1"))
assert (local / package.MODEL_FILE).read_bytes() == written
client.set_registered_model_alias(name, "champion", "1")
assert client.get_model_version_by_alias(name, "champion").version == "1"
assert client.get_registered_model(name).aliases == {"champion": "1"}
champion = mlflow.pyfunc.load_model(f"models:/{name}@champion")
said = champion.predict(pandas.DataFrame(rows, columns=FEATURES))
assert said["probability"].tolist() == model.probabilities(rows), said

# Logged models of MLflow 3: metrics arrive with the data they were taken on, once.
with mlflow.start_run(run_name="second") as run:
    logged = client.create_logged_model(
        experiment.experiment_id, name="churn", source_run_id=run.info.run_id, tags={"a": "b"}, params={"p": "1"})
    client.log_model_artifacts(logged.model_id, str(folder))
    client.finalize_logged_model(logged.model_id, "READY")
    client.log_outputs(run.info.run_id, [mlflow.entities.LoggedModelOutput(logged.model_id, 0)])
    client.log_metric(run.info.run_id, "roc_auc", 0.83, dataset_name="holdout", dataset_digest="d1", model_id=logged.model_id)
    client.log_metric(run.info.run_id, "roc_auc", 0.83, dataset_name="holdout", dataset_digest="d1", model_id=logged.model_id, step=0)
logged = client.get_logged_model(logged.model_id)
assert logged.status == "READY" and logged.params == {"p": "1"}
assert [(m.key, m.value, m.dataset_digest) for m in logged.metrics] == [("roc_auc", 0.83, "d1")], logged.metrics
found = client.search_logged_models([experiment.experiment_id], f"source_run_id = '{run.info.run_id}'")
assert [m.model_id for m in found] == [logged.model_id]
assert not client.search_logged_models([experiment.experiment_id], "name = 'other'")
second = mlflow.register_model(f"models:/{logged.model_id}", name)
assert second.version == "2", second
second = client.get_model_version(name, "2")
assert second.model_id == logged.model_id and second.run_id == run.info.run_id, second
assert [(m.key, m.value, m.dataset_digest) for m in second.metrics] == [("roc_auc", 0.83, "d1")], second.metrics

# Aliases move, tags come and go, numbers are never used twice.
client.set_registered_model_alias(name, "champion", "2")
assert client.get_model_version(name, "1").aliases == [] and client.get_model_version(name, "2").aliases == ["champion"]
client.set_model_version_tag(name, "2", "gate", "passed")
client.set_model_version_tag(name, "2", "gate", "passed again")
client.set_registered_model_tag(name, "owner", "risk")
assert client.get_model_version(name, "2").tags == {"gate": "passed again"}
assert client.get_registered_model(name).tags == {"owner": "risk"}
client.delete_model_version_tag(name, "2", "gate")
client.delete_registered_model_tag(name, "owner")
assert client.get_model_version(name, "2").tags == {} and client.get_registered_model(name).tags == {}
client.update_model_version(name, "2", "Better")
assert client.get_model_version(name, "2").description == "Better"
assert sorted(v.version for v in client.search_model_versions(f"name = '{name}'")) == ["1", "2"]
client.delete_registered_model_alias(name, "champion")
refused(lambda: client.get_model_version_by_alias(name, "champion"), "does not exist")
client.delete_model_version(name, "2")
refused(lambda: client.get_model_version(name, "2"), "does not exist")
third = mlflow.register_model(f"runs:/{run_id}/model", name)
assert third.version == "3", third

# The client's own copy into another model: of a version with a logged model, the only kind it can copy.
registered = mlflow.register_model(f"models:/{logged.model_id}", name)
copied = client.copy_model_version(f"models:/{name}/{registered.version}", "main.default.copied")
assert copied.version == "1" and client.get_model_version("main.default.copied", "1").status == "READY"
print("all fine")
