//! Access control lists: `GET | PUT | PATCH /api/2.0/permissions/{type}/{id}`.
//!
//! PUT replaces the direct entries and never touches the inherited ones. A kind that has an owner has exactly one, and it
//! is not a group; a client that forgets to name the owner in its PUT is refused, as the service does.

use serde_json::{Value, json};

use crate::rehearsal::workspace::call::{Answer, Call, Refusal, Reply};
use crate::rehearsal::workspace::store::{Ace, Acl, Store};
use crate::rehearsal::workspace::tree::{What, parent};

/// A type of object that has an access control list.
struct Kind {
    route: &'static str,
    object_type: &'static str,
    levels: &'static [&'static str],
    exists: fn(&Store, &str) -> bool,
}

const OWNER: &str = "IS_OWNER";

fn in_tree(store: &Store, id: &str) -> bool {
    id.parse().is_ok_and(|id| store.files.by_id(id).is_some())
}

const FOLDER: &[&str] = &["CAN_READ", "CAN_RUN", "CAN_EDIT", "CAN_MANAGE"];

const KINDS: &[Kind] = &[
    Kind {
        route: "jobs",
        object_type: "job",
        levels: &["CAN_VIEW", "CAN_MANAGE_RUN", OWNER, "CAN_MANAGE"],
        exists: |s, id| s.get("jobs", id).is_some(),
    },
    Kind {
        route: "pipelines",
        object_type: "pipelines",
        levels: &["CAN_VIEW", "CAN_RUN", OWNER, "CAN_MANAGE"],
        exists: |s, id| s.get("pipelines", id).is_some(),
    },
    Kind {
        route: "experiments",
        object_type: "mlflowExperiment",
        levels: &["CAN_READ", "CAN_EDIT", "CAN_MANAGE"],
        exists: |s, id| s.get("experiments", id).is_some_and(|e| e["lifecycle_stage"] == "active"),
    },
    Kind { route: "directories", object_type: "directory", levels: FOLDER, exists: in_tree },
    Kind { route: "notebooks", object_type: "notebook", levels: FOLDER, exists: in_tree },
    Kind { route: "files", object_type: "file", levels: FOLDER, exists: in_tree },
    Kind {
        route: "registered-models",
        object_type: "registered-model",
        levels: &[
            "CAN_READ",
            "CAN_EDIT",
            "CAN_MANAGE_STAGING_VERSIONS",
            "CAN_MANAGE_PRODUCTION_VERSIONS",
            "CAN_MANAGE",
        ],
        exists: |s, id| s.get_table("models").is_some_and(|t| t.values().any(|m| m["id"] == id)),
    },
    Kind {
        route: "serving-endpoints",
        object_type: "serving-endpoint",
        levels: &["CAN_VIEW", "CAN_QUERY", "CAN_MANAGE"],
        exists: |s, id| s.get_table("serving_endpoints").is_some_and(|t| t.values().any(|e| e["id"] == id)),
    },
    Kind {
        route: "clusters",
        object_type: "cluster",
        levels: &["CAN_ATTACH_TO", "CAN_RESTART", "CAN_MANAGE"],
        exists: |s, id| s.get("clusters", id).is_some(),
    },
    Kind {
        route: "instance-pools",
        object_type: "instance-pool",
        levels: &["CAN_ATTACH_TO", "CAN_MANAGE"],
        exists: |s, id| s.get("instance_pools", id).is_some(),
    },
    Kind {
        route: "warehouses",
        object_type: "warehouses",
        levels: &["CAN_VIEW", "CAN_MONITOR", "CAN_USE", OWNER, "CAN_MANAGE"],
        exists: |s, id| s.get("warehouses", id).is_some(),
    },
    Kind {
        route: "database-instances",
        object_type: "database-instance",
        levels: &["CAN_USE", "CAN_CREATE", "CAN_MANAGE"],
        exists: |s, id| s.get("database_instances", id).is_some(),
    },
    Kind {
        route: "vector-search-endpoints",
        object_type: "vector-search-endpoint",
        levels: &["CAN_USE", "CAN_MANAGE"],
        exists: |s, id| s.get_table("vector_search_endpoints").is_some_and(|t| t.values().any(|e| e["id"] == id)),
    },
    Kind {
        route: "apps",
        object_type: "app",
        levels: &["CAN_USE", "CAN_MANAGE"],
        exists: |s, id| s.get("apps", id).is_some(),
    },
    Kind {
        route: "dashboards",
        object_type: "dashboard",
        levels: &["CAN_READ", "CAN_RUN", "CAN_EDIT", "CAN_MANAGE"],
        exists: |s, id| s.get("dashboards", id).is_some(),
    },
    Kind {
        route: "alertsv2",
        object_type: "alertv2",
        levels: &["CAN_READ", "CAN_RUN", "CAN_EDIT", "CAN_MANAGE"],
        exists: |s, id| s.get("alerts", id).is_some(),
    },
];

