//! Differences between two values of the same message, by path.
//!
//! A path names what a person would: `tags['team']`, `tasks[task_key='train'].run_if`,
//! `[group_name='readers'].level`. Lists whose elements have a key are compared by key; other
//! lists element by element while they are equally long, and as a whole otherwise. A value
//! that is only on one side is one difference, not one for each of its fields.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};

use crate::bundle::fields::{Type, message};
use crate::bundle::kinds::Kind;
use crate::bundle::planning::place::{Place, Step, alike, key_of};

/// Everything that differs between `left` and `right`, both of the message `kind.state`.
pub fn differences(kind: &'static Kind, left: &Value, right: &Value) -> BTreeMap<String, Place> {
    let mut walk = Walk { kind, found: BTreeMap::new(), steps: Vec::new(), path: String::new(), rule: String::new() };
    walk.value(Some(left), Some(right), &Type::Message(kind.state));
    walk.found
}

struct Walk {
    kind: &'static Kind,
    found: BTreeMap<String, Place>,
    steps: Vec<Step>,
    path: String,
    rule: String,
}

impl Walk {
    fn value(&mut self, left: Option<&Value>, right: Option<&Value>, kind: &Type) {
        match (left, right, kind) {
            (Some(Value::Object(a)), Some(Value::Object(b)), Type::Message(name)) => self.message(a, b, name),
            (Some(Value::Object(a)), Some(Value::Object(b)), Type::Map(item)) => self.map(a, b, item),
            (Some(Value::Array(a)), Some(Value::Array(b)), Type::List(item)) => self.list(a, b, item),
            (Some(a), Some(b), _) if same(a, b) => {}
            (None, None, _) => {}
            _ => self.differs(kind),
        }
    }

    fn differs(&mut self, kind: &Type) {
        let (path, rule) = (self.path.clone(), self.rule.clone());
        let place = Place { path, rule, kind: kind.clone(), steps: self.steps.clone() };
        self.found.insert(self.path.clone(), place);
    }

    /// Visits what lies below one step, and comes back.
    fn below(&mut self, step: Step, path: &str, rule: &str, visit: impl FnOnce(&mut Self)) {
        let (path_length, rule_length) = (self.path.len(), self.rule.len());
        if !path.starts_with('[') && !self.path.is_empty() {
            self.path.push('.');
        }
        self.path.push_str(path);
        // The list of a permissions or grants node is the node itself.
        if !rule.is_empty() {
            if !self.rule.is_empty() {
                self.rule.push('.');
            }
            self.rule.push_str(rule);
        }
        self.steps.push(step);
        visit(self);
        self.steps.pop();
        self.path.truncate(path_length);
        self.rule.truncate(rule_length);
    }

    fn message(&mut self, left: &Map<String, Value>, right: &Map<String, Value>, name: &str) {
        let Some(message) = message(name) else { return };
        for field in message.fields() {
            let (a, b) = (left.get(field.name), right.get(field.name));
            if a.is_none() && b.is_none() {
                continue;
            }
            if field.name == "__embed__" {
                self.steps.push(Step::Field(field.name.to_owned()));
                let length = self.rule.len();
                self.rule.push_str(field.name);
                self.value(a, b, &field.kind);
                self.rule.truncate(length);
                self.steps.pop();
                continue;
            }
            self.below(Step::Field(field.name.to_owned()), field.name, field.name, |walk| {
                walk.value(a, b, &field.kind);
            });
        }
    }

    fn map(&mut self, left: &Map<String, Value>, right: &Map<String, Value>, item: &Type) {
        let only_right = right.keys().filter(|key| !left.contains_key(*key));
        for key in left.keys().chain(only_right) {
            let path = format!("['{}']", key.replace('\'', "''"));
            self.below(Step::Field(key.clone()), &path, "*", |walk| {
                walk.value(left.get(key), right.get(key), item);
            });
        }
    }

    fn list(&mut self, left: &[Value], right: &[Value], item: &Type) {
        let like = alike(&self.rule);
        let place = like.as_deref().unwrap_or(&self.rule);
        let keys: Vec<&'static str> =
            self.kind.keyed.iter().filter(|(rule, _)| *rule == place).map(|(_, key)| *key).collect();
        if let (Some(a), Some(b)) = (by_key(left, &keys), by_key(right, &keys)) {
            let only_right = b.order.iter().filter(|key| !a.items.contains_key(*key));
            for key in a.order.iter().chain(only_right) {
                let path = format!("[{}='{}']", key.0, key.1.replace('\'', "''"));
                self.below(Step::Keyed(key.0, key.1.clone()), &path, "*", |walk| {
                    walk.value(a.items.get(key).copied(), b.items.get(key).copied(), item);
                });
            }
        } else if left.len() == right.len() {
            for (at, (a, b)) in left.iter().zip(right).enumerate() {
                self.below(Step::Index(at), &format!("[{at}]"), "*", |walk| walk.value(Some(a), Some(b), item));
            }
        } else {
            self.differs(&Type::List(Box::new(item.clone())));
        }
    }
}

type Key = (&'static str, String);

struct ByKey<'v> {
    order: Vec<Key>,
    items: HashMap<Key, &'v Value>,
}

/// The elements of a list by their key, when each has one of its own.
fn by_key<'v>(list: &'v [Value], fields: &[&'static str]) -> Option<ByKey<'v>> {
    if fields.is_empty() {
        return None;
    }
    let mut out = ByKey { order: Vec::with_capacity(list.len()), items: HashMap::with_capacity(list.len()) };
    for item in list {
        let named = fields.iter().find_map(|field| Some((*field, key_of(item, field)?.clone())));
        // Where only one field can name an item, an item without it is named by nothing.
        let nameless = || if let [only] = fields[..] { Some((only, String::new())) } else { None };
        let key = named.or_else(nameless)?;
        if out.items.insert(key.clone(), item).is_some() {
            return None;
        }
        out.order.push(key);
    }
    Some(out)
}

/// Equal as JSON: 1 and 1.0 are the same, the order of keys does not matter.
pub fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64() && (a.is_f64() || b.is_f64()),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}
