//! The bundle's top-level permissions, put on its folders in the workspace.
//!
//! A folder below another one of ours inherits; a shared folder keeps what it has, because
//! everybody may write there anyway.

use futures::future::try_join_all;
use serde_json::{Map, Value, json};

use super::workspace_files::WorkspaceFiles;
use crate::domain::{Failure, Reason, Tree};
use crate::ports::{Method, Request};

/// The folders that are not below another one of them. One that is written twice is in it twice, there as here.
pub fn top_folders(config: &Tree) -> Vec<String> {
    let at = |name: &str| config.text(&["workspace", name]);
    let plain = |folder: &str| folder.trim_end_matches('/').to_owned();
    let mut tops: Vec<String> = at("root_path").map(plain).into_iter().collect();
    for name in ["artifact_path", "file_path", "state_path", "resource_path"] {
        let Some(folder) = at(name).filter(|f| !f.starts_with("/Volumes/")) else { continue };
        let is_below = |top: &String| folder.strip_prefix(top.as_str()).is_some_and(|rest| rest.starts_with('/'));
        if !tops.iter().any(is_below) {
            tops.push(plain(folder));
        }
    }
    tops
}

pub fn is_shared(folder: &str) -> bool {
    folder == "/Workspace/Shared" || folder.starts_with("/Workspace/Shared/")
}

/// The entries as the permissions interface wants them; none where nothing is written. Their levels are looked at here
/// alone in a bundle that has no resources to give them for.
fn entries(config: &Tree) -> Result<Vec<Value>, Failure> {
    let written = config.get("permissions").and_then(Tree::as_list).unwrap_or_default();
    let entry = |tree: &Tree| {
        let level = match tree.text(&["level"]).unwrap_or_default() {
            "CAN_VIEW" => "CAN_READ",
            level @ ("CAN_MANAGE" | "CAN_RUN") => level,
            other => {
                let what = format!("unsupported bundle permission level {other}");
                let hint = "a level of the bundle is CAN_MANAGE, CAN_RUN or CAN_VIEW";
                return Err(Failure::new(Reason::InvalidBundle, what).hint(hint));
            }
        };
        let mut entry = Map::new();
        entry.insert("permission_level".into(), level.into());
        for who in ["group_name", "service_principal_name", "user_name"] {
            if let Some(name) = tree.text(&[who]) {
                entry.insert(who.into(), name.into());
            }
        }
        Ok(Value::Object(entry))
    };
    written.iter().filter(|tree| tree.as_map().is_some_and(|entry| !entry.is_empty())).map(entry).collect()
}

pub async fn apply(files: &WorkspaceFiles, config: &Tree) -> Result<(), Failure> {
    let list = entries(config)?;
    if list.is_empty() {
        return Ok(());
    }
    let folders = top_folders(config);
    try_join_all(folders.iter().filter(|f| !is_shared(f)).map(|folder| put(files, folder, &list))).await?;
    Ok(())
}

async fn put(files: &WorkspaceFiles, folder: &str, list: &[Value]) -> Result<(), Failure> {
    let doing = || format!("set the permissions of {folder}");
    let object = files.stat(folder).await.map_err(|e| e.into_failure(doing()))?;
    let object =
        object.ok_or_else(|| Failure::new(Reason::NotFound, format!("{}: there is no such folder", doing())))?;
    let mut request = Request::new(Method::Put, format!("/api/2.0/permissions/directories/{}", object.id));
    request = request.json(json!({"access_control_list": list}));
    files.rest().call(request).await.map(drop).map_err(|e| e.into_failure(doing()))
}
