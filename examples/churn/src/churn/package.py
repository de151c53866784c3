"""Lays a model out as a folder that MLflow's `pyfunc` loads, and is the loader it names.

Written by hand because the layout is a public format and five lines of it are enough; a signature is required by
Unity Catalog.
"""

from __future__ import annotations

import json
from pathlib import Path

from churn.customers import FEATURES, make_customers
from churn.model import Model

MODEL_FILE = "model.json"


def write(model: Model, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODEL_FILE).write_text(model.to_json(), encoding="utf-8")
    (folder / "MLmodel").write_text(_mlmodel(), encoding="utf-8")
    (folder / "requirements.txt").write_text("mlflow\npandas\n", encoding="utf-8")
    example = {"columns": FEATURES, "data": [customer.features() for customer in make_customers(3, seed=0)]}
    (folder / "input_example.json").write_text(json.dumps(example, indent=1) + "\n", encoding="utf-8")
    return folder


def _mlmodel() -> str:
    inputs = [{"name": name, "type": "double", "required": True} for name in FEATURES]
    document = {
        "flavors": {"python_function": {"loader_module": "churn.package", "data": MODEL_FILE}},
        "signature": {
            "inputs": json.dumps(inputs),
            "outputs": json.dumps([{"name": "probability", "type": "double", "required": True}]),
        },
        "saved_input_example_info": {
            "artifact_path": "input_example.json",
            "type": "dataframe",
            "pandas_orient": "split",
        },
    }
    return json.dumps(document, indent=1) + "\n"  # JSON is YAML


def _load_pyfunc(path: str) -> _Loaded:
    """The name MLflow looks for in a loader module."""
    return _Loaded(Model.load(Path(path)))


class _Loaded:
    def __init__(self, model: Model) -> None:
        self._model = model

    def predict(self, frame, params=None):
        import pandas

        rows = frame[FEATURES].astype(float).to_numpy().tolist()
        return pandas.DataFrame({"probability": self._model.probabilities(rows)})
