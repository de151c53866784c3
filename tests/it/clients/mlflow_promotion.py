"""MLflow's own client beside a promotion. The workspace is that of DATABRICKS_HOST and DATABRICKS_TOKEN.

`SOURCES register MODEL ROUNDS` trains the example's model, logs it to a run and registers it; `SOURCES load URI` loads a
version. Both say what it predicts for the same customers, as a line of JSON.
"""
import json
import logging
import os
import sys
import tempfile
from pathlib import Path

sources, act, name, *rest = sys.argv[1:]
os.environ.update(GIT_PYTHON_REFRESH="quiet", MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT="true")
sys.path.insert(0, sources)
logging.getLogger("mlflow").setLevel(logging.ERROR)

import mlflow
import pandas

from churn import package
from churn.customers import FEATURES, make_customers
from churn.model import fit

mlflow.set_tracking_uri("databricks")
mlflow.set_registry_uri("databricks-uc")
rows = pandas.DataFrame([c.features() for c in make_customers(50, seed=9)], columns=FEATURES)


def predictions(uri):
    return mlflow.pyfunc.load_model(uri).predict(rows)["probability"].tolist()


if act == "load":
    print(json.dumps({"predictions": predictions(name)}))
    sys.exit()

customers = make_customers(300, seed=5)
model = fit(FEATURES, [c.features() for c in customers], [c.churned for c in customers], rounds=int(rest[0]))
folder = package.write(model, Path(tempfile.mkdtemp()) / "model")
mlflow.set_experiment("/Shared/churn")
with mlflow.start_run() as run:
    mlflow.log_artifacts(str(folder), artifact_path="model")
made = mlflow.register_model(f"runs:/{run.info.run_id}/model", name)
print(json.dumps({"version": made.version, "predictions": predictions(f"models:/{name}/{made.version}")}))
