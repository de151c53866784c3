"""The entry points, as a job starts them."""

import json
import sys
import types
import urllib.error
from importlib import metadata

import pytest

from churn import package, smoke, tracking, train, validate, volume
from churn import score as score_task
from churn.customers import FEATURES
from churn.model import Model, Stump

VOLUME = "/Volumes/dev/churn/data"
NAMES = ["--model=dev.churn.churn", "--experiment=/Users/me/churn"]


@pytest.fixture(autouse=True)
def volumes(tmp_path, monkeypatch):
    """Nothing is mounted, and what is written goes to a folder of the test's own."""
    monkeypatch.setattr(volume, "MOUNT", _Missing("/Volumes"))
    monkeypatch.setenv("CHURN_VOLUMES", str(tmp_path))
    monkeypatch.delenv("DATABRICKS_HOST", raising=False)
    return tmp_path


class _Missing(type(volume.MOUNT)):
    def is_dir(self, **_):
        return False


def test_train_validate_and_score_hand_the_model_on(volumes, capsys):
    train.main([f"--volume={VOLUME}", *NAMES])
    validate.main([f"--volume={VOLUME}"])
    score_task.main([f"--volume={VOLUME}", "--customers=10", "--day=3"])

    said = capsys.readouterr().out
    assert "nothing was registered" in said
    assert said.count("PASS") == 3 and "FAIL" not in said
    lines = (volumes / "dev/churn/data/scores/day=3.csv").read_text().splitlines()
    assert lines[0].split(",") == [*FEATURES, "probability"] and len(lines) == 11


def test_a_poor_model_fails_validation(volumes, capsys):
    guess = Model(FEATURES, 0.0, [Stump(0, 10.0, -0.1, 0.1)])
    package.write(guess, volume.folder(VOLUME, "model"))
    with pytest.raises(SystemExit, match="not good enough: roc_auc"):
        validate.main([f"--volume={VOLUME}"])
    assert "FAIL roc_auc" in capsys.readouterr().out


def test_training_is_tracked_and_registered_where_mlflow_is(monkeypatch, capsys):
    calls = []
    fake = _fake_mlflow(calls)
    monkeypatch.setitem(sys.modules, "mlflow", fake)
    monkeypatch.setitem(sys.modules, "mlflow.entities", fake.entities)
    train.main([f"--volume={VOLUME}", *NAMES, "--git-sha=abc123"])

    done = dict(calls)
    assert done["set_registry_uri"] == "databricks-uc"
    assert done["set_experiment"] == "/Users/me/churn"
    assert done["start_run"] == {"git_sha": "abc123"}
    assert done["log_inputs"][0] == "run-1" and len(done["log_inputs"][1].digest) == 16
    assert {"roc_auc", "f1", "precision", "recall"} <= set(done["log_metrics"])
    assert done["register_model"] == "dev.churn.churn"
    assert "registered dev.churn.churn version 7" in capsys.readouterr().out


def test_without_mlflow_the_same_is_told_to_the_workspace(monkeypatch, capsys):
    told = []
    answers = {
        "experiments/create": {"experiment_id": "7"},
        "runs/create": {"run": {"info": {"run_id": "r1"}}},
        "model-versions/create": {"model_version": {"version": "3"}},
    }

    def call(method, path, body=None, kind=None):
        told.append((method, path, json.loads(body) if kind == "application/json" else body))
        if "get-by-name" in path:
            raise urllib.error.HTTPError(path, 404, "not found", None, None)
        found = [answer for name, answer in answers.items() if path.endswith(name)]
        return json.dumps(found[0] if found else {}).encode()

    monkeypatch.setattr(tracking, "_call", call)
    monkeypatch.setenv("DATABRICKS_HOST", "https://dbc.example.com")
    monkeypatch.setenv("DATABRICKS_TOKEN", "t")
    monkeypatch.setenv("MLFLOW_RUN_CONTEXT", json.dumps({"mlflow.databricks.jobRunID": "12"}))
    train.main([f"--volume={VOLUME}", *NAMES, "--git-sha=abc123"])

    run = next(body for _, path, body in told if path.endswith("runs/create"))
    tags = {tag["key"]: tag["value"] for tag in run["tags"]}
    assert tags == {"git_sha": "abc123", "mlflow.databricks.jobRunID": "12"}
    paths = [path for method, path, _ in told if method == "PUT"]
    assert "/api/2.0/fs/files/Models/dev/churn/churn/3/model.json?overwrite=true" in paths
    last = [path for _, path, _ in told if path.endswith("finalize") or "/Models/" in path][-1]
    assert last.endswith("model-versions/finalize")
    assert "registered dev.churn.churn version 3" in capsys.readouterr().out


