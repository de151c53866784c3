//! Secret scopes, their secrets and who may see them. Values are kept out of every list.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use crate::rehearsal::workspace::call::{Answer, Call, Refusal, Reply};

fn scope<'a>(call: &'a mut Call) -> Result<&'a mut Value, Refusal> {
    let name = call.required("scope")?;
    let missing = Refusal::missing(format!("Scope {name} does not exist!"));
    call.store.table("secret_scopes").get_mut(&name).ok_or(missing)
}

pub(crate) fn create_scope(call: &mut Call) -> Answer {
    let name = call.required("scope")?;
    let well_formed = name.len() <= 128 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_@.".contains(&b));
    if !well_formed {
        return Err(Refusal::invalid("Scope names consist of letters, digits, '-', '_', '@' and '.', at most 128"));
    }
    if call.store.get("secret_scopes", &name).is_some() {
        return Err(Refusal::exists(format!("Scope {name} already exists!")));
    }
    let backend = call.value("scope_backend_type").unwrap_or_else(|| "DATABRICKS".into());
    let manager = call.value("initial_manage_principal").unwrap_or_else(|| call.who.user_name.clone());
    let mut acls = json!({});
    acls[&manager] = json!("MANAGE");
    let mut doc = json!({"name": name, "backend_type": backend, "secrets": {}, "acls": acls});
    if let Some(vault) = call.json.get("backend_azure_keyvault") {
        doc["keyvault_metadata"] = vault.clone();
    }
    call.store.table("secret_scopes").insert(name, doc);
    Reply::done()
}

pub(crate) fn list_scopes(call: &mut Call) -> Answer {
    let public = |s: &Value| {
        let mut doc = s.clone();
        if let Some(doc) = doc.as_object_mut() {
            doc.shift_remove("secrets");
            doc.shift_remove("acls");
        }
        doc
    };
    let all: Vec<Value> = call.store.table("secret_scopes").values().map(public).collect();
    Reply::json(if all.is_empty() { json!({}) } else { json!({"scopes": all}) })
}

pub(crate) fn delete_scope(call: &mut Call) -> Answer {
    let name = call.required("scope")?;
    scope(call)?;
    call.store.table("secret_scopes").shift_remove(&name);
    Reply::done()
}

pub(crate) fn put(call: &mut Call) -> Answer {
    let key = call.required("key")?;
    let value = match (call.value("string_value"), call.value("bytes_value")) {
        (Some(text), None) => BASE64.encode(text),
        (None, Some(bytes)) => bytes,
        _ => return Err(Refusal::invalid("Exactly one of string_value and bytes_value is needed")),
    };
    let now = call.now;
    scope(call)?["secrets"][key] = json!({"value": value, "last_updated_timestamp": now});
    Reply::done()
}

pub(crate) fn get(call: &mut Call) -> Answer {
    let key = call.required("key")?;
    let secret = scope(call)?["secrets"][&key].clone();
    if secret.is_null() {
        return Err(Refusal::missing(format!("Failed to get secret {key}: it does not exist")));
    }
    Reply::json(json!({"key": key, "value": secret["value"]}))
}

pub(crate) fn list(call: &mut Call) -> Answer {
    let secrets = scope(call)?["secrets"].as_object().cloned().unwrap_or_default();
    let one = |(k, v): (&String, &Value)| json!({"key": k, "last_updated_timestamp": v["last_updated_timestamp"]});
    Reply::json(if secrets.is_empty() {
        json!({})
    } else {
        json!({"secrets": secrets.iter().map(one).collect::<Vec<_>>()})
    })
}

pub(crate) fn delete(call: &mut Call) -> Answer {
    let key = call.required("key")?;
    let removed = scope(call)?["secrets"].as_object_mut().and_then(|s| s.shift_remove(&key));
    removed.map_or_else(|| Err(Refusal::missing(format!("Secret {key} does not exist"))), |_| Reply::done())
}

pub(crate) fn put_acl(call: &mut Call) -> Answer {
    let (principal, permission) = (call.required("principal")?, call.required("permission")?);
    if !["READ", "WRITE", "MANAGE"].contains(&permission.as_str()) {
        return Err(Refusal::invalid(format!("Unknown permission: {permission}")));
    }
    scope(call)?["acls"][principal] = json!(permission);
    Reply::done()
}

pub(crate) fn get_acl(call: &mut Call) -> Answer {
    let principal = call.required("principal")?;
    match scope(call)?["acls"][&principal].clone() {
        Value::Null => Err(Refusal::missing(format!("{principal} has no permission on the scope"))),
        permission => Reply::json(json!({"principal": principal, "permission": permission})),
    }
}

pub(crate) fn list_acls(call: &mut Call) -> Answer {
    let acls = scope(call)?["acls"].as_object().cloned().unwrap_or_default();
    let items: Vec<Value> = acls.iter().map(|(k, v)| json!({"principal": k, "permission": v})).collect();
    Reply::json(if items.is_empty() { json!({}) } else { json!({"items": items}) })
}

pub(crate) fn delete_acl(call: &mut Call) -> Answer {
    let principal = call.required("principal")?;
    let removed = scope(call)?["acls"].as_object_mut().and_then(|a| a.shift_remove(&principal));
    removed
        .map_or_else(|| Err(Refusal::missing(format!("{principal} has no permission on the scope"))), |_| Reply::done())
}
