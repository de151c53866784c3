//! `mlops-deploy.yml`: the environments, which are the allow-list of hosts, the smoke jobs, the
//! budgets. Every mistake at once, each on its line; whatever is left out has its default here.

mod effective;
mod models;
mod places;
mod schema;
mod shape;
mod yaml;

use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;

pub use self::models::{Dataset, Model, Rule, Serve, Train, VersionFrom};
pub use self::places::Releases;
pub use self::schema::{SCHEMA_FILE, schema};
use self::shape::{Plan, Shape};
use super::period::Period;
use crate::domain::nearest::nearest;
use crate::domain::{Diagnostic, Failure, Host, Origin, Path, Reason, Stage, Tree};

/// Who plans for a pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanPrincipal {
    /// `plan` is not given: a pull request gets no plan.
    None,
    /// `plan: same`: the deploy principal, on purpose.
    Same,
    ClientId(String),
}

/// The deploy principal as the workspace knows it: plans are made in its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    pub application_id: String,
    pub display_name: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    pub name: String,
    pub host: Host,
    pub client_id: Option<String>,
    pub plan: PlanPrincipal,
    pub principal: Option<Principal>,
    pub profile: Option<String>,
    pub target: String,
    pub audience: Option<String>,
    pub catalog: Option<String>,
    /// The folder of its ledger, without a slash at the end.
    pub records: Option<String>,
    pub github_environment: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Smoke {
    /// The key under `resources.jobs`.
    pub job: String,
    pub timeout: Period,
    pub parameters: IndexMap<String, String>,
}

impl From<shape::Smoke> for Smoke {
    fn from(s: shape::Smoke) -> Self {
        Self { job: s.job, timeout: s.timeout.unwrap_or(SMOKE_TIMEOUT), parameters: s.parameters }
    }
}

impl From<Smoke> for shape::Smoke {
    fn from(s: Smoke) -> Self {
        Self { job: s.job, timeout: Some(s.timeout), parameters: s.parameters }
    }
}

/// The effective configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// As it is named in messages and annotations.
    pub file: Arc<str>,
    pub environments: IndexMap<String, Environment>,
    pub releases: Releases,
    pub smoke: Vec<Smoke>,
    /// By their keys under `resources.registered_models`.
    pub models: IndexMap<String, Model>,
    budgets: IndexMap<&'static str, Period>,
    tree: Tree,
}

const SMOKE_TIMEOUT: Period = Period::minutes(30);

/// What a stage's own work may take where nobody says otherwise.
fn default_budget(stage: Stage) -> Period {
    Period::minutes(if stage == Stage::Validate { 15 } else { 45 })
}

/// What a stage may wait for on top of its own work: trainings, one behind the other; or that the platform builds an
/// endpoint, and that each share of the traffic is watched.
fn waiting(stage: Stage, models: &IndexMap<String, Model>) -> Duration {
    let trains = models.values().filter_map(|model| model.train.as_ref());
    let trained =
        trains.filter(|train| train.environment() == stage.environment()).map(|train| train.timeout().0).sum();
    match stage {
        Stage::Validate => Duration::ZERO,
        Stage::DeployDev | Stage::DeployStaging => trained,
        Stage::PromoteProd => {
            let served = models.values().filter_map(|model| model.serve.as_ref());
            served.map(Serve::waiting).max().unwrap_or_default()
        }
    }
}

impl Config {
    /// Reads the text of the file `file`, a path as it is to be shown.
    pub fn read(text: &str, file: &str) -> Result<Self, Failure> {
        let file: Arc<str> = file.into();
        Self::try_read(text, &file).map_err(|found| refuse(&file, found))
    }

