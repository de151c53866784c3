//! Configuration that a bundle's Python code makes: what it is given, and what it may say.
//!
//! The code runs twice, by `python -m databricks.bundles.build` in an environment of the bundle's own: it adds
//! resources, and then changes resources. This engine runs nothing: what it needs is told in `Resolved::python`, and
//! the bundle is resolved again once the answer is among the facts. The code speaks for resources alone; whatever else
//! it touches is an error.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;

use crate::bundle::fields;
use crate::bundle::load::yaml::{self, File};
use crate::domain::{Diagnostic, Node, Origin, Path, Severity, Tree};

/// The file that values are said to stand in where the code does not say more.
const GENERATED: &str = "__generated_by_python__.yml";

/// When the code runs, and what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    LoadResources,
    ApplyMutators,
}

impl Phase {
    /// As the code is told.
    pub fn name(self) -> &'static str {
        match self {
            Phase::LoadResources => "load_resources",
            Phase::ApplyMutators => "apply_mutators",
        }
    }
}

/// A run of the code that is wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    pub phase: Phase,
    /// The virtual environment, as seen from the bundle; none: the Python on PATH.
    pub environment: Option<String>,
    /// The configuration so far, in JSON.
    pub input: String,
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// In words why there was none.
    NotRun(String),
    /// It ended badly: how, and what it said.
    Failed {
        status: String,
        said: String,
        diagnostics: Option<Vec<u8>>,
    },
    Ended {
        output: Option<Vec<u8>>,
        diagnostics: Option<Vec<u8>>,
        locations: Option<Vec<u8>>,
    },
}

/// What an answer comes to: the resources that the code added, or all as it leaves them, unless there is an error.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    pub resources: Option<Tree>,
    /// Where in the code resources were made, by their paths.
    pub places: Places,
    pub diagnostics: Vec<Diagnostic>,
}

pub type Places = HashMap<String, Origin>;

/// What the code said, by phase.
#[derive(Clone, Debug, Default)]
pub struct Spoken {
    pub loaded: Option<Said>,
    pub changed: Option<Said>,
}

impl Spoken {
    /// Whether a resource is the code's, and in no file.
    pub fn added(&self, kind: &str, key: &str) -> bool {
        let resources = self.loaded.as_ref().and_then(|said| said.resources.as_ref());
        resources.is_some_and(|resources| resources.find(&[kind, key]).is_some())
    }

    pub fn hear(&mut self, call: &Call, answer: &Answer) {
        let said = read(call, answer);
        match call.phase {
            Phase::LoadResources => self.loaded = Some(said),
            Phase::ApplyMutators => self.changed = Some(said),
        }
    }
}

fn read(call: &Call, answer: &Answer) -> Said {
    let mut diagnostics = Vec::new();
    match resources(call, answer, &mut diagnostics) {
        Ok((resources, places)) => Said { resources: Some(resources), places, diagnostics },
        Err(errors) => {
            diagnostics.extend(errors);
            Said { diagnostics, ..Said::default() }
        }
    }
}

type Errors = Vec<Diagnostic>;

fn wrong(what: impl Into<String>) -> Errors {
    vec![Diagnostic::error(what)]
}

fn resources(call: &Call, answer: &Answer, said: &mut Vec<Diagnostic>) -> Result<(Tree, Places), Errors> {
    let (output, diagnostics, locations) = match answer {
        Answer::NotRun(why) => return Err(wrong(format!("run Python code of the bundle: {why}"))),
        Answer::Failed { status, said, diagnostics } => {
            return Err(failed(call.phase, status, said, diagnostics.as_deref()));
        }
        Answer::Ended { output, diagnostics, locations } => (output, diagnostics, locations),
    };
    let unread = |what: &str| wrong(format!("Python code of the bundle ({}) left no {what}", call.phase.name()));
    let remarks = diagnostics.as_deref().ok_or_else(|| unread("diagnostics"))?;
    let remarks = remarks_of(remarks).map_err(|why| wrong(format!("read the diagnostics of Python code: {why}")))?;
    let (errors, others): (Vec<_>, Vec<_>) = remarks.into_iter().partition(Diagnostic::is_error);
    said.extend(others);
    if !errors.is_empty() {
        return Err(errors);
    }
    let places = places_of(locations.as_deref().unwrap_or_default())
        .map_err(|why| wrong(format!("read the locations of Python code: {why}")))?;
    let output = output.as_deref().ok_or_else(|| unread("output"))?;
    let old = document(call.input.as_bytes())?;
    let mut new = document(output)?;
    if let Some((path, how)) = change_beside_resources(&old, &new) {
        return Err(wrong(format!("Python code changes resources, and nothing else: it did {how} `{path}`")));
    }
    let none = Tree::map();
    let before = old.get("resources").unwrap_or(&none);
    let mut resources = new.remove("resources").unwrap_or_else(Tree::map);
    compare(call.phase, before, &resources)?;
    if call.phase == Phase::LoadResources {
        forget(&mut resources, before);
    }
    Ok((resources, places))
}

