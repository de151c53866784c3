//! The nodes that a resolved configuration asks for, before anything is compared.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::bundle::fields::Type;
use crate::bundle::kinds::{self, Child, Kind};
use crate::bundle::plan::Dependency;
use crate::bundle::references::{self, Step};
use crate::bundle::resolve::Unsupported;
use crate::bundle::typed::{self, Blank};
use crate::domain::path::Path;
use crate::domain::{Origin, Tree};

/// One node as the configuration wants it.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub node: String,
    pub kind: &'static Kind,
    pub value: Value,
    pub blanks: Vec<Blank>,
    pub depends_on: Vec<Dependency>,
    pub origin: Option<Origin>,
    pub prevent_destroy: bool,
}

/// Every node of a resolved configuration by name, or what only another engine knows.
pub fn wanted(config: &Tree) -> Result<BTreeMap<String, Wanted>, Vec<Unsupported>> {
    let mut nodes = BTreeMap::new();
    let mut unsupported = Vec::new();
    let Some(resources) = config.get("resources").and_then(Tree::as_map) else { return Ok(nodes) };
    for (kind_name, entries) in resources {
        let Some(entries) = entries.as_map() else { continue };
        let Some(kind) = kinds::by_name(kind_name) else {
            unsupported.extend(entries.iter().map(|(key, tree)| refuse(&["resources", kind_name, key], tree)));
            continue;
        };
        for (key, tree) in entries {
            if tree.is_null() {
                continue;
            }
            unsupported.extend(nulls(&["resources", kind_name, key], kind, tree));
            let node = resource(kind, key, tree);
            if let Some(child) = kind.child
                && let Some(list) = tree.get(child.field)
                && list.as_list().is_some_and(|list| !list.is_empty())
            {
                match child_node(&node.node, child, list) {
                    Some(child) => {
                        nodes.insert(child.node.clone(), child);
                    }
                    None => unsupported.push(refuse(&["resources", kind_name, key, child.field], list)),
                }
            }
            nodes.insert(node.node.clone(), node);
        }
    }
    if unsupported.is_empty() { Ok(nodes) } else { Err(unsupported) }
}

/// Nulls that somebody wrote for what is no scalar, and inside items of lists: whether they
/// are compared as nulls depends on how the official command holds the field.
fn nulls(keys: &[&str], kind: &Kind, tree: &Tree) -> Vec<Unsupported> {
    let message = crate::bundle::fields::message(kind.state);
    let is_scalar = |path: &Path| {
        let field = path.nth(keys.len()).and_then(|name| message?.field(name)).map(|field| &field.kind);
        path.len() == keys.len() + 1
            && !matches!(field, Some(Type::Message(_) | Type::Map(_) | Type::List(_) | Type::Any))
    };
    let mut found = Vec::new();
    tree.visit(&mut Path::of(keys), &mut |path, value| {
        if value.is_null() && value.key.is_some() && !is_scalar(path) {
            found.push(Unsupported { path: path.to_string(), origin: value.key.clone() });
        }
    });
    found
}

fn refuse(keys: &[&str], tree: &Tree) -> Unsupported {
    let origin = tree.key.clone().or_else(|| tree.origin().cloned());
    Unsupported { path: Path::of(keys).to_string(), origin }
}

fn resource(kind: &'static Kind, key: &str, tree: &Tree) -> Wanted {
    let (value, blanks) = typed::desired(tree, &Type::Message(kind.state));
    let prevent_destroy = tree.find(&["lifecycle", "prevent_destroy"]).and_then(Tree::as_bool).unwrap_or(false);
    Wanted {
        node: format!("resources.{}.{key}", kind.name),
        kind,
        depends_on: dependencies(&blanks, None),
        value,
        blanks,
        origin: tree.key.clone().or_else(|| tree.origin().cloned()),
        prevent_destroy,
    }
}

/// The list of permissions or grants as a node of its own. None where a reference stands in
/// a place that the official command sorts by its text.
fn child_node(parent: &str, child: &'static Child, list: &Tree) -> Option<Wanted> {
    let id = format!("${{{parent}.id}}");
    let mut map = Map::new();
    let mut blanks = Vec::new();
    for (field, template) in child.about {
        if template.contains("{id}") {
            map.insert((*field).to_owned(), "".into());
            blanks.push(Blank {
                path: (*field).to_owned(),
                steps: vec![Step::Key((*field).into())],
                kind: Type::String,
                text: template.replace("{id}", &id),
                own: Some(parent.to_owned()),
            });
        } else {
            map.insert((*field).to_owned(), (*template).into());
        }
    }
    let item = crate::bundle::fields::message(child.kind.state)?.field("__embed__")?;
    let (entries, inner) = typed::desired(list, &item.kind);
    if inner.iter().any(|blank| blank.path.contains("privileges[")) {
        return None;
    }
    map.insert("__embed__".to_owned(), sorted_privileges(entries));
    blanks.extend(inner.into_iter().map(|mut blank| {
        blank.steps.insert(0, Step::Key("__embed__".into()));
        blank
    }));
    Some(Wanted {
        node: format!("{parent}.{}", child.field),
        kind: child.kind,
        depends_on: dependencies(&blanks, Some(parent)),
        value: Value::Object(map),
        blanks,
        origin: list.key.clone().or_else(|| list.origin().cloned()),
        prevent_destroy: false,
    })
}

/// Privileges are a set: saved and sent by name, each once.
fn sorted_privileges(mut entries: Value) -> Value {
    for entry in entries.as_array_mut().into_iter().flatten() {
        if let Some(privileges) = entry.get_mut("privileges").and_then(Value::as_array_mut) {
            privileges.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
            privileges.dedup();
            // Who has all of them has the others too.
            if let Some(all) = privileges.iter().find(|p| p.as_str() == Some("ALL_PRIVILEGES")).cloned() {
                *privileges = vec![all];
            }
            if privileges.contains(&"ALL_PRIVILEGES".into()) {
                *privileges = vec!["ALL_PRIVILEGES".into()];
            }
        }
    }
    entries
}

/// What the blanks refer to, sorted, each once. A key that a reference cannot spell (with a
/// dot or a bracket) still is the parent's: the child's own reference is known to lead there.
fn dependencies(blanks: &[Blank], parent: Option<&str>) -> Vec<Dependency> {
    let mut found = BTreeSet::new();
    for blank in blanks.iter().filter(|blank| blank.own.is_none()) {
        for reference in references::scan(&blank.text) {
            let label = reference.text(&blank.text).to_owned();
            found.insert(Dependency { node: reference.target().0, label });
        }
    }
    if let Some(parent) = parent {
        found.insert(Dependency { node: parent.to_owned(), label: format!("${{{parent}.id}}") });
    }
    found.into_iter().collect()
}
