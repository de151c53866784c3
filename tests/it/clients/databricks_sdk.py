"""The Databricks SDK for Python against the stand-in workspace: create, read back, run, delete.

Arguments: the address of the workspace; `local` if its Python tasks run for real. Says "all fine" at the end.
"""
import io
import sys

from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import NotFound, ResourceDoesNotExist, InvalidParameterValue
from databricks.sdk.service import catalog, iam, jobs, pipelines, workspace

w = WorkspaceClient(host=sys.argv[1], token="dbapi0sdk")
me = w.current_user.me().user_name
home = "/Workspace/Users/" + me

# files
w.workspace.mkdirs(home + "/proj")
w.workspace.upload(home + "/proj/train.py", io.BytesIO(b"import sys\nprint('trained', sys.argv[1])\n"), format=workspace.ImportFormat.AUTO, overwrite=True)
w.workspace.upload(home + "/proj/nb.py", io.BytesIO(b"# Databricks notebook source\ndbutils.notebook.exit(dbutils.widgets.get('x'))\n"), format=workspace.ImportFormat.AUTO)
listed = {o.path: o.object_type for o in w.workspace.list(home + "/proj")}
assert listed == {home + "/proj/train.py": workspace.ObjectType.FILE, home + "/proj/nb": workspace.ObjectType.NOTEBOOK}, listed
assert w.workspace.download(home + "/proj/train.py").read().startswith(b"import sys")

# unity catalog
schema = w.schemas.create(name="churn", catalog_name="main", comment="c")
assert w.schemas.get("main.churn").comment == "c"
volume = w.volumes.create("main", "churn", "raw", catalog.VolumeType.MANAGED)
w.files.upload("/Volumes/main/churn/raw/a.bin", io.BytesIO(b"x" * 100000), overwrite=True)
assert w.files.download("/Volumes/main/churn/raw/a.bin").contents.read() == b"x" * 100000
assert w.files.get_metadata("/Volumes/main/churn/raw/a.bin").content_length == 100000
w.files.create_directory("/Volumes/main/churn/raw/d/e")
assert [e.name for e in w.files.list_directory_contents("/Volumes/main/churn/raw")] == ["a.bin", "d"]
model = w.registered_models.create(catalog_name="main", schema_name="churn", name="model")
assert [m.full_name for m in w.registered_models.list(catalog_name="main", schema_name="churn")] == ["main.churn.model"]
w.grants.update("schema", "main.churn", changes=[catalog.PermissionsChange(principal="ml", add=[catalog.Privilege.USE_SCHEMA])])
assert w.grants.get("schema", "main.churn").privilege_assignments[0].principal == "ml"
assert w.grants.get_effective("volume", "main.churn.raw").privilege_assignments[0].privileges[0].inherited_from_name == "main.churn"
assert w.metastores.current().metastore_id

# experiments
exp = w.experiments.create_experiment(home + "/exp")
assert w.experiments.get_by_name(home.replace("/Workspace", "") + "/exp").experiment.experiment_id == exp.experiment_id
assert [e.name for e in w.experiments.list_experiments()] == [home.replace("/Workspace", "") + "/exp"]

# pipelines
p = w.pipelines.create(name="feats", catalog="main", schema="churn", libraries=[pipelines.PipelineLibrary(notebook=pipelines.NotebookLibrary(path=home + "/proj/nb"))])
assert w.pipelines.get(p.pipeline_id).spec.catalog == "main"
assert [s.name for s in w.pipelines.list_pipelines(filter="name LIKE 'fe%'")] == ["feats"]
u = w.pipelines.start_update(p.pipeline_id)
w.pipelines.get_update(p.pipeline_id, u.update_id)
assert w.pipelines.get_update(p.pipeline_id, u.update_id).update.state.value == "COMPLETED"
assert len(list(w.pipelines.list_pipeline_events(p.pipeline_id))) == 1

# jobs
tasks = [
    jobs.Task(task_key="train", spark_python_task=jobs.SparkPythonTask(python_file=home + "/proj/train.py", parameters=["{{job.parameters.who}}"])),
    jobs.Task(task_key="check", notebook_task=jobs.NotebookTask(notebook_path=home + "/proj/nb", base_parameters={"x": "42"}), depends_on=[jobs.TaskDependency("train")]),
]
job = w.jobs.create(name="train", tasks=tasks, parameters=[jobs.JobParameterDefinition("who", "me")], tags={"a": "b"}, max_concurrent_runs=2)
back = w.jobs.get(job.job_id)
assert back.settings.tags == {"a": "b"} and [t.task_key for t in back.settings.tasks] == ["train", "check"]
for i in range(130):
    w.jobs.create(name="many-%d" % i)
assert len(list(w.jobs.list())) == 131
w.jobs.update(job.job_id, new_settings=jobs.JobSettings(max_concurrent_runs=3))
assert w.jobs.get(job.job_id).settings.max_concurrent_runs == 3
run = w.jobs.run_now_and_wait(job.job_id, job_parameters={"who": "you"})
assert run.state.result_state == jobs.RunResultState.SUCCESS, run.state
outputs = {t.task_key: w.jobs.get_run_output(t.run_id) for t in run.tasks}
print(outputs["train"].logs, outputs["check"].notebook_output)
if len(sys.argv) > 2:
    assert outputs["train"].logs == "trained you\n", outputs["train"]
    assert outputs["check"].notebook_output.result == "42"
w.permissions.update("jobs", str(job.job_id), access_control_list=[iam.AccessControlRequest(group_name="ml", permission_level=iam.PermissionLevel.CAN_VIEW)])
acl = w.permissions.get("jobs", str(job.job_id)).access_control_list
assert {a.group_name or a.user_name for a in acl} == {"ml", me, "admins"}, acl
w.jobs.set_permissions(str(job.job_id), access_control_list=[jobs.JobAccessControlRequest(user_name=me, permission_level=jobs.JobPermissionLevel.IS_OWNER)])
w.jobs.delete(job.job_id)
try:
    w.jobs.get(job.job_id)
    raise SystemExit("a deleted job was found")
except (NotFound, ResourceDoesNotExist, InvalidParameterValue) as e:
    print(type(e).__name__, e)
w.pipelines.delete(p.pipeline_id)
w.schemas.delete("main.churn", force=True)
try:
    w.volumes.read("main.churn.raw")
    raise SystemExit("a deleted volume was found")
except NotFound as e:
    print(type(e).__name__, e)
print("all fine")
