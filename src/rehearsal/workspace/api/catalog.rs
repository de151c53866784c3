//! Unity Catalog: catalogs, schemas and volumes. The registered models have a file of their own.

use serde_json::{Map, Value, json};

use super::tables::TABLE;
use crate::rehearsal::workspace::call::{Answer, Call, Refusal, Reply, page};
use crate::rehearsal::workspace::store::Store;
use crate::rehearsal::workspace::tree::parent;

/// What the three levels have in common.
pub(crate) struct Level {
    pub table: &'static str,
    /// `SCHEMA`, as in `SCHEMA_DOES_NOT_EXIST`.
    pub noun: &'static str,
    pub title: &'static str,
    /// As in a path of the grants API.
    pub securable: &'static str,
    pub no_such: &'static str,
    pub exists: &'static str,
}

pub(crate) const CATALOG: Level = Level {
    table: "catalogs",
    noun: "CATALOG",
    title: "Catalog",
    securable: "catalog",
    no_such: "CATALOG_DOES_NOT_EXIST",
    exists: "CATALOG_ALREADY_EXISTS",
};
pub(crate) const SCHEMA: Level = Level {
    table: "schemas",
    noun: "SCHEMA",
    title: "Schema",
    securable: "schema",
    no_such: "SCHEMA_DOES_NOT_EXIST",
    exists: "SCHEMA_ALREADY_EXISTS",
};
pub(crate) const VOLUME: Level = Level {
    table: "volumes",
    noun: "VOLUME",
    title: "Volume",
    securable: "volume",
    no_such: "VOLUME_DOES_NOT_EXIST",
    exists: "VOLUME_ALREADY_EXISTS",
};
pub(crate) const MODEL: Level = Level {
    table: "registered_models",
    noun: "REGISTERED_MODEL",
    title: "Registered model",
    securable: "function",
    no_such: "RESOURCE_DOES_NOT_EXIST",
    // With `ALREADY_EXISTS` the client's copy into a model that exists would stop.
    exists: "RESOURCE_ALREADY_EXISTS",
};

/// A catalog that was there before anybody came, with its schema `default`.
pub(crate) fn seed_catalog(store: &mut Store, name: &str, now: i64) {
    let id = store.ids.uuid();
    let doc = json!({
        "name": name, "full_name": name, "id": id, "owner": "admins", "catalog_type": "MANAGED_CATALOG",
        "metastore_id": store.uc.metastore_id, "created_at": now, "created_by": "admins", "updated_at": now,
        "updated_by": "admins", "isolation_mode": "OPEN", "securable_type": "CATALOG",
    });
    store.table("catalogs").insert(name.to_owned(), doc);
    seed_schema(store, name, "default", now);
}

fn seed_schema(store: &mut Store, catalog: &str, name: &str, now: i64) {
    let id = store.ids.uuid();
    let full_name = format!("{catalog}.{name}");
    let doc = json!({
        "name": name, "catalog_name": catalog, "full_name": full_name, "schema_id": id, "owner": "admins",
        "metastore_id": store.uc.metastore_id, "created_at": now, "created_by": "admins", "updated_at": now,
        "updated_by": "admins", "catalog_type": "MANAGED_CATALOG",
    });
    store.table("schemas").insert(full_name, doc);
}

/// A managed volume that was there before anybody came, with the schema that it lies in.
pub(crate) fn seed_volume(store: &mut Store, full_name: &str, now: i64) {
    let mut parts = full_name.splitn(3, '.');
    let (Some(catalog), Some(schema), Some(name)) = (parts.next(), parts.next(), parts.next()) else { return };
    if store.get("schemas", &format!("{catalog}.{schema}")).is_none() {
        seed_schema(store, catalog, schema, now);
    }
    let id = store.ids.uuid();
    let doc = json!({
        "name": name, "catalog_name": catalog, "schema_name": schema, "full_name": full_name, "volume_id": id,
        "volume_type": "MANAGED", "owner": "admins", "metastore_id": store.uc.metastore_id, "created_at": now,
        "created_by": "admins", "updated_at": now, "updated_by": "admins",
        "storage_location": format!("s3://standin-metastore/metastore/{}/volumes/{id}", store.uc.metastore_id),
    });
    store.table("volumes").insert(full_name.to_owned(), doc);
}

