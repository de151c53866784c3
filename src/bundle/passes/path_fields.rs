//! Which fields of jobs and pipelines hold local paths, and what must lie there.
//!
//! One list for both steps of path translation, so that they cannot disagree. A job that
//! takes its code from a repository keeps all of its paths: they are paths over there.

use crate::domain::{Path, Tree};

/// What a path must lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// It lies in the workspace under its name without the extension.
    Notebook,
    File,
    Folder,
    /// A pattern that the workspace itself expands.
    Glob,
    /// A wheel or jar: built, uploaded and named elsewhere.
    Library,
    /// Its content is read here and sent, not its place.
    Content,
    /// An entry of a requirements list: a path, a package, or a flag with a path.
    Dependency,
}

const TASK: [(&[&str], Role); 5] = [
    (&["alert_task", "workspace_path"], Role::File),
    (&["notebook_task", "notebook_path"], Role::Notebook),
    (&["spark_python_task", "python_file"], Role::File),
    (&["dbt_task", "project_directory"], Role::Folder),
    (&["sql_task", "file", "path"], Role::File),
];

const LIBRARY: [(&str, Role); 3] = [("whl", Role::Library), ("jar", Role::Library), ("requirements", Role::File)];

/// All of them, in the order in which mistakes are reported.
pub fn all(config: &Tree) -> Vec<(Path, Role)> {
    let mut found = Vec::new();
    let group = |kind: &str| config.find(&["resources", kind]).and_then(Tree::as_map);
    for (key, job) in group("jobs").into_iter().flatten() {
        job_fields(job, &Path::of(&["resources", "jobs", key]), &mut found);
    }
    for (key, pipeline) in group("pipelines").into_iter().flatten() {
        pipeline_fields(pipeline, &Path::of(&["resources", "pipelines", key]), &mut found);
    }
    for (kind, field, role) in [
        ("alerts", "file_path", Role::Content),
        ("apps", "source_code_path", Role::Folder),
        ("dashboards", "file_path", Role::Content),
    ] {
        for (key, resource) in group(kind).into_iter().flatten() {
            text_at(resource, &Path::of(&["resources", kind, key]), &[field], role, &mut found);
        }
    }
    found
}

fn items<'t>(tree: &'t Tree, key: &str) -> impl Iterator<Item = (usize, &'t Tree)> {
    tree.get(key).and_then(Tree::as_list).unwrap_or_default().iter().enumerate()
}

fn text_at(tree: &Tree, at: &Path, keys: &[&str], role: Role, found: &mut Vec<(Path, Role)>) {
    if tree.find(keys).and_then(Tree::as_str).is_some() {
        found.push((keys.iter().fold(at.clone(), |path, key| path.key(key)), role));
    }
}

fn job_fields(job: &Tree, at: &Path, found: &mut Vec<(Path, Role)>) {
    if job.get("git_source").is_some_and(|g| !g.is_null()) {
        return;
    }
    for (i, task) in items(job, "tasks") {
        let at = at.clone().key("tasks").index(i);
        task_fields(task, &at, found);
        if let Some(inner) = task.find(&["for_each_task", "task"]) {
            task_fields(inner, &at.key("for_each_task").key("task"), found);
        }
    }
    for (i, environment) in items(job, "environments") {
        let at = at.clone().key("environments").index(i).key("spec");
        if let Some(spec) = environment.get("spec") {
            dependencies(spec, &at, found);
        }
    }
}

fn dependencies(spec: &Tree, at: &Path, found: &mut Vec<(Path, Role)>) {
    for (i, dependency) in items(spec, "dependencies") {
        if dependency.as_str().is_some() {
            found.push((at.clone().key("dependencies").index(i), Role::Dependency));
        }
    }
}

fn task_fields(task: &Tree, at: &Path, found: &mut Vec<(Path, Role)>) {
    for (keys, role) in TASK {
        text_at(task, at, keys, role, found);
    }
    let deployments = task.get("ai_runtime_task").into_iter().flat_map(|task| items(task, "deployments"));
    for (i, deployment) in deployments {
        let at = at.clone().key("ai_runtime_task").key("deployments").index(i);
        text_at(deployment, &at, &["command_path"], Role::File, found);
    }
    for (i, library) in items(task, "libraries") {
        for (key, role) in LIBRARY {
            text_at(library, &at.clone().key("libraries").index(i), &[key], role, found);
        }
    }
}

fn pipeline_fields(pipeline: &Tree, at: &Path, found: &mut Vec<(Path, Role)>) {
    for (i, library) in items(pipeline, "libraries") {
        let at = at.clone().key("libraries").index(i);
        text_at(library, &at, &["notebook", "path"], Role::Notebook, found);
        text_at(library, &at, &["file", "path"], Role::File, found);
        text_at(library, &at, &["glob", "include"], Role::Glob, found);
    }
    text_at(pipeline, at, &["root_path"], Role::Folder, found);
    if let Some(environment) = pipeline.get("environment") {
        dependencies(environment, &at.clone().key("environment"), found);
    }
}
