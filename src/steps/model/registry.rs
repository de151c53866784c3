//! Asks and tells the model registry of Unity Catalog.
//!
//! It has two faces. What the public reference documents is asked in its words. Creating and
//! finalizing a version and setting its tags are in no reference, only in MLflow's code, and
//! there twice: the newer form is sent first, and the older one, which MLflow uses unless told
//! otherwise, where a workspace does not know the newer. Tags and logged metrics are read in
//! the older form: every workspace answers it with both.
//!
//! No write here is repeated blindly. A lost reply comes back as such, and whoever made the
//! version looks for it by its source and tags before making another.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::domain::{Alias, Failure, ModelName, ModelVersion, VersionStatus};
use crate::ports::{Method, Request, Rest, RestError};
use crate::steps::bundle::workspace_files::escape;

const NATIVE: &str = "/api/2.1/unity-catalog";
const LEGACY: &str = "/api/2.0/mlflow/unity-catalog";
const PAGE: &str = "1000";

/// A model as the registry has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Registered {
    pub name: ModelName,
    pub owner: String,
    pub metastore_id: String,
    pub comment: String,
    /// Every alias and the version it stands for.
    pub aliases: BTreeMap<Alias, ModelVersion>,
    /// A job that starts by itself with each new version.
    pub deployment_job_id: Option<String>,
}

/// A version as the registry has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    pub model: ModelName,
    pub version: ModelVersion,
    pub status: VersionStatus,
    pub source: String,
    /// The MLflow run that made it; empty where none did.
    pub run_id: String,
    pub run_workspace_id: Option<u64>,
    /// MLflow 3's logged model; empty for what an older client registered.
    pub model_id: String,
    pub comment: String,
    pub created_by: String,
    /// Milliseconds since 1970, by the workspace's clock.
    pub created_at: Option<u64>,
    pub storage_location: String,
    /// Only where one version was asked for: lists do not carry them.
    pub aliases: Vec<Alias>,
}

/// What the older form adds: a version's tags and the metrics logged with it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Details {
    pub tags: BTreeMap<String, String>,
    pub metrics: Vec<LoggedMetric>,
    pub status_message: String,
}

/// A metric of the logged model behind a version, with the data it was taken on.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedMetric {
    pub key: String,
    /// NaN where the registry says so, in text or by leaving the number out.
    pub value: f64,
    /// Milliseconds since 1970, by whoever logged it.
    pub timestamp: i64,
    pub step: i64,
    pub dataset_name: String,
    pub dataset_digest: String,
    pub run_id: String,
}

/// What a new version says about itself.
#[derive(Clone, Debug, Default)]
pub struct NewVersion {
    pub source: String,
    pub run_id: String,
    pub comment: String,
    pub tags: BTreeMap<String, String>,
    /// Left out when empty: a model id of another workspace is refused.
    pub model_id: String,
}

pub struct Registry<'a>(pub &'a dyn Rest);

