//! Local paths of tasks, libraries and pipelines become paths in the workspace.
//!
//! Two steps, as the printed configuration shows when the second fails: first every path is
//! written relative to the bundle's folder (it was relative to the file that names it), then
//! it must lie under the sync root and exist, and turns into the place it is uploaded to.

use std::collections::HashMap;

use crate::bundle::passes::bundle::Bundle;
use crate::bundle::passes::notebook::{self, FileKind};
use crate::bundle::passes::path_fields;
use crate::bundle::source::{EntryKind, clean, join, parent};
use crate::bundle::syntax::glob;
use crate::domain::{Diagnostic, Failure, Node, Path, Tree};

use path_fields::Role;

/// The pass: all paths relative to the bundle's folder.
pub fn relative_to_bundle(bundle: &mut Bundle<'_>) {
    for (path, role) in path_fields::all(&bundle.config) {
        let Some(tree) = bundle.config.at_mut(&path) else { continue };
        let folder = tree.origin().map_or(".", |origin| parent(&origin.file)).to_owned();
        let Some(text) = tree.as_str() else { continue };
        let now = match role {
            Role::Dependency => dependency_from(&folder, text),
            // No content in a file, and none of it wrong.
            Role::Content if text.is_empty() => None,
            _ => is_local(text).then(|| join(&folder, text)),
        };
        if let Some(now) = now {
            tree.node = Node::String(now);
        }
    }
}

/// What is wrong where an artifact is to be built in a folder that is not there.
fn missing_folder(bundle: &Bundle<'_>) -> Option<Diagnostic> {
    let artifacts = bundle.config.get("artifacts").and_then(Tree::as_map).into_iter().flatten();
    let named = artifacts.filter_map(|(_, artifact)| artifact.text(&["path"]));
    named.filter(|path| is_local(path)).find_map(|path| {
        let why = match bundle.source.stat(path) {
            Ok(Some(EntryKind::File)) => format!("expected {path} to be a directory but found a file"),
            Ok(Some(_)) => return None,
            Ok(None) => format!("directory {path} not found"),
            Err(failure) => failure.message,
        };
        Some(Diagnostic::error(why))
    })
}

/// A path of its own machine: neither rooted nor with a scheme such as `dbfs:`.
pub fn is_local(path: &str) -> bool {
    !path.starts_with('/') && !has_scheme(path)
}

