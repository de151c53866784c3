//! The JSON Schema of `mlops-deploy.yml`, and the check of a file against it.
//!
//! A deserialiser stops at its first mistake; this walk finds them all, each with its line.
//! It understands what our own schema uses and no more: a test walks the schema for the rest.

use serde_json::Value;

use super::shape::Shape;
use crate::domain::nearest::nearest;
use crate::domain::{Diagnostic, Host, Node, Origin, Path, Tree};
use crate::inputs::period::Period;

/// Where editors find it: beside the configuration's documentation.
pub const SCHEMA_FILE: &str = "mlops-deploy.schema.json";

/// The schema, as it is checked in at the root of the repository.
pub fn schema() -> Value {
    schemars::schema_for!(Shape).to_value()
}

pub(super) fn check(tree: &Tree) -> Vec<Diagnostic> {
    let root = schema();
    let mut walk = Walk { root: &root, found: Vec::new() };
    walk.value(&root, tree, &mut Path::root());
    walk.found
}

struct Walk<'s> {
    root: &'s Value,
    found: Vec<Diagnostic>,
}

impl<'s> Walk<'s> {
    fn refuse(&mut self, summary: String, at: Option<&Origin>) {
        self.found.push(Diagnostic::error(summary).at(at.cloned()));
    }

    fn resolve(&self, schema: &'s Value) -> &'s Value {
        let Some(name) = schema.get("$ref").and_then(Value::as_str) else { return schema };
        self.root.pointer(name.trim_start_matches('#')).expect("the schema's references are made with it")
    }

    fn value(&mut self, schema: &'s Value, tree: &Tree, path: &mut Path) {
        if tree.is_null() && schema.get("default").is_some() {
            return;
        }
        let schema = self.resolve(schema);
        if let Some(choices) = schema.get("anyOf").and_then(Value::as_array) {
            return self.one_of(schema, choices, tree, path);
        }
        if !accepts(schema, &tree.node) {
            return self.wrong_kind(schema, tree, path);
        }
        match &tree.node {
            Node::Map(_) => self.mapping(schema, tree, path),
            Node::List(items) => {
                let Some(item_schema) = schema.get("items") else { return };
                for (i, item) in items.iter().enumerate() {
                    path.push_index(i);
                    self.value(item_schema, item, path);
                    path.pop();
                }
            }
            Node::Null => {}
            scalar => self.scalar(schema, &text_of(scalar), tree, path),
        }
    }

    /// The choice is made by the kind of value, so that the mistakes of the meant one are told.
    fn one_of(&mut self, schema: &'s Value, choices: &'s [Value], tree: &Tree, path: &mut Path) {
        let choices: Vec<&'s Value> = choices.iter().map(|c| self.resolve(c)).collect();
        let nested = |c: &&&Value| c.get("anyOf").is_some() && !tree.is_null();
        match choices.iter().find(|c| nested(c) || accepts(c, &tree.node)) {
            Some(choice) => self.value(choice, tree, path),
            None => {
                let named = choices.iter().find(|c| c.get("type").and_then(Value::as_str) != Some("null"));
                let named = if schema.get("title").is_some() { schema } else { named.unwrap_or(&schema) };
                self.wrong_kind(named, tree, path);
            }
        }
    }

    fn wrong_kind(&mut self, schema: &Value, tree: &Tree, path: &Path) {
        let at = if path.is_root() { "the file".to_owned() } else { format!("`{path}`") };
        let given = match &tree.node {
            Node::Map(_) => "a mapping".to_owned(),
            Node::List(_) => "a list".to_owned(),
            Node::Null => "nothing".to_owned(),
            scalar => format!("`{}`", text_of(scalar)),
        };
        let summary = format!("{at} must be {}, not {given}{}", expected(schema), example(schema));
        self.refuse(summary, tree.origin());
    }

    fn mapping(&mut self, schema: &'s Value, tree: &Tree, path: &mut Path) {
        let Some(map) = tree.as_map() else { return };
        let properties = schema.get("properties").and_then(Value::as_object);
        let others = schema.get("additionalProperties").filter(|o| o.is_object());
        // Somebody else's mapping: the body of a request.
        if properties.is_none() && schema.get("additionalProperties") == Some(&Value::Bool(true)) {
            return;
        }
        for (key, value) in map {
            path.push_key(key);
            match (properties.and_then(|p| p.get(key)), others) {
                (Some(property), _) => self.value(property, value, path),
                (None, Some(other)) => {
                    if !is_name(key, path.head()) {
                        let summary = format!("`{key}` cannot be a name; use letters, digits, `-` and `_`");
                        self.refuse(summary, value.key.as_ref());
                    }
                    self.value(other, value, path);
                }
                (None, None) => {
                    let known = properties.into_iter().flat_map(|p| p.keys()).map(String::as_str);
                    self.unknown_key(schema, key, known.collect(), value);
                }
            }
            path.pop();
        }
        for name in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            if map.get(name).is_none_or(Tree::is_null) {
                let example = properties.and_then(|p| p.get(name)).map_or(String::new(), |p| example(self.resolve(p)));
                let at = tree.key.as_ref().or(tree.origin());
                self.refuse(format!("`{path}` needs the key `{name}`{example}"), at);
            }
        }
    }

