//! Which paths there are, and which of them may be written.

use crate::rehearsal::workspace::api::catalog::VOLUME;
use crate::rehearsal::workspace::api::grants;
use crate::rehearsal::workspace::api::tracking::artifacts;
use crate::rehearsal::workspace::call::{Call, Refusal};
use crate::rehearsal::workspace::store::Store;

/// A path whose volume or model version exists.
pub(crate) fn place(call: &Call) -> Result<String, Refusal> {
    exists(call.store, &call.rest())
}

pub(crate) fn exists(store: &Store, path: &str) -> Result<String, Refusal> {
    let path = path.trim_end_matches('/').to_owned();
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        ["", "Volumes", catalog, schema, volume, ..] => {
            let name = format!("{catalog}.{schema}.{volume}");
            match store.get("volumes", &name) {
                Some(_) => Ok(path),
                None => Err(Refusal::not_found(format!("Volume '{name}' does not exist."))),
            }
        }
        ["", "Models", catalog, schema, model, version, ..] => {
            let name = format!("{catalog}.{schema}.{model}");
            match store.get("model_versions", &format!("{name}/{version}")) {
                Some(_) => Ok(path),
                None => Err(Refusal::not_found(format!("Model version '{name}/{version}' does not exist."))),
            }
        }
        _ if artifacts::belongs(store, &path) == Some(true) => Ok(path),
        _ if artifacts::belongs(store, &path) == Some(false) => {
            Err(Refusal::not_found(format!("No run or logged model has its artifacts at {path}")))
        }
        _ => {
            let message = format!(
                "Invalid path: {path}. Files are under /Volumes/<catalog>/<schema>/<volume> and \
                 /Models/<catalog>/<schema>/<model>/<version>"
            );
            Err(Refusal::invalid(message))
        }
    }
}

/// Who calls may write there. People may write everything here, as admins do.
pub(crate) fn writable(call: &Call, path: &str) -> Result<(), Refusal> {
    let parts: Vec<&str> = path.split('/').collect();
    if let ["", "Volumes", catalog, schema, volume, ..] = parts.as_slice()
        && call.who.is_service_principal()
        && !call.is_lenient()
    {
        let name = format!("{catalog}.{schema}.{volume}");
        if !grants::allows(call.store, (&VOLUME, &name), &call.who.user_name, "WRITE_VOLUME") {
            return Err(Refusal::denied(format!("User does not have WRITE VOLUME on Volume '{name}'.")));
        }
    }
    unfinished(call.store, path)
}

/// The files of a model version are written until it is finalized, and never again.
pub(crate) fn unfinished(store: &Store, path: &str) -> Result<(), Refusal> {
    let parts: Vec<&str> = path.split('/').collect();
    let ["", "Models", catalog, schema, model, version, ..] = parts.as_slice() else { return Ok(()) };
    let key = format!("{catalog}.{schema}.{model}/{version}");
    let status = store.get("model_versions", &key).and_then(|v| v["status"].as_str()).unwrap_or_default();
    if status == "PENDING_REGISTRATION" {
        return Ok(());
    }
    Err(Refusal::new(400, "INVALID_STATE", format!("Model version '{key}' is {status}: its files cannot be changed")))
}

/// A volume's own folder, and a version's, exists as soon as it does; so does a run's.
pub(crate) fn is_root(path: &str) -> bool {
    let depth = match path.split('/').nth(1) {
        Some("Volumes") => 5,
        Some("Models") => 6,
        _ => return artifacts::is_root(path),
    };
    path.split('/').count() == depth
}

pub(crate) fn is_folder(store: &Store, path: &str) -> bool {
    is_root(path) || store.uc.storage.is_folder(path)
}

pub(crate) fn no_such(kind: &str, path: &str) -> Refusal {
    Refusal::not_found(format!("The {kind} being accessed is not found: {path}"))
}