def test_validation_judges_the_version_that_it_is_named(volumes, monkeypatch, capsys):
    train.main([f"--volume={VOLUME}", *NAMES])
    trained = (volume.folder(VOLUME, "model") / package.MODEL_FILE).read_text()
    package.write(Model(FEATURES, 0.0, [Stump(0, 10.0, -0.1, 0.1)]), volume.folder(VOLUME, "model"))
    told = []

    def call(method, path, body=None, kind=None):
        told.append((method, path, json.loads(body) if body else None))
        answers = {
            "/api/2.0/fs/files/Models/dev/churn/churn/3/model.json": trained,
            "/api/2.0/mlflow/unity-catalog/model-versions/get?name=dev.churn.churn&version=3": json.dumps(
                {"model_version": {"run_id": "r1"}}
            ),
        }
        return answers.get(path, "{}").encode()

    monkeypatch.setattr(tracking, "_call", call)
    validate.main([f"--volume={VOLUME}", "--model=dev.churn.churn", "--version=3"])

    assert capsys.readouterr().out.count("PASS") == 3
    logged = next(body for _, path, body in told if path.endswith("log-batch"))
    assert logged["run_id"] == "r1"
    assert {"roc_auc", "f1"} <= {point["key"] for point in logged["metrics"]}
    assert {point["dataset_name"] for point in logged["metrics"]} == {"holdout"}


def test_the_model_folder_is_what_mlflow_loads(volumes):
    train.main([f"--volume={VOLUME}", *NAMES])
    folder = volumes / "dev/churn/data/model"
    document = json.loads((folder / "MLmodel").read_text())
    assert document["flavors"]["python_function"]["loader_module"] == "churn.package"
    assert [column["name"] for column in json.loads(document["signature"]["inputs"])] == FEATURES
    assert package._load_pyfunc(str(folder / "model.json"))


def test_the_smoke_task_passes_in_the_right_place(monkeypatch, capsys):
    _install(monkeypatch, smoke.ENTRY_POINTS)
    smoke.main(["--catalog=dev", "--environment=dev"])
    smoke.main(["--catalog=taylor_sandbox", "--environment=sandbox"])
    assert capsys.readouterr().out.count("PASS") == 2


def test_the_smoke_task_refuses_another_environments_catalog(monkeypatch):
    _install(monkeypatch, smoke.ENTRY_POINTS)
    with pytest.raises(SystemExit, match="`dev` would write to catalog `prod`"):
        smoke.main(["--catalog=prod", "--environment=dev"])


def test_the_smoke_task_names_a_missing_entry_point(monkeypatch):
    _install(monkeypatch, smoke.ENTRY_POINTS - {"churn-train"})
    with pytest.raises(SystemExit, match="no entry point `churn-train`"):
        smoke.main(["--catalog=dev", "--environment=dev"])


@pytest.mark.parametrize("path", ["/tmp/x", "/Volumes/a/../../etc", "relative"])
def test_only_volumes_are_written(path):
    with pytest.raises(ValueError, match="not a path in a volume"):
        volume.folder(path)


def _install(monkeypatch, names):
    points = metadata.EntryPoints(metadata.EntryPoint(name, "churn:main", "console_scripts") for name in names)
    monkeypatch.setattr(metadata, "distribution", lambda _: types.SimpleNamespace(entry_points=points))
    monkeypatch.setattr(metadata, "version", lambda _: "1.0.0")


def _fake_mlflow(calls):
    fake = types.ModuleType("mlflow")
    fake.__spec__ = types.SimpleNamespace(name="mlflow")
    for name in ("set_registry_uri", "set_experiment", "log_params", "log_metrics"):
        setattr(fake, name, lambda value, name=name: calls.append((name, value)))
    fake.log_artifacts = lambda folder, artifact_path: calls.append(("log_artifacts", artifact_path))
    fake.get_artifact_uri = lambda path: f"runs:/1/{path}"

    fake.entities = types.ModuleType("mlflow.entities")
    fake.entities.Dataset = lambda name, digest, kind, source: types.SimpleNamespace(name=name, digest=digest)
    fake.entities.DatasetInput = lambda dataset: dataset

    class Client:
        def log_inputs(self, run_id, datasets):
            calls.append(("log_inputs", (run_id, datasets[0])))

    fake.MlflowClient = Client

    class Run:
        info = types.SimpleNamespace(run_id="run-1")

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return False

    def start_run(tags):
        calls.append(("start_run", tags))
        return Run()

    def register_model(uri, name, await_registration_for, tags):
        calls.append(("register_model", name))
        return types.SimpleNamespace(version="7")

    fake.start_run, fake.register_model = start_run, register_model
    return fake
