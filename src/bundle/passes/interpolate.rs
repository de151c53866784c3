//! Puts values in the place of references to variables, to the bundle and to its workspace.
//!
//! One pass: each referenced value is resolved once and remembered, so a chain of variables
//! costs its length and a cycle is found when a name is met again on its own way. References to
//! resources stay, because only a plan knows their values; other names stay text.
//!
//! A few lines of somebody's pull request may refer to each other until they fill the memory or
//! the stack: what references bring in, and how deep they lead, is bounded.

use std::collections::HashMap;
use std::rc::Rc;

use crate::bundle::passes::bundle::Bundle;
use crate::bundle::passes::settings;
use crate::bundle::syntax::reference;
use crate::bundle::syntax::scalars::float_in_message;
use crate::domain::{Diagnostic, Node, Path, Step, Tree};

/// The sections whose values a reference may name now.
const SECTIONS: [&str; 3] = ["bundle", "workspace", "variables"];

/// More than this out of references, by `Tree::weight`, is an attack and not a bundle.
const MOST: usize = 500_000;
/// Values within values within references to values.
const DEEPEST: usize = 300;

/// The pass. Resources come last: what is wrong in them leaves the rest resolved.
pub fn interpolate(bundle: &mut Bundle<'_>) {
    let sections = bundle.config.as_map().into_iter().flatten().map(|(section, _)| Path::of(&[section]));
    let (resources, others) = sections.partition(|section| section.head() == Some("resources"));
    for places in [others, resources] {
        if let Err(what) = within(bundle, places) {
            return bundle.report(Diagnostic::error(what));
        }
    }
}

/// Resolves what stands at these places and below them.
pub fn within(bundle: &mut Bundle<'_>, places: Vec<Path>) -> Result<(), String> {
    let mut resolver = Resolver {
        config: &bundle.config,
        known: HashMap::new(),
        way: Vec::new(),
        odd: Vec::new(),
        brought: 0,
        depth: 0,
    };
    let mut found = Vec::new();
    for mut place in places {
        if let Some(tree) = bundle.config.at(&place) {
            resolver.texts(tree, &mut place, &mut found)?;
        }
    }
    let odd = std::mem::take(&mut resolver.odd);
    fill(&mut bundle.config, found, 0);
    for (path, tree) in odd {
        bundle.refuse(path, &tree);
    }
    Ok(())
}

/// What a reference stands for.
#[derive(Clone, Debug)]
enum Value {
    Known(Rc<Known>),
    /// Not ours to resolve, or not resolvable: the text stays.
    Left,
    /// An index behind the end of a list. The official command then leaves every reference of
    /// the bundle unresolved, which nobody can want: such a bundle is refused.
    Behind,
}

#[derive(Debug)]
struct Known {
    tree: Tree,
    weight: usize,
    height: usize,
}

impl Value {
    fn known(tree: Tree) -> Self {
        let (weight, height) = (tree.weight(), tree.height());
        Value::Known(Rc::new(Known { tree, weight, height }))
    }
}

/// Texts that are resolved, and where they stand.
type Found = Vec<(Path, Tree)>;

struct Resolver<'c> {
    config: &'c Tree,
    /// None: it is being resolved.
    known: HashMap<String, Option<Value>>,
    /// The references being resolved, outermost first.
    way: Vec<String>,
    /// Texts that the official command resolves in a way nobody could want.
    odd: Vec<(Path, Tree)>,
    /// The weight of all that references gave.
    brought: usize,
    depth: usize,
}

