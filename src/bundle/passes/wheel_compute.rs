//! Local libraries want a runtime that can install them.
//!
//! Whether a cluster that exists already has one only the workspace knows: its id is told in
//! `Resolved::clusters`, and the bundle is resolved again once the answer is among the facts.
//! Offline such a cluster is taken to be fit, and so is one that is not there.

use crate::bundle::libraries::{is_local_dependency, is_local_library};
use crate::bundle::passes::bundle::Bundle;
use crate::bundle::syntax::reference;
use crate::domain::{Diagnostic, Tree};

/// The oldest runtime that installs libraries out of the workspace.
const OLDEST: (u64, u64) = (13, 1);

/// The pass: after paths are known to be there, before what a mode forbids.
pub fn check(bundle: &mut Bundle<'_>) {
    let config = bundle.config.clone();
    let mut unfit = Vec::new();
    for job in config.find(&["resources", "jobs"]).and_then(Tree::as_map).into_iter().flat_map(|jobs| jobs.values()) {
        // A local package of any environment of the job counts for each of its tasks.
        let packaged = names_local_package(job);
        for task in items(job, "tasks").iter().filter(|task| packaged || names_local_library(task)) {
            unfit.extend(unfit_compute(bundle, job, task));
        }
    }
    if !unfit.is_empty() {
        unfit.push(
            "Python wheel tasks require compute with DBR 13.3+ to include local libraries.\n\
             Give these tasks a newer spark_version, or an environment"
                .to_owned(),
        );
    }
    bundle.diagnostics.extend(unfit.into_iter().map(Diagnostic::error));
}

fn items<'t>(tree: &'t Tree, key: &str) -> &'t [Tree] {
    tree.get(key).and_then(Tree::as_list).unwrap_or_default()
}

fn names_local_library(task: &Tree) -> bool {
    let local = |library: &Tree, kind: &str| library.text(&[kind]).is_some_and(is_local_library);
    items(task, "libraries").iter().any(|library| ["whl", "jar", "egg"].iter().any(|kind| local(library, kind)))
}

fn names_local_package(job: &Tree) -> bool {
    let packages =
        |environment: &Tree| environment.find(&["spec", "dependencies"]).and_then(Tree::as_list).map(<[Tree]>::to_vec);
    let packages = items(job, "environments").iter().filter_map(packages).flatten();
    packages.into_iter().any(|package| package.as_str().is_some_and(is_local_dependency))
}

/// What is wrong with where a task runs.
fn unfit_compute(bundle: &mut Bundle<'_>, job: &Tree, task: &Tree) -> Option<String> {
    let of_task = |version: &str| {
        let key = task.text(&["task_key"]).unwrap_or_default();
        is_too_old(version).then(|| format!("task {key} uses cluster with incompatible DBR version {version}"))
    };
    if let Some(version) = task.text(&["new_cluster", "spark_version"]) {
        return of_task(version);
    }
    if let Some(key) = task.text(&["job_cluster_key"]) {
        let cluster = items(job, "job_clusters").iter().find(|c| c.text(&["job_cluster_key"]) == Some(key))?;
        let version = cluster.text(&["new_cluster", "spark_version"])?;
        return is_too_old(version).then(|| format!("job cluster {key} uses incompatible DBR version {version}"));
    }
    let id = task.text(&["existing_cluster_id"])?;
    if reference::is_in(id) {
        let key = id.strip_prefix("${resources.clusters.").and_then(|rest| rest.split_once('.'));
        let Some((key, _)) = key else {
            bundle.report(Diagnostic::notice(format!("unable to parse cluster key from {id}")));
            return None;
        };
        let Some(cluster) = bundle.config.find(&["resources", "clusters", key]) else {
            bundle.report(Diagnostic::notice(format!("unable to find cluster with key {key}")));
            return None;
        };
        return cluster.text(&["spark_version"]).and_then(of_task);
    }
    match bundle.facts.runtimes.get(id) {
        Some(Ok(version)) => of_task(version),
        Some(Err(why)) => {
            let what = format!("unable to get spark version for cluster {id}, err: {why}");
            bundle.report(Diagnostic::notice(what));
            None
        }
        None => {
            bundle.clusters.push(id.to_owned());
            None
        }
    }
}

/// Versions of another form, such as `custom:…`, are their owners' affair.
fn is_too_old(version: &str) -> bool {
    let mut parts = version.split('.');
    let Some(Ok(major)) = parts.next().map(str::parse::<u64>) else { return false };
    let Some(second) = parts.next() else { return false };
    let minor: String = second.chars().take_while(char::is_ascii_digit).collect();
    match minor.parse() {
        Ok(minor) => (major, minor) < OLDEST,
        Err(_) => second.starts_with('x') && major < OLDEST.0,
    }
}

#[cfg(test)]
mod tests {
    use super::is_too_old;

    #[test]
    fn runtimes_before_13_1_are_too_old() {
        for old in ["13.0.x-scala2.12", "12.2.x-cpu-ml-scala2.12", "7.3.x", "2.1.1-db5-scala2.11", "12.x"] {
            assert!(is_too_old(old), "{old}");
        }
        for fit in
            ["13.1.x", "13.3.x-scala2.12", "15.4.x", "14.x-snapshot", "13.x", "custom:12.2.x", "9", "client.1", ""]
        {
            assert!(!is_too_old(fit), "{fit}");
        }
    }
}
