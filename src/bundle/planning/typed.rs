//! Configuration and answers as the values that are sent, saved and compared.
//!
//! What is sent has rules of its own: an empty text is left out, and in the end (`pruned`) an
//! empty list or mapping; a `false` and a zero that somebody wrote are not, and a required field is there even when nobody
//! wrote it. An answer keeps its empty texts, because the workspace said so. Fields that the
//! tables do not have are dropped from both.

use serde_json::{Map, Number, Value};

use crate::bundle::fields::{Message, Type, message};
use crate::bundle::planning::references::{self, Step};
use crate::bundle::syntax::document;
use crate::domain::{Node, Tree};

/// A configuration value as it is sent and saved. References stay in texts; where a number,
/// a flag or an object is wanted, a reference leaves the field's zero. Both are
/// returned as blanks to be filled in.
pub fn desired(tree: &Tree, kind: &Type) -> (Value, Vec<Blank>) {
    let mut desired = Desired { blanks: Vec::new(), steps: Vec::new() };
    let value = desired.value(tree, kind, &mut String::new()).unwrap_or(Value::Null);
    (value, desired.blanks)
}

/// A field whose value refers to other resources.
#[derive(Clone, Debug, PartialEq)]
pub struct Blank {
    /// `tasks[0].run_job_task.job_id`
    pub path: String,
    pub steps: Vec<Step>,
    pub kind: Type,
    pub text: String,
    /// What a child node takes from the resource that it belongs to, when the text is made
    /// from that.
    pub own: Option<Own>,
}

/// A field of the resource that a child node belongs to. The resource's key may be one that
/// no reference can spell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own {
    pub node: String,
    pub field: String,
}

impl Own {
    /// The reference, as plans and states write it.
    pub fn label(&self) -> String {
        format!("${{{}.{}}}", self.node, self.field)
    }
}

/// Writes `value` into the field of a blank, typed as the field is.
pub fn fill(target: &mut Value, blank: &Blank, value: &Value) -> Result<(), String> {
    let typed = coerce(value, &blank.kind).ok_or_else(|| {
        let wanted = blank.kind.word();
        format!(
            "cannot update {} with value of {:?}: cannot parse {} as {wanted}",
            blank.path,
            blank.text,
            document::compact(value)
        )
    })?;
    let mut at = target;
    for step in &blank.steps {
        at = match step {
            Step::Key(key) => match at {
                Value::Object(map) => map.entry(key.to_string()).or_insert(Value::Null),
                _ => return Err(format!("cannot update {}: its parent is not there", blank.path)),
            },
            Step::Index(index) => match at.get_mut(*index) {
                Some(value) => value,
                None => return Err(format!("cannot update {}: its list is not there", blank.path)),
            },
        };
    }
    *at = typed;
    Ok(())
}

fn coerce(value: &Value, kind: &Type) -> Option<Value> {
    match (kind, value) {
        (Type::Any, _) => Some(value.clone()),
        (Type::String | Type::Enum(_), _) => scalar_text(value).map(Value::from),
        (Type::Int, Value::Number(n)) => n.as_i64().map(Value::from),
        (Type::Int, Value::String(s)) => s.parse::<i64>().ok().map(Value::from),
        (Type::Float, Value::Number(_)) => Some(value.clone()),
        (Type::Float, Value::String(s)) => s.parse::<f64>().ok().map(number),
        (Type::Bool, Value::Bool(_)) => Some(value.clone()),
        (Type::Bool, Value::String(s)) => s.parse::<bool>().ok().map(Value::from),
        (Type::Message(name), Value::Object(_)) => Some(received(value, name)),
        (Type::Map(_), Value::Object(_)) | (Type::List(_), Value::Array(_)) => Some(value.clone()),
        _ => None,
    }
}

/// A scalar as it stands in a text.
pub fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::String(s) => Some(s.clone()),
        Value::Bool(b) => Some(b.to_string()),
        Value::Number(_) => Some(document::compact(value)),
        _ => None,
    }
}

