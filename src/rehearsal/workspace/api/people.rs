//! Who is who: SCIM, as far as clients ask about themselves, and the small questions every client starts with.

use serde_json::{Value, json};

use crate::rehearsal::workspace::call::{Answer, Call, Reply};
use crate::rehearsal::workspace::identity::Principal;

pub(crate) fn me(call: &mut Call) -> Answer {
    if call.is_lenient() {
        // The corpus was recorded on a workspace that says no more than this about a person.
        return Reply::json(json!({"id": call.who.id, "userName": call.who.user_name}));
    }
    Reply::json(person(&call.who))
}

fn person(who: &Principal) -> Value {
    let mut doc = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "id": who.id,
        "userName": who.user_name,
        "displayName": who.display_name,
        "active": true,
        "groups": [{"display": "users", "type": "direct", "value": "100000000000001"}],
    });
    if who.is_service_principal() {
        doc["applicationId"] = json!(who.user_name);
    } else {
        doc["emails"] = json!([{"type": "work", "value": who.user_name, "primary": true}]);
    }
    doc
}

/// Only the caller is listed: the stand-in has no directory, and a lookup by name must not find an invented one.
pub(crate) fn list_service_principals(call: &mut Call) -> Answer {
    let asked = call.query("filter").unwrap_or_default();
    let known = call.who.is_service_principal()
        && (asked.is_empty() || asked.contains(&call.who.user_name) || asked.contains(&call.who.display_name));
    let found: Vec<Value> = known.then(|| person(&call.who)).into_iter().collect();
    Reply::json(json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": found.len(), "startIndex": 1, "itemsPerPage": found.len(), "Resources": found,
    }))
}

pub(crate) fn current_metastore(call: &mut Call) -> Answer {
    Reply::json(json!({
        "metastore_id": call.store.metastore_id,
        "workspace_id": call.store.workspace_id,
        "default_catalog_name": "main",
    }))
}

pub(crate) fn metastore_summary(call: &mut Call) -> Answer {
    Reply::json(json!({
        "metastore_id": call.store.metastore_id,
        "name": "standin",
        "cloud": "aws",
        "region": "us-west-2",
        "global_metastore_id": format!("aws:us-west-2:{}", call.store.metastore_id),
        "storage_root": format!("s3://standin-metastore/metastore/{}", call.store.metastore_id),
        "delta_sharing_scope": "INTERNAL",
        "privilege_model_version": "1.0",
    }))
}

pub(crate) fn metastores(call: &mut Call) -> Answer {
    Reply::json(
        json!({"metastores": [{"metastore_id": call.store.metastore_id, "name": "standin", "region": "us-west-2"}]}),
    )
}

/// Usage reports are accepted and forgotten.
pub(crate) fn telemetry(call: &mut Call) -> Answer {
    let sent = call.json.get("protoLogs").and_then(Value::as_array).map_or(0, Vec::len);
    Reply::json(json!({"errors": [], "numProtoSuccess": sent}))
}
