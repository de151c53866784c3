"""Leaves runs and versions on an MLflow server, as training and validation jobs would.

`SOURCES URL MODEL`. Version 1 is of another job's run, version 2 of a run of job 77, under the alias `challenger`. Says the
run, the version and its source as a line of JSON.
"""
import json
import math
import os
import sys
import time

url, model = sys.argv[2:4]
os.environ.update(GIT_PYTHON_REFRESH="quiet", MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT="true")

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput

client = MlflowClient(tracking_uri=url, registry_uri=url)
client.create_registered_model(model)
experiment = client.create_experiment("churn")


def version(job, points, validated):
    tags = {"mlflow.databricks.jobRunID": job, "git_sha": "abc"}
    run = client.create_run(experiment, tags=tags).info
    client.log_inputs(run.run_id, [DatasetInput(Dataset("holdout", "d1", "code", "{}"), [])])
    for step, value in enumerate(points):
        client.log_metric(run.run_id, "auc", value, step=step)
    # A validation job measures later, and counts no steps.
    client.log_metric(run.run_id, "auc", validated, timestamp=int(time.time() * 1000) + 1000)
    client.log_metric(run.run_id, "odd", math.nan)
    client.log_metric(run.run_id, "endless", math.inf)
    client.set_terminated(run.run_id)
    source = f"{run.artifact_uri}/model"
    return run.run_id, client.create_model_version(model, source, run.run_id).version, source


version("1", [0.5], 0.4)
run_id, number, source = version("78", [0.7, 0.8], 0.75)
client.set_registered_model_alias(model, "challenger", number)
print(json.dumps({"run_id": run_id, "version": number, "source": source}))
