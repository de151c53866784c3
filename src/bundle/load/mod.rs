//! From a folder of files to the configuration of one target.
//!
//! Needs no workspace: everything here is known offline, and the target's host and profile
//! are known before anybody is asked for a token. Files are merged in the order in which the
//! patterns of `include` find them, each over what came before, the root file first.

pub mod merge;
pub mod one_per_file;
pub mod target;
pub mod yaml;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::bundle::facts::Options;
use crate::bundle::fields;
use crate::bundle::load::merge::First;
use crate::bundle::passes::cli_version;
use crate::bundle::source::{self, Source};
use crate::bundle::syntax::{glob, json};
use crate::domain::{Diagnostic, Failure, Map, Node, Origin, Path, Tree};

/// The names a root file may have.
pub const ROOT_NAMES: [&str; 4] = ["databricks.yml", "databricks.yaml", "bundle.yml", "bundle.yaml"];

/// Each pattern looks through folders: more than this is an attack and not a bundle.
const MOST_PATTERNS: usize = 10_000;

/// The configuration of a target before variables and defaults, or as far as loading came:
/// null when there is no root file to load.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    pub config: Tree,
    /// The target's name; empty when loading ended before it was known.
    pub target: String,
    pub diagnostics: Vec<Diagnostic>,
    /// The files that were read, the root file first.
    pub files: Vec<String>,
    /// Every target with the host and profile it names itself, or the bundle does.
    pub targets: Vec<TargetInfo>,
    /// The selected target has a `workspace.root_path` of its own.
    pub root_path_given: bool,
}

/// What a target says about the workspace it goes to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TargetInfo {
    pub name: String,
    pub host: Option<String>,
    pub profile: Option<String>,
    pub mode: Option<String>,
    pub origin: Option<Origin>,
}

impl Loaded {
    pub fn failed(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }

    /// The workspace the selected target names.
    pub fn host(&self) -> Option<&str> {
        self.config.text(&["workspace", "host"])
    }

    pub fn profile(&self) -> Option<&str> {
        self.config.text(&["workspace", "profile"])
    }
}

/// Loads a bundle and selects its target.
pub fn load(source: &dyn Source, options: &Options) -> Result<Loaded, Failure> {
    let loaded = Loaded { config: Tree::map(), ..Loaded::default() };
    let mut loader = Loader { source, options, loaded };
    for step in [
        Loader::root,
        Loader::includes,
        Loader::version,
        Loader::one_name_for_targets,
        Loader::resources_are_sections,
        Loader::unique_keys,
        Loader::select,
        Loader::places_are_sections,
    ] {
        step(&mut loader)?;
        if loader.loaded.failed() {
            break;
        }
    }
    Ok(loader.loaded)
}

/// The root file alone, for what has to be done before anything is included.
pub fn root(source: &dyn Source, options: &Options) -> Result<Loaded, Failure> {
    let loaded = Loaded { config: Tree::map(), ..Loaded::default() };
    let mut loader = Loader { source, options, loaded };
    loader.root()?;
    Ok(loader.loaded)
}

struct Loader<'a> {
    source: &'a dyn Source,
    options: &'a Options,
    loaded: Loaded,
}

