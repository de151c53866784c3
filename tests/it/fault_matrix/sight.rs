//! What a stage's workspace shows, without what differs between two runs that did the same.
//!
//! A settled dump settles ids and times of the workspace. Here it is freed of the rest: ports, releases whose ids come of
//! ports, addresses of runs, and numbers that are never given twice, such as that of a copy that was deleted and made anew.

use std::collections::BTreeMap;

use mlops_deploy::rehearsal::workspace::Control;
use serde_json::{Value, json};

use super::situation::Ready;
use crate::stage_world::{At, settled};

/// Where a model is promoted to.
const PROMOTED: &str = "prod.scores.churn";

/// What is deployed.
pub fn snapshot(ready: &Ready, at: At) -> Value {
    let mut dump = settled(ready.world.at(at));
    for store in stores_mut(&mut dump) {
        keep_of_records(&mut store["storage"]);
        forget_counts(store);
    }
    let mut text = dump.to_string().replace(&ready.world.github.server_url(), "https://github.com");
    for (i, release) in ready.releases.iter().enumerate() {
        text = text.replace(release.trim_start_matches("sha256:"), &format!("<release {}>", i + 1));
    }
    text = without_number_behind("/actions/runs/", &text);
    text = without_number_behind("/job/", &text);
    serde_json::from_str(&renumbered(&dump, text)).unwrap()
}

pub fn stores_mut(dump: &mut Value) -> impl Iterator<Item = &mut Value> {
    dump.as_object_mut().into_iter().flat_map(|stores| stores.values_mut())
}

/// A record tells which run wrote it and when; archives hold ports.
fn keep_of_records(storage: &mut Value) {
    let Some(files) = storage.as_object_mut() else { return };
    files.retain(|path, _| !path.contains("/ops/releases/"));
    for (_, file) in files.iter_mut().filter(|(path, _)| path.contains("/ops/deployments/")) {
        let record = &file["content"];
        if record.is_object() {
            let details = &record["details"];
            *file = json!({
                "sequence": record["sequence"], "release": record["release"], "stage": record["stage"],
                "models": details["models"], "promotion": details["promotion"],
            });
        }
    }
}

fn forget_counts(store: &mut Value) {
    let tables = &mut store["tables"];
    for endpoint in values_mut(tables, "serving_endpoints") {
        if let Some(config) = endpoint["config"].as_object_mut() {
            config.remove("config_version");
        }
    }
    // It names release and model, which the copy's other tags name too.
    for version in values_mut(tables, "model_versions") {
        for tag in version["tags"].as_array_mut().into_iter().flatten() {
            if tag["key"] == "promotion_id" {
                tag["value"] = Value::Null;
            }
        }
    }
    for run in values_mut(tables, "mlflow_runs") {
        for tag in run["data"]["tags"].as_array_mut().into_iter().flatten() {
            if tag["key"] == "mlflow.databricks.jobRunID" {
                tag["value"] = Value::Null;
            }
        }
    }
}

fn values_mut<'t>(tables: &'t mut Value, kind: &str) -> impl Iterator<Item = &'t mut Value> {
    let table = tables.get_mut(kind).and_then(Value::as_object_mut);
    table.into_iter().flat_map(|table| table.values_mut())
}

fn without_number_behind(word: &str, text: &str) -> String {
    let mut parts = text.split(word);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, rest| text + word + "*" + rest.trim_start_matches(|c: char| c.is_ascii_digit()))
}