/// The same value with its fields in the order in which they are saved.
pub fn ordered(value: &Value, kind: &Type) -> Value {
    match (value, kind) {
        (Value::Object(map), Type::Message(name)) => {
            let fields = message(name).map_or(&[][..], Message::fields);
            let known = fields.iter().filter_map(|f| Some((f.name.to_owned(), ordered(map.get(f.name)?, &f.kind))));
            Value::Object(known.collect())
        }
        (Value::Object(map), _) => {
            let mut sorted: Vec<_> = map.iter().collect();
            sorted.sort_unstable_by_key(|(key, _)| *key);
            let item = kind.item().unwrap_or(&Type::Any);
            Value::Object(sorted.into_iter().map(|(k, v)| (k.clone(), ordered(v, item))).collect())
        }
        (Value::Array(list), _) => {
            let item = kind.item().unwrap_or(&Type::Any);
            Value::Array(list.iter().map(|v| ordered(v, item)).collect())
        }
        _ => value.clone(),
    }
}

struct Desired {
    blanks: Vec<Blank>,
    steps: Vec<Step>,
}

impl Desired {
    fn message(&mut self, tree: &Tree, message: &Message, path: &mut String) -> Value {
        let mut out = Map::new();
        for field in message.fields() {
            let Some(value) = tree.get(field.name) else {
                if field.required {
                    out.insert(field.name.to_owned(), zero(&field.kind));
                }
                continue;
            };
            let value =
                self.below(Step::Key(field.name.into()), path, |desired, path| desired.value(value, &field.kind, path));
            if let Some(value) = value {
                out.insert(field.name.to_owned(), value);
            } else if field.may_be_empty && tree.get(field.name).is_some_and(|value| value.as_str() == Some("")) {
                out.insert(field.name.to_owned(), "".into());
            } else if field.required {
                out.insert(field.name.to_owned(), zero(&field.kind));
            }
        }
        Value::Object(out)
    }

    fn value(&mut self, tree: &Tree, kind: &Type, path: &mut String) -> Option<Value> {
        if let Some(text) = tree.as_str()
            && text.contains("${")
            && !references::scan(text).is_empty()
        {
            let blank = Blank {
                path: path.clone(),
                steps: self.steps.clone(),
                kind: kind.clone(),
                text: text.to_owned(),
                own: None,
            };
            self.blanks.push(blank);
            return matches!(kind, Type::String | Type::Enum(_) | Type::Any).then(|| text.into());
        }
        match (&tree.node, kind) {
            (Node::Null, _) => None,
            (Node::String(s), Type::String | Type::Enum(_)) if s.is_empty() => None,
            (Node::Map(_), Type::Message(name)) => message(name).map(|m| self.message(tree, m, path)),
            (Node::Map(map), Type::Map(item)) => {
                let mut sorted: Vec<_> = map.iter().collect();
                sorted.sort_unstable_by_key(|(key, _)| *key);
                let mut out = Map::new();
                for (key, value) in sorted {
                    // An entry of a mapping is there even when its text is empty.
                    let step = Step::Key(key.as_str().into());
                    let value = self.below(step, path, |desired, path| desired.value(value, item, path));
                    out.insert(key.clone(), value.unwrap_or_else(|| zero(item)));
                }
                Some(Value::Object(out))
            }
            (Node::List(list), Type::List(item)) => {
                let mut out = Vec::with_capacity(list.len());
                for (at, value) in list.iter().enumerate() {
                    let value = self.below(Step::Index(at), path, |desired, path| desired.value(value, item, path));
                    out.push(value.unwrap_or_else(|| zero(item)));
                }
                Some(Value::Array(out))
            }
            _ => Some(plain(tree)),
        }
    }

    fn below<T>(&mut self, step: Step, path: &mut String, visit: impl FnOnce(&mut Self, &mut String) -> T) -> T {
        let length = path.len();
        match &step {
            Step::Key(key) => push_key(path, key),
            Step::Index(at) => path.push_str(&format!("[{at}]")),
        }
        self.steps.push(step);
        let out = visit(self, path);
        self.steps.pop();
        path.truncate(length);
        out
    }
}

/// What stands for a required field that nobody wrote.
fn zero(kind: &Type) -> Value {
    match kind {
        Type::String | Type::Enum(_) => "".into(),
        Type::Int => 0.into(),
        Type::Float => 0.into(),
        Type::Bool => false.into(),
        Type::Message(name) => match message(name) {
            Some(message) => zero_message(message),
            None => Value::Null,
        },
        Type::Any | Type::List(_) | Type::Map(_) => Value::Null,
    }
}

