//! The local wheels and jars that tasks name: found after the build, uploaded beside the
//! bundle, and named by their address in the workspace from then on.
//!
//! Not a pass of `resolve`: what a pattern finds is known only when everything is built, and
//! `validate` shows the patterns as they are written.

use std::collections::BTreeMap;

use crate::bundle::source::{Source, clean};
use crate::bundle::syntax::glob;
use crate::domain::{Diagnostic, Failure, Node, Path, Tree};

/// A local file and the address it gets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Library {
    /// Relative to the bundle's folder.
    pub local: String,
    pub remote: String,
}

/// A wheel that an artifact's build has left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    pub artifact: String,
    /// Relative to the bundle's folder.
    pub local: String,
}

/// Wheels by what they were built as: each is uploaded, and named, in place of that.
pub type Stamped = BTreeMap<String, String>;

/// The wheels that are to get another version at every build.
pub fn with_dynamic_version(config: &Tree, source: &dyn Source, root: &str) -> Result<Vec<Built>, Failure> {
    let mut built = Vec::new();
    for (name, artifact) in config.get("artifacts").and_then(Tree::as_map).into_iter().flatten() {
        let is_dynamic = artifact.get("dynamic_version").and_then(Tree::as_bool) == Some(true);
        if !is_dynamic || artifact.text(&["type"]) != Some("whl") {
            continue;
        }
        for file in artifact.get("files").and_then(Tree::as_list).unwrap_or_default() {
            let Some(pattern) = file.text(&["source"]) else { continue };
            let found = glob::expand(source, &relative(root, pattern))?.unwrap_or_default();
            built.extend(found.into_iter().map(|local| Built { artifact: name.clone(), local }));
        }
    }
    Ok(built)
}

fn relative(root: &str, path: &str) -> String {
    match path.strip_prefix(root.trim_end_matches('/')) {
        Some(rest) if rest.starts_with('/') => clean(rest.trim_start_matches('/')),
        _ => clean(path),
    }
}

/// Finds the files that artifacts and tasks name, and gives the tasks their addresses.
/// `folder` is where libraries go.
pub fn expand(
    config: &mut Tree,
    source: &dyn Source,
    root: &str,
    folder: &str,
    stamped: &Stamped,
) -> Result<(Vec<Library>, Vec<Diagnostic>), Failure> {
    let mut expander = Expander { source, root, uses: BTreeMap::new(), diagnostics: Vec::new() };
    expander.artifacts(config)?;
    expander.resources(config)?;
    expander.stamp(stamped);
    expander.unique_names();
    if expander.diagnostics.iter().any(Diagnostic::is_error) {
        return Ok((Vec::new(), expander.diagnostics));
    }
    let library = |local: &String| Library { local: local.clone(), remote: format!("{folder}/{}", base(local)) };
    let libraries: Vec<Library> = expander.uses.keys().map(library).collect();
    let diagnostics = expander.diagnostics;
    for (local, places) in expander.uses {
        for (path, _) in places {
            if let Some(tree) = config.at_mut(&path) {
                tree.node = Node::String(format!("{folder}/{}", base(&local)));
            }
        }
    }
    Ok((libraries, diagnostics))
}

struct Expander<'a> {
    source: &'a dyn Source,
    root: &'a str,
    /// Where each local file is named; a file of an artifact need not be named at all.
    uses: BTreeMap<String, Vec<(Path, Tree)>>,
    diagnostics: Vec<Diagnostic>,
}