/// The versions that there are count from one.
fn renumbered(dump: &Value, mut text: String) -> String {
    let tables = dump.as_object().into_iter().flat_map(|stores| stores.values()).map(|store| &store["tables"]);
    let versions = tables.filter_map(|tables| tables["model_versions"].as_object()).flat_map(|table| table.keys());
    let number = |key: &String| key.strip_prefix(PROMOTED)?.strip_prefix('/')?.parse::<u64>().ok();
    let mut there: Vec<u64> = versions.filter_map(number).collect();
    there.sort_unstable();
    let folder = format!("/Models/{}/", PROMOTED.replace('.', "/"));
    for (i, number) in there.into_iter().enumerate() {
        let to = i + 1;
        for end in ["\"", "/"] {
            text = text.replace(&format!("{folder}{number}{end}"), &format!("{folder}{to}{end}"));
        }
        for (before, after) in [
            (format!("{PROMOTED}/"), "\""),
            ("churn-v".to_owned(), "\""),
            ("\"entity_version\":\"".to_owned(), "\""),
            ("\"version_num\":".to_owned(), "}"),
            ("\"version\":".to_owned(), "}"),
        ] {
            text = text.replace(&format!("{before}{number}{after}"), &format!("{before}{to}{after}"));
        }
    }
    text
}

/// What a stage makes one of at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    pub versions: usize,
    pub trainings: usize,
    pub records: usize,
    pub endpoints: usize,
}

impl Counted {
    /// Of a workspace's whole dump.
    pub fn of(dump: &Value, at: At) -> Self {
        let store = &dump["workspace"];
        let keys = |value: &Value, start: &str| {
            value.as_object().into_iter().flatten().filter(|(key, _)| key.starts_with(start)).count()
        };
        let files = store["storage"].as_object().into_iter().flatten();
        let records = format!("/Volumes/{}/ops/deployments/tiny/", at.name());
        Self {
            versions: keys(&store["tables"]["model_versions"], &format!("{}.", at.name())),
            trainings: store["runs"].as_array().into_iter().flatten().filter(|run| run["name"] == "fit").count(),
            records: files.filter(|(path, _)| path.starts_with(&records)).count(),
            endpoints: keys(&store["tables"]["serving_endpoints"], ""),
        }
    }

    /// What there is too much of, where there may be one more of each.
    pub fn beyond(&self, before: &Self) -> Option<String> {
        let pairs = [
            ("versions", self.versions, before.versions),
            ("trainings", self.trainings, before.trainings),
            ("records", self.records, before.records),
            ("endpoints", self.endpoints, before.endpoints),
        ];
        pairs
            .into_iter()
            .find(|(_, now, was)| now > &(was + 1))
            .map(|(what, now, was)| format!("{now} {what}, {was} before"))
    }
}

/// A version that can be loaded and has not the bytes of the version that it is a copy of.
pub fn wrong_bytes(dump: &Value) -> Option<String> {
    let store = &dump["workspace"];
    let files = |model: &str, version: &str| -> BTreeMap<String, Value> {
        let folder = format!("/Models/{}/{version}/", model.replace('.', "/"));
        let all = store["storage"].as_object().into_iter().flatten();
        let bytes = all.filter(|(_, file)| file["type"] == "FILE");
        bytes
            .filter_map(|(path, file)| Some((path.strip_prefix(&folder)?.to_owned(), file["sha256"].clone())))
            .collect()
    };
    let versions = store["tables"]["model_versions"].as_object()?;
    versions.iter().find_map(|(name, version)| {
        let (from, number) = version["source"].as_str()?.strip_prefix("models:/")?.split_once('/')?;
        let (to, own) = name.rsplit_once('/')?;
        let wrong = version["status"] == "READY" && files(from, number) != files(to, own);
        wrong.then(|| name.clone())
    })
}

/// A configuration that somebody sent, whose traffic is not shared out whole.
pub fn odd_traffic(control: &Control) -> Option<Value> {
    let requests = control.requests().into_iter().filter(|r| r.is_write() && r.path.contains("serving-endpoints"));
    requests.map(|request| request.body).find(|body| {
        let config = if body["config"].is_object() { &body["config"] } else { body };
        let routes = config["traffic_config"]["routes"].as_array();
        routes.is_some_and(|routes| routes.iter().filter_map(|r| r["traffic_percentage"].as_u64()).sum::<u64>() != 100)
    })
}
