//! What there is and was of a resource, in words that it can be asked for again.
//!
//! An answer does not always have them: a setting may be told under another name than it is asked for, and a plan then
//! compares neither. Taking back must not forget it: a request that says nothing of it sets it to its default.

use serde_json::Value;

use crate::bundle::kinds::{Id, Kind};
use crate::bundle::planning::{answers, planner};

/// What an answer says, as far as it is a matter of configuration.
pub fn configured(kind: &'static Kind, id: &str, answer: &Value) -> Value {
    let mut configured = answers::configured(kind, &answers::remote(kind, id, answer));
    for (told, asked) in kind.told {
        if let Some(value) = configured.get(*told).cloned() {
            configured[*asked] = value;
        }
    }
    configured
}

/// Whether there is what is wanted, noise of the workspace aside.
pub fn is(kind: &'static Kind, wanted: &Value, now: &Value) -> bool {
    let as_asked = |asked: &str| wanted.get(asked).is_none_or(|value| Some(value) == now.get(asked));
    !planner::differs(kind, wanted, now) && kind.told.iter().all(|(_, asked)| as_asked(asked))
}

/// What was before, of the thing that is there now: privileges are given back on what was renamed before its name is.
pub fn of_what_is(kind: &Kind, before: &Value, now: &Value) -> Value {
    let mut before = before.clone();
    let Id::State(template) = kind.api.id else { return before };
    let holes = template.split('{').filter_map(|part| part.split_once('}')).map(|(hole, _)| hole);
    for (hole, value) in holes.filter_map(|hole| Some((hole, now.get(hole)?))) {
        before[hole] = value.clone();
    }
    before
}
