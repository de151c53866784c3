//! The changes of a plan as a list: what changes from what to what, three-way where somebody
//! changed it by hand, what there is to decide on of what is new, the same in many places told once.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::headline::plural;
use super::markdown::{code, prose};
use crate::domain::plan::{Action, Cause, Fact, FieldChange, PlanView, ResourceChange, Said, Shown};

/// More fields of one resource are counted.
const FIELDS: usize = 40;

/// More facts of a new resource are counted.
const FACTS: usize = 12;

/// The list, as far as there was room for it.
pub struct Changes {
    pub lines: Vec<String>,
    /// Some resources are only counted.
    pub cut: bool,
}

/// As many resources as `bytes` hold, the worst first; the rest are counted by what they are.
pub fn list(plan: &PlanView, bytes: usize) -> Changes {
    let children = made_with_parent(plan);
    let (mut lines, mut used) = (Vec::new(), 0);
    let mut left_out: Vec<&ResourceChange> = Vec::new();
    for change in plan.changes.iter().filter(|change| !comes_with_parent(&children, change)) {
        let block = block(change, children.get(change.node.as_str()).map_or(&[], Vec::as_slice));
        used += block.iter().map(|line| line.len() + 1).sum::<usize>();
        if used <= bytes {
            lines.extend(block);
        } else {
            left_out.push(change);
        }
    }
    lines.extend(counted(&left_out));
    Changes { lines, cut: !left_out.is_empty() }
}

fn block(change: &ResourceChange, children: &[&ResourceChange]) -> Vec<String> {
    let note = match (change.action, change.vanished) {
        (Action::Create, true) => " (somebody deleted it in the workspace)",
        (Action::Delete, true) => " (somebody deleted it already)",
        _ => "",
    };
    let with: Vec<&str> = children.iter().map(|child| child_of(child)).collect();
    let with = if with.is_empty() { String::new() } else { format!(" with {}", with.join(" and ")) };
    let mut lines = vec![format!("- **{}** {}{with}{note}", word(change.action), prose(&change.title))];
    lines.extend(fields(change));
    lines.extend(facts(change, children));
    lines
}

/// What the page has no room for: `612 jobs, 40 pipelines`.
fn counted(changes: &[&ResourceChange]) -> Vec<String> {
    let mut actions: BTreeMap<Action, BTreeMap<&str, usize>> = BTreeMap::new();
    for change in changes {
        let kind = change.title.split(" `").next().unwrap_or_default();
        *actions.entry(change.action).or_default().entry(kind).or_default() += 1;
    }
    let line = |(action, kinds): (Action, BTreeMap<&str, usize>)| {
        let kinds: Vec<String> = kinds.into_iter().map(|(kind, n)| plural(n, kind)).collect();
        format!("- **{}**, without room for their names: {}", word(action), kinds.join(", "))
    };
    actions.into_iter().map(line).collect()
}

/// Permissions and grants that are made with their resource are no news of their own: they
/// are told with the resource.
fn made_with_parent(plan: &PlanView) -> HashMap<&str, Vec<&ResourceChange>> {
    let created = plan.changes.iter().filter(|c| c.action == Action::Create);
    let nodes: HashSet<&str> = created.clone().map(|c| c.node.as_str()).collect();
    let mut children: HashMap<&str, Vec<&ResourceChange>> = HashMap::new();
    for change in created {
        if let Some((parent, "permissions" | "grants")) = change.node.rsplit_once('.')
            && nodes.contains(parent)
        {
            children.entry(parent).or_default().push(change);
        }
    }
    children
}

fn comes_with_parent(children: &HashMap<&str, Vec<&ResourceChange>>, change: &ResourceChange) -> bool {
    let parent = change.node.rsplit_once('.').and_then(|(parent, _)| children.get(parent));
    parent.is_some_and(|all| all.iter().any(|child| child.node == change.node))
}

/// `permissions` or `grants`.
fn child_of(change: &ResourceChange) -> &str {
    change.node.rsplit('.').next().unwrap_or_default()
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

fn facts(change: &ResourceChange, children: &[&ResourceChange]) -> Vec<String> {
    let own = change.facts.iter().map(|fact| ("", fact));
    let of_children = children.iter().flat_map(|child| child.facts.iter().map(|fact| (child_of(child), fact)));
    let mut groups: Vec<(String, String, &Fact, usize)> = Vec::new();
    for (child, fact) in own.chain(of_children) {
        let dot = if child.is_empty() || fact.path.starts_with('[') { "" } else { "." };
        let path = format!("{child}{dot}{}", fact.path);
        let folded = without_selectors(&path);
        let same = |(_, of, first, _): &&mut (String, String, &Fact, usize)| {
            *of == folded && first.value == fact.value && is_one_of_many(&fact.path)
        };
        match groups.iter_mut().find(same) {
            Some((_, _, _, places)) => *places += 1,
            None => groups.push((path, folded, fact, 1)),
        }
    }
    let more = change.more_facts + groups.len().saturating_sub(FACTS);
    let line = |(path, folded, fact, places): &(String, String, &Fact, usize)| {
        let path = if *places > 1 { folded } else { path };
        let name = if path.is_empty() { String::new() } else { format!("{}: ", code(path)) };
        let value = match &fact.value {
            Said::Value(Shown::Text(text)) => code(text),
            Said::Value(Shown::Hidden) => "not shown".to_owned(),
            Said::Value(Shown::Absent) => "none".to_owned(),
            Said::Words(words) => prose(words),
        };
        let places = if *places > 1 { format!(" (in {places} places)") } else { String::new() };
        format!("  - {name}{value}{places}")
    };
    let mut lines: Vec<String> = groups.iter().take(FACTS).map(line).collect();
    if more > 0 {
        lines.push(format!("  - and {} more", plural(more, "fact")));
    }
    lines
}

/// An element of a list, unless it is whoever a right belongs to: who that is, is the news.
fn is_one_of_many(path: &str) -> bool {
    const PRINCIPALS: [&str; 4] = ["[group_name=", "[user_name=", "[service_principal_name=", "[principal="];
    path.contains('[') && !PRINCIPALS.iter().any(|who| path.contains(who))
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
            visible && is_one_of_many(&field.path) && g.path == path && told(g.first) == told(field)
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
