//! Where a difference between two values lies: as a person reads it, and as the rules of a kind name it.

use serde_json::Value;

use crate::bundle::fields::Type;

/// Where a difference lies: how it is printed, and how rules name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// `tasks[task_key='train'].run_if`
    pub path: String,
    /// `tasks.*.run_if`
    pub rule: String,
    pub kind: Type,
    pub(super) steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Field(String),
    Index(usize),
    Keyed(&'static str, String),
}

impl Place {
    /// What lies here in `value`.
    pub fn get<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        self.steps.iter().try_fold(value, |value, step| match step {
            Step::Field(name) => value.get(name),
            Step::Index(at) => value.get(at),
            Step::Keyed(field, key) => {
                value.as_array()?.iter().find(|item| key_of(item, field).map_or("", String::as_str) == key)
            }
        })
    }

    /// The first field of the path, for `missing_in_remote`.
    pub fn first_field(&self) -> Option<&str> {
        match self.steps.first()? {
            Step::Field(name) => Some(name),
            _ => None,
        }
    }
}

/// The rules' name for a place: a task inside `for_each_task` is a task like any other.
pub(super) fn alike(place: &str) -> Option<String> {
    place.strip_prefix("tasks.*.for_each_task.task.").map(|rest| format!("tasks.*.{rest}"))
}

/// What a keyed list knows an element by.
pub(super) fn key_of<'v>(item: &'v Value, field: &str) -> Option<&'v String> {
    match item.get(field)? {
        Value::String(key) if !key.is_empty() => Some(key),
        _ => None,
    }
}
