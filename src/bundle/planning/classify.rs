//! What a difference in one field means: nothing, an update, a new id, a new resource.
//!
//! The order of the questions matters. A zero is no difference to nothing, whoever has it;
//! a field that we never wrote and the workspace filled in is not drift, but only where the
//! kind's rules say that the workspace does so.

use serde_json::Value;

use crate::bundle::fields::{Type, message};
use crate::bundle::kinds::{Kind, Rule, Then, When};
use crate::bundle::planning::diff::same;
use crate::bundle::planning::place::{Place, alike};
use crate::bundle::planning::plan::Action;

type Verdict = (Action, Option<&'static str>);

/// `live` is all that there is: whether it runs, so that some changes need no stop, and what parts it has.
pub fn classify(kind: &'static Kind, place: &Place, [old, new, remote]: [Option<&Value>; 3], live: &Value) -> Verdict {
    let rules = || kind.rules.iter().filter(|rule| covers(rule.field, &place.rule));
    let unchanged = equal(old, new);
    let untellable = remote.is_none() && !in_remote(kind, place);
    let nothing = [old, new, remote].into_iter().all(|value| is_empty(value, &place.kind));
    // That the workspace never tells a field comes before what a rule says of a change to it.
    let changes = !(unchanged && untellable);
    if let Some(rule) = rules().find(|r| r.when == When::Any && r.then == Then::Skip).filter(|_| changes) {
        return skip(if nothing { "empty" } else { rule.reason });
    }
    if let Some(rule) = rules().find(|r| r.when == When::Mark) {
        return if equal(old, remote) { skip(rule.reason) } else { (Action::Update, None) };
    }
    if let Some((rule, other)) = rules().find_map(bound) {
        return if old.is_none() || equal(old, remote) { skip(rule.reason) } else { (action(rule.then), Some(other)) };
    }
    if let Some(rule) = rules().find(|r| matches!(r.when, When::Without(part) if live.get(part).is_none())) {
        return skip(rule.reason);
    }
    let same_place = |rule: &&Rule| match rule.when {
        When::Alias => is_alias(new, remote),
        When::Slashes => is_alike_but_for_slashes(new, remote),
        _ => false,
    };
    if let Some(rule) = rules().find(same_place).filter(|_| new != remote) {
        return skip(rule.reason);
    }
    // Where the workspace's word does not count, and of what it never tells, nothing is known to be there already.
    let untold = rules().any(|r| r.when == When::Drift) || (new.is_none() && !in_remote(kind, place));
    if !unchanged && equal(new, remote) && !untold {
        return skip("remote_already_set");
    }
    if nothing {
        return skip("empty");
    }
    if unchanged {
        if let Some(rule) = rules().find(|r| matches!(r.when, When::Drift | When::Named)) {
            return skip(rule.reason);
        }
        if untellable {
            return skip("missing_in_remote");
        }
    }
    if old.is_none()
        && new.is_none()
        && let Some(rule) = rules().find(|rule| fills_in(rule, remote))
    {
        return skip(rule.reason);
    }
    let runs = || live.pointer("/lifecycle/started").and_then(Value::as_bool) == Some(true);
    match rules().find(|r| matches!(r.when, When::Any | When::Named) || (r.when == When::Running && runs())) {
        Some(rule) => (action(rule.then), Some(rule.reason).filter(|reason| !reason.is_empty())),
        None => (Action::Update, None),
    }
}

/// The same for what is gone from the workspace: it is made anew, and these are the edits
/// that come with it.
pub fn classify_gone(kind: &'static Kind, place: &Place, old: Option<&Value>, new: Option<&Value>) -> Verdict {
    let rules = || kind.rules.iter().filter(|rule| covers(rule.field, &place.rule));
    if let Some(rule) = rules().find(|r| r.when == When::Any && r.then == Then::Skip) {
        return skip(rule.reason);
    }
    if let Some(rule) = rules().find(|r| r.when == When::Mark) {
        return (Action::Update, Some(rule.reason));
    }
    if let Some((rule, other)) = rules().find_map(bound) {
        return (action(rule.then), Some(other));
    }
    if [old, new].into_iter().all(|value| is_empty(value, &place.kind)) {
        return skip("empty");
    }
    match rules().find(|r| matches!(r.when, When::Any | When::Named)) {
        Some(rule) => (action(rule.then), Some(rule.reason).filter(|reason| !reason.is_empty())),
        None => (Action::Update, None),
    }
}

/// A rule about what it hangs on, with the reason of another one.
fn bound(rule: &'static Rule) -> Option<(&'static Rule, &'static str)> {
    match rule.when {
        When::Bound(other) => Some((rule, other)),
        _ => None,
    }
}

fn skip(reason: &'static str) -> Verdict {
    (Action::Skip, Some(reason))
}

fn action(then: Then) -> Action {
    match then {
        Then::Skip => Action::Skip,
        Then::Resize => Action::Resize,
        Then::Update => Action::Update,
        Then::UpdateId => Action::UpdateId,
        Then::Recreate => Action::Recreate,
    }
}

fn is_alias(new: Option<&Value>, remote: Option<&Value>) -> bool {
    let place = |value: Option<&Value>| {
        let path = value.and_then(Value::as_str)?;
        Some(path.strip_prefix("/Workspace").filter(|rest| rest.starts_with('/')).unwrap_or(path).to_owned())
    };
    place(new).is_some() && place(new) == place(remote)
}

fn is_alike_but_for_slashes(new: Option<&Value>, remote: Option<&Value>) -> bool {
    let place = |value: Option<&'_ Value>| Some(value?.as_str()?.trim_end_matches('/').to_owned());
    place(new).is_some() && place(new) == place(remote)
}

fn fills_in(rule: &Rule, remote: Option<&Value>) -> bool {
    match rule.when {
        When::RemoteOnly => true,
        When::RemoteIs(value) => remote.and_then(Value::as_str) == Some(value),
        When::Any
        | When::Drift
        | When::Without(_)
        | When::Running
        | When::Mark
        | When::Bound(_)
        | When::Alias
        | When::Slashes
        | When::Named => false,
    }
}

/// A rule for a field is one for everything below it.
fn covers(rule: &str, place: &str) -> bool {
    let below = |place: &str| place.strip_prefix(rule).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    below(place) || alike(place).is_some_and(|place| below(&place))
}

fn in_remote(kind: &Kind, place: &Place) -> bool {
    let fields = message(kind.remote);
    place.first_field().is_none_or(|field| fields.is_some_and(|fields| fields.field(field).is_some()))
}

fn equal(a: Option<&Value>, b: Option<&Value>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => same(a, b),
        _ => false,
    }
}

/// Zeroes are nothing. So is an object of nothing but required fields that nobody wrote.
fn is_empty(value: Option<&Value>, kind: &Type) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::Bool(b)) => !b,
        Some(Value::Number(n)) => n.as_f64() == Some(0.0),
        Some(Value::String(s)) => s.is_empty(),
        Some(Value::Array(list)) => list.is_empty(),
        Some(Value::Object(map)) => map.iter().all(|(name, value)| match kind {
            Type::Message(of) => message(of)
                .and_then(|message| message.field(name))
                .is_some_and(|field| field.required && is_empty(Some(value), &field.kind)),
            _ => false,
        }),
    }
}
