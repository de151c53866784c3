//! Brings values to their field's type and drops what has no place, with a warning each.
//!
//! A target may override one scalar with another of a different look, so this runs on every
//! file before merging. A reference that stands alone fits every type: what it becomes is
//! typed when it is resolved.

use crate::bundle::syntax::scalars;
use crate::domain::path::Path;
use crate::domain::{Diagnostic, Map, Node, Tree};

use super::table::{Message, Type, message};

/// Types `tree` as the message `name` says.
pub fn normalize(tree: &mut Tree, name: &str, found: &mut Vec<Diagnostic>) {
    if let Some(message) = message(name) {
        Normalize { found, path: Path::root() }.message(tree, message);
    }
}

/// Fields that another file has by another name: an app's own `app.yaml`, by whose example people write.
const MISSPELT: [(&str, &str, &str); 1] = [("bundle.AppEnvironment", "valueFrom", "value_from")];

struct Normalize<'d> {
    found: &'d mut Vec<Diagnostic>,
    path: Path,
}

impl Normalize<'_> {
    /// Whether the value has a place under this type.
    fn value(&mut self, tree: &mut Tree, kind: &Type) -> bool {
        if is_reference(tree) {
            return true;
        }
        match kind {
            Type::Any => true,
            Type::String | Type::Enum(_) => self.string(tree),
            Type::Int => self.int(tree),
            Type::Float => self.float(tree),
            Type::Bool => self.bool(tree),
            Type::Message(name) => match message(name) {
                Some(message) => self.message(tree, message),
                None => true,
            },
            Type::List(item) => self.list(tree, item),
            Type::Map(item) => self.map(tree, item),
        }
    }

    fn message(&mut self, tree: &mut Tree, message: &Message) -> bool {
        let Some(map) = self.mapping(tree) else { return tree.is_null() };
        map.retain(|name, value| match message.field(name) {
            Some(field) => self.entry(name, value, &field.kind),
            None => {
                self.unknown(message.name, name, value);
                false
            }
        });
        true
    }

    fn map(&mut self, tree: &mut Tree, item: &Type) -> bool {
        let Some(map) = self.mapping(tree) else { return tree.is_null() };
        map.retain(|name, value| self.entry(name, value, item));
        true
    }

    /// Whether the value of a key stays.
    fn entry(&mut self, name: &str, value: &mut Tree, kind: &Type) -> bool {
        self.path.push_key(name);
        let keep = self.value(value, kind);
        self.path.pop();
        keep
    }

    fn unknown(&mut self, message: &str, name: &str, value: &Tree) {
        // A shelf for anchors is no mistake, wherever it stands.
        if value.anchored || value.as_map().is_some_and(|map| map.values().any(|inner| inner.anchored)) {
            return;
        }
        let place = value.key.as_ref().or(value.origins.first()).cloned();
        let what = match MISSPELT.iter().find(|(of, wrong, _)| (*of, *wrong) == (message, name)) {
            Some((_, wrong, right)) => Diagnostic::warning(format!("Use '{right}' instead of '{wrong}'"))
                .detail(format!("In a bundle it is `{right}`; `{wrong}` has no effect.")),
            None => Diagnostic::warning(format!("unknown field: {name}")),
        };
        self.found.push(what.path(&self.path).at(place));
    }

    fn list(&mut self, tree: &mut Tree, item: &Type) -> bool {
        if tree.is_null() {
            return true;
        }
        if !matches!(tree.node, Node::List(_)) {
            return self.expected("sequence", tree);
        }
        let Node::List(list) = &mut tree.node else { return true };
        let mut kept = Vec::with_capacity(list.len());
        for (at, mut value) in std::mem::take(list).into_iter().enumerate() {
            self.path.push_index(at);
            if self.value(&mut value, item) {
                kept.push(value);
            }
            self.path.pop();
        }
        *list = kept;
        true
    }

    fn mapping<'t>(&mut self, tree: &'t mut Tree) -> Option<&'t mut Map> {
        if !matches!(tree.node, Node::Map(_) | Node::Null) {
            self.expected("map", tree);
        }
        tree.as_map_mut()
    }

    fn string(&mut self, tree: &mut Tree) -> bool {
        let text = match &tree.node {
            Node::String(_) => return true,
            Node::Null => return self.null("string", tree),
            Node::Bool(b) => b.to_string(),
            Node::Int(i) => i.to_string(),
            Node::Float(f) => scalars::float_as_text(*f),
            Node::List(_) | Node::Map(_) => return self.expected("string", tree),
        };
        tree.node = Node::String(text);
        true
    }

    fn int(&mut self, tree: &mut Tree) -> bool {
        let number = match &tree.node {
            Node::Int(_) => return true,
            Node::Null => return self.null("int", tree),
            Node::Float(f) if *f == f.trunc() && (-9.3e18..9.2e18).contains(f) => *f as i64,
            Node::Float(f) => {
                let text = scalars::float_in_message(*f);
                return self.lost(&text, "integer", tree);
            }
            Node::String(s) => match decimal(s) {
                Some(number) => number,
                None => return self.warn(format!("cannot parse {s:?} as an integer"), tree),
            },
            _ => return self.expected("int", tree),
        };
        tree.node = Node::Int(number);
        true
    }

    fn float(&mut self, tree: &mut Tree) -> bool {
        let number = match &tree.node {
            Node::Float(_) => return true,
            Node::Null => return self.null("float", tree),
            Node::Int(i) if (*i as f64) as i128 == i128::from(*i) => *i as f64,
            Node::Int(i) => {
                let text = i.to_string();
                return self.lost(&text, "floating point number", tree);
            }
            Node::String(s) => match scalars::float_of_text(s) {
                Some(number) => number,
                None => return self.warn(format!("cannot parse {s:?} as a floating point number"), tree),
            },
            _ => return self.expected("float", tree),
        };
        tree.node = Node::Float(number);
        true
    }

    fn bool(&mut self, tree: &mut Tree) -> bool {
        let value = match &tree.node {
            Node::Bool(_) => return true,
            Node::Null => return self.null("bool", tree),
            Node::String(s) => match s.as_str() {
                "true" | "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => true,
                "false" | "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => false,
                _ => return self.expected("bool", tree),
            },
            _ => return self.expected("bool", tree),
        };
        tree.node = Node::Bool(value);
        true
    }

    fn null(&mut self, wanted: &str, tree: &Tree) -> bool {
        self.warn(format!("expected a {wanted} value, found null"), tree)
    }

    fn lost(&mut self, text: &str, wanted: &str, tree: &Tree) -> bool {
        self.warn(format!("cannot accurately represent {text:?} as {wanted} due to precision loss"), tree)
    }

    fn expected(&mut self, wanted: &str, tree: &Tree) -> bool {
        self.warn(format!("expected {wanted}, found {}", tree.node.kind()), tree)
    }

    fn warn(&mut self, summary: String, tree: &Tree) -> bool {
        let place = tree.origins.first().cloned();
        self.found.push(Diagnostic::warning(summary).path(&self.path).at(place));
        false
    }
}

/// A text that is one reference and nothing else.
fn is_reference(tree: &Tree) -> bool {
    tree.as_str().and_then(|s| s.strip_prefix("${")?.strip_suffix('}')).is_some_and(|inner| {
        inner.contains('.')
            && !inner.contains(['$', '{', '}', ' '])
            && inner.starts_with(|c: char| c.is_ascii_alphabetic())
            && !inner.ends_with('.')
    })
}

/// A decimal integer with an optional sign, as `strconv`-like readers take it.
fn decimal(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}