impl Resolver<'_> {
    /// Every text below a value that changes, resolved.
    fn texts(&mut self, tree: &Tree, path: &mut Path, found: &mut Found) -> Result<(), String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(format!("references lead through more than {DEEPEST} values, at {path}"));
        }
        match &tree.node {
            Node::String(text) if text.contains("${") => {
                if let Some(new) = self.text(text, tree, path)? {
                    found.push((path.clone(), new));
                }
            }
            Node::List(list) => {
                for (i, item) in list.iter().enumerate() {
                    path.push_index(i);
                    self.texts(item, path, found)?;
                    path.pop();
                }
            }
            Node::Map(map) => {
                for (key, value) in map {
                    path.push_key(key);
                    self.texts(value, path, found)?;
                    path.pop();
                }
            }
            _ => {}
        }
        self.depth -= 1;
        Ok(())
    }

    /// The resolved copy of a value that lies at `path`.
    fn resolved(&mut self, tree: &Tree, mut path: Path) -> Result<Tree, String> {
        let mut found = Vec::new();
        self.texts(tree, &mut path, &mut found)?;
        let mut copy = tree.clone();
        fill(&mut copy, found, path.len());
        Ok(copy)
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
                Value::Known(known) => {
                    self.bring(known.weight, path.len() + known.height, path)?;
                    Some(Tree { node: known.tree.node.clone(), ..emptied(tree) })
                }
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
                Value::Known(known) => {
                    changed = true;
                    self.bring(known.weight, path.len(), path)?;
                    out.push_str(&embedded(&known.tree)?);
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
        if self.depth < DEEPEST && reference::all(again).iter().any(|r| ours(r.name)) {
            self.depth += 1;
            let completed = self.text_on_way(again, &resolved, path)?;
            self.depth -= 1;
            return Ok(Some(completed.unwrap_or(resolved)));
        }
        Ok(Some(resolved))
    }

    fn bring(&mut self, weight: usize, depth: usize, path: &Path) -> Result<(), String> {
        self.brought += weight;
        if self.brought > MOST {
            return Err(format!("references bring more than {MOST} values into the bundle, at {path}"));
        }
        if depth > DEEPEST {
            return Err(format!("references nest values more than {DEEPEST} deep, at {path}"));
        }
        Ok(())
    }

    /// The value of a reference, itself resolved.
    fn value(&mut self, name: &str) -> Result<Value, String> {
        if !ours(name) {
            return Ok(Value::Left);
        }
        match self.known.get(name) {
            Some(Some(known)) => return Ok(known.clone()),
            Some(None) => {
                let way = self.way.join(" -> ");
                return Err(format!("cycle detected in field resolution: {way} -> {name}"));
            }
            None => {}
        }
        self.known.insert(name.to_owned(), None);
        self.way.push(name.to_owned());
        let value = self.look_up(name)?;
        self.way.pop();
        self.known.insert(name.to_owned(), Some(value.clone()));
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
        Ok(Value::known(self.resolved(at, walked)?))
    }

    /// The rest of a path, below a value that came out of a reference.
    fn rest(&mut self, name: &str, path: &Path, start: Tree, mut walked: Path) -> Result<Value, String> {
        let mut at = &start;
        for step in &path.steps()[walked.len()..] {
            let Some(inner) = child(at, step) else { return self.missing(name, path, at, step, &walked) };
            at = inner;
            walked = extended(walked, step);
        }
        Ok(Value::known(self.resolved(at, walked)?))
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
        if self.is_looked_up(path) {
            return Err("lookup variables cannot contain references to another lookup variables".to_owned());
        }
        match settings::unset(path) {
            Some(zero) => Ok(Value::known(zero.into())),
            None => Err(format!("reference does not exist: ${{{name}}}")),
        }
    }

    /// The value of a variable that is known only when the workspace was asked.
    fn is_looked_up(&self, value: &Path) -> bool {
        let [Step::Key(section), Step::Key(name), Step::Key(_), ..] = value.steps() else { return false };
        &**section == "variables"
            && self.config.find(&["variables", name, "lookup"]).is_some_and(|lookup| !lookup.is_null())
    }
}

/// Puts resolved texts where they stand below a tree that itself lies `above` steps deep.
fn fill(tree: &mut Tree, found: Found, above: usize) {
    for (path, new) in found {
        let place = path.steps()[above..].iter().try_fold(&mut *tree, |at, step| match step {
            Step::Key(key) => at.get_mut(key),
            Step::Index(i) => at.as_list_mut()?.get_mut(*i),
        });
        if let Some(place) = place {
            *place = new;
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
