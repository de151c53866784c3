//! What a reference to another resource's field becomes, and when that is known.

use serde_json::Value;

use crate::bundle::fields::{Type, message};
use crate::bundle::kinds::Kind;
use crate::bundle::planning::plan::{Action, Planned};
use crate::bundle::planning::references::{self, Step};
use crate::bundle::planning::typed::{Blank, scalar_text};

#[derive(Clone, Debug, PartialEq)]
pub enum Known {
    Value(Value),
    /// Only after the resource was created or changed.
    Later,
    /// Never: what is wrong with the reference.
    Wrong(String),
}

/// Fills what is known into a blank's text; its value when nothing is left.
pub fn fill_blank(blank: &mut Blank, mut find: impl FnMut(&str, &[Step]) -> Known) -> Result<Option<Value>, String> {
    let Some(own) = &blank.own else { return fill_text(&mut blank.text, find) };
    let label = own.label();
    match find(&own.node, &[Step::Key(own.field.as_str().into())]) {
        Known::Later => Ok(None),
        Known::Wrong(why) => Err(format!("cannot resolve {label:?}: {why}")),
        Known::Value(id) => {
            blank.text = blank.text.replace(&label, &scalar_text(&id).unwrap_or_default());
            Ok(Some(Value::from(blank.text.as_str())))
        }
    }
}

/// Replaces the references of a text that are known. The value of the whole text when all
/// are: a text that is one reference keeps the type of what it refers to.
pub fn fill_text(text: &mut String, mut find: impl FnMut(&str, &[Step]) -> Known) -> Result<Option<Value>, String> {
    let mut out = String::new();
    let (mut from, mut complete) = (0, true);
    for reference in references::scan(text) {
        out.push_str(&text[from..reference.start]);
        from = reference.end;
        let (node, steps) = reference.target();
        match find(&node, steps) {
            Known::Later => {
                complete = false;
                out.push_str(reference.text(text));
            }
            Known::Wrong(why) => return Err(format!("cannot resolve {:?}: {why}", reference.text(text))),
            Known::Value(value) if reference.is_all_of(text) => return Ok(Some(value)),
            Known::Value(value) => match scalar_text(&value) {
                Some(value) => out.push_str(&value),
                None => {
                    let shown = reference.text(text);
                    return Err(format!("cannot resolve {shown:?}: it is not a scalar and stands inside a text"));
                }
            },
        }
    }
    out.push_str(&text[from..]);
    *text = out;
    Ok(complete.then(|| Value::from(text.as_str())))
}

/// What a field of a planned node is, as far as the plan can know.
pub fn at_plan(planned: &Planned, steps: &[Step]) -> Known {
    if is_id(steps) {
        return match (planned.action, planned.id()) {
            (Action::Skip | Action::Resize | Action::Update, Some(id)) => Known::Value(id.into()),
            _ => Known::Later,
        };
    }
    let remote = (planned.action == Action::Skip).then_some(planned.remote.as_ref()).flatten();
    find(planned.kind, planned, steps, remote)
}

/// What a field of a node is once it is there: its id, its new state, and what the
/// workspace says about it, if that was asked.
pub fn after(planned: &Planned, id: &str, value: &Value, remote: Option<&Value>, steps: &[Step]) -> Known {
    if is_id(steps) {
        return Known::Value(id.into());
    }
    if let Some(found) = get(value, steps, embedded(planned.kind)) {
        return Known::Value(found.clone());
    }
    match remote {
        Some(remote) => in_remote(planned.kind, remote, steps),
        None => Known::Later,
    }
}

fn is_id(steps: &[Step]) -> bool {
    matches!(steps, [Step::Key(key)] if &**key == "id")
}

fn find(kind: &Kind, planned: &Planned, steps: &[Step], remote: Option<&Value>) -> Known {
    let path = references::path(steps);
    let waits = planned.blanks.iter().any(|b| b.path == path || path.starts_with(&format!("{}.", b.path)));
    if waits {
        return Known::Later;
    }
    if let Some(found) = get(&planned.value, steps, embedded(kind)) {
        return Known::Value(found.clone());
    }
    if !exists(kind.state, steps, embedded(kind)) && !exists(kind.remote, steps, embedded(kind)) {
        let name = kind.title;
        return Known::Wrong(format!("schema mismatch: {path}: a {name} has no such field"));
    }
    match remote {
        Some(remote) => in_remote(kind, remote, steps),
        None => Known::Later,
    }
}

/// A field that the workspace leaves out is empty; a mapping's missing key and a field of a
/// missing object are errors.
fn in_remote(kind: &Kind, remote: &Value, steps: &[Step]) -> Known {
    if let Some(found) = get(remote, steps, embedded(kind)) {
        return Known::Value(found.clone());
    }
    let mut at = remote;
    for (depth, step) in steps.iter().enumerate() {
        match step_into(at, step) {
            Some(next) => at = next,
            None => {
                let here = references::path(&steps[..=depth]);
                let is_last = depth + 1 == steps.len();
                let mapping = matches!(kind_at(kind.remote, &steps[..depth]), Some(Type::Map(_)));
                return match (is_last, step) {
                    (_, Step::Key(key)) if mapping => Known::Wrong(format!("{here}: key {key:?} not found in map")),
                    (true, Step::Key(_)) => Known::Value(Value::Null),
                    (_, Step::Index(at)) => Known::Wrong(format!("{here}: index {at} out of range")),
                    _ => Known::Wrong(format!("{here}: cannot access nil value")),
                };
            }
        }
    }
    Known::Value(at.clone())
}

fn get<'v>(value: &'v Value, steps: &[Step], embedded: bool) -> Option<&'v Value> {
    let start = if embedded && matches!(steps.first(), Some(Step::Index(_))) { value.get("__embed__")? } else { value };
    steps.iter().try_fold(start, step_into).filter(|v| !v.is_null())
}

fn step_into<'v>(value: &'v Value, step: &Step) -> Option<&'v Value> {
    match step {
        Step::Key(key) => value.get(&**key),
        Step::Index(at) => value.get(*at),
    }
}

/// Permissions and grants are referred to as the lists they are.
fn embedded(kind: &Kind) -> bool {
    kind.keyed.iter().any(|(field, _)| *field == "__embed__")
}

fn exists(name: &'static str, steps: &[Step], embedded: bool) -> bool {
    embedded || kind_at(name, steps).is_some()
}

fn kind_at(name: &'static str, steps: &[Step]) -> Option<Type> {
    let mut at = Type::Message(name);
    for step in steps {
        at = match (&at, step) {
            (Type::Message(name), Step::Key(key)) => message(name)?.field(key)?.kind.clone(),
            (Type::Map(item), Step::Key(_)) | (Type::List(item), Step::Index(_)) => (**item).clone(),
            (Type::Any, _) => Type::Any,
            _ => return None,
        };
    }
    Some(at)
}
