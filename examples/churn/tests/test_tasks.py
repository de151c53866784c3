"""The entry points, as a job starts them."""

import json
import sys
import types
from importlib import metadata

import pytest

from churn import package, smoke, train, validate, volume
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
    monkeypatch.setitem(sys.modules, "mlflow", _fake_mlflow(calls))
    train.main([f"--volume={VOLUME}", *NAMES, "--git-sha=abc123"])

    done = dict(calls)
    assert done["set_registry_uri"] == "databricks-uc"
    assert done["set_experiment"] == "/Users/me/churn"
    assert done["start_run"] == {"git_sha": "abc123"}
    assert {"roc_auc", "f1", "precision", "recall"} <= set(done["log_metrics"])
    assert done["register_model"] == "dev.churn.churn"
    assert "registered dev.churn.churn version 7" in capsys.readouterr().out


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

    class Run:
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
