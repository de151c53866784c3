//! Phases `train`, `version` and `validate`: from a deployed training job to a version that is ready to be judged.
//!
//! Whether there is a champion to compare with is asked before anything trains, and not first at the gate: hours of
//! compute would prove nothing. Which version was made is found out once and written down; later phases go on with that
//! number, whatever an alias says by then.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;

use super::assignment::Assignment;
use super::deployment::Parts;
use super::gate;
use super::jobs::{self, Asked};
use super::phase::{Context, Decision, Phase};
use super::record;
use crate::domain::fact::{self, Release, Tested};
use crate::domain::{Alias, Failure, ModelName, Purpose, Reason};
use crate::inputs::config::{Smoke, Train};
use crate::policy::gate::{Champion, Demand, Scores};
use crate::policy::trained_from::{self, TAGS};
use crate::policy::{self, Verdict};
use crate::saga::{Begun, Graph};
use crate::steps::model::find_version::{self, Way};

/// A model that the stage trains, and what must be shown of it.
#[derive(Clone, Debug)]
pub struct Trained {
    /// The model's key in the bundle.
    pub key: String,
    pub model: ModelName,
    pub train: Train,
    pub way: Way,
    pub validate: Vec<Smoke>,
    pub demands: BTreeMap<String, Demand>,
    /// Where the champion may be, the likeliest first: what is promoted to, and this model itself.
    pub rivals: Vec<ModelName>,
    pub alias: Alias,
}

pub struct Training(pub Parts);

#[async_trait]
impl Phase for Training {
    fn name(&self) -> &str {
        "train"
    }

    async fn decide(&self, at: &Context, _: &[Begun]) -> Result<Decision, Failure> {
        let Parts { assignment: asked, engine, .. } = &self.0;
        let mut verdicts = Vec::new();
        for model in &asked.models {
            let champion = gate::champion(&at.world, model, asked.bootstrap).await?;
            if matches!(champion, Champion::Nobody) {
                verdicts.extend(policy::gate::verdicts(&model.key, &model.demands, &Scores::new(), &champion).0);
            }
        }
        if refused(&verdicts) {
            return Ok(Decision { verdicts, ..Decision::default() });
        }
        let release = release(asked)?;
        let plan = engine.plan(&asked.target, &at.world, asked.act_as.as_ref()).await?;
        let mut changes = Graph::new();
        for model in &asked.models {
            let train = &model.train;
            // The same job with the same parameters is one run, also for two models that it trains.
            let mut identity = identity(asked, release, &train.job);
            identity.extend(train.parameters.iter().map(|(name, value)| format!("{name}={value}")));
            let job = Asked {
                key: &train.job,
                purpose: Purpose::Training,
                model: Some(&model.key),
                parameters: &train.parameters,
                offered: &[(TAGS[0], release.commit.clone())],
                identity,
                timeout: train.timeout().0,
            };
            changes = changes.then(Arc::new(jobs::run(&plan, job, &at.options.stop)?));
        }
        Ok(Decision { verdicts, changes, ..Decision::default() })
    }
}

pub struct Versions(pub Arc<Assignment>);

#[async_trait]
impl Phase for Versions {
    fn name(&self) -> &str {
        "version"
    }

    async fn decide(&self, at: &Context, begun: &[Begun]) -> Result<Decision, Failure> {
        let asked = &self.0;
        let mut verdicts = jobs::verdicts(begun, Purpose::Training);
        if refused(&verdicts) {
            return Ok(Decision { verdicts, ..Decision::default() });
        }
        let release = release(asked)?;
        let mut found = Vec::new();
        for model in &asked.models {
            let ended = jobs::ended(begun, Purpose::Training).find(|(key, _)| *key == model.key);
            let (_, ended) = ended.ok_or_else(|| {
                Failure::new(Reason::Internal, format!("find the version of `{}`: no job has trained it", model.key))
            })?;
            let made = find_version::find(&at.world, &model.model, ended, &model.way).await?;
            let commit = TAGS.iter().find_map(|tag| made.run.tags.get(*tag)).map(String::as_str);
            verdicts.push(trained_from::verdict(&model.key, commit, &release.commit));
            let version = made.version.version;
            found.push(Tested { key: model.key.clone(), model: model.model.clone(), version });
        }
        Ok(Decision { facts: vec![(fact::TRAINED, json!(found))], verdicts, ..Decision::default() })
    }
}

pub struct Validation(pub Parts);

#[async_trait]
impl Phase for Validation {
    fn name(&self) -> &str {
        "validate"
    }

    async fn decide(&self, at: &Context, _: &[Begun]) -> Result<Decision, Failure> {
        let Parts { assignment: asked, engine, .. } = &self.0;
        if asked.models.iter().all(|model| model.validate.is_empty()) {
            return Ok(Decision::default());
        }
        let release = release(asked)?;
        let plan = engine.plan(&asked.target, &at.world, asked.act_as.as_ref()).await?;
        let mut changes = Graph::new();
        for (model, made) in versions(asked, at)? {
            let offered = [
                ("model_name", made.model.to_string()),
                ("model_version", made.version.to_string()),
                (TAGS[0], release.commit.clone()),
            ];
            for (i, validate) in model.validate.iter().enumerate() {
                let mut identity = identity(asked, release, &validate.job);
                identity.extend([made.model.to_string(), made.version.to_string(), i.to_string()]);
                let job = Asked {
                    key: &validate.job,
                    purpose: Purpose::Validation,
                    model: Some(&model.key),
                    parameters: &validate.parameters,
                    offered: &offered,
                    identity,
                    timeout: validate.timeout.0,
                };
                changes = changes.then(Arc::new(jobs::run(&plan, job, &at.options.stop)?));
            }
        }
        Ok(Decision { changes, ..Decision::default() })
    }
}

/// Each model with the version that was made of it in this run.
pub fn versions<'a>(asked: &'a Assignment, at: &Context) -> Result<Vec<(&'a Trained, Tested)>, Failure> {
    let made: Vec<Tested> = record::fact(&at.journal.entries(), fact::TRAINED).unwrap_or_default();
    let of = |model: &'a Trained| {
        let made = made.iter().find(|made| made.key == model.key).cloned();
        let none = || Failure::new(Reason::Internal, format!("judge `{}`: no version was found before", model.key));
        Ok((model, made.ok_or_else(none)?))
    };
    asked.models.iter().map(of).collect()
}

pub fn release(asked: &Assignment) -> Result<&Release, Failure> {
    asked.release.as_ref().ok_or_else(|| Failure::new(Reason::Internal, "train: there is no release to train from"))
}

fn identity(asked: &Assignment, release: &Release, job: &str) -> Vec<String> {
    vec![release.id.to_string(), asked.environment.name.clone(), job.to_owned()]
}

fn refused(verdicts: &[Verdict]) -> bool {
    verdicts.iter().any(|verdict| !verdict.passed())
}