/// The entry that whoever creates an object gets.
pub(crate) fn own(call: &mut Call, route: &'static str, id: &str) {
    let owned = kind_of(route).is_ok_and(|k| k.levels.contains(&OWNER));
    let ace = Ace {
        kind: if call.who.is_service_principal() { "service_principal_name" } else { "user_name" },
        name: call.who.user_name.clone(),
        level: if owned { OWNER } else { "CAN_MANAGE" }.into(),
    };
    call.store.acls.insert(format!("{route}/{id}"), vec![ace]);
}

fn kind_of(route: &str) -> Result<&'static Kind, Refusal> {
    let kind = KINDS.iter().find(|k| k.route == route);
    kind.ok_or_else(|| Refusal::new(501, "NOT_IMPLEMENTED", format!("the stand-in knows no permissions of {route}")))
}

/// Type and id of the route; the object must exist.
fn subject(call: &Call) -> Result<(&'static Kind, String), Refusal> {
    let (kind, id) = (kind_of(call.param("type"))?, call.param("id").to_owned());
    if !(kind.exists)(call.store, &id) {
        return Err(Refusal::missing(format!("{} {id} does not exist.", kind.object_type)));
    }
    Ok((kind, id))
}

pub(crate) fn get(call: &mut Call) -> Answer {
    let (kind, id) = subject(call)?;
    Reply::json(document(call.store, kind, &id))
}

pub(crate) fn levels(call: &mut Call) -> Answer {
    let (kind, _) = subject(call)?;
    let levels: Vec<Value> = kind.levels.iter().map(|l| json!({"permission_level": l, "description": l})).collect();
    Reply::json(json!({"permission_levels": levels}))
}

pub(crate) fn put(call: &mut Call) -> Answer {
    let (kind, id) = subject(call)?;
    let acl = requested(call, kind)?;
    let owners = acl.iter().filter(|a| a.level == OWNER).count();
    if kind.levels.contains(&OWNER) && owners != 1 {
        return Err(Refusal::invalid(format!("The {} must have exactly one owner.", kind.object_type)));
    }
    call.store.acls.insert(format!("{}/{id}", kind.route), acl);
    Reply::json(document(call.store, kind, &id))
}

pub(crate) fn patch(call: &mut Call) -> Answer {
    let (kind, id) = subject(call)?;
    let added = requested(call, kind)?;
    let acl = call.store.acls.entry(format!("{}/{id}", kind.route)).or_default();
    for ace in added {
        // Ownership moves; it is not shared.
        acl.retain(|a| a.level != OWNER || ace.level != OWNER);
        acl.retain(|a| (a.kind, &a.name) != (ace.kind, &ace.name));
        acl.push(ace);
    }
    Reply::json(document(call.store, kind, &id))
}