impl Registry<'_> {
    /// The model with its aliases; none where there is no such model.
    pub async fn model(&self, name: &ModelName) -> Result<Option<Registered>, Failure> {
        let request = Request::get(model_at(name)).query("include_aliases", "true");
        let doing = || format!("read model {name}");
        let Some(answer) = self.maybe(request, doing).await? else { return Ok(None) };
        Ok(Some(registered(name, &answer)))
    }

    /// One version with its aliases; none where there is no such model or version.
    pub async fn version(&self, name: &ModelName, version: ModelVersion) -> Result<Option<Version>, Failure> {
        let request = Request::get(version_at(name, version)).query("include_aliases", "true");
        let doing = || format!("read version {version} of {name}");
        let Some(answer) = self.maybe(request, doing).await? else { return Ok(None) };
        read(name, &answer, &doing()).map(Some)
    }

    /// The version that an alias stands for; none where nothing has that alias.
    pub async fn by_alias(&self, name: &ModelName, alias: &Alias) -> Result<Option<Version>, Failure> {
        let request = Request::get(alias_at(name, alias)).query("include_aliases", "true");
        let doing = || format!("read alias `{alias}` of {name}");
        let Some(answer) = self.maybe(request, doing).await? else { return Ok(None) };
        read(name, &answer, &doing()).map(Some)
    }

    /// Every version, oldest first. A page may be empty and still not be the last.
    pub async fn versions(&self, name: &ModelName) -> Result<Vec<Version>, Failure> {
        let doing = || format!("list the versions of {name}");
        let mut found = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let mut request = Request::get(format!("{}/versions", model_at(name))).query("max_results", PAGE);
            if let Some(token) = &token {
                request = request.query("page_token", token);
            }
            let answer = self.call(request, doing).await?;
            for item in answer["model_versions"].as_array().into_iter().flatten() {
                found.push(read(name, item, &doing())?);
            }
            match answer["next_page_token"].as_str().filter(|t| !t.is_empty()) {
                Some(next) if token.as_deref() != Some(next) => token = Some(next.to_owned()),
                Some(_) => return Err(malformed("a page names itself as the next", &doing())),
                None => break,
            }
        }
        found.sort_by_key(|v| v.version);
        Ok(found)
    }

    /// Tags, logged metrics and the reason of a failed registration; none where there is no such version.
    pub async fn details(&self, name: &ModelName, version: ModelVersion) -> Result<Option<Details>, Failure> {
        let doing = || format!("read the tags of version {version} of {name}");
        let older = Request::get(format!("{LEGACY}/model-versions/get"))
            .query("name", name.to_string())
            .query("version", version.to_string());
        let newer = Request::get(version_at(name, version)).query("include_aliases", "true");
        match self.either(older, newer).await {
            Ok(answer) => Ok(Some(details(answer.get("model_version").unwrap_or(&answer)))),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into_failure(doing())),
        }
    }

    /// The tags of one version; none where there is no such version.
    pub async fn version_tags(
        &self,
        name: &ModelName,
        version: ModelVersion,
    ) -> Result<Option<BTreeMap<String, String>>, Failure> {
        Ok(self.details(name, version).await?.map(|details| details.tags))
    }

    /// Makes a version that waits for its files. The reply may be lost: look before repeating.
    pub async fn create_version(&self, name: &ModelName, new: &NewVersion) -> Result<Version, RestError> {
        let tags = || new.tags.iter().map(|(key, value)| json!({"key": key, "value": value})).collect::<Vec<_>>();
        let mut newer = json!({
            "catalog_name": name.catalog, "schema_name": name.schema, "model_name": name.name,
            "source": new.source, "run_id": new.run_id, "comment": new.comment, "tags": tags(),
        });
        let mut older = json!({
            "name": name.to_string(), "source": new.source, "run_id": new.run_id, "description": new.comment,
            "tags": tags(),
        });
        if !new.model_id.is_empty() {
            newer["model_id"] = json!(new.model_id);
            older["model_id"] = json!(new.model_id);
        }
        let newer = Request::post(format!("{NATIVE}/models/versions"), newer);
        let older = Request::post(format!("{LEGACY}/model-versions/create"), older);
        self.made(name, newer, older).await
    }

    /// Says that all files are there. Refused the second time: after a lost reply read the version.
    pub async fn finalize(&self, name: &ModelName, version: ModelVersion) -> Result<Version, RestError> {
        let newer = json!({"full_name": name.to_string(), "version": version});
        let newer = Request::new(Method::Patch, format!("{}/finalize", version_at(name, version))).json(newer);
        let older = json!({"name": name.to_string(), "version": version.to_string()});
        self.made(name, newer, Request::post(format!("{LEGACY}/model-versions/finalize"), older)).await
    }

    pub async fn delete_version(&self, name: &ModelName, version: ModelVersion) -> Result<(), RestError> {
        self.0.call(Request::new(Method::Delete, version_at(name, version))).await.map(drop)
    }

    /// Sets it, wherever it was before.
    pub async fn set_alias(&self, name: &ModelName, alias: &Alias, version: ModelVersion) -> Result<(), RestError> {
        let body = json!({"version_num": version});
        self.0.call(Request::new(Method::Put, alias_at(name, alias)).json(body)).await.map(drop)
    }

    pub async fn delete_alias(&self, name: &ModelName, alias: &Alias) -> Result<(), RestError> {
        self.0.call(Request::new(Method::Delete, alias_at(name, alias))).await.map(drop)
    }

    /// Sets some tags of a version and takes others away. Doing it twice does no more than once.
    pub async fn set_version_tags(
        &self,
        name: &ModelName,
        version: ModelVersion,
        set: &BTreeMap<String, String>,
        remove: &[String],
    ) -> Result<(), RestError> {
        let add: Vec<Value> = set.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
        let mut changes = Map::new();
        if !add.is_empty() {
            changes.insert("add_tags".into(), add.into());
        }
        if !remove.is_empty() {
            changes.insert("remove".into(), json!(remove));
        }
        let path = format!("{NATIVE}/subentity-tags/FUNCTION/{}/{version}", escape(&name.to_string()));
        let newer = Request::new(Method::Patch, path).json(json!({"changes": changes})).repeatable();
        match self.0.call(newer).await {
            Err(error) if is_unknown_route(&error) => {}
            other => return other.map(drop),
        }
        let of = |key: &str| json!({"name": name.to_string(), "version": version.to_string(), "key": key});
        for (key, value) in set {
            let mut body = of(key);
            body["value"] = json!(value);
            self.0.call(Request::post(format!("{LEGACY}/model-versions/set-tag"), body).repeatable()).await?;
        }
        for key in remove {
            let request = Request::new(Method::Delete, format!("{LEGACY}/model-versions/delete-tag")).json(of(key));
            self.0.call(request).await?;
        }
        Ok(())
    }

    async fn call(&self, request: Request, doing: impl Fn() -> String) -> Result<Value, Failure> {
        self.0.call(request).await.and_then(|r| r.json()).map_err(|e| e.into_failure(doing()))
    }

    async fn maybe(&self, request: Request, doing: impl Fn() -> String) -> Result<Option<Value>, Failure> {
        match self.0.call(request).await.and_then(|r| r.json()) {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into_failure(doing())),
        }
    }

    /// The second form where the workspace does not know the first.
    async fn either(&self, first: Request, second: Request) -> Result<Value, RestError> {
        match self.0.call(first).await {
            Err(error) if is_unknown_route(&error) => self.0.call(second).await?.json(),
            answer => answer?.json(),
        }
    }

    async fn made(&self, name: &ModelName, newer: Request, older: Request) -> Result<Version, RestError> {
        let answer = self.either(newer, older).await?;
        let answer = answer.get("model_version").unwrap_or(&answer);
        version(name, answer).ok_or_else(|| RestError::Malformed("the version has no number".to_owned()))
    }
}