fn has_scheme(path: &str) -> bool {
    let Some((scheme, _)) = path.split_once(':') else { return false };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

/// `-r file` and `-e folder` of a dependency list.
fn flagged(dependency: &str) -> Option<(&str, &str)> {
    ["-r", "-e"].into_iter().find_map(|flag| Some((flag, dependency.strip_prefix(flag)?.strip_prefix(' ')?.trim())))
}

fn dependency_from(folder: &str, dependency: &str) -> Option<String> {
    if let Some((flag, path)) = flagged(dependency) {
        return is_local(path).then(|| format!("{flag} {}", join(folder, path)));
    }
    is_local_dependency(dependency).then(|| join(folder, dependency))
}

/// Whether a dependency is a file here, and not a package of an index.
pub fn is_local_dependency(dependency: &str) -> bool {
    if dependency.is_empty() || !is_local(dependency) || dependency.contains("://") {
        return false;
    }
    // An option of pip, whatever it names.
    if dependency.starts_with('-') {
        return false;
    }
    if dependency.starts_with('.') || dependency.contains('/') {
        return true;
    }
    // What is neither the name of a package nor followed by what may follow one is the name of a file.
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let name = dependency.bytes().take_while(|b| is_name(*b)).count();
    let rest = dependency[name..].trim_start_matches(' ');
    let follows = ["==", ">", "<", "!=", "~=", "[", ";", "@"].iter().any(|sign| rest.starts_with(sign));
    name == 0 || !(rest.is_empty() || follows)
}

/// The pass: paths that must be there become the places they are uploaded to.
pub fn translate(bundle: &mut Bundle<'_>) {
    let mut config = bundle.config.clone();
    let sync_root = bundle.sync_root.clone();
    let remote_root = config.text(&["workspace", "file_path"]).unwrap_or_default().to_owned();
    let mut translator = Translator { bundle, sync_root, remote_root, known: HashMap::new() };
    for (path, role) in path_fields::all(&config) {
        let Some(tree) = config.at_mut(&path) else { continue };
        let Some(text) = tree.as_str() else { continue };
        let now = match translator.field(role, text, &path) {
            Ok(Some(now)) => now,
            Ok(None) => continue,
            Err(diagnostic) => {
                let diagnostic = Diagnostic { place: tree.origin().cloned(), ..diagnostic };
                return bundle.report(diagnostic);
            }
        };
        tree.node = Node::String(now);
    }
    if let Some(diagnostic) = missing_folder(bundle) {
        return bundle.report(diagnostic);
    }
    bundle.config = config;
}

struct Translator<'b, 'a> {
    bundle: &'b Bundle<'a>,
    sync_root: String,
    remote_root: String,
    /// A notebook that a thousand tasks name is read once.
    known: HashMap<(Role, String), Result<String, String>>,
}

impl Translator<'_, '_> {
    fn field(&mut self, role: Role, text: &str, path: &Path) -> Result<Option<String>, Diagnostic> {
        match role {
            Role::Library | Role::Content => Ok(None),
            Role::Dependency => {
                if let Some((flag, file)) = flagged(text) {
                    return match is_local(file) {
                        true => Ok(Some(format!("{flag} {}", self.place(Role::File, file, path)?))),
                        false => Ok(None),
                    };
                }
                Ok((is_local_dependency(text) && !text.starts_with('.')).then(|| format!("./{text}")))
            }
            _ if !is_local(text) => Ok(None),
            _ => self.place(role, text, path).map(Some),
        }
    }

    fn place(&mut self, role: Role, local: &str, path: &Path) -> Result<String, Diagnostic> {
        let key = (role, local.to_owned());
        if !self.known.contains_key(&key) {
            let found = self.look(role, local).map_err(|failure| Diagnostic::error(failure.message))?;
            self.known.insert(key.clone(), found);
        }
        self.known[&key].clone().map_err(|what| Diagnostic::error(what.replace("{path}", &path.to_string())))
    }

    /// The remote place, or what is wrong with `{path}` for the path of the field.
    fn look(&self, role: Role, local: &str) -> Result<Result<String, String>, Failure> {
        let full = clean(&format!("{}/{local}", self.bundle.options.root));
        let Some(below) = below(&self.bundle.options.root, &self.sync_root, local) else {
            return Ok(Err(format!("path {full} is not contained in sync root path")));
        };
        let remote = clean(&format!("{}/{below}", self.remote_root));
        Ok(match role {
            Role::Notebook => match self.notebook(local, &full)? {
                Ok(extension) => Ok(remote.strip_suffix(&extension).unwrap_or(&remote).to_owned()),
                Err(what) => Err(what),
            },
            Role::File => self.file(local, &full)?.map(|()| remote),
            Role::Folder => match self.bundle.source.stat(local)? {
                None => Err(format!("stat {local}: no such file or directory")),
                Some(EntryKind::File) => Err(format!("{full} is not a directory")),
                Some(_) => Ok(remote),
            },
            Role::Glob | Role::Library | Role::Content | Role::Dependency => Ok(remote),
        })
    }

    fn notebook(&self, local: &str, full: &str) -> Result<Result<String, String>, Failure> {
        let bytes = match self.bundle.source.stat(local)? {
            Some(EntryKind::Folder) => {
                let at = if local == "." { format!("{full}/.") } else { full.to_owned() };
                return Ok(Err(format!("unable to determine if {full} is a notebook: read {at}: is a directory")));
            }
            Some(_) => self.bundle.source.read(local)?,
            None => None,
        };
        let Some(bytes) = bytes else { return self.no_notebook(local).map(Err) };
        let extension = notebook::extension(local).unwrap_or_default().to_owned();
        Ok(match notebook::detect(local, &bytes) {
            FileKind::Notebook => Ok(extension),
            FileKind::BrokenNotebook => {
                Err(format!("unable to determine if {full} is a notebook: {local}: invalid Jupyter notebook file"))
            }
            FileKind::File => {
                Err(format!("expected a notebook for \"{{path}}\" but got a file: file at {full} is not a notebook"))
            }
        })
    }

    fn no_notebook(&self, local: &str) -> Result<String, Failure> {
        if notebook::extension(local).is_some() {
            return Ok(format!("notebook {local} not found"));
        }
        for extension in EXTENSIONS {
            let candidate = format!("{local}{extension}");
            if self.bundle.source.stat(&candidate)?.is_some() {
                return Ok(format!(
                    "notebook \"{local}\" not found. Did you mean \"{candidate}\"?\n\
                     A local notebook is named with its extension: one of {}",
                    EXTENSIONS.join(", ")
                ));
            }
        }
        Ok(format!(
            "notebook \"{local}\" not found. Local notebook references are expected\n\
             to contain one of the following file extensions: [{}]",
            EXTENSIONS.join(", ")
        ))
    }

    fn file(&self, local: &str, full: &str) -> Result<Result<(), String>, Failure> {
        Ok(match self.bundle.source.stat(local)? {
            None => Err(format!("file {local} not found")),
            Some(EntryKind::Folder) => {
                Err(format!("unable to determine if {full} is not a notebook: read {full}: is a directory"))
            }
            Some(_) => {
                // Only a file whose name could be a notebook's is opened.
                let bytes = match notebook::extension(local) {
                    Some(_) => self.bundle.source.read(local)?.unwrap_or_default(),
                    None => Vec::new(),
                };
                match notebook::detect(local, &bytes) {
                    FileKind::Notebook => Err(format!(
                        "expected a file for \"{{path}}\" but got a notebook: file at {full} is a notebook"
                    )),
                    _ => Ok(()),
                }
            }
        })
    }
}

const EXTENSIONS: [&str; 5] = [".py", ".r", ".scala", ".sql", ".ipynb"];

/// `path` as seen from the sync root; none when it lies outside. Both are relative to the
/// bundle, whose full path gives the names of the folders between.
fn below(root: &str, sync_root: &str, path: &str) -> Option<String> {
    let base = clean(&join(root, sync_root));
    let full = clean(&join(root, path));
    if full == base {
        return Some(".".to_owned());
    }
    full.strip_prefix(&base)?.strip_prefix('/').map(str::to_owned)
}

/// The pass: a pattern among a pipeline's libraries stands for the files it finds.
pub fn expand_pipeline_globs(bundle: &mut Bundle<'_>) {
    let source = bundle.source;
    let mut failed = None;
    let pipelines = bundle.config.find_mut(&["resources", "pipelines"]).and_then(Tree::as_map_mut);
    for pipeline in pipelines.into_iter().flat_map(|map| map.values_mut()) {
        let Some(libraries) = pipeline.get_mut("libraries").and_then(Tree::as_list_mut) else { continue };
        let mut expanded = Vec::with_capacity(libraries.len());
        for library in libraries.drain(..) {
            let pattern =
                ["notebook", "file"].into_iter().find_map(|kind| Some((kind, library.text(&[kind, "path"])?)));
            let found = match pattern {
                Some((_, text)) if text.contains(['*', '?', '[']) && is_local(text) => glob::expand(source, text),
                _ => Ok(Ok(Vec::new())),
            };
            match (pattern, found) {
                (Some((kind, _)), Ok(Ok(found))) if !found.is_empty() => {
                    for file in found {
                        let mut one = library.clone();
                        one.set(&[kind, "path"], file);
                        expanded.push(one);
                    }
                }
                (_, Ok(_)) => expanded.push(library),
                (_, Err(failure)) => failed = Some(failure),
            }
        }
        *libraries = expanded;
    }
    if let Some(failure) = failed {
        bundle.report(Diagnostic::error(failure.message));
    }
}