impl Loader<'_> {
    fn report(&mut self, diagnostic: Diagnostic) {
        self.loaded.diagnostics.push(diagnostic);
    }

    fn full(&self, file: &str) -> String {
        format!("{}/{file}", self.options.root.trim_end_matches('/'))
    }

    fn root(&mut self) -> Result<(), Failure> {
        let mut found = Vec::new();
        for name in ROOT_NAMES {
            if self.source.stat(name)?.is_some() {
                found.push(name);
            }
        }
        match found[..] {
            [name] => {
                let tree = self.file(name)?;
                self.loaded.config = tree.unwrap_or_else(Tree::map);
            }
            [] => {
                self.loaded.config = Tree::null();
                self.report(Diagnostic::error("Unable to locate the bundle root: databricks.yml not found.").detail(
                    "Run this command in the folder of a bundle, or set DATABRICKS_BUNDLE_ROOT to that folder.",
                ));
            }
            _ => {
                self.loaded.config = Tree::null();
                let root = &self.options.root;
                self.report(Diagnostic::error(format!("multiple bundle root configuration files found in {root}")));
            }
        }
        Ok(())
    }

    /// One file, typed and with its short forms written out.
    fn file(&mut self, name: &str) -> Result<Option<Tree>, Failure> {
        let Some(bytes) = self.source.read(name)? else {
            return Ok(None);
        };
        self.loaded.files.push(name.to_owned());
        let file = yaml::File { name: name.into(), full: self.full(name) };
        let parsed = if name.ends_with(".json") { json_file(&file, &bytes) } else { yaml::parse(&file, &bytes) };
        let mut tree = match parsed {
            Ok(tree) => tree,
            Err(diagnostic) => {
                self.report(diagnostic);
                return Ok(None);
            }
        };
        if !tree.is_null() && tree.as_map().is_none() {
            let kind = tree.node.kind();
            self.report(Diagnostic::warning(format!("expected map, found {kind}")).at_tree(&tree));
            let what = format!("failed to load {}: :0:0: expected a map, found a invalid", file.full);
            self.report(Diagnostic::error(what));
            return Ok(None);
        }
        if tree.is_null() {
            tree.node = Node::Map(Map::new());
        }
        if let Some(targets) = tree.get("targets").filter(|targets| !targets.is_null())
            && targets.as_map().is_none()
            && targets.as_list().is_none()
        {
            let kind = targets.node.kind();
            let what = format!("failed to rewrite {}: expected a map or sequence, found {kind}", file.full);
            self.report(Diagnostic::error(what).at_tree(targets));
            return Ok(None);
        }
        target::expand_short_forms(&mut tree);
        fields::normalize(&mut tree, fields::ROOT, &mut self.loaded.diagnostics);
        fields::drop_own_unset(&mut tree, fields::ROOT);
        Ok(Some(tree))
    }

    fn includes(&mut self) -> Result<(), Failure> {
        let root = self.loaded.files.first().cloned().unwrap_or_default();
        let Some(patterns) = self.loaded.config.get("include").and_then(Tree::as_list).map(<[Tree]>::to_vec) else {
            return Ok(());
        };
        if let Some(pattern) = patterns.get(MOST_PATTERNS) {
            let what = format!("more than {MOST_PATTERNS} patterns in the 'include' configuration section");
            self.report(Diagnostic::error(what).at_tree(pattern));
            return Ok(());
        }
        let mut names: Vec<(String, Tree)> = Vec::new();
        let mut seen = HashSet::from([root.clone()]);
        for pattern in &patterns {
            for name in self.matches(pattern)? {
                if seen.insert(name.clone()) {
                    names.push((name, pattern.clone()));
                }
            }
            if self.loaded.failed() {
                return Ok(());
            }
        }
        for (name, pattern) in &names {
            if ![".yml", ".yaml", ".json"].iter().any(|ending| name.ends_with(ending)) {
                let only = "Files in the 'include' configuration section must be YAML or JSON files.";
                let why = format!(
                    "`{name}` is neither. Files that are to be uploaded belong into 'sync.include', not into 'include'."
                );
                self.report(Diagnostic::error(only).at_tree(pattern).detail(why));
            }
        }
        if self.loaded.failed() {
            return Ok(());
        }
        let included: Vec<Tree> =
            names.iter().map(|(name, pattern)| Tree::from(name.as_str()).at_origin_of(pattern)).collect();
        if included.is_empty() {
            self.loaded.config.remove("include");
        } else if let Some(include) = self.loaded.config.get_mut("include") {
            include.node = Node::List(included);
        }
        for (name, _) in names {
            let Some(tree) = self.file(&name)? else {
                if self.loaded.failed() {
                    return Ok(());
                }
                continue;
            };
            if let Some(include) = tree.get("include") {
                let what = Diagnostic::warning("Include section is defined outside root file")
                    .path("include")
                    .at_tree(include)
                    .detail(format!("Only the `include` section of {root} is applied; the one of this file is not."));
                self.report(what);
            }
            self.loaded.diagnostics.extend(one_per_file::recommendation(&name, &tree));
            if let Err(mismatch) = merge::fits(&self.loaded.config, &tree, First::Written) {
                self.report(Diagnostic::error(mismatch.to_string()));
                return Ok(());
            }
            merge::merge(&mut self.loaded.config, tree);
        }
        Ok(())
    }

    /// A version constraint that nobody can read ends it here; one that is not met is refused later.
    fn version(&mut self) -> Result<(), Failure> {
        if let Some(diagnostic) = cli_version::unreadable(&self.loaded.config) {
            self.report(diagnostic);
        }
        Ok(())
    }

    /// The files one pattern of `include` finds, sorted.
    fn matches(&mut self, pattern: &Tree) -> Result<Vec<String>, Failure> {
        let Some(text) = pattern.as_str() else { return Ok(Vec::new()) };
        if text.starts_with('/') {
            self.report(Diagnostic::error(format!("{text}: includes must be relative paths")));
            return Ok(Vec::new());
        }
        let Ok(found) = glob::expand(self.source, text)? else {
            self.report(Diagnostic::error("syntax error in pattern"));
            return Ok(Vec::new());
        };
        if found.is_empty() && !text.contains(['*', '?', '[']) {
            self.report(Diagnostic::error(format!("{text} defined in 'include' section does not match any files")));
        }
        Ok(found)
    }

    /// `environments` is the old name of `targets`.
    fn one_name_for_targets(&mut self) -> Result<(), Failure> {
        let Some(environments) = self.loaded.config.get("environments").cloned() else {
            self.default_target();
            return Ok(());
        };
        if !environments.is_null() {
            if self.loaded.config.get("targets").is_some_and(|t| !t.is_null()) {
                let at =
                    self.loaded.config.get("environments").and_then(Tree::origin).map(|o| self.full(&o.to_string()));
                let both = "both 'environments' and 'targets' are specified; only 'targets' should be used";
                let at = at.unwrap_or_default();
                let mut diagnostic = Diagnostic::error(format!("{both}: {at}"));
                diagnostic.place = environments.origin().cloned();
                self.report(diagnostic);
                return Ok(());
            }
            if let Some(map) = self.loaded.config.as_map_mut() {
                map.insert("targets".to_owned(), environments);
            }
        }
        self.loaded.config.remove("environments");
        self.default_target();
        Ok(())
    }

    fn default_target(&mut self) {
        let none = self.loaded.config.get("targets").is_none_or(|t| t.as_map().is_none_or(Map::is_empty));
        if none {
            let targets: Map = [("default".to_owned(), Tree::map())].into_iter().collect();
            self.loaded.config.remove("targets");
            self.loaded.config.set(&["targets"], Node::Map(targets));
        }
        target::drop_nulls(&mut self.loaded.config);
    }

    /// A reference stands for a value: sections and resources of a target are looked into before it is one.
    fn resources_are_sections(&mut self) -> Result<(), Failure> {
        let config = &self.loaded.config;
        let mut found = Vec::new();
        if config.get("resources").is_some_and(|resources| resources.as_str().is_some()) {
            found.push(Diagnostic::error("expected a map at \"resources\", found string"));
        }
        for (name, target) in config.get("targets").and_then(Tree::as_map).into_iter().flatten() {
            if target.as_str().is_some() {
                let what = format!("expected a map to index \"targets.{name}.resources\", found string");
                found.push(Diagnostic::error(what));
            }
        }
        self.loaded.diagnostics.extend(found);
        Ok(())
    }

    /// The same for what is asked for before anything is looked up.
    fn places_are_sections(&mut self) -> Result<(), Failure> {
        let is_text = |path: &[&str]| self.loaded.config.find(path).is_some_and(|tree| tree.as_str().is_some());
        let what = if is_text(&["workspace"]) {
            "expected a map to index \"workspace.host\", found string"
        } else if is_text(&["sync"]) {
            "expected a map to index \"paths\", found string"
        } else if is_text(&["sync", "paths"]) {
            "expected a map or sequence, found string"
        } else {
            return Ok(());
        };
        self.report(Diagnostic::error(what));
        Ok(())
    }

    /// A resource's key is unique over all kinds and files.
    fn unique_keys(&mut self) -> Result<(), Failure> {
        let mut seen: BTreeMap<&str, Vec<(Path, &Tree)>> = BTreeMap::new();
        for (section, depth) in [("resources", 2), ("scripts", 1)] {
            let Some(tree) = self.loaded.config.get(section) else { continue };
            if depth == 2 && tree.is_null() {
                self.report(Diagnostic::error("expected a map at \"resources\", found nil"));
                return Ok(());
            }
            for (kind, group) in tree.as_map().into_iter().flatten() {
                if depth == 1 {
                    seen.entry(kind).or_default().push((Path::of(&[section, kind]), group));
                    continue;
                }
                for (key, resource) in group.as_map().into_iter().flatten() {
                    seen.entry(key).or_default().push((Path::of(&[section, kind, key]), resource));
                }
            }
        }
        let mut found = Vec::new();
        for (key, mut places) in seen {
            if places.len() == 1 && places[0].1.origins.len() < 2 {
                continue;
            }
            places.sort_by_key(|place| place.0.to_string());
            let mut origins: Vec<Origin> = places.iter().flat_map(|(_, tree)| tree.origins.iter().cloned()).collect();
            origins.sort();
            let what = format!("multiple resources or scripts have been defined with the same key: {key}");
            let paths = places.iter().map(|(path, _)| path.to_string());
            found.push(paths.fold(Diagnostic::error(what).at(origins), Diagnostic::path));
        }
        self.loaded.diagnostics.extend(found);
        Ok(())
    }

    fn select(&mut self) -> Result<(), Failure> {
        self.loaded.targets = target::list(&self.loaded.config);
        match target::choose(&self.loaded.config, self.options) {
            Ok(name) => {
                let own = self.loaded.config.text(&["targets", &name, "workspace", "root_path"]);
                self.loaded.root_path_given = own.is_some();
                match target::select(&mut self.loaded.config, &name, &mut self.loaded.diagnostics) {
                    Ok(()) => self.loaded.target = name,
                    Err(diagnostic) => self.report(diagnostic),
                }
            }
            Err(diagnostic) => self.report(diagnostic),
        }
        Ok(())
    }
}

fn json_file(file: &yaml::File, bytes: &[u8]) -> Result<Tree, Diagnostic> {
    let name: Arc<str> = file.name.clone();
    json::read(&name, bytes).map_err(|error| {
        let at = format!("{}:{}:{}", file.full, error.line, error.column);
        let what = format!("failed to load {}: error decoding JSON at {at}: {}", file.full, error.what);
        let mut diagnostic = Diagnostic::error(what);
        diagnostic.place = Some(Origin { file: name, line: error.line, column: error.column });
        diagnostic
    })
}

/// Which files an edit of makes another bundle: the ones read, relative to the bundle.
pub fn folder_of(file: &str) -> &str {
    source::parent(file)
}