impl Level {
    pub fn find<'a>(&self, store: &'a mut Store, name: &str) -> Result<&'a mut Value, Refusal> {
        let missing = Refusal::new(404, self.no_such, format!("{} '{name}' does not exist.", self.title));
        store.table(self.table).get_mut(name).ok_or(missing)
    }

    /// Refuses a name that is taken, and one that could not be a name.
    pub fn vacant(&self, store: &Store, full_name: &str) -> Result<(), Refusal> {
        let name = full_name.rsplit('.').next().unwrap_or_default();
        if name.is_empty() || name.len() > 255 || name.contains([' ', '/', '\u{7f}']) {
            return Err(Refusal::invalid(format!("'{name}' is not a valid name for a {}", self.title.to_lowercase())));
        }
        match store.get(self.table, full_name) {
            None => Ok(()),
            Some(_) => Err(Refusal::new(400, self.exists, format!("{} '{full_name}' already exists", self.title))),
        }
    }

    /// Moves an object to another name, with its grants.
    fn rename(&self, store: &mut Store, from: &str, to: &str) {
        if let Some(doc) = store.table(self.table).shift_remove(from) {
            store.table(self.table).insert(to.to_owned(), doc);
        }
        let grants = store.uc.grants.remove(&format!("{}/{from}", self.securable));
        if let Some(grants) = grants {
            store.uc.grants.insert(format!("{}/{to}", self.securable), grants);
        }
    }

    pub fn remove(&self, store: &mut Store, name: &str) {
        store.table(self.table).shift_remove(name);
        store.uc.grants.remove(&format!("{}/{name}", self.securable));
    }
}

/// Who made it and when, as every object of the catalog tells.
pub(crate) fn stamped(call: &Call, doc: &mut Map<String, Value>) {
    let who = json!(call.who.user_name);
    doc.insert("owner".into(), who.clone());
    doc.insert("created_at".into(), json!(call.now));
    doc.insert("created_by".into(), who.clone());
    doc.insert("updated_at".into(), json!(call.now));
    doc.insert("updated_by".into(), who);
    doc.insert("metastore_id".into(), json!(call.store.uc.metastore_id));
}

/// Takes the changed fields over. An absent field stays as it is.
pub(crate) fn overlaid(call: &mut Call, level: &Level, name: &str, fields: &[&str]) -> Answer {
    let (now, who) = (call.now, call.who.user_name.clone());
    let body = call.take_json();
    let new_name = body.get("new_name").and_then(Value::as_str).map(str::to_owned);
    let mut full_name = name.to_owned();
    level.find(call.store, name)?;
    if let Some(new_name) = new_name.filter(|n| name.rsplit('.').next() != Some(n)) {
        full_name = name.rsplit_once('.').map_or(new_name.clone(), |(parent, _)| format!("{parent}.{new_name}"));
        level.vacant(call.store, &full_name)?;
        level.rename(call.store, name, &full_name);
        let doc = level.find(call.store, &full_name)?;
        doc["name"] = json!(new_name);
        if let Some(known) = doc.get_mut("full_name") {
            *known = json!(full_name);
        }
    }
    let doc = level.find(call.store, &full_name)?;
    for field in fields {
        if let Some(value) = body.get(*field).filter(|v| !v.is_null()) {
            doc[*field] = value.clone();
        }
    }
    doc["updated_at"] = json!(now);
    doc["updated_by"] = json!(who);
    Reply::json(doc.clone())
}

pub(crate) fn listed(call: &Call, table: &'static str, field: &str, keep: impl Fn(&Value) -> bool) -> Answer {
    let all: Vec<Value> =
        call.store.get_table(table).into_iter().flat_map(|t| t.values()).filter(|d| keep(d)).cloned().collect();
    // Without max_results the whole list is one page.
    let size =
        call.query("max_results").and_then(|s| s.parse::<usize>().ok()).filter(|n| *n > 0).unwrap_or(all.len().max(1));
    let (items, next) = page(all, call.query("page_token"), size.min(10_000))?;
    let mut doc = Map::new();
    if !items.is_empty() {
        doc.insert(field.to_owned(), json!(items));
    }
    if let Some(next) = next {
        doc.insert("next_page_token".into(), json!(next));
    }
    Reply::json(Value::Object(doc))
}

pub(crate) fn listed_in_schema(call: &Call, table: &'static str, field: &str) -> Answer {
    let (catalog, schema) = (call.query("catalog_name"), call.query("schema_name"));
    listed(call, table, field, |d| {
        catalog.is_none_or(|c| d["catalog_name"] == c) && schema.is_none_or(|s| d["schema_name"] == s)
    })
}

pub(crate) fn parent_schema(call: &mut Call) -> Result<(String, String), Refusal> {
    let (catalog, schema) = (call.required("catalog_name")?, call.required("schema_name")?);
    if !call.is_lenient() {
        CATALOG.find(call.store, &catalog)?;
        SCHEMA.find(call.store, &format!("{catalog}.{schema}"))?;
    }
    Ok((catalog, schema))
}

