//! `workspace/*` and the reading side of `workspace-files/*`: the tree of folders, files and notebooks.
//!
//! `/Workspace/Users/a` and `/Users/a` are one place. An answer names it the way it was asked for.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use crate::rehearsal::workspace::call::{Answer, Call, Refusal, Reply};
use crate::rehearsal::workspace::tree::{Language, Node, What};

const PREFIX: &str = "/Workspace";

/// A path as asked for: where it lies in the tree, and how to write it in an answer.
pub(crate) struct Place {
    pub path: String,
    prefixed: bool,
}

impl Place {
    pub fn of(asked: &str) -> Result<Self, Refusal> {
        if !asked.starts_with('/') {
            return Err(Refusal::invalid(format!("Path ({asked}) should start with '/'")));
        }
        let (path, prefixed) = match asked.strip_prefix(PREFIX) {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => (rest, true),
            _ => (asked, false),
        };
        let path = path.trim_end_matches('/');
        Ok(Self { path: if path.is_empty() { "/".into() } else { path.to_owned() }, prefixed })
    }

    pub fn write(&self, path: &str) -> String {
        if self.prefixed { format!("{PREFIX}{}", if path == "/" { "" } else { path }) } else { path.to_owned() }
    }
}

pub(crate) fn asked_place(call: &Call) -> Result<Place, Refusal> {
    let path = call.required("path")?;
    // In the corpus a relative path is a place of its own, where folders can be made and no file can be put.
    if call.is_lenient() && !path.starts_with('/') {
        return Ok(Place { path, prefixed: false });
    }
    Place::of(&path)
}

pub(crate) fn gone(place: &Place) -> Refusal {
    Refusal::missing(format!("Path ({}) doesn't exist.", place.write(&place.path)))
}

fn object(place: &Place, path: &str, node: &Node) -> Value {
    let mut doc = json!({
        "object_type": "DIRECTORY", "path": place.write(path), "object_id": node.id, "resource_id": node.id.to_string(),
    });
    match &node.what {
        What::Folder => {}
        What::Elsewhere(kind) => doc["object_type"] = json!(kind),
        What::File(content) => {
            doc["object_type"] = json!("FILE");
            doc["size"] = json!(content.len());
        }
        What::Notebook(_, language) => {
            doc["object_type"] = json!("NOTEBOOK");
            doc["language"] = json!(language.name());
        }
    }
    if node.what != What::Folder {
        doc["created_at"] = json!(node.created);
        doc["modified_at"] = json!(node.modified);
    }
    doc
}

pub(crate) fn get_status(call: &mut Call) -> Answer {
    let place = asked_place(call)?;
    let node = call.store.files.get(&place.path).ok_or_else(|| gone(&place))?;
    Reply::json(object(&place, &place.path, node))
}

pub(crate) fn list(call: &mut Call) -> Answer {
    let place = asked_place(call)?;
    let node = call.store.files.get(&place.path).ok_or_else(|| gone(&place))?;
    let objects: Vec<Value> = match node.what {
        What::Folder => call.store.files.children(&place.path).into_iter().map(|(p, n)| object(&place, p, n)).collect(),
        _ => vec![object(&place, &place.path, node)],
    };
    // An empty folder has no list at all.
    Reply::json(if objects.is_empty() { json!({}) } else { json!({"objects": objects}) })
}

pub(crate) fn mkdirs(call: &mut Call) -> Answer {
    let place = asked_place(call)?;
    let (now, ids) = (call.now, &mut call.store.ids);
    call.store.files.folders(&place.path, now, || ids.number()).map_err(|at| {
        Refusal::exists(format!("Cannot create directory: {} exists and is not a directory.", place.write(&at)))
    })?;
    Reply::done()
}

pub(crate) fn delete(call: &mut Call) -> Answer {
    let place = asked_place(call)?;
    let protected = ["/", "/Users", "/Shared", "/Repos"].contains(&place.path.as_str());
    if protected || place.path == format!("/Users/{}", call.who.user_name) {
        return Err(Refusal::invalid(format!("Folder {} is protected", place.write(&place.path))));
    }
    if call.store.files.get(&place.path).is_none() {
        return Err(gone(&place));
    }
    if !call.flag("recursive") && !call.store.files.children(&place.path).is_empty() {
        let message = format!("Folder ({}) is not empty", place.write(&place.path));
        return Err(Refusal::new(400, "DIRECTORY_NOT_EMPTY", message));
    }
    for (path, node) in call.store.files.remove(&place.path) {
        forget(call, &path, &node);
    }
    Reply::done()
}

/// What hangs on an object of the tree goes with it.
fn forget(call: &mut Call, path: &str, node: &Node) {
    let id = node.id.to_string();
    for kind in ["directories", "files", "notebooks"] {
        call.store.acls.remove(&format!("{kind}/{id}"));
    }
    if node.what == What::Elsewhere("MLFLOW_EXPERIMENT") {
        for experiment in call.store.table("experiments").values_mut().filter(|e| e["name"] == path) {
            experiment["lifecycle_stage"] = json!("deleted");
        }
    }
    if node.what == What::Elsewhere("DASHBOARD") {
        let full = format!("{PREFIX}{path}");
        call.store.table("dashboards").retain(|_, d| d["path"] != path && d["path"] != full.as_str());
    }
}

pub(crate) fn export(call: &mut Call) -> Answer {
    let place = asked_place(call)?;
    let node = call.store.files.get(&place.path).ok_or_else(|| gone(&place))?;
    let (content, kind) = match &node.what {
        What::File(content) => (content.bytes().map_err(Refusal::disk)?, "file"),
        What::Notebook(content, Language::Python) => (content.clone(), "py"),
        What::Notebook(content, Language::Sql) => (content.clone(), "sql"),
        What::Notebook(content, Language::Scala) => (content.clone(), "scala"),
        What::Notebook(content, Language::R) => (content.clone(), "r"),
        What::Folder | What::Elsewhere(_) => {
            return Err(Refusal::invalid(format!("{} cannot be exported in this format", place.write(&place.path))));
        }
    };
    if call.query_flag("direct_download") {
        return Ok(Reply::bytes(content));
    }
    if content.len() > 10 * 1024 * 1024 {
        return Err(Refusal::new(
            400,
            "MAX_NOTEBOOK_SIZE_EXCEEDED",
            "The exported content exceeds the limit of 10485760 bytes",
        ));
    }
    Reply::json(json!({"content": BASE64.encode(&content), "file_type": kind}))
}

/// `GET /api/2.0/workspace-files/{path}`.
pub(crate) fn read(call: &mut Call) -> Answer {
    let place = Place::of(&call.rest())?;
    match call.store.files.get(&place.path).map(|n| &n.what) {
        Some(What::File(content)) => Ok(Reply::stored(content.clone())),
        Some(What::Notebook(content, _)) => Ok(Reply::bytes(content.clone())),
        _ => Err(gone(&place)),
    }
}