    fn try_read(text: &str, file: &Arc<str>) -> Result<Self, Vec<Diagnostic>> {
        let tree = yaml::read(text, file).map_err(|wrong| vec![*wrong])?;
        let mut found = schema::check(&tree);
        if !found.is_empty() {
            found.sort_by(|a, b| a.origins.cmp(&b.origins));
            return Err(found);
        }
        let shape: Option<Shape> = serde_saphyr::from_str_with_options(text, yaml::options())
            .map_err(|error| vec![yaml::refusal(&error, file)])?;
        let config = Self::from_shape(shape.unwrap_or_default(), file, tree);
        let found = config.contradictions();
        if found.is_empty() { Ok(config) } else { Err(found) }
    }

    fn from_shape(shape: Shape, file: &Arc<str>, tree: Tree) -> Self {
        let environment = |(name, e): (String, shape::Environment)| {
            let environment = Environment {
                host: e.host,
                client_id: e.client_id,
                plan: match e.plan {
                    None => PlanPrincipal::None,
                    Some(Plan::Same(_)) => PlanPrincipal::Same,
                    Some(Plan::Principal(p)) => PlanPrincipal::ClientId(p.client_id),
                },
                principal: e
                    .principal
                    .map(|p| Principal { application_id: p.application_id, display_name: p.display_name }),
                profile: e.profile,
                target: e.target.unwrap_or_else(|| name.clone()),
                audience: e.audience,
                catalog: e.catalog,
                records: e.records.map(|folder| folder.trim_end_matches('/').to_owned()),
                github_environment: e.github_environment.unwrap_or_else(|| name.clone()),
                name: name.clone(),
            };
            (name, environment)
        };
        let budget = |stage: Stage| {
            let given = match stage {
                Stage::Validate => shape.budgets.validate,
                Stage::DeployDev => shape.budgets.deploy_dev,
                Stage::DeployStaging => shape.budgets.deploy_staging,
                Stage::PromoteProd => shape.budgets.promote_prod,
            };
            (stage.name(), given.unwrap_or_else(|| default_budget(stage)))
        };
        Self {
            file: Arc::clone(file),
            budgets: Stage::ALL.iter().map(|stage| budget(*stage)).collect(),
            environments: shape.environments.into_iter().map(environment).collect(),
            releases: Releases::read(shape.releases.as_deref()),
            smoke: shape.smoke.into_iter().map(Smoke::from).collect(),
            models: shape.models,
            tree,
        }
    }