fn failed(phase: Phase, status: &str, said: &str, diagnostics: Option<&[u8]>) -> Errors {
    let errors = diagnostics.and_then(|bytes| remarks_of(bytes).ok()).unwrap_or_default();
    let errors: Errors = errors.into_iter().filter(Diagnostic::is_error).collect();
    if !errors.is_empty() {
        return errors;
    }
    let mut detail = said.trim_end().to_owned();
    if said.contains("databricks.bundles") && said.contains("ModuleNotFoundError") {
        detail.push_str(
            "\n\nThe package `databricks-bundles` is not installed in that Python. Install it there \
             (`uv add --dev databricks-bundles`, or `pip install databricks-bundles`), and name the virtual \
             environment in `python.venv_path`.",
        );
    }
    let what = format!("Python code of the bundle ({}) failed: {status}", phase.name());
    vec![Diagnostic::error(what).detail(detail)]
}

/// A line of the diagnostics.
#[derive(Deserialize)]
struct Remark {
    severity: String,
    summary: String,
    #[serde(default)]
    detail: Option<String>,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    location: Option<Place>,
}

#[derive(Deserialize)]
struct Place {
    file: String,
    line: u32,
    column: u32,
}

impl Place {
    fn origin(&self) -> Origin {
        Origin::new(Arc::<str>::from(self.file.as_str()), self.line, self.column)
    }
}

/// A line of the locations.
#[derive(Deserialize)]
struct Placed {
    path: String,
    #[serde(flatten)]
    place: Place,
}

fn lines<'b, T: Deserialize<'b>>(bytes: &'b [u8]) -> Result<Vec<T>, String> {
    let values = serde_json::Deserializer::from_slice(bytes).into_iter::<T>();
    values.collect::<Result<_, _>>().map_err(|error| error.to_string())
}

fn remarks_of(bytes: &[u8]) -> Result<Vec<Diagnostic>, String> {
    lines::<Remark>(bytes)?
        .into_iter()
        .map(|remark| {
            let severity = match remark.severity.as_str() {
                "error" => Severity::Error,
                "warning" => Severity::Warning,
                other => return Err(format!("`{other}` is no severity")),
            };
            let mut diagnostic = Diagnostic::new(severity, remark.summary);
            diagnostic.detail = remark.detail;
            let place = remark.location.map(|place| place.origin());
            Ok(diagnostic.path(remark.path.unwrap_or_default()).at(place))
        })
        .collect()
}

fn places_of(bytes: &[u8]) -> Result<Places, String> {
    let placed = lines::<Placed>(bytes)?;
    Ok(placed.into_iter().map(|placed| (placed.path, placed.place.origin())).collect())
}

/// A configuration that the code was given or gave back. What the tables do not know is an error here: nobody wrote
/// it by mistake into a file that a newer release would understand.
fn document(bytes: &[u8]) -> Result<Tree, Errors> {
    let file = File { name: Arc::from(GENERATED), full: GENERATED.to_owned() };
    let mut tree = yaml::parse(&file, bytes).map_err(|error| vec![error])?;
    let mut found = Vec::new();
    fields::normalize(&mut tree, fields::ROOT, &mut found);
    if found.is_empty() {
        return Ok(tree);
    }
    Err(found.into_iter().map(|diagnostic| Diagnostic { severity: Severity::Error, ..diagnostic }).collect())
}