fn is_unknown_route(error: &RestError) -> bool {
    matches!(error, RestError::Status { error_code, .. } if error_code == "ENDPOINT_NOT_FOUND")
}

fn model_at(name: &ModelName) -> String {
    format!("{NATIVE}/models/{}", escape(&name.to_string()))
}

fn version_at(name: &ModelName, version: ModelVersion) -> String {
    format!("{}/versions/{version}", model_at(name))
}

fn alias_at(name: &ModelName, alias: &Alias) -> String {
    format!("{}/aliases/{}", model_at(name), escape(alias.as_str()))
}

fn malformed(what: &str, doing: &str) -> Failure {
    RestError::Malformed(what.to_owned()).into_failure(doing)
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

/// 64-bit integers come as numbers or as text.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn registered(name: &ModelName, answer: &Value) -> Registered {
    let aliases = answer["aliases"].as_array().into_iter().flatten().filter_map(|a| {
        let alias = Alias::parse(a["alias_name"].as_str()?).ok()?;
        Some((alias, ModelVersion::new(number(&a["version_num"])?)?))
    });
    Registered {
        name: name.clone(),
        owner: text(answer, "owner"),
        metastore_id: text(answer, "metastore_id"),
        comment: text(answer, "comment"),
        aliases: aliases.collect(),
        deployment_job_id: answer["deployment_job_id"].as_str().filter(|id| !id.is_empty()).map(str::to_owned),
    }
}

fn read(name: &ModelName, answer: &Value, doing: &str) -> Result<Version, Failure> {
    version(name, answer).ok_or_else(|| malformed("the version has no number", doing))
}

/// Both forms: what one calls `comment` and `created_by`, the other calls `description` and `user_id`.
fn version(name: &ModelName, answer: &Value) -> Option<Version> {
    let version = ModelVersion::new(number(&answer["version"])?)?;
    let or = |newer: &str, older: &str| text(answer, if answer.get(newer).is_some() { newer } else { older });
    let aliases = answer["aliases"].as_array().into_iter().flatten();
    let aliases = aliases.filter_map(|a| Alias::parse(a["alias_name"].as_str().or(a["alias"].as_str())?).ok());
    Some(Version {
        model: name.clone(),
        version,
        status: VersionStatus::parse(&text(answer, "status")),
        source: text(answer, "source"),
        run_id: text(answer, "run_id"),
        run_workspace_id: number(&answer["run_workspace_id"]),
        model_id: text(answer, "model_id"),
        comment: or("comment", "description"),
        created_by: or("created_by", "user_id"),
        created_at: number(&answer["created_at"]).or(number(&answer["creation_timestamp"])),
        storage_location: text(answer, "storage_location"),
        aliases: aliases.collect(),
    })
}

fn details(answer: &Value) -> Details {
    let tags = answer["tags"].as_array().into_iter().flatten();
    Details {
        tags: tags.map(|tag| (text(tag, "key"), text(tag, "value"))).collect(),
        metrics: answer["model_metrics"].as_array().into_iter().flatten().map(metric).collect(),
        status_message: text(answer, "status_message"),
    }
}

fn metric(answer: &Value) -> LoggedMetric {
    LoggedMetric {
        key: text(answer, "key"),
        value: real(&answer["value"]),
        timestamp: whole(&answer["timestamp"]),
        step: whole(&answer["step"]),
        dataset_name: text(answer, "dataset_name"),
        dataset_digest: text(answer, "dataset_digest"),
        run_id: text(answer, "run_id"),
    }
}

/// A whole number below zero too; 0 where it is left out, as protobuf does.
pub fn whole(value: &Value) -> i64 {
    value.as_i64().or_else(|| value.as_str()?.parse().ok()).unwrap_or_default()
}

/// JSON has no NaN and no infinity: protobuf writes them as text. A tracking server with an SQL database keeps an infinity
/// as the greatest number there is.
pub fn real(value: &Value) -> f64 {
    match value {
        Value::Number(number) => match number.as_f64().unwrap_or(f64::NAN) {
            f64::MAX => f64::INFINITY,
            f64::MIN => f64::NEG_INFINITY,
            number => number,
        },
        Value::String(text) => match text.as_str() {
            "Infinity" => f64::INFINITY,
            "-Infinity" => f64::NEG_INFINITY,
            text => text.parse().unwrap_or(f64::NAN),
        },
        _ => f64::NAN,
    }
}
