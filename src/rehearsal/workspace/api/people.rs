//! Who is who: SCIM, as far as clients ask about themselves, and the small questions every client starts with.

use serde_json::{Value, json};

use crate::rehearsal::workspace::call::{Answer, Call, Refusal, Reply};
use crate::rehearsal::workspace::identity::Principal;

pub(crate) fn me(call: &mut Call) -> Answer {
    if call.is_lenient() {
        // The corpus was recorded on a workspace that says no more than this about a person.
        return Reply::json(json!({"id": call.who.id, "userName": call.who.user_name}));
    }
    Reply::json(person(&call.who))
}

fn person(who: &Principal) -> Value {
    let everybody = json!({"display": "users", "type": "direct", "value": "100000000000001"});
    let more = who.groups.iter().map(|group| json!({"display": group, "type": "direct"}));
    let groups: Vec<Value> = std::iter::once(everybody).chain(more).collect();
    let mut doc = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "id": who.id,
        "userName": who.user_name,
        "displayName": who.display_name,
        "active": true,
        "groups": groups,
    });
    if who.is_service_principal() {
        doc["applicationId"] = json!(who.user_name);
    } else {
        doc["emails"] = json!([{"type": "work", "value": who.user_name, "primary": true}]);
    }
    doc
}

/// `ServicePrincipals?filter=displayName eq "deploy-dev"`.
pub(crate) fn list_service_principals(call: &mut Call) -> Answer {
    listed(call, true)
}

pub(crate) fn list_users(call: &mut Call) -> Answer {
    listed(call, false)
}

fn listed(call: &Call, service_principals: bool) -> Answer {
    let filter = call.query("filter").map(equality).transpose()?.flatten();
    let wanted = |who: &&Principal| {
        who.is_service_principal() == service_principals
            && filter.as_ref().is_none_or(|(field, value)| person(who)[field] == value.as_str())
    };
    let found: Vec<Value> = call.store.people.iter().filter(wanted).map(person).collect();
    Reply::json(json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": found.len(), "startIndex": 1, "itemsPerPage": found.len(), "Resources": found,
    }))
}

/// `displayName eq "deploy-dev"`; another kind of filter is refused rather than ignored.
fn equality(filter: &str) -> Result<Option<(String, String)>, Refusal> {
    if filter.is_empty() {
        return Ok(None);
    }
    let unquoted = |v: &str| v.trim().trim_matches(['"', '\'']).to_owned();
    let parts = filter.split_once(" eq ").map(|(f, v)| (f.trim().to_owned(), unquoted(v)));
    let unknown =
        || Refusal::new(501, "NOT_IMPLEMENTED", format!("the stand-in does not understand the filter: {filter}"));
    parts.ok_or_else(unknown).map(Some)
}

pub(crate) fn current_metastore(call: &mut Call) -> Answer {
    Reply::json(json!({
        "metastore_id": call.store.uc.metastore_id,
        "workspace_id": call.store.workspace_id,
        "default_catalog_name": "main",
    }))
}

pub(crate) fn metastore_summary(call: &mut Call) -> Answer {
    Reply::json(json!({
        "metastore_id": call.store.uc.metastore_id,
        "name": "standin",
        "cloud": "aws",
        "region": "us-west-2",
        "global_metastore_id": format!("aws:us-west-2:{}", call.store.uc.metastore_id),
        "storage_root": format!("s3://standin-metastore/metastore/{}", call.store.uc.metastore_id),
        "delta_sharing_scope": "INTERNAL",
        "privilege_model_version": "1.0",
    }))
}

pub(crate) fn metastores(call: &mut Call) -> Answer {
    Reply::json(
        json!({"metastores": [{"metastore_id": call.store.uc.metastore_id, "name": "standin", "region": "us-west-2"}]}),
    )
}

/// Usage reports are accepted and forgotten.
pub(crate) fn telemetry(call: &mut Call) -> Answer {
    let sent = call.json.get("protoLogs").and_then(Value::as_array).map_or(0, Vec::len);
    Reply::json(json!({"errors": [], "numProtoSuccess": sent}))
}