/// The first value beside the resources that differs, and how.
fn change_beside_resources(old: &Tree, new: &Tree) -> Option<(Path, &'static str)> {
    let without = |tree: &Tree| {
        let mut tree = tree.clone();
        tree.remove("resources");
        tree
    };
    first_change(&without(old), &without(new), Path::root())
}

fn first_change(old: &Tree, new: &Tree, at: Path) -> Option<(Path, &'static str)> {
    match (&old.node, &new.node) {
        (Node::Map(before), Node::Map(after)) => {
            let kept = before.iter().find_map(|(key, value)| match after.get(key) {
                Some(now) => first_change(value, now, at.clone().key(key)),
                None => Some((at.clone().key(key), "delete")),
            });
            let added = || after.keys().find(|key| !before.contains_key(*key));
            kept.or_else(|| added().map(|key| (at.clone().key(key), "insert")))
        }
        _ => (old != new).then_some((at, "update")),
    }
}

/// Holds the code to what its phase is for.
fn compare(phase: Phase, old: &Tree, new: &Tree) -> Result<(), Errors> {
    let mut changed = [("add", Vec::new()), ("delete", Vec::new()), ("change", Vec::new())];
    let [(_, added), (_, deleted), (_, updated)] = &mut changed;
    for (path, resource) in each(old) {
        match new.at(&path) {
            None => deleted.push(path),
            Some(now) if now != resource => updated.push(path),
            Some(_) => {}
        }
    }
    added.extend(each(new).map(|(path, _)| path).filter(|path| old.at(path).is_none()));
    let empty = each(new).find(|(_, resource)| resource.as_map().is_none());
    if let Some((path, resource)) = empty {
        return Err(vec![Diagnostic::error(format!("`resources.{path}` has no fields")).at_tree(resource)]);
    }
    let forbidden: &[&str] = match phase {
        Phase::LoadResources => &["delete", "change"],
        Phase::ApplyMutators => &["delete", "add"],
    };
    match changed.iter().find(|(how, paths)| forbidden.contains(how) && !paths.is_empty()) {
        Some((how, paths)) => {
            let named: Vec<String> = paths.iter().map(|path| format!("`resources.{path}`")).collect();
            let what = format!("Python code may not {how} resources in `{}`: {}", phase.name(), named.join(", "));
            Err(wrong(what))
        }
        None => Ok(()),
    }
}

/// Leaves what the code added.
fn forget(resources: &mut Tree, before: &Tree) {
    for (kind, group) in resources.as_map_mut().into_iter().flatten() {
        if let Some(group) = group.as_map_mut() {
            group.retain(|key, _| before.find(&[kind, key]).is_none());
        }
    }
}

/// Each resource with its path below `resources`.
fn each(resources: &Tree) -> impl Iterator<Item = (Path, &Tree)> {
    let kinds = resources.as_map().into_iter().flatten();
    kinds.flat_map(|(kind, group)| {
        let group = group.as_map().into_iter().flatten();
        group.map(move |(key, resource)| (Path::of(&[kind, key]), resource))
    })
}

/// A value of the code stands where the code says that it does, or that what it lies in does.
pub fn place(tree: &mut Tree, path: &mut Path, above: Option<&Origin>, places: &Places) {
    let here = places.get(&path.to_string()).or(above);
    let is_of_code = tree.origins.iter().chain(&tree.key).any(|origin| &*origin.file == GENERATED);
    if let Some(origin) = here.filter(|_| is_of_code) {
        tree.origins = vec![origin.clone()];
        tree.key = Some(origin.clone());
    }
    match &mut tree.node {
        Node::Map(map) => {
            for (key, value) in map {
                path.push_key(key);
                place(value, path, here, places);
                path.pop();
            }
        }
        Node::List(list) => {
            for (i, value) in list.iter_mut().enumerate() {
                path.push_index(i);
                place(value, path, here, places);
                path.pop();
            }
        }
        _ => {}
    }
}
