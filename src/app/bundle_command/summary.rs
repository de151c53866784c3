//! `bundle summary`: the resolved configuration with what the state knows of each resource.
//!
//! It proves the state, not the workspace: no resource is read.

use std::collections::BTreeMap;

use super::args::{Output, Summary};
use super::hand::{Done, Hand};
use super::ready::Ready;
use super::validate;
use crate::bundle::kinds::{self, Kind};
use crate::bundle::planning::node::NodeKey;
use crate::bundle::planning::requests::escaped;
use crate::bundle::state::{Deployed, State};
use crate::domain::Tree;

pub async fn run(hand: Hand, args: &Summary) -> Done {
    let mut ready = hand.ready().await?;
    ready.accept()?;
    let state = match args.force_pull {
        true => None,
        false => ready.folder().state(ready.hand.disk.as_ref()).await?,
    };
    let state = match state {
        Some(state) => state,
        None => ready.pull_state().await?,
    };
    add_state(&mut ready, &state);
    match ready.hand.global.output {
        Output::Json => print!("{}", validate::document(ready.config())?),
        Output::Text => print!("{}", text(&ready)),
    }
    Ok(())
}

fn add_state(ready: &mut Ready, state: &State) {
    let mut known: BTreeMap<(String, String), &Deployed> = BTreeMap::new();
    for (node, entry) in &state.resources {
        if let Some(key) = NodeKey::parse(node).filter(|key| key.child.is_none()) {
            known.insert((key.kind, key.key), entry);
        }
    }
    let address =
        |kind: &str, resource: &Tree| page(kinds::by_name(kind)?, ready.rest.host(), &ready.workspace_id, resource);
    let config = &mut ready.resolved.config;
    if config.get("resources").is_none() {
        config.set(&["resources"], Tree::map());
    }
    for (kind, group) in config.get_mut("resources").and_then(Tree::as_map_mut).into_iter().flatten() {
        for (key, resource) in group.as_map_mut().into_iter().flatten() {
            match known.remove(&(kind.clone(), key.clone())) {
                Some(entry) => {
                    resource.set(&["id"], entry.id.as_str());
                    keep(resource, kind, entry);
                    if let Some(url) = address(kind, resource) {
                        resource.set(&["url"], url);
                    }
                }
                None => {
                    resource.set(&["modified_status"], "created");
                    // The page of what has no id of its own is known before it is there.
                    if let Some(url) = address(kind, resource) {
                        resource.set(&["url"], url);
                    }
                }
            }
        }
    }
    for ((kind, key), entry) in known {
        let id = entry.id.as_str();
        config.set(&["resources", &kind, &key, "id"], id);
        if let Some(resource) = config.find_mut(&["resources", &kind, &key]) {
            keep(resource, &kind, entry);
        }
        config.set(&["resources", &kind, &key, "modified_status"], "deleted");
        if let Some(url) = config.find(&["resources", &kind, &key]).and_then(|resource| address(&kind, resource)) {
            config.set(&["resources", &kind, &key, "url"], url);
        }
    }
}

/// What the workspace answered to the last deployment.
fn keep(resource: &mut Tree, kind: &str, entry: &Deployed) {
    for field in kinds::by_name(kind).map_or(&[][..], |kind| kind.api.kept) {
        if let Some(text) = entry.state.get(*field).and_then(serde_json::Value::as_str) {
            resource.set(&[field], text);
        }
    }
}

/// The kind's page names a field of the resource in braces. Catalog objects are shown as folders in one another.
fn page(kind: &Kind, host: &str, workspace_id: &str, resource: &Tree) -> Option<String> {
    let (before, rest) = kind.page?.split_once('{')?;
    let (hole, after) = rest.split_once('}')?;
    let (field, parts) = hole.split_once('/').map_or((hole, None), |(field, parts)| (field, Some(parts)));
    let mut name = resource.text(&[field])?.to_owned();
    if let Some(parts) = parts {
        let wanted = parts.parse::<usize>();
        if wanted.is_ok_and(|wanted| name.split('.').count() != wanted) {
            return None;
        }
        name = name.replace('.', "/");
    }
    let query = if workspace_id.is_empty() { String::new() } else { format!("?w={workspace_id}") };
    Some(format!("{host}/{before}{}{after}{query}", escaped(&name)))
}

fn text(ready: &Ready) -> String {
    let mut text = validate::heading(ready.config());
    text.push_str("Resources:\n");
    let groups = ready.config().get("resources").and_then(Tree::as_map);
    let mut groups: Vec<_> = groups.into_iter().flatten().collect();
    groups.sort_by_key(|(kind, _)| heading(kind));
    for (kind, group) in groups {
        let mut resources: Vec<_> = group.as_map().into_iter().flatten().collect();
        if resources.is_empty() {
            continue;
        }
        resources.sort_by_key(|(key, _)| *key);
        text.push_str(&format!("  {}:\n", heading(kind)));
        for (key, resource) in resources {
            let name = kinds::by_name(kind).map_or("name", |kind| kind.name_field);
            let name = resource.text(&[name]).or(resource.text(&["name"])).unwrap_or_default();
            let url = resource.text(&["url"]).unwrap_or("(not deployed)");
            text.push_str(&format!("    {key}:\n      Name: {name}\n      URL:  {url}\n"));
        }
    }
    text
}

/// `registered_models` as `Registered Models`, and `database_catalogs` as `Database catalogs`.
fn heading(kind: &str) -> String {
    let capital = |word: &str| match word {
        "sql" => "SQL".to_owned(),
        _ => {
            let mut chars = word.chars();
            chars.next().map(|c| c.to_uppercase().collect::<String>() + chars.as_str()).unwrap_or_default()
        }
    };
    match kind.contains("database") {
        true => capital(&kind.replace('_', " ")),
        false => kind.split('_').map(capital).collect::<Vec<_>>().join(" "),
    }
}