impl Expander<'_> {
    fn artifacts(&mut self, config: &Tree) -> Result<(), Failure> {
        for (name, artifact) in config.get("artifacts").and_then(Tree::as_map).into_iter().flatten() {
            let files = artifact.get("files").and_then(Tree::as_list).unwrap_or_default();
            for (i, file) in files.iter().enumerate() {
                let Some(pattern) = file.text(&["source"]) else { continue };
                let path = Path::of(&["artifacts", name, "files"]).index(i).key("source");
                let relative = relative(self.root, pattern);
                let found = glob::expand(self.source, &relative)?.unwrap_or_default();
                if found.is_empty() {
                    let what = Diagnostic::error(format!("{relative}: no matching files")).path(&path);
                    self.diagnostics.push(what.at_tree(file.get("source").unwrap_or(file)));
                }
                for local in found {
                    self.uses.entry(local).or_default();
                }
            }
        }
        Ok(())
    }

    fn stamp(&mut self, stamped: &Stamped) {
        for (built, now) in stamped {
            if let Some(places) = self.uses.remove(built) {
                self.uses.insert(now.clone(), places);
            }
        }
    }

    fn resources(&mut self, config: &mut Tree) -> Result<(), Failure> {
        let at = Path::of(&["resources", "jobs"]);
        for (key, job) in children(config, &["resources", "jobs"]) {
            let at = at.clone().key(&key);
            let tasks = job.get_mut("tasks").and_then(Tree::as_list_mut).map(Vec::as_mut_slice).unwrap_or_default();
            for (i, task) in tasks.iter_mut().enumerate() {
                let at = at.clone().key("tasks").index(i);
                if let Some(list) = task.get_mut("libraries") {
                    self.task_libraries(list, at.clone().key("libraries"))?;
                }
                if let Some(list) = task.find_mut(&["for_each_task", "task", "libraries"]) {
                    self.task_libraries(list, at.key("for_each_task").key("task").key("libraries"))?;
                }
            }
            let environments = job.get_mut("environments").and_then(Tree::as_list_mut);
            for (i, environment) in environments.map(Vec::as_mut_slice).unwrap_or_default().iter_mut().enumerate() {
                if let Some(list) = environment.find_mut(&["spec", "dependencies"]) {
                    let at = at.clone().key("environments").index(i).key("spec").key("dependencies");
                    self.dependencies(list, at)?;
                }
            }
        }
        for (key, pipeline) in children(config, &["resources", "pipelines"]) {
            if let Some(list) = pipeline.find_mut(&["environment", "dependencies"]) {
                let at = Path::of(&["resources", "pipelines", &key, "environment", "dependencies"]);
                self.dependencies(list, at)?;
            }
        }
        Ok(())
    }

    fn task_libraries(&mut self, list: &mut Tree, at: Path) -> Result<(), Failure> {
        let Some(items) = list.as_list_mut() else { return Ok(()) };
        let mut expanded = Vec::with_capacity(items.len());
        for (i, item) in items.iter().enumerate() {
            let kind = ["whl", "jar"].into_iter().find(|kind| item.text(&[kind]).is_some_and(is_local_library));
            let Some(kind) = kind else {
                expanded.push(item.clone());
                continue;
            };
            let written = item.get(kind).cloned().unwrap_or_default();
            for local in self.files(&written, &at.clone().index(i).key(kind))? {
                let path = at.clone().index(expanded.len()).key(kind);
                let mut one = item.clone();
                if let Some(tree) = one.get_mut(kind) {
                    tree.node = Node::String(local.clone());
                }
                expanded.push(one);
                self.uses.entry(local).or_default().push((path, written.clone()));
            }
        }
        *items = expanded;
        Ok(())
    }

    fn dependencies(&mut self, list: &mut Tree, at: Path) -> Result<(), Failure> {
        let Some(items) = list.as_list_mut() else { return Ok(()) };
        let mut expanded = Vec::with_capacity(items.len());
        for (i, item) in items.iter().enumerate() {
            if !item.as_str().is_some_and(is_local_dependency) {
                expanded.push(item.clone());
                continue;
            }
            for local in self.files(item, &at.clone().index(i))? {
                let path = at.clone().index(expanded.len());
                let mut one = item.clone();
                one.node = Node::String(local.clone());
                expanded.push(one);
                self.uses.entry(local).or_default().push((path, item.clone()));
            }
        }
        *items = expanded;
        Ok(())
    }

    fn files(&mut self, written: &Tree, at: &Path) -> Result<Vec<String>, Failure> {
        let pattern = written.as_str().unwrap_or_default();
        let found = glob::expand(self.source, &clean(pattern))?.unwrap_or_default();
        if found.is_empty() {
            let is_pattern = pattern.contains(['*', '?', '[']);
            let what = if is_pattern { "no files match pattern:" } else { "file doesn't exist" };
            let diagnostic = Diagnostic::error(format!("{what} {pattern}"));
            self.diagnostics.push(diagnostic.path(at).at_tree(written));
        }
        Ok(found)
    }

    /// All libraries go to one folder: two of one name would be one file.
    fn unique_names(&mut self) {
        let mut by_name: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
        for local in self.uses.keys() {
            by_name.entry(base(local)).or_default().push(local);
        }
        let mut found = Vec::new();
        for (name, locals) in by_name.into_iter().filter(|(_, locals)| locals.len() > 1) {
            let mut diagnostic = Diagnostic::error(format!("Duplicate local library names: {name}"));
            for (path, tree) in locals.iter().flat_map(|local| &self.uses[*local]) {
                diagnostic = diagnostic.path(path).at_tree(tree);
            }
            let names: Vec<&str> = locals.iter().map(|l| l.as_str()).collect();
            found.push(diagnostic.detail(format!(
                "All libraries go to one folder, so that these would overwrite each other: {}",
                names.join(", ")
            )));
        }
        self.diagnostics.extend(found);
    }
}

