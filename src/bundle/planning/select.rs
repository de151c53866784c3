//! `--select`: a part of the plan, with everything that part needs.
//!
//! What is not selected is left as it is, a delete too.

use std::collections::BTreeSet;

use crate::bundle::planning::node::NodeKey;
use crate::bundle::planning::plan::Plan;
use crate::domain::{Diagnostic, Map, Tree};

/// The nodes that words such as `train` or `jobs.train` name; commas separate words too.
pub fn nodes(config: &Tree, words: &[String]) -> Result<BTreeSet<String>, Diagnostic> {
    let mut found = BTreeSet::new();
    for word in words.iter().flat_map(|words| words.split(',')).filter(|word| !word.is_empty()) {
        let before = found.len();
        for (kind, group) in config.get("resources").and_then(Tree::as_map).into_iter().flatten() {
            for key in group.as_map().into_iter().flat_map(Map::keys) {
                if key == word || word.strip_prefix(kind.as_str()).and_then(|w| w.strip_prefix('.')) == Some(key) {
                    found.insert(NodeKey::resource(kind, key).to_string());
                }
            }
        }
        if found.len() == before && !found.iter().any(|node| node.ends_with(&format!(".{word}"))) {
            return Err(Diagnostic::error(format!("no such resource: {word}")));
        }
    }
    Ok(found)
}

/// Keeps the selected nodes, their permissions and grants, and what all of these depend on.
pub fn keep(plan: &mut Plan, selected: &BTreeSet<String>) {
    let is_of_selected =
        |node: &str| NodeKey::parse(node).is_some_and(|key| selected.contains(&key.parent().to_string()));
    let mut wanted: BTreeSet<String> = plan.nodes.keys().filter(|node| is_of_selected(node)).cloned().collect();
    loop {
        let before = wanted.len();
        for (node, planned) in &plan.nodes {
            if wanted.contains(node) {
                wanted.extend(planned.depends_on.iter().map(|on| on.node.clone()));
            }
        }
        if wanted.len() == before {
            break;
        }
    }
    let all = plan.nodes.len();
    plan.nodes.retain(|node, _| wanted.contains(node));
    plan.not_selected = all - plan.nodes.len();
}
