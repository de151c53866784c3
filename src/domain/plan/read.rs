//! Reads the plan document that `bundle plan -o json` prints.
//!
//! A difference that the plan itself skips is not shown: it changes nothing.

use serde_json::Value;

use super::value::shown;
use super::{
    Action, Cause, Danger, FieldChange, Knowledge, PlanView, ResourceChange, Risk, Shown, fields, new, rights,
};
use crate::domain::{Failure, Reason};

pub fn read(document: &Value, knowledge: &Knowledge<'_>) -> Result<PlanView, Failure> {
    let Some(plan) = document.get("plan").and_then(Value::as_object) else {
        return Err(unreadable("it has no `plan`"));
    };
    let mut view = PlanView { not_selected: count(document.get("not_selected")), ..PlanView::default() };
    for (node, entry) in plan {
        match action(node, entry)? {
            None => view.unchanged += 1,
            Some(action) => view.changes.push(change(node, entry, action, knowledge)),
        }
    }
    view.changes.sort_by(|a, b| (a.action, &a.node).cmp(&(b.action, &b.node)));
    Ok(view)
}

fn unreadable(why: &str) -> Failure {
    Failure::new(Reason::Internal, format!("read the plan: {why}"))
}

fn count(value: Option<&Value>) -> usize {
    match value {
        Some(Value::Array(list)) => list.len(),
        Some(Value::Number(n)) => n.as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(0),
        _ => 0,
    }
}

fn action(node: &str, entry: &Value) -> Result<Option<Action>, Failure> {
    let name = entry.get("action").and_then(Value::as_str).unwrap_or_default();
    Ok(Some(match name {
        "skip" => return Ok(None),
        "create" => Action::Create,
        "update" => Action::Update,
        "update_id" => Action::UpdateId,
        "resize" => Action::Resize,
        "recreate" => Action::Recreate,
        "delete" => Action::Delete,
        other => return Err(unreadable(&format!("`{node}` has the unknown action `{other}`"))),
    }))
}

/// `resources.jobs.train.permissions` as kind, key and child.
fn parts(node: &str) -> (&str, &str, Option<&str>) {
    let rest = node.strip_prefix("resources.").unwrap_or(node);
    let (kind, rest) = rest.split_once('.').unwrap_or((rest, ""));
    match rest.rsplit_once('.') {
        Some((key, child)) if matches!(child, "permissions" | "grants") => (kind, key, Some(child)),
        _ => (kind, rest, None),
    }
}

fn change(node: &str, entry: &Value, action: Action, knowledge: &Knowledge<'_>) -> ResourceChange {
    let (kind, key, child) = parts(node);
    let owner = format!("{} `{key}`", (knowledge.title)(kind));
    let gone = entry.get("gone").and_then(Value::as_bool).unwrap_or(false);
    let mut change = ResourceChange {
        node: node.to_owned(),
        title: child.map_or(owner.clone(), |child| format!("{child} of {owner}")),
        action,
        vanished: gone || action == Action::Create && (knowledge.deployed)(node),
        fields: Vec::new(),
        facts: Vec::new(),
        more_facts: 0,
        dangers: Vec::new(),
    };
    if child.is_none() {
        change.dangers.extend(losses(action, gone, &(knowledge.lost)(kind)));
    }
    let reader = Reader { knowledge, node, rights: child.is_some(), entry };
    reader.fields(&mut change);
    if let (Action::Create, Some(state)) = (action, entry.pointer("/new_state/value")) {
        (change.facts, change.more_facts) = new::facts(knowledge, node, state);
        change.dangers.extend(match child {
            Some(_) => rights::of_new(state, knowledge.deployer),
            None => new::dangers(state, knowledge.deployer),
        });
    }
    change.dangers.sort_by(|a, b| (a.risk, &a.sentence).cmp(&(b.risk, &b.sentence)));
    change.dangers.dedup();
    change
}

fn losses(action: Action, gone: bool, loss: &super::Loss) -> Vec<Danger> {
    let mut dangers = Vec::new();
    if !matches!(action, Action::Delete | Action::Recreate | Action::UpdateId) || gone {
        return dangers;
    }
    if !loss.data.is_empty() && action != Action::UpdateId {
        dangers.push(Danger { risk: Risk::DataLoss, sentence: loss.data.clone() });
    }
    let outage = match action {
        Action::Delete => "what runs, reads or refers to it fails",
        Action::UpdateId => "its id changes: what refers to the old one fails",
        _ => "it gets a new id, and is missing until it is made again: what refers to the old one fails",
    };
    if loss.identity || action != Action::Recreate {
        dangers.push(Danger { risk: Risk::Outage, sentence: outage.to_owned() });
    }
    dangers
}

struct Reader<'r> {
    knowledge: &'r Knowledge<'r>,
    node: &'r str,
    rights: bool,
    entry: &'r Value,
}

impl Reader<'_> {
    fn fields(&self, change: &mut ResourceChange) {
        let all = self.entry.get("changes").and_then(Value::as_object);
        for (path, difference) in all.into_iter().flatten().filter(|(_, c)| c["action"] != "skip") {
            let value = |name: &str| difference.get(name).filter(|v| !v.is_null());
            let (old, new, live) = (value("old"), value("new"), value("remote"));
            let show = |value| shown(self.knowledge, self.node, path, value);
            let field = FieldChange {
                path: path.clone(),
                cause: self.cause(old, new, live),
                old: show(old),
                new: show(new),
                live: show(live),
                forces: matches!(difference["action"].as_str(), Some("recreate" | "update_id")),
            };
            // What a deployment takes back is judged by what lies there, not by what it once wrote.
            let before = if field.cause == Cause::Drift { live } else { old };
            let danger = if self.rights {
                rights::of_change(path, before, new)
            } else {
                let was: &Shown = if field.cause == Cause::Drift { &field.live } else { &field.old };
                fields::of_field(path, before, new, (was, &field.new))
            };
            change.dangers.extend(danger);
            change.fields.push(field);
        }
        change.fields.sort_by(|a, b| a.path.cmp(&b.path));
    }

    /// Where the workspace was not asked, or has nothing of it, only we can have changed it.
    fn cause(&self, old: Option<&Value>, new: Option<&Value>, live: Option<&Value>) -> Cause {
        let asked = self.entry.get("remote_state").is_some_and(|r| !r.is_null());
        match (old == new, live == old || live == new) {
            (true, _) if live != old => Cause::Drift,
            (true, _) => Cause::Intended,
            (false, false) if asked => Cause::Conflict,
            (false, _) => Cause::Intended,
        }
    }
}
