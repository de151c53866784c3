//! Puts values in the place of references to variables, to the bundle and to its workspace.
//!
//! One pass: each referenced value is resolved once and remembered, so a chain of variables
//! costs its length and a cycle is found when a name is met again on its own way. References to
//! resources stay, because only a plan knows their values; other names stay text.

use std::collections::HashMap;

use crate::bundle::reference;
use crate::bundle::resolve::Bundle;
use crate::bundle::scalars::float_in_message;
use crate::bundle::settings;
use crate::domain::{Diagnostic, Map, Node, Path, Step, Tree};

/// The sections whose values a reference may name now.
const SECTIONS: [&str; 3] = ["bundle", "workspace", "variables"];

/// The pass.
pub fn interpolate(bundle: &mut Bundle<'_>) {
    let mut resolver = Resolver { config: &bundle.config, known: HashMap::new(), way: Vec::new(), odd: Vec::new() };
    let mut path = Path::root();
    match resolver.tree(&bundle.config, &mut path) {
        Ok(resolved) => {
            let odd = std::mem::take(&mut resolver.odd);
            if let Some(resolved) = resolved {
                bundle.config = resolved;
            }
            for (path, tree) in odd {
                bundle.refuse(path, &tree);
            }
        }
        Err(what) => bundle.report(Diagnostic::error(what)),
    }
}

/// What a reference stands for.
#[derive(Clone, Debug)]
enum Value {
    Known(Tree),
    /// Not ours to resolve, or not resolvable: the text stays.
    Left,
    /// An index behind the end of a list. The official command then leaves every reference of
    /// the bundle unresolved, which nobody can want: such a bundle is refused.
    Behind,
}

struct Resolver<'c> {
    config: &'c Tree,
    known: HashMap<String, Value>,
    /// The references being resolved, outermost first.
    way: Vec<String>,
    /// Texts that the official command resolves in a way nobody could want.
    odd: Vec<(Path, Tree)>,
}

