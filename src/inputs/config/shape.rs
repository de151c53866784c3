//! The keys of `mlops-deploy.yml` as types. The JSON Schema is made from them, and the reader
//! checks a file against that schema: a key that no type here has is refused.
//!
//! A field belongs here only once a stage obeys it.

use std::borrow::Cow;

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

use super::models::Model;
use crate::domain::Host;
use crate::inputs::period::Period;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "mlops-deploy.yml")]
pub struct Shape {
    /// The workspaces by name, such as `dev`, `staging` and `prod`. They are the allow-list: no token is minted for any other host.
    #[serde(deserialize_with = "blank_is_default")]
    pub environments: IndexMap<String, Environment>,
    /// Where the archives of releases are kept between the stages: a folder of a Unity Catalog volume (`/Volumes/…`), or an absolute folder of the machine; default: the output `release-file` alone.
    pub releases: Option<String>,
    /// Jobs of the bundle that are run after a deployment, one after the other; each must end in SUCCESS.
    #[serde(deserialize_with = "blank_is_default")]
    pub smoke: Vec<Smoke>,
    /// The bundle's models that are promoted, by their keys under `resources.registered_models`.
    #[serde(deserialize_with = "blank_is_default")]
    pub models: IndexMap<String, Model>,
    /// How long a stage may take; the input `deadline` overrides it.
    #[serde(deserialize_with = "blank_is_default")]
    pub budgets: Budgets,
}

/// A workspace, and who we are there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "an environment")]
pub struct Environment {
    /// The address of the workspace.
    #[schemars(with = "HostText")]
    pub host: Host,
    /// Application id of the service principal that deploys; left out where the federation policy is account-wide.
    #[serde(default)]
    pub client_id: Option<String>,
    /// The read-only principal that plans for pull requests; `same` uses the one that deploys.
    #[serde(default)]
    pub plan: Option<Plan>,
    /// The principal that deploys, as the workspace knows it: names, permissions and `run_as` are planned as it would deploy them.
    #[serde(default)]
    pub principal: Option<Principal>,
    /// The profile that bundle targets name instead of a host.
    #[serde(default)]
    pub profile: Option<String>,
    /// The target of the bundle; default: the name of the environment.
    #[serde(default)]
    pub target: Option<String>,
    /// The audience of GitHub's ID token, as the policy has it; default: what the workspace names, or its token endpoint.
    #[serde(default)]
    pub audience: Option<String>,
    /// The catalog that every schema, volume and registered model of the target must lie in.
    #[serde(default)]
    pub catalog: Option<String>,
    /// The environment's ledger: a folder of a Unity Catalog volume (`/Volumes/…`) that only its own principal may write.
    #[serde(default)]
    pub records: Option<String>,
    /// The GitHub environment that deployments are shown under; default: the name of the environment.
    #[serde(default)]
    pub github_environment: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Plan {
    Same(Same),
    Principal(PlanPrincipal),
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Same {
    #[serde(rename = "same")]
    Same,
}

/// A read-only principal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "a plan principal")]
pub struct PlanPrincipal {
    /// Application id of the service principal that may only read.
    pub client_id: String,
}

/// A service principal as the workspace knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "a principal")]
pub struct Principal {
    /// Its application id.
    pub application_id: String,
    /// The name that the workspace shows.
    #[serde(default)]
    pub display_name: Option<String>,
}

/// A job that must succeed after a deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "a smoke job")]
pub struct Smoke {
    /// The key of the job under `resources.jobs`.
    pub job: String,
    /// How long it may run; default: `30m`.
    #[serde(default)]
    pub timeout: Option<Period>,
    /// Values for the job's parameters, by name.
    #[serde(default, deserialize_with = "blank_is_default")]
    pub parameters: IndexMap<String, String>,
}

/// How long the stages may take.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(title = "the budgets")]
pub struct Budgets {
    /// For `validate`; default: `15m`.
    pub validate: Option<Period>,
    /// For `deploy-dev`, its other jobs included; what its trainings may take comes on top; default: `45m`.
    pub deploy_dev: Option<Period>,
    /// For `deploy-staging`, its other jobs included; what its trainings may take comes on top; default: `45m`.
    pub deploy_staging: Option<Period>,
    /// For `promote-prod`; what the platform may build and each share of the traffic is watched comes on top; default: `45m`.
    pub promote_prod: Option<Period>,
}

/// A key with nothing behind it, as it stays when its entries are commented out.
pub(super) fn blank_is_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    from: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// Stands in for `Host` in the schema: `domain` knows no schemas.
struct HostText;

impl JsonSchema for HostText {
    fn schema_name() -> Cow<'static, str> {
        "Host".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "title": "a workspace's address",
            "description": "`https://` and the host name; a trailing slash and `?o=` are dropped",
            "type": "string",
            "minLength": 1,
            "examples": ["https://dbc-1234.cloud.databricks.com"],
        })
    }
}

impl JsonSchema for Plan {
    fn schema_name() -> Cow<'static, str> {
        "Plan".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let principal = generator.subschema_for::<PlanPrincipal>();
        json_schema!({
            "title": "`same`, or a mapping with a `client_id`",
            "anyOf": [{"const": "same", "type": "string"}, principal],
        })
    }
}
