//! The changes of a plan as a list: what changes from what to what, three-way where somebody
//! changed it by hand, the same change in many places told once.

use std::collections::{HashMap, HashSet};

use super::markdown::{code, prose};
use crate::domain::plan::{Action, Cause, FieldChange, PlanView, ResourceChange, Shown};

/// More fields of one resource are counted.
const FIELDS: usize = 40;

pub fn list(plan: &PlanView) -> Vec<String> {
    let children = made_with_parent(plan);
    let mut lines = Vec::new();
    for change in &plan.changes {
        let parent = change.node.rsplit_once('.').and_then(|(parent, child)| Some((children.get(parent)?, child)));
        if parent.is_some_and(|(of_parent, child)| change.action == Action::Create && of_parent.contains(&child)) {
            continue;
        }
        let note = match (change.action, change.vanished) {
            (Action::Create, true) => " (somebody deleted it in the workspace)",
            (Action::Delete, true) => " (somebody deleted it already)",
            _ => "",
        };
        let with =
            children.get(change.node.as_str()).map_or(String::new(), |with| format!(" with {}", with.join(" and ")));
        lines.push(format!("- **{}** {}{with}{note}", word(change.action), prose(&change.title)));
        lines.extend(fields(change));
    }
    lines
}

/// Permissions and grants that are made with their resource are no news of their own: the
/// resource says that it has them.
fn made_with_parent(plan: &PlanView) -> HashMap<&str, Vec<&str>> {
    let created = plan.changes.iter().filter(|c| c.action == Action::Create);
    let created: HashSet<&str> = created.map(|c| c.node.as_str()).collect();
    let mut children: HashMap<&str, Vec<&str>> = HashMap::new();
    for node in &created {
        if let Some((parent, child @ ("permissions" | "grants"))) = node.rsplit_once('.')
            && created.contains(parent)
        {
            children.entry(parent).or_default().push(child);
        }
    }
    children
}

fn word(action: Action) -> &'static str {
    match action {
        Action::Delete => "delete",
        Action::Recreate => "recreate",
        Action::UpdateId => "rename",
        Action::Update | Action::Resize => "update",
        Action::Create => "create",
    }
}

fn fields(change: &ResourceChange) -> Vec<String> {
    let folded = fold(&change.fields);
    let mut lines: Vec<String> = folded.iter().take(FIELDS).map(|group| format!("  - {}", field(group))).collect();
    if folded.len() > FIELDS {
        lines.push(format!("  - and {} more fields", folded.len() - FIELDS));
    }
    lines
}

/// The same change of the same field in many places, such as the wheel of each task.
struct Group<'f> {
    first: &'f FieldChange,
    path: String,
    places: usize,
}

fn fold(fields: &[FieldChange]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for field in fields {
        let path = without_selectors(&field.path);
        let same = |g: &&mut Group<'_>| {
            let told = |f: &FieldChange| (f.cause, f.old.clone(), f.new.clone(), f.live.clone(), f.forces);
            // Hidden values look alike without being so; they are told one by one.
            let visible = ![&field.old, &field.new, &field.live].iter().any(|s| **s == Shown::Hidden);
            visible && field.path.contains('[') && g.path == path && told(g.first) == told(field)
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.places += 1,
            None => groups.push(Group { first: field, path, places: 1 }),
        }
    }
    groups
}

/// `tasks[task_key='main'].libraries[0].whl` as `tasks[…].libraries[…].whl`.
fn without_selectors(path: &str) -> String {
    let mut out = String::new();
    let mut rest = path;
    while let Some(open) = rest.find('[') {
        let Some(close) = end_of_selector(&rest[open..]) else { break };
        out.push_str(&rest[..open]);
        out.push_str("[…]");
        rest = &rest[open + close..];
    }
    out + rest
}

/// A name between quotes may hold a bracket.
fn end_of_selector(text: &str) -> Option<usize> {
    if text.contains("='") || text.starts_with("['") {
        let end = text.find("']").map(|at| at + 2);
        let plain = text.find(']').map(|at| at + 1);
        let quoted = text.find('\'').is_some_and(|quote| plain.is_some_and(|p| quote < p));
        return if quoted { end } else { plain };
    }
    text.find(']').map(|at| at + 1)
}

fn field(group: &Group<'_>) -> String {
    let f = group.first;
    let path = if group.places > 1 { &group.path } else { &f.path };
    let mut text = format!("{}: {}", code(path), values(f));
    if group.places > 1 {
        text.push_str(&format!(" (in {} places)", group.places));
    }
    if f.forces {
        text.push_str(" — this field cannot be changed in place");
    }
    text
}

fn values(f: &FieldChange) -> String {
    let hidden = [&f.old, &f.new, &f.live].contains(&&Shown::Hidden);
    let lost = match (f.cause, &f.live) {
        (Cause::Intended, _) => String::new(),
        (Cause::Drift, Shown::Absent) => " (removed in the workspace: it comes back)".to_owned(),
        (Cause::Drift, _) if f.new == Shown::Absent => " (added in the workspace: it will be lost)".to_owned(),
        (Cause::Drift, _) => " (an edit in the workspace will be lost)".to_owned(),
        (Cause::Conflict, Shown::Text(live)) => format!(" (live {}: an edit in the UI will be lost)", code(live)),
        (Cause::Conflict, Shown::Absent) => " (removed in the workspace: that will be lost)".to_owned(),
        (Cause::Conflict, Shown::Hidden) => " (also changed in the UI: that edit will be lost)".to_owned(),
    };
    if hidden {
        return format!("changed{lost}");
    }
    // What is taken back is what lies there, not what was written once.
    let before = if f.cause == Cause::Drift { &f.live } else { &f.old };
    let values = match (before, &f.new) {
        (Shown::Text(old), Shown::Text(new)) => format!("{} -> {}", code(old), code(new)),
        (Shown::Text(old), _) => format!("{} -> nothing", code(old)),
        (_, Shown::Text(new)) => format!("nothing -> {}", code(new)),
        _ => "changed".to_owned(),
    };
    format!("{values}{lost}")
}
