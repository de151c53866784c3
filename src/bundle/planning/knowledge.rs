//! What a report of a plan asks of the kinds and the field tables: may this be printed, what
//! is there to decide on, what does a delete lose, what does a person call it.
//!
//! A field that the tables do not know is not printed.

use serde_json::Value;

use crate::bundle::fields::{self, Type};
use crate::bundle::kinds::{self, Kind};
use crate::bundle::planning::review::facts;
use crate::domain::Hushed;
use crate::domain::plan::{Knowledge, Loss};

/// `deployed` says whether the state before the plan knows a node; `deployer` is who carries it out.
pub fn knowledge<'k>(deployed: &'k dyn Fn(&str) -> bool, deployer: &'k str) -> Knowledge<'k> {
    Knowledge { printable: &of_node, facts: &facts, lost: &lost, title: &title, deployed, deployer }
}

fn of_node(node: &str, path: &str) -> bool {
    kinds::of_node(node).is_some_and(|kind| printable_of(kind, path))
}

/// The values of a node that may not be printed, for what others say of it. Values that are
/// printed elsewhere in it stay readable: they are names such as the catalog's.
pub fn hushed(kind: &str, values: &[&Value]) -> Hushed {
    let mut texts = Texts::default();
    values.iter().for_each(|value| texts.gather(kind, "", value));
    Hushed::new(texts.hidden, &texts.shown)
}

#[derive(Default)]
struct Texts {
    shown: Vec<String>,
    hidden: Vec<String>,
}

impl Texts {
    fn gather(&mut self, kind: &str, path: &str, value: &Value) {
        match value {
            Value::Object(fields) => {
                for (name, inner) in fields {
                    let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    self.gather(kind, &path, inner);
                }
            }
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(i, inner)| self.gather(kind, &format!("{path}[{i}]"), inner));
            }
            Value::String(text) if printable(kind, path) => self.shown.push(text.clone()),
            Value::String(text) => self.hidden.push(text.clone()),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// `path` as plans write it: `tasks[task_key='main'].run_if`, `tags['team']`.
pub fn printable(kind: &str, path: &str) -> bool {
    kind_or_child(kind).is_some_and(|kind| printable_of(kind, path))
}

fn printable_of(kind: &Kind, path: &str) -> bool {
    let mut message = kind.state;
    let mut names = names(path).into_iter().peekable();
    // The list of a permissions or grants node is the node itself.
    if path.starts_with('[') {
        names = [vec!["__embed__"], names.collect()].concat().into_iter().peekable();
    }
    while let Some(name) = names.next() {
        let Some(field) = fields::message(message).and_then(|m| m.field(name)) else { return false };
        if field.secret {
            return false;
        }
        let mut inner = &field.kind;
        while let Type::List(item) | Type::Map(item) = inner {
            // The key of a mapping: a name somebody chose, its value judged by the field.
            if matches!(inner, Type::Map(_)) {
                names.next();
            }
            inner = item;
        }
        match inner {
            Type::Message(next) if names.peek().is_some() => message = next,
            _ => return field.printable && names.peek().is_none(),
        }
    }
    false
}

fn kind_or_child(name: &str) -> Option<&'static Kind> {
    let children = kinds::ALL.iter().filter_map(|kind| kind.child).map(|child| child.kind);
    kinds::by_name(name).or_else(|| children.into_iter().find(|kind| kind.name == name))
}

/// Field names and mapping keys; selectors and indices of lists are passed over.
fn names(path: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix("['") {
            let end = inside.find("']").unwrap_or(inside.len());
            names.push(&inside[..end]);
            rest = inside.get(end + 2..).unwrap_or_default();
        } else if rest.starts_with('[') {
            // A quoted name may hold a bracket.
            let quoted = rest.find(['\'', ']']).is_some_and(|at| rest[at..].starts_with('\''));
            let end = if quoted { rest.find("']").map(|at| at + 2) } else { rest.find(']').map(|at| at + 1) };
            rest = end.map_or("", |end| &rest[end..]);
        } else {
            let text = rest.strip_prefix('.').unwrap_or(rest);
            let end = text.find(['.', '[']).unwrap_or(text.len());
            names.push(&text[..end]);
            rest = &text[end..];
            if end == 0 {
                return names;
            }
        }
    }
    names
}

fn lost(kind: &str) -> Loss {
    let Some(kind) = kinds::by_name(kind) else { return Loss::default() };
    let data = if kind.loses.data.is_empty() { String::new() } else { format!("lost for good: {}", kind.loses.data) };
    Loss { identity: kind.loses.identity, data }
}

fn title(kind: &str) -> String {
    kinds::by_name(kind).map_or_else(|| kind.to_owned(), |kind| kind.title.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_tables_let_is_printed() {
        for path in [
            "max_concurrent_runs",
            "schedule.quartz_cron_expression",
            "tasks[task_key='main'].run_if",
            "tasks[0].run_if",
            "tasks[task_key='a.b[0]'].disabled",
            "parameters[name='q'].name",
            "run_as.service_principal_name",
        ] {
            assert!(printable("jobs", path), "{path}");
        }
        for path in [
            "description",
            "parameters[name='q'].default",
            "tasks[task_key='main']",
            "tasks",
            "nonsense",
            "schedule.nonsense",
            "max_concurrent_runs.deeper",
            "",
            "[",
            "['",
            "tasks[task_key='main'].spark_python_task.parameters[0]",
        ] {
            assert!(!printable("jobs", path), "{path}");
        }
        assert!(printable("permissions", "[group_name='users'].level"));
        assert!(!printable("no-such-kind", "name"));
    }

    #[test]
    fn what_others_say_of_a_node_holds_none_of_its_hidden_values() {
        let job = serde_json::json!({
            "name": "train", "description": "words of ours",
            "tasks": [{"task_key": "main", "notebook_task": {"base_parameters": {"q": "hidden parameter"}}}],
            "tags": {"team": "train"},
        });
        let hushed = hushed("jobs", &[&job]);
        assert_eq!(
            hushed.out_of("job train, task main: bad `words of ours` or `hidden parameter`"),
            "job train, task main: bad `…` or `…`"
        );
    }

    #[test]
    fn every_kind_says_what_it_is_called_and_loses() {
        assert_eq!(title("registered_models"), "registered model");
        assert!(lost("schemas").data.starts_with("lost for good: everything in the schema"));
        assert!(lost("jobs").identity);
    }
}