pub(crate) fn create_catalog(call: &mut Call) -> Answer {
    let name = call.required("name")?;
    CATALOG.vacant(call.store, &name)?;
    let mut doc = call.take_json();
    stamped(call, &mut doc);
    let now = call.now;
    seed_schema(call.store, &name, "default", now);
    doc.insert("full_name".into(), json!(name));
    doc.insert("id".into(), json!(call.store.ids.uuid()));
    doc.insert("catalog_type".into(), json!("MANAGED_CATALOG"));
    doc.insert("isolation_mode".into(), json!("OPEN"));
    doc.insert("securable_type".into(), json!("CATALOG"));
    let doc = Value::Object(doc);
    call.store.table("catalogs").insert(name, doc.clone());
    Reply::json(doc)
}

pub(crate) fn get_catalog(call: &mut Call) -> Answer {
    let name = call.param("name").to_owned();
    Reply::json(CATALOG.find(call.store, &name)?.clone())
}

pub(crate) fn update_catalog(call: &mut Call) -> Answer {
    let name = call.param("name").to_owned();
    let fields = [
        "comment",
        "custom_max_retention_hours",
        "enable_predictive_optimization",
        "isolation_mode",
        "managed_encryption_settings",
        "options",
        "owner",
        "properties",
    ];
    let answer = overlaid(call, &CATALOG, &name, &fields)?;
    if call.store.get(CATALOG.table, &name).is_none() {
        let doc: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        move_what_is_in(call.store, &name, doc["name"].as_str().unwrap_or_default());
    }
    Ok(answer)
}

/// Everything in a catalog is called anew with it.
fn move_what_is_in(store: &mut Store, from: &str, to: &str) {
    for level in [&SCHEMA, &VOLUME, &MODEL, &TABLE] {
        let inside: Vec<String> = store.get_table(level.table).into_iter().flat_map(|t| t.keys()).cloned().collect();
        for name in inside {
            let Some(rest) = name.strip_prefix(from).and_then(|rest| rest.strip_prefix('.')) else { continue };
            let full_name = format!("{to}.{rest}");
            level.rename(store, &name, &full_name);
            if let Some(doc) = store.table(level.table).get_mut(&full_name) {
                doc["catalog_name"] = json!(to);
                doc["full_name"] = json!(full_name);
            }
        }
    }
    store.uc.storage.move_below(&format!("/Volumes/{from}"), &format!("/Volumes/{to}"));
}

pub(crate) fn list_catalogs(call: &mut Call) -> Answer {
    listed(call, "catalogs", "catalogs", |_| true)
}

pub(crate) fn delete_catalog(call: &mut Call) -> Answer {
    let name = call.param("name").to_owned();
    CATALOG.find(call.store, &name)?;
    let inside =
        call.store.table("schemas").values().filter(|s| s["catalog_name"] == name.as_str() && s["name"] != "default");
    let inside: Vec<String> = inside.filter_map(|s| s["full_name"].as_str().map(str::to_owned)).collect();
    if !inside.is_empty() && !call.query_flag("force") {
        return Err(Refusal::new(400, "INVALID_STATE", format!("Cannot delete catalog '{name}': it is not empty")));
    }
    for schema in inside.iter().chain([&format!("{name}.default")]) {
        empty_schema(call.store, schema);
        SCHEMA.remove(call.store, schema);
    }
    CATALOG.remove(call.store, &name);
    Reply::done()
}

pub(crate) fn create_schema(call: &mut Call) -> Answer {
    let (catalog, name) = (call.required("catalog_name")?, call.required("name")?);
    if !call.is_lenient() {
        CATALOG.find(call.store, &catalog)?;
    }
    let full_name = format!("{catalog}.{name}");
    SCHEMA.vacant(call.store, &full_name)?;
    let mut doc = call.take_json();
    stamped(call, &mut doc);
    doc.insert("full_name".into(), json!(full_name));
    doc.insert("schema_id".into(), json!(call.store.ids.uuid()));
    doc.insert("catalog_type".into(), json!("MANAGED_CATALOG"));
    // On by default for accounts made since November 2024.
    doc.entry("enable_predictive_optimization").or_insert(json!("INHERIT"));
    let inherited = json!({"value": "ENABLE", "inherited_from_type": "METASTORE", "inherited_from_name": "standin"});
    doc.insert("effective_predictive_optimization_flag".into(), inherited);
    let doc = Value::Object(doc);
    call.store.table("schemas").insert(full_name, doc.clone());
    Reply::json(doc)
}

pub(crate) fn get_schema(call: &mut Call) -> Answer {
    let name = call.param("name").to_owned();
    Reply::json(SCHEMA.find(call.store, &name)?.clone())
}