fn zero_message(message: &Message) -> Value {
    let required = message.fields().iter().filter(|f| f.required);
    Value::Object(required.map(|f| (f.name.to_owned(), zero(&f.kind))).collect())
}

/// A value of no particular type.
pub fn plain(tree: &Tree) -> Value {
    match &tree.node {
        Node::Null => Value::Null,
        Node::Bool(b) => (*b).into(),
        Node::Int(i) => (*i).into(),
        Node::Float(f) => number(*f),
        Node::String(s) => s.as_str().into(),
        Node::List(list) => Value::Array(list.iter().map(plain).collect()),
        Node::Map(map) => Value::Object(map.iter().map(|(k, v)| (k.clone(), plain(v))).collect()),
    }
}

/// A whole float is an integer in JSON: 1.0 is written as 1.
fn number(f: f64) -> Value {
    if f == f.trunc() && f.abs() < 9e15 {
        return Value::from(f as i64);
    }
    Number::from_f64(f).map_or(Value::Null, Value::Number)
}

/// An answer, reduced to the fields of `name`.
pub fn received(answer: &Value, name: &str) -> Value {
    match (answer, message(name)) {
        (Value::Object(map), Some(message)) => received_message(map, message),
        _ => Value::Null,
    }
}

fn received_message(map: &Map<String, Value>, message: &Message) -> Value {
    let mut out = Map::new();
    for field in message.fields() {
        if let Some(value) = map.get(field.name).and_then(|value| received_value(value, &field.kind)) {
            out.insert(field.name.to_owned(), value);
        } else if field.required {
            out.insert(field.name.to_owned(), zero(&field.kind));
        }
    }
    Value::Object(out)
}

fn received_value(value: &Value, kind: &Type) -> Option<Value> {
    match (value, kind) {
        (Value::Null, _) => None,
        (Value::Object(map), Type::Message(name)) => message(name).map(|m| received_message(map, m)),
        (Value::Object(map), Type::Map(item)) => {
            let mut sorted: Vec<_> = map.iter().collect();
            sorted.sort_unstable_by_key(|(key, _)| *key);
            let out: Map<String, Value> =
                sorted.into_iter().filter_map(|(k, v)| Some((k.clone(), received_value(v, item)?))).collect();
            Some(Value::Object(out))
        }
        (Value::Array(list), Type::List(item)) => {
            let out: Vec<Value> = list.iter().filter_map(|v| received_value(v, item)).collect();
            Some(Value::Array(out))
        }
        (Value::Number(n), _) if n.is_f64() => n.as_f64().map(number),
        _ => Some(value.clone()),
    }
}

/// A value as it is sent, saved and shown: without empty lists and mappings, which count only
/// while values are compared. A required one stays.
pub fn pruned(value: &Value, kind: &Type) -> Value {
    match (value, kind) {
        (Value::Object(map), Type::Message(name)) => {
            let Some(message) = message(name) else { return value.clone() };
            let kept = message.fields().iter().filter_map(|field| {
                let value = map.get(field.name)?;
                let empty = match (value, &field.kind) {
                    (Value::Array(list), Type::List(_)) => list.is_empty(),
                    (Value::Object(map), Type::Map(_)) => map.is_empty(),
                    _ => false,
                };
                (!empty || field.required).then(|| (field.name.to_owned(), pruned(value, &field.kind)))
            });
            Value::Object(kept.collect())
        }
        (Value::Object(map), Type::Map(item)) => {
            Value::Object(map.iter().map(|(key, value)| (key.clone(), pruned(value, item))).collect())
        }
        (Value::Array(list), Type::List(item)) => Value::Array(list.iter().map(|value| pruned(value, item)).collect()),
        _ => value.clone(),
    }
}

/// Appends a key to a path, in quotes where a dot would not do.
pub fn push_key(path: &mut String, key: &str) {
    if key.is_empty() || key.contains(['.', ' ', '\'', '[', ']']) {
        path.push_str(&format!("['{}']", key.replace('\'', "''")));
    } else {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(key);
    }
}