    /// What no single key shows to be wrong.
    fn contradictions(&self) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        let mut refuse = |path: &str, summary: String| {
            found.push(Diagnostic::error(summary).at(self.origin(path).cloned()));
        };
        if self.environments.is_empty() {
            let summary = "`environments` is empty: no host is allowed, so nothing can be planned, \
                           e.g. `environments: {dev: {host: https://dbc-1234.cloud.databricks.com}}`";
            refuse("environments", summary.to_owned());
        }
        for (i, (name, environment)) in self.environments.iter().enumerate() {
            for (other, earlier) in self.environments.iter().take(i) {
                if environment.target == earlier.target {
                    let summary = format!("`{name}` and `{other}` have the same target `{}`", environment.target);
                    refuse(&format!("environments.{name}.target"), summary);
                }
                if environment.profile.is_some() && environment.profile == earlier.profile {
                    let summary = format!(
                        "`{name}` and `{other}` have the same profile; a target that names it would have two hosts"
                    );
                    refuse(&format!("environments.{name}.profile"), summary);
                }
            }
            if let (PlanPrincipal::ClientId(plan), Some(deploy)) = (&environment.plan, &environment.client_id)
                && plan == deploy
            {
                let summary = format!(
                    "the plan principal of `{name}` is the one that deploys; write `plan: same` if that is meant"
                );
                refuse(&format!("environments.{name}.plan.client_id"), summary);
            }
        }
        places::contradictions(self, &mut refuse);
        models::contradictions(&self.models, &mut refuse);
        for (i, smoke) in self.smoke.iter().enumerate() {
            if smoke.timeout.is_zero() {
                refuse(
                    &format!("smoke[{i}].timeout"),
                    format!("`smoke[{i}].timeout`: `0s` leaves the job no time, e.g. `30m`"),
                );
            }
        }
        for (stage, budget) in &self.budgets {
            if budget.is_zero() {
                refuse(
                    &format!("budgets.{stage}"),
                    format!("`budgets.{stage}`: `0s` leaves the stage no time, e.g. `15m`"),
                );
            }
        }
        found
    }

    /// Keys of the jobs that train a model.
    pub fn training_jobs(&self) -> Vec<String> {
        self.models.values().filter_map(|model| model.train.as_ref().map(|train| train.job.clone())).collect()
    }

    /// Where a key stands, or the nearest one above it that somebody wrote.
    pub fn origin(&self, path: &str) -> Option<&Origin> {
        let mut path = Path::parse(path)?;
        loop {
            if let Some(tree) = self.tree.at(&path) {
                return tree.key.as_ref().or(tree.origin());
            }
            path.pop();
        }
    }

    pub fn environment(&self, name: &str) -> Result<&Environment, Failure> {
        self.environments.get(name).ok_or_else(|| {
            let names: Vec<&str> = self.environments.keys().map(String::as_str).collect();
            let hint = match nearest(name, names.iter().copied()) {
                Some(near) => format!("did you mean `{near}`? otherwise add it under `environments`"),
                None => format!("add it under `environments`; there are {}", quoted(&names)),
            };
            Failure::new(Reason::UnknownEnvironment, format!("find environment `{name}` in {}", self.file)).hint(hint)
        })
    }

    /// The environment that a target of the bundle belongs to.
    pub fn of_target(&self, target: &str) -> Option<&Environment> {
        self.environments.values().find(|e| e.target == target)
    }

    /// Where a target that names only a profile goes.
    pub fn of_profile(&self, profile: &str) -> Option<&Environment> {
        self.environments.values().find(|e| e.profile.as_deref() == Some(profile))
    }

    /// The first environment on that host.
    pub fn of_host(&self, host: &Host) -> Option<&Environment> {
        self.environments.values().find(|e| e.host == *host)
    }

    pub fn allows(&self, host: &Host) -> bool {
        self.of_host(host).is_some()
    }

    /// Whether it asks the same of a model and of the jobs.
    pub fn judges_like(&self, other: &Config) -> bool {
        (&self.models, &self.smoke) == (&other.models, &other.smoke)
    }

    /// The same in the environments, and with the store of releases, of another.
    pub fn in_environments_of(self, other: &Config) -> Config {
        Config { environments: other.environments.clone(), releases: other.releases.clone(), ..self }
    }

    /// What a stage's own work may take.
    pub fn budget(&self, stage: Stage) -> Period {
        self.budgets.get(stage.name()).copied().unwrap_or_else(|| default_budget(stage))
    }

    /// When a stage must have ended: its budget, and what it may wait for.
    pub fn deadline(&self, stage: Stage) -> Period {
        Period(self.budget(stage).0.saturating_add(waiting(stage, &self.models)))
    }

    /// The configuration with its defaults, each value with the line it comes from.
    pub fn to_yaml(&self) -> String {
        effective::render(self)
    }
}

/// There is no file where the input `config` points.
pub fn not_found(file: &str) -> Failure {
    Failure::new(Reason::ConfigNotFound, format!("read {file}: there is no such file"))
        .hint("write one beside databricks.yml: `environments: {dev: {host: https://…, client_id: …}}`; or point the input `config` to it")
}

fn refuse(file: &str, found: Vec<Diagnostic>) -> Failure {
    let mistakes = if found.len() == 1 { "1 mistake".to_owned() } else { format!("{} mistakes", found.len()) };
    let shaped = found.iter().all(|d| !d.summary.starts_with(yaml::NO_YAML));
    let failure = Failure::new(Reason::InvalidConfig, format!("read {file}: {mistakes}")).about(found);
    if !shaped {
        return failure;
    }
    failure.hint(format!("`{SCHEMA_FILE}` describes every key; an editor that knows it completes and checks them"))
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ")
}
