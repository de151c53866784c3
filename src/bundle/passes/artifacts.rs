//! What is built before a deployment, and the libraries that tasks name.
//!
//! Building is done elsewhere; here an artifact gets its folder, its default command and the
//! pattern of what it leaves.

use crate::bundle::passes::bundle::Bundle;
use crate::bundle::passes::paths;
use crate::bundle::source::{Source, clean, join, parent};
use crate::bundle::syntax::glob;
use crate::domain::{Diagnostic, Failure, Map, Node, Reason, Tree};

/// The pass: an artifact's folder as seen from the bundle's.
pub fn relative_to_bundle(bundle: &mut Bundle<'_>) {
    let artifacts = bundle.config.get_mut("artifacts").and_then(Tree::as_map_mut);
    for path in artifacts.into_iter().flat_map(Map::values_mut).filter_map(|artifact| artifact.get_mut("path")) {
        let folder = path.origin().map_or(".", |origin| parent(&origin.file)).to_owned();
        if let Some(local) = path.as_str().filter(|local| paths::is_local(local)) {
            path.node = Node::String(join(&folder, local));
        }
    }
}

/// The pass: artifacts with full paths, and a wheel project at the root even when nobody
/// declared it.
pub fn prepare(bundle: &mut Bundle<'_>) {
    if let Err(failure) = prepare_all(bundle) {
        bundle.report(Diagnostic::error(failure.message));
    }
}

fn prepare_all(bundle: &mut Bundle<'_>) -> Result<(), Failure> {
    let root = bundle.options.root.clone();
    let source = bundle.source;
    let Some(artifacts) = bundle.config.get_mut("artifacts").and_then(Tree::as_map_mut) else { return Ok(()) };
    for (name, artifact) in artifacts.iter_mut() {
        if artifact.is_null() {
            let what = Diagnostic::error("Artifact not properly configured").at_tree(artifact);
            bundle
                .diagnostics
                .push(what.detail(format!("`{name}` has nothing behind it: write its type, its build or its files")));
            continue;
        }
        let folder = artifact.origin().map_or(".", |origin| parent(&origin.file));
        let local = artifact.text(&["path"]).map_or_else(|| folder.to_owned(), str::to_owned);
        let full = clean(&join(&root, &local));
        artifact.set(&["path"], full.as_str());
        let wheel = artifact.text(&["type"]) == Some("whl");
        let named = artifact.get("files").and_then(Tree::as_list).is_some_and(|l| !l.is_empty());
        if wheel && artifact.text(&["build"]).is_none() && !named {
            artifact.set(&["build"], "python3 setup.py bdist_wheel");
        }
        if artifact.text(&["build"]).is_none() && !named {
            let what = "misconfigured artifact: please specify 'build' or 'files' property";
            return Err(Failure::new(Reason::InvalidBundle, what));
        }
        if named {
            expand_files(artifact, source, &root)?;
        } else if wheel {
            let mut file = Tree::map();
            file.set(&["source"], format!("{full}/dist/*.whl"));
            artifact.set(&["files"], vec![file]);
        }
    }
    Ok(())
}

/// `files` of an artifact without a build command name what already lies there.
fn expand_files(artifact: &mut Tree, source: &dyn Source, root: &str) -> Result<(), Failure> {
    let built = artifact.text(&["build"]).is_some();
    let Some(files) = artifact.get_mut("files").and_then(Tree::as_list_mut) else { return Ok(()) };
    let mut expanded = Vec::new();
    for file in files.drain(..) {
        let Some(pattern) = file.text(&["source"]) else {
            expanded.push(file);
            continue;
        };
        let folder = file.get("source").and_then(Tree::origin).map_or(".", |o| parent(&o.file));
        let pattern = join(folder, pattern);
        let found = if built { Vec::new() } else { glob::expand(source, &pattern)?.unwrap_or_default() };
        let names = if found.is_empty() { vec![pattern] } else { found };
        for name in names {
            let mut one = file.clone();
            one.set(&["source"], clean(&join(root, &name)));
            expanded.push(one);
        }
    }
    *files = expanded;
    Ok(())
}