fn children<'t>(config: &'t mut Tree, keys: &[&str]) -> Vec<(String, &'t mut Tree)> {
    let map = config.find_mut(keys).and_then(Tree::as_map_mut);
    map.into_iter().flatten().map(|(key, tree)| (key.clone(), tree)).collect()
}

fn base(path: &str) -> &str {
    &path[path.rfind('/').map_or(0, |at| at + 1)..]
}

/// A path without a scheme that does not begin at a root of the workspace.
pub fn is_local_library(path: &str) -> bool {
    let scheme = path.split_once(':').map(|(scheme, _)| scheme);
    let has_scheme = scheme.is_some_and(|s| !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric()));
    !path.starts_with('/') && !has_scheme
}

/// Paths were given a leading dot when they were translated; everything else is the name of
/// a package, an option of pip, or an address.
pub fn is_local_dependency(text: &str) -> bool {
    text.starts_with("./") || text.starts_with("../")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::InMemory;
    use crate::bundle::load::yaml;

    fn config(text: &str) -> Tree {
        let file = yaml::File { name: "databricks.yml".into(), full: "/b/databricks.yml".into() };
        yaml::parse(&file, text.as_bytes()).unwrap()
    }

    #[test]
    fn a_pattern_becomes_one_entry_for_each_file() {
        let mut config = config(
            "resources: {jobs: {j: {environments: [{spec: {dependencies: [./dist/*.whl, pandas]}}],\n\
             tasks: [{libraries: [{whl: dist/*.whl}, {whl: 'dbfs:/x.whl'}, {jar: a.jar}]}]}}}",
        );
        let source = InMemory::new().with("dist/x.whl", "").with("dist/y.whl", "").with("a.jar", "");
        let (found, said) = expand(&mut config, &source, "/b", "/W/.internal", &Stamped::new()).unwrap();
        assert!(said.is_empty(), "{said:?}");
        let found: Vec<_> = found.iter().map(|l| (l.local.as_str(), l.remote.as_str())).collect();
        let want = [
            ("a.jar", "/W/.internal/a.jar"),
            ("dist/x.whl", "/W/.internal/x.whl"),
            ("dist/y.whl", "/W/.internal/y.whl"),
        ];
        assert_eq!(found, want);
        let text = crate::bundle::syntax::json::write(&config, 0).unwrap();
        assert_eq!(
            text,
            "{\"resources\":{\"jobs\":{\"j\":{\"environments\":[{\"spec\":{\"dependencies\":[\"/W/.internal/x.whl\",\
             \"/W/.internal/y.whl\",\"pandas\"]}}],\"tasks\":[{\"libraries\":[{\"whl\":\"/W/.internal/x.whl\"},\
             {\"whl\":\"/W/.internal/y.whl\"},{\"whl\":\"dbfs:/x.whl\"},{\"jar\":\"/W/.internal/a.jar\"}]}]}}}}"
        );
    }

    #[test]
    fn a_missing_file_and_two_files_of_one_name_are_mistakes() {
        let mut missing = config("resources: {jobs: {j: {tasks: [{libraries: [{whl: n/*.whl}, {jar: x.jar}]}]}}}");
        let said = expand(&mut missing, &InMemory::new(), "/b", "/W", &Stamped::new()).unwrap().1;
        let said: Vec<_> = said.iter().map(|d| d.summary.as_str()).collect();
        assert_eq!(said, ["no files match pattern: n/*.whl", "file doesn't exist x.jar"]);
        let mut twice = config("resources: {jobs: {j: {tasks: [{libraries: [{whl: a/x.whl}, {whl: b/x.whl}]}]}}}");
        let source = InMemory::new().with("a/x.whl", "").with("b/x.whl", "");
        let said = expand(&mut twice, &source, "/b", "/W", &Stamped::new()).unwrap().1;
        assert_eq!(said[0].summary, "Duplicate local library names: x.whl");
        assert_eq!(said[0].paths.len(), 2);
    }
}