impl Resolver<'_> {
    /// The resolved copy of a value; none when there is nothing in it to resolve.
    fn tree(&mut self, tree: &Tree, path: &mut Path) -> Result<Option<Tree>, String> {
        let node = match &tree.node {
            Node::String(text) if text.contains("${") => return self.text(text, tree, path),
            Node::List(list) => {
                let mut changed: Option<Vec<Tree>> = None;
                for (i, item) in list.iter().enumerate() {
                    path.push_index(i);
                    if let Some(new) = self.tree(item, path)? {
                        changed.get_or_insert_with(|| list.clone())[i] = new;
                    }
                    path.pop();
                }
                changed.map(Node::List)
            }
            Node::Map(map) => {
                let mut changed: Option<Map> = None;
                for (i, (key, value)) in map.iter().enumerate() {
                    path.push_key(key);
                    if let Some(new) = self.tree(value, path)? {
                        changed.get_or_insert_with(|| map.clone())[i] = new;
                    }
                    path.pop();
                }
                changed.map(Node::Map)
            }
            _ => None,
        };
        Ok(node.map(|node| Tree { node, ..emptied(tree) }))
    }

    fn text(&mut self, text: &str, tree: &Tree, path: &Path) -> Result<Option<Tree>, String> {
        if self.way.is_empty() {
            self.way.push(path.to_string());
            let result = self.text_on_way(text, tree, path);
            self.way.pop();
            return result;
        }
        self.text_on_way(text, tree, path)
    }

    fn text_on_way(&mut self, text: &str, tree: &Tree, path: &Path) -> Result<Option<Tree>, String> {
        if let Some(whole) = reference::whole(text) {
            return Ok(match self.value(whole.name)? {
                Value::Known(value) => Some(Tree { node: value.node, ..emptied(tree) }),
                Value::Left => None,
                Value::Behind => {
                    self.odd.push((path.clone(), tree.clone()));
                    None
                }
            });
        }
        let mut out = String::with_capacity(text.len());
        let mut from = 0;
        let mut changed = false;
        for reference in reference::all(text) {
            out.push_str(&text[from..reference.range.start]);
            from = reference.range.end;
            match self.value(reference.name)? {
                Value::Known(value) => {
                    changed = true;
                    out.push_str(&embedded(&value)?);
                }
                Value::Left => out.push_str(&text[reference.range]),
                Value::Behind => {
                    self.odd.push((path.clone(), tree.clone()));
                    return Ok(None);
                }
            }
        }
        out.push_str(&text[from..]);
        if !changed {
            return Ok(None);
        }
        // `${var.${var.name}}`: what the inner one gave may complete the outer one.
        let resolved = Tree { node: Node::String(out), ..emptied(tree) };
        let again = resolved.as_str().unwrap_or_default();
        if reference::all(again).iter().any(|r| ours(r.name)) && self.way.len() < 100 {
            return Ok(Some(self.text_on_way(again, &resolved, path)?.unwrap_or(resolved)));
        }
        Ok(Some(resolved))
    }

    /// The value of a reference, itself resolved.
    fn value(&mut self, name: &str) -> Result<Value, String> {
        if !ours(name) {
            return Ok(Value::Left);
        }
        if let Some(known) = self.known.get(name) {
            return Ok(known.clone());
        }
        if self.way.iter().any(|n| n == name) {
            let way = self.way.join(" -> ");
            return Err(format!("cycle detected in field resolution: {way} -> {name}"));
        }
        self.way.push(name.to_owned());
        let value = self.look_up(name);
        self.way.pop();
        let value = value?;
        self.known.insert(name.to_owned(), value.clone());
        Ok(value)
    }

    fn look_up(&mut self, name: &str) -> Result<Value, String> {
        let path = full_path(name);
        let mut at = self.config;
        let mut walked = Path::root();
        for step in path.steps() {
            // A value on the way may itself be a reference to a mapping or a list.
            if let Some(resolved) = self.through(at, &walked)? {
                let Some(inner) = child(&resolved, step) else {
                    return self.missing(name, &path, &resolved, step, &walked);
                };
                return self.rest(name, &path, inner.clone(), extended(walked, step));
            }
            let Some(inner) = child(at, step) else { return self.missing(name, &path, at, step, &walked) };
            at = inner;
            walked = extended(walked, step);
        }
        let mut path = walked;
        Ok(Value::Known(self.tree(at, &mut path)?.unwrap_or_else(|| at.clone())))
    }

    /// The rest of a path, below a value that came out of a reference.
    fn rest(&mut self, name: &str, path: &Path, start: Tree, mut walked: Path) -> Result<Value, String> {
        let mut at = &start;
        for step in &path.steps()[walked.len()..] {
            let Some(inner) = child(at, step) else { return self.missing(name, path, at, step, &walked) };
            at = inner;
            walked = extended(walked, step);
        }
        Ok(Value::Known(self.tree(at, &mut walked)?.unwrap_or_else(|| at.clone())))
    }

    fn through(&mut self, at: &Tree, walked: &Path) -> Result<Option<Tree>, String> {
        let Some(text) = at.as_str().filter(|t| reference::whole(t).is_some_and(|r| ours(r.name))) else {
            return Ok(None);
        };
        self.text(text, at, walked)
    }

    fn missing(&self, name: &str, path: &Path, at: &Tree, step: &Step, walked: &Path) -> Result<Value, String> {
        let target = extended(walked.clone(), step);
        match (step, &at.node) {
            (Step::Index(_), Node::List(_)) => return Ok(Value::Behind),
            (Step::Index(_), Node::Null) | (Step::Key(_), Node::Map(_) | Node::Null) => {}
            (Step::Index(_), node) => {
                return Err(format!("expected a sequence to index \"{target}\", found {}", node.kind()));
            }
            (Step::Key(_), node) => {
                return Err(format!("expected a map to index \"{target}\", found {}", node.kind()));
            }
        }
        if matches!(step, Step::Key(_))
            && path.len() > target.len()
            && settings::unset(&target).is_some_and(|n| n == Node::List(Vec::new()))
        {
            return Ok(Value::Behind);
        }
        match settings::unset(path) {
            Some(zero) => Ok(Value::Known(zero.into())),
            None => Err(format!("reference does not exist: ${{{name}}}")),
        }
    }
}

/// The place of a value, without the value.
fn emptied(tree: &Tree) -> Tree {
    Tree { node: Node::Null, origins: tree.origins.clone(), key: tree.key.clone(), anchored: tree.anchored }
}

fn ours(name: &str) -> bool {
    let head = name.split(['.', '[']).next().unwrap_or(name);
    SECTIONS.contains(&head) || head == "var" && name.len() > 3
}

/// `var.x.y` is short for `variables.x.value.y`.
fn full_path(name: &str) -> Path {
    let path = Path::parse(name).unwrap_or_default();
    if path.head() != Some("var") {
        return path;
    }
    let mut full = Path::root().key("variables");
    for (i, step) in path.steps().iter().enumerate().skip(1) {
        full = extended(full, step);
        if i == 1 {
            full.push_key("value");
        }
    }
    full
}

fn extended(mut path: Path, step: &Step) -> Path {
    match step {
        Step::Key(key) => path.push_key(key),
        Step::Index(i) => path.push_index(*i),
    }
    path
}

fn child<'t>(tree: &'t Tree, step: &Step) -> Option<&'t Tree> {
    match step {
        Step::Key(key) => tree.get(key),
        Step::Index(i) => tree.as_list()?.get(*i),
    }
}

/// A value in the middle of a text.
fn embedded(value: &Tree) -> Result<String, String> {
    Ok(match &value.node {
        Node::String(s) => s.clone(),
        Node::Bool(b) => b.to_string(),
        Node::Int(i) => i.to_string(),
        Node::Float(f) => float_in_message(*f),
        Node::Null => "<nil>".to_owned(),
        node => return Err(format!("cannot interpolate non-primitive value of type {} into string", node.kind())),
    })
}