pub(crate) fn update_schema(call: &mut Call) -> Answer {
    let name = call.param("name").to_owned();
    overlaid(call, &SCHEMA, &name, &["comment", "owner", "properties", "enable_predictive_optimization"])
}

pub(crate) fn list_schemas(call: &mut Call) -> Answer {
    let catalog = call.required("catalog_name")?;
    if !call.is_lenient() {
        CATALOG.find(call.store, &catalog)?;
    }
    listed(call, "schemas", "schemas", |d| d["catalog_name"] == catalog.as_str())
}

pub(crate) fn delete_schema(call: &mut Call) -> Answer {
    let name = call.param("name").to_owned();
    SCHEMA.find(call.store, &name)?;
    if !call.query_flag("force") && !inside(call.store, &name).is_empty() {
        let message =
            format!("Cannot delete schema '{name}': it is not empty. Use force to delete it and what is in it.");
        return Err(Refusal::new(400, "INVALID_STATE", message));
    }
    empty_schema(call.store, &name);
    SCHEMA.remove(call.store, &name);
    Reply::done()
}

/// Volumes, models and tables of a schema.
fn inside(store: &Store, schema: &str) -> Vec<(&'static Level, String)> {
    let prefix = format!("{schema}.");
    let of = |level: &'static Level| {
        let names = store.get_table(level.table).into_iter().flat_map(|t| t.keys());
        names.filter(|n| n.starts_with(&prefix)).map(|n| (level, n.clone())).collect::<Vec<_>>()
    };
    [of(&VOLUME), of(&MODEL), of(&TABLE)].concat()
}

fn empty_schema(store: &mut Store, schema: &str) {
    for (level, name) in inside(store, schema) {
        super::registry::versions::forget_all(store, &name);
        level.remove(store, &name);
        forget_storage(store, &name);
    }
}

fn storage_of(volume: &str) -> String {
    format!("/Volumes/{}", volume.replace('.', "/"))
}

fn forget_storage(store: &mut Store, volume: &str) {
    let mut at = storage_of(volume);
    store.uc.storage.remove(&at);
    // The folders above only exist because of what was in them.
    while parent(&at) != at && store.uc.storage.children(parent(&at)).is_empty() {
        at = parent(&at).to_owned();
        store.uc.storage.remove(&at);
    }
}

pub(crate) fn create_volume(call: &mut Call) -> Answer {
    let (catalog, schema) = parent_schema(call)?;
    let full_name = format!("{catalog}.{schema}.{}", call.required("name")?);
    VOLUME.vacant(call.store, &full_name)?;
    let kind = call.required("volume_type")?;
    let id = call.store.ids.uuid();
    let mut doc = call.take_json();
    if let Some(Value::String(at)) = doc.get_mut("storage_location") {
        at.truncate(at.trim_end_matches('/').len());
    }
    match (kind.as_str(), doc.contains_key("storage_location")) {
        ("EXTERNAL", false) => return Err(Refusal::invalid("An external volume needs a storage_location")),
        ("EXTERNAL", true) => {}
        ("MANAGED", true) => return Err(Refusal::invalid("A managed volume must not have a storage_location")),
        ("MANAGED", false) => {
            let at = format!("s3://standin-metastore/metastore/{}/volumes/{id}", call.store.uc.metastore_id);
            doc.insert("storage_location".into(), json!(at));
        }
        (other, _) => return Err(Refusal::invalid(format!("Unknown volume_type: {other}"))),
    }
    stamped(call, &mut doc);
    doc.insert("full_name".into(), json!(full_name));
    doc.insert("volume_id".into(), json!(id));
    let doc = Value::Object(doc);
    call.store.table("volumes").insert(full_name, doc.clone());
    Reply::json(doc)
}

pub(crate) fn get_volume(call: &mut Call) -> Answer {
    let name = call.param("name").to_owned();
    Reply::json(VOLUME.find(call.store, &name)?.clone())
}

pub(crate) fn list_volumes(call: &mut Call) -> Answer {
    listed_in_schema(call, "volumes", "volumes")
}

pub(crate) fn update_volume(call: &mut Call) -> Answer {
    let name = call.param("name").to_owned();
    let answer = overlaid(call, &VOLUME, &name, &["comment", "owner"])?;
    if call.store.get("volumes", &name).is_none() {
        let doc: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let (from, to) = (storage_of(&name), storage_of(doc["full_name"].as_str().unwrap_or_default()));
        call.store.uc.storage.move_below(&from, &to);
    }
    Ok(answer)
}

pub(crate) fn delete_volume(call: &mut Call) -> Answer {
    let name = call.param("name").to_owned();
    VOLUME.find(call.store, &name)?;
    VOLUME.remove(call.store, &name);
    forget_storage(call.store, &name);
    Reply::no_content_json()
}
