//! What is built before a deployment, and the libraries that tasks name.
//!
//! Building is done elsewhere; here an artifact gets its folder, its default command and the
//! pattern of what it leaves, and after the build the libraries get their addresses.

use crate::bundle::resolve::Bundle;
use crate::bundle::source::{Source, clean, join, parent};
use crate::bundle::{glob, path_fields, paths};
use crate::domain::{Diagnostic, Failure, Node, Path, Tree};

use path_fields::Role;

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
    let mut failed = None;
    for (name, artifact) in artifacts.iter_mut() {
        if artifact.is_null() {
            failed = Some(format!("artifact {name} is not defined"));
            continue;
        }
        let folder = artifact.origin().map_or(".", |origin| parent(&origin.file)).to_owned();
        let path_folder =
            artifact.get("path").and_then(Tree::origin).map_or_else(|| folder.clone(), |o| parent(&o.file).to_owned());
        let local = join(&path_folder, artifact.text(&["path"]).unwrap_or("."));
        let full = clean(&join(&root, &local));
        artifact.set(&["path"], full.as_str());
        let wheel = artifact.text(&["type"]) == Some("whl");
        let named = artifact.get("files").and_then(Tree::as_list).is_some_and(|l| !l.is_empty());
        if wheel && artifact.text(&["build"]).is_none() && !named {
            artifact.set(&["build"], "python3 setup.py bdist_wheel");
        }
        if named {
            expand_files(artifact, source, &root)?;
        } else if wheel {
            let mut file = Tree::map();
            file.set(&["source"], format!("{full}/dist/*.whl"));
            artifact.set(&["files"], vec![file]);
        }
    }
    if let Some(what) = failed {
        bundle.report(Diagnostic::error(what));
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

/// A local library and where it is uploaded to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Library {
    /// Relative to the bundle.
    pub local: String,
    pub remote: String,
}

/// After the build: patterns become the files they find, and every local library the address
/// it is uploaded to. The libraries come in the order in which tasks name them.
pub fn address_libraries(config: &mut Tree, source: &dyn Source) -> Result<Vec<Library>, LibraryError> {
    let folder = format!("{}/.internal", config.text(&["workspace", "artifact_path"]).unwrap_or_default());
    expand_patterns(config, source)?;
    let mut libraries: Vec<Library> = Vec::new();
    for (path, role) in path_fields::all(config) {
        let Some(tree) = config.at_mut(&path) else { continue };
        let Some(text) = tree.as_str() else { continue };
        let local = match role {
            Role::Library if paths::is_local(text) => clean(text),
            Role::Dependency if is_library(text) => clean(text),
            _ => continue,
        };
        let name = local.rsplit('/').next().unwrap_or(&local);
        let remote = format!("{folder}/{name}");
        if let Some(other) = libraries.iter().find(|l| l.remote == remote && l.local != local) {
            return Err(LibraryError::SameName { name: name.to_owned(), first: other.local.clone(), second: local });
        }
        tree.node = Node::String(remote.clone());
        let library = Library { local, remote };
        if !libraries.contains(&library) {
            libraries.push(library);
        }
    }
    Ok(libraries)
}

fn is_library(dependency: &str) -> bool {
    paths::is_local_dependency(dependency) && dependency.ends_with(".whl")
}

/// Why libraries cannot be brought.
#[derive(Clone, Debug, PartialEq)]
pub enum LibraryError {
    Missing { path: String, pattern: String, at: Option<crate::domain::Origin> },
    SameName { name: String, first: String, second: String },
    Read(String),
}

/// Replaces the items of library lists that are patterns by what they find.
fn expand_patterns(config: &mut Tree, source: &dyn Source) -> Result<(), LibraryError> {
    // From the back: an item may become several, and earlier places must stay valid.
    for (path, role) in path_fields::all(config).into_iter().rev() {
        let Some(tree) = config.at(&path) else { continue };
        let Some(text) = tree.as_str() else { continue };
        let wanted = match role {
            Role::Library => paths::is_local(text),
            Role::Dependency => is_library(text),
            _ => false,
        };
        if !wanted {
            continue;
        }
        let found = glob::expand(source, text).map_err(|failure| LibraryError::Read(failure.message))?;
        let found = found.unwrap_or_default();
        if found.is_empty() {
            let at = tree.origin().cloned();
            return Err(LibraryError::Missing { path: path.to_string(), pattern: text.to_owned(), at });
        }
        let original = tree.clone();
        replace(config, &path, role, &original, found);
    }
    Ok(())
}

fn replace(config: &mut Tree, path: &Path, role: Role, original: &Tree, found: Vec<String>) {
    let depth = if role == Role::Library { 2 } else { 1 };
    let list_path = path.up(depth);
    let Some(crate::domain::Step::Index(at)) = path.steps().get(path.len() - depth) else { return };
    let Some(list) = config.at_mut(&list_path).and_then(Tree::as_list_mut) else { return };
    let item = list.remove(*at);
    for (i, file) in found.into_iter().enumerate() {
        let mut one = item.clone();
        let value = Tree::from(file).at_origin_of(original);
        match path.nth(path.len() - 1) {
            Some(key) if role == Role::Library => one.set(&[key], value),
            _ => one = value,
        }
        list.insert(at + i, one);
    }
}