    fn unknown_key(&mut self, schema: &Value, key: &str, known: Vec<&str>, value: &Tree) {
        let of = schema.get("title").and_then(Value::as_str).unwrap_or("this mapping");
        let guess = match nearest(key, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", known.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ")),
        };
        self.refuse(format!("`{key}` is not a key of {of}; {guess}"), value.key.as_ref().or(value.origin()));
    }

    fn scalar(&mut self, schema: &Value, text: &str, tree: &Tree, path: &Path) {
        let name = schema.get("title").and_then(Value::as_str);
        let wrong = match name {
            _ if text.trim().is_empty() => Some("must not be blank".to_owned()),
            Some("a length of time") => Period::parse(text).is_none().then(|| "is not a length of time".to_owned()),
            Some("a workspace's address") => Host::parse(text).err().map(|e| e.to_string()),
            _ if text.chars().any(char::is_control) => Some("must not hold control characters".to_owned()),
            _ => not_allowed(schema, text),
        };
        if let Some(wrong) = wrong {
            let given = if text.trim().is_empty() { String::new() } else { format!(": `{text}`") };
            self.refuse(format!("`{path}`{given} {wrong}{}", example(schema)), tree.origin());
        }
    }
}

/// A text that is none of the allowed ones, or a number out of its range.
fn not_allowed(schema: &Value, text: &str) -> Option<String> {
    if let Some(only) = schema.get("const").and_then(Value::as_str) {
        return (only != text).then(|| format!("is not `{only}`"));
    }
    if let Some(allowed) = schema.get("enum").and_then(Value::as_array) {
        let allowed: Vec<&str> = allowed.iter().filter_map(Value::as_str).collect();
        let named: Vec<String> = allowed.iter().map(|a| format!("`{a}`")).collect();
        return (!allowed.contains(&text)).then(|| format!("is none of {}", named.join(", ")));
    }
    let number: f64 = text.parse().ok().filter(|_| !types(schema).contains(&"string"))?;
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    let (least, most) = (bound("minimum"), bound("maximum"));
    match (least.filter(|least| number < *least), most.filter(|most| number > *most)) {
        (Some(least), _) => Some(format!("is less than {least}")),
        (None, Some(most)) => Some(format!("is more than {most}")),
        (None, None) => None,
    }
}

/// Names of environments; those of parameters may have dots, and what MLflow calls a metric may be anything.
fn is_name(key: &str, within: Option<&str>) -> bool {
    let fits = |c: char| match within {
        Some("models") => !c.is_control(),
        Some("environments") => c.is_alphanumeric() || matches!(c, '-' | '_'),
        _ => c.is_alphanumeric() || matches!(c, '-' | '_' | '.'),
    };
    !key.trim().is_empty() && key.chars().all(fits)
}

fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Any scalar will do for a text: the typed reading takes it as it is written. A number or a truth is what it is.
fn accepts(schema: &Value, node: &Node) -> bool {
    let types = types(schema);
    match node {
        Node::Map(_) => types.contains(&"object"),
        Node::List(_) => types.contains(&"array"),
        Node::Null => types.contains(&"null"),
        _ if types.contains(&"string") => true,
        Node::Bool(_) => types.contains(&"boolean"),
        Node::Int(_) => types.contains(&"integer") || types.contains(&"number"),
        Node::Float(_) => types.contains(&"number"),
        Node::String(_) => false,
    }
}

fn expected(schema: &Value) -> String {
    if let Some(title) = schema.get("title").and_then(Value::as_str).filter(|t| !t.ends_with(".yml")) {
        return if types(schema).contains(&"object") { format!("a mapping ({title})") } else { title.to_owned() };
    }
    match types(schema).first() {
        Some(&"object") => "a mapping".to_owned(),
        Some(&"array") => "a list".to_owned(),
        Some(&"boolean") => "`true` or `false`".to_owned(),
        Some(&"integer") => "a whole number".to_owned(),
        Some(&"number") => "a number".to_owned(),
        _ => "a text".to_owned(),
    }
}

fn example(schema: &Value) -> String {
    let first = schema.get("examples").and_then(|e| e.get(0)).and_then(Value::as_str);
    first.map_or(String::new(), |e| format!(", e.g. `{e}`"))
}

fn text_of(node: &Node) -> String {
    match node {
        Node::Bool(b) => b.to_string(),
        Node::Int(i) => i.to_string(),
        Node::Float(f) => f.to_string(),
        Node::String(s) => s.clone(),
        _ => String::new(),
    }
}