/// The list of a job's or pipeline's create request, where it has one.
pub(crate) fn set_at_creation(call: &mut Call, route: &'static str, id: &str) -> Result<(), Refusal> {
    own(call, route, id);
    if call.json.get("access_control_list").is_none_or(Value::is_null) {
        return Ok(());
    }
    let kind = kind_of(route)?;
    let mut acl = requested(call, kind)?;
    if !acl.iter().any(|a| a.level == OWNER) {
        acl.extend(call.store.acls.remove(&format!("{route}/{id}")).unwrap_or_default());
    }
    call.store.acls.insert(format!("{route}/{id}"), acl);
    Ok(())
}

fn requested(call: &Call, kind: &Kind) -> Result<Acl, Refusal> {
    let list = call.json.get("access_control_list").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut acl = Acl::new();
    for entry in &list {
        let level = entry["permission_level"].as_str().unwrap_or_default();
        if !call.is_lenient() && !kind.levels.contains(&level) {
            let known = kind.levels.join(", ");
            let message = format!("{level} is not a permission level of a {}; use one of {known}", kind.object_type);
            return Err(Refusal::invalid(message));
        }
        let names: Vec<(&'static str, &str)> = ["user_name", "group_name", "service_principal_name"]
            .into_iter()
            .filter_map(|k| entry[k].as_str().filter(|v| !v.is_empty()).map(|v| (k, v)))
            .collect();
        let [(name_kind, name)] = names.as_slice() else {
            return Err(Refusal::invalid(
                "An entry names exactly one of user_name, group_name, service_principal_name",
            ));
        };
        if level == OWNER && *name_kind == "group_name" {
            return Err(Refusal::invalid(format!("A group cannot be the owner of a {}", kind.object_type)));
        }
        acl.push(Ace { kind: name_kind, name: (*name).to_owned(), level: level.to_owned() });
    }
    Ok(acl)
}

fn document(store: &Store, kind: &Kind, id: &str) -> Value {
    let mut entries: Vec<(&'static str, String, Vec<Value>)> = vec![];
    let mut add = |ace: &Ace, from: Option<&str>| {
        let mut permission = json!({"permission_level": ace.level, "inherited": from.is_some()});
        if let Some(from) = from {
            permission["inherited_from_object"] = json!([from]);
        }
        match entries.iter_mut().find(|(k, n, _)| (*k, n.as_str()) == (ace.kind, ace.name.as_str())) {
            Some((_, _, permissions)) => permissions.push(permission),
            None => entries.push((ace.kind, ace.name.clone(), vec![permission])),
        }
    };
    for ace in store.acls.get(&format!("{}/{id}", kind.route)).into_iter().flatten() {
        add(ace, None);
    }
    for (ace, from) in inherited_from_folders(store, id) {
        add(&ace, Some(&from));
    }
    let admins = Ace { kind: "group_name", name: "admins".into(), level: "CAN_MANAGE".into() };
    let everything =
        if matches!(kind.route, "notebooks" | "files" | "experiments") { "directories" } else { kind.route };
    add(&admins, Some(&format!("/{everything}/")));
    let list: Vec<Value> = entries.into_iter().map(|(k, name, all)| json!({k: name, "all_permissions": all})).collect();
    json!({"object_id": format!("/{}/{id}", kind.route), "object_type": kind.object_type, "access_control_list": list})
}

/// Entries of the folders around an object of the tree, the nearest first.
fn inherited_from_folders(store: &Store, id: &str) -> Vec<(Ace, String)> {
    let mut found = vec![];
    let Some((path, _)) = id.parse().ok().and_then(|id| store.files.by_id(id)) else { return found };
    let mut at = path;
    while at != "/" {
        at = parent(at);
        let Some(folder) = store.files.get(at).filter(|n| n.what == What::Folder) else { continue };
        let from = format!("/directories/{}", folder.id);
        let acl = store.acls.get(&format!("directories/{}", folder.id)).into_iter().flatten();
        found.extend(acl.map(|ace| (ace.clone(), from.clone())));
    }
    found
}
