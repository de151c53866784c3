//! The nodes that a resolved configuration asks for, before anything is compared.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::bundle::facts::User;
use crate::bundle::fields::Type;
use crate::bundle::kinds::{self, Child, Entries, Kind};
use crate::bundle::passes::bundle::Unsupported;
use crate::bundle::planning::node::Dependency;
use crate::bundle::planning::references::{self, Step};
use crate::bundle::planning::typed::{self, Blank, Own};
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
    let deployer = config.text(&["workspace", "current_user", "userName"]).unwrap_or_default();
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
            let acls = kind.child.filter(|c| c.entries == Entries::Acls).map(|child| {
                let list = acls(tree.get(child.field), deployer);
                Tree { key: tree.key.clone(), ..list }
            });
            let list = acls.as_ref().or_else(|| tree.get(kind.child?.field));
            if let Some(child) = kind.child
                && let Some(list) = list
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

/// The access list of a secret scope: groups, service principals and users, each by name and
/// once, and whoever deploys as one who manages it.
fn acls(written: Option<&Tree>, deployer: &str) -> Tree {
    const PRINCIPALS: [&str; 3] = ["group_name", "service_principal_name", "user_name"];
    let mut entries: BTreeMap<(usize, String), Tree> = BTreeMap::new();
    let mut add = |rank: usize, principal: Tree, level: Tree| {
        let key = (rank, principal.as_str().unwrap_or_default().to_owned());
        let mut acl = Tree::map();
        acl.set(&["permission"], level);
        acl.set(&["principal"], principal);
        entries.insert(key, acl);
    };
    // Of an entry with several names one counts, and not in the order of the list.
    const COUNTS: [usize; 3] = [2, 0, 1];
    for entry in written.and_then(Tree::as_list).unwrap_or_default() {
        let level = entry.get("level").cloned().unwrap_or_default();
        let named = |key: &&str| entry.get(key).filter(|name| name.as_str().is_some_and(|name| !name.is_empty()));
        if let Some(rank) = COUNTS.into_iter().find(|rank| named(&PRINCIPALS[*rank]).is_some()) {
            add(rank, named(&PRINCIPALS[rank]).cloned().unwrap_or_default(), level);
        }
    }
    let user = User { user_name: deployer.to_owned(), ..User::default() };
    add(if user.is_service_principal() { 1 } else { 2 }, deployer.into(), "MANAGE".into());
    entries.into_values().collect::<Vec<_>>().into()
}

fn resource(kind: &'static Kind, key: &str, tree: &Tree) -> Wanted {
    let renamed = (!kind.renamed.is_empty()).then(|| {
        let mut tree = tree.clone();
        for (from, to) in kind.renamed {
            if let Some(value) = tree.remove(from) {
                tree.set(&[to], value);
            }
        }
        tree
    });
    let (mut value, blanks) = typed::desired(renamed.as_ref().unwrap_or(tree), &Type::Message(kind.state));
    // A lifecycle that says nothing of what is sent is none.
    if let Value::Object(fields) = &mut value
        && fields.get("lifecycle").and_then(Value::as_object).is_some_and(Map::is_empty)
    {
        fields.shift_remove("lifecycle");
    }
    if let (false, Value::Object(fields)) = (kind.added.is_empty(), &mut value) {
        fields.extend(kind.added.iter().map(|(name, is)| ((*name).to_owned(), (*is).into())));
        value = typed::ordered(&value, &Type::Message(kind.state));
    }
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
    let mut map = Map::new();
    let mut blanks = Vec::new();
    let mut own_label = None;
    for (field, template) in child.about {
        if let Some((_, after)) = template.split_once('{')
            && let Some((name, _)) = after.split_once('}')
        {
            let own = Own { node: parent.to_owned(), field: name.to_owned() };
            map.insert((*field).to_owned(), "".into());
            blanks.push(Blank {
                path: (*field).to_owned(),
                steps: vec![Step::Key((*field).into())],
                kind: Type::String,
                text: template.replace(&format!("{{{name}}}"), &own.label()),
                own: Some(own.clone()),
            });
            own_label = Some(own.label());
        } else {
            map.insert((*field).to_owned(), (*template).into());
        }
    }
    let entries_field = match child.entries {
        Entries::Written => "__embed__",
        Entries::Acls => "acls",
    };
    let item = crate::bundle::fields::message(child.kind.state)?.field(entries_field)?;
    let (entries, inner) = typed::desired(list, &item.kind);
    if inner.iter().any(|blank| blank.path.contains("privileges[")) {
        return None;
    }
    map.insert(entries_field.to_owned(), sorted_privileges(entries));
    blanks.extend(inner.into_iter().map(|mut blank| {
        blank.steps.insert(0, Step::Key(entries_field.into()));
        if child.entries == Entries::Acls {
            blank.path = format!("{entries_field}{}", blank.path);
        }
        blank
    }));
    let value = match child.entries {
        Entries::Written => Value::Object(map),
        Entries::Acls => typed::ordered(&Value::Object(map), &Type::Message(child.kind.state)),
    };
    Some(Wanted {
        node: format!("{parent}.{}", child.field),
        kind: child.kind,
        depends_on: dependencies(&blanks, own_label.map(|label| Dependency { node: parent.to_owned(), label })),
        value,
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
        }
    }
    whole_privileges(entries)
}

/// Who has all privileges has the others too.
pub(super) fn whole_privileges(mut entries: Value) -> Value {
    let all = Value::from("ALL_PRIVILEGES");
    for entry in entries.as_array_mut().into_iter().flatten() {
        if let Some(privileges) = entry.get_mut("privileges").and_then(Value::as_array_mut)
            && privileges.contains(&all)
        {
            *privileges = vec![all.clone()];
        }
    }
    entries
}

/// What the blanks refer to, sorted, each once. A key that a reference cannot spell (with a
/// dot or a bracket) still is the parent's: the child's own reference is known to lead there.
fn dependencies(blanks: &[Blank], parent: Option<Dependency>) -> Vec<Dependency> {
    let mut found = BTreeSet::new();
    for blank in blanks.iter().filter(|blank| blank.own.is_none()) {
        for reference in references::scan(&blank.text) {
            let label = reference.text(&blank.text).to_owned();
            found.insert(Dependency { node: reference.target().0, label });
        }
    }
    found.extend(parent);
    found.into_iter().collect()
}
