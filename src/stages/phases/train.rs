//! Phases `train`, `version` and `validate`: from a deployed training job to a version that is ready to be judged, or with
//! one that an earlier environment trained.
//!
//! Whether there is a champion to compare with is asked before anything trains, and not first at the gate: hours of
//! compute would prove nothing. One that was judged before is judged anew, and has not passed until then. Which version was made is found out once and written down; later phases go on with that
//! number, whatever an alias says by then.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;

use super::copy::{Copy, copied};
use super::deployment::{self, Parts};
use super::gate::{self, Gate, Tag};
use super::jobs;
use super::look::Unchanged;
use super::record;
use super::watch::Watch;
use crate::domain::fact::{self, Release, Tested};
use crate::domain::{Failure, Purpose, Reason};
use crate::inputs::config::Smoke;
use crate::policy::gate::{Champion, Scores};
use crate::policy::tests_its_version;
use crate::policy::trained_from::{self, TAGS};
use crate::policy::{self, Verdict};
use crate::saga::{Begun, Graph};
use crate::stages::assignment::{Assignment, Trained};
use crate::stages::phase::{Context, Decision, Phase};
use crate::steps::model::find_version;
use crate::steps::model::withdraw_gate::WithdrawGate;

/// A deployment with `between` and the tests of its models behind it. `unchanged` is the phase to go on with where nothing
/// is to be deployed. What the bundle no longer has is deleted last: until then everything can be taken back.
pub fn deploying(parts: &Parts, unchanged: &'static str, between: Vec<Box<dyn Phase>>) -> Vec<Box<dyn Phase>> {
    let unchanged = match first(&parts.assignment) {
        None => Unchanged::SkipTo(unchanged),
        Some(_) => Unchanged::LockAndSkipTo(unchanged),
    };
    let spares = parts.engine.sparing();
    let engine = spares.clone().unwrap_or_else(|| Arc::clone(&parts.engine));
    let sparing = Parts { engine, ..parts.clone() };
    let mut phases = deployment::opening(parts, unchanged, None);
    phases.extend(deployment::deploying(&sparing, ["deploy", "verify"], Some(&parts.engine)));
    phases.extend(deployment::trying(&sparing));
    phases.extend(between);
    phases.extend(tests(&sparing));
    if spares.is_some() {
        phases.extend(deployment::deleting(parts, "record"));
    }
    phases
}

/// From what is deployed to what is tested: the same phases wherever a model is trained, and for one that an earlier
/// environment trained all but the training and the gate.
fn tests(parts: &Parts) -> Vec<Box<dyn Phase>> {
    let asked = || Arc::clone(&parts.assignment);
    let (trains, takes) = (!parts.assignment.models.is_empty(), !parts.assignment.taken.is_empty());
    let mut phases: Vec<Box<dyn Phase>> = Vec::new();
    if takes {
        let promotions = parts.assignment.promotions();
        phases.push(Box::new(Copy { promotions, assignment: asked(), name: COPY, deployed: true }));
    }
    if trains {
        phases.push(Box::new(Training(parts.clone())));
    }
    if trains || takes {
        phases.push(Box::new(Versions(asked())));
        phases.push(Box::new(Validation(parts.clone())));
        phases.push(Box::new(Gate(asked())));
        phases.push(Box::new(Tag(asked())));
    }
    if takes {
        let promotions = parts.assignment.promotions();
        phases.push(Box::new(Watch { promotions, assignment: asked(), engine: Arc::clone(&parts.engine) }));
    }
    phases
}

/// The first of them.
pub fn first(asked: &Assignment) -> Option<&'static str> {
    match (asked.taken.is_empty(), asked.models.is_empty()) {
        (false, _) => Some(COPY),
        (true, false) => Some(TRAIN),
        (true, true) => None,
    }
}

const COPY: &str = "copy";
const TRAIN: &str = "train";

struct Training(Parts);

#[async_trait]
impl Phase for Training {
    fn name(&self) -> &str {
        TRAIN
    }

    async fn decide(&self, at: &Context, _: &[Begun]) -> Result<Decision, Failure> {
        let Parts { assignment: asked, engine, .. } = &self.0;
        let mut verdicts = Vec::new();
        for model in &asked.models {
            let (champion, _) = gate::champion(&at.world, model, asked.bootstrap).await?;
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
            let job = jobs::Asked {
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

struct Versions(Arc<Assignment>);

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
        let mut changes = Graph::new();
        for promotion in asked.promotions() {
            let none = || Failure::new(Reason::Internal, format!("test `{}`: nothing was copied", promotion.key));
            let (model, version) = copied(&promotion, begun).ok_or_else(none)?;
            let champion = promotion.champion.clone();
            found.push(Tested { key: promotion.key.clone(), model, version, champion });
        }
        for model in &asked.models {
            let ended = jobs::ended(begun, Purpose::Training).find(|(key, _)| *key == model.key);
            let (_, ended) = ended.ok_or_else(|| {
                Failure::new(Reason::Internal, format!("find the version of `{}`: no job has trained it", model.key))
            })?;
            let made = find_version::find(&at.world, &model.model, ended, &model.way).await?;
            let commit = TAGS.iter().find_map(|tag| made.run.tags.get(*tag)).map(String::as_str);
            verdicts.push(trained_from::verdict(&model.key, commit, &release.commit));
            let version = made.version.version;
            if let Some(judged) = WithdrawGate::where_judged(&at.world, &model.model, version).await? {
                changes = changes.then(Arc::new(judged));
            }
            found.push(Tested { key: model.key.clone(), model: model.model.clone(), version, champion: None });
        }
        Ok(Decision { facts: vec![(fact::TRAINED, json!(found))], verdicts, changes, ..Decision::default() })
    }
}

struct Validation(Parts);

#[async_trait]
impl Phase for Validation {
    fn name(&self) -> &str {
        "validate"
    }

    async fn decide(&self, at: &Context, _: &[Begun]) -> Result<Decision, Failure> {
        let Parts { assignment: asked, engine, .. } = &self.0;
        let trained = asked.models.iter().map(|model| (&model.key, &model.validate));
        let taken = asked.taken.iter().map(|taken| (&taken.promotion.key, &taken.validate));
        let validated: BTreeMap<&String, &Vec<Smoke>> =
            trained.chain(taken).filter(|(_, jobs)| !jobs.is_empty()).collect();
        if validated.is_empty() {
            return Ok(Decision::default());
        }
        let release = release(asked)?;
        let plan = engine.plan(&asked.target, &at.world, asked.act_as.as_ref()).await?;
        let mut changes = Graph::new();
        for made in made(at) {
            let Some(validate) = validated.get(&made.key) else { continue };
            let offered = [
                ("model_name", made.model.to_string()),
                (tests_its_version::PARAMETER, made.version.to_string()),
                (TAGS[0], release.commit.clone()),
            ];
            for (i, validate) in validate.iter().enumerate() {
                let told = validate.parameters.contains_key(tests_its_version::PARAMETER);
                if !told && !jobs::declares(&plan, &validate.job, tests_its_version::PARAMETER) {
                    let objection = tests_its_version::objection(&made.key, &validate.job);
                    let message = format!("validate `{}`: {}", made.key, objection.summary);
                    return Err(Failure::new(Reason::InvalidBundle, message).about(vec![objection]));
                }
                let mut identity = identity(asked, release, &validate.job);
                identity.extend([made.model.to_string(), made.version.to_string(), i.to_string()]);
                let job = jobs::Asked {
                    key: &validate.job,
                    purpose: Purpose::Validation,
                    model: Some(&made.key),
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

/// Every version that this run is to test, trained here or before.
pub fn made(at: &Context) -> Vec<Tested> {
    record::fact(&at.journal.entries(), fact::TRAINED).unwrap_or_default()
}

/// Each model that is trained here with the version that was made of it in this run.
pub fn versions<'a>(asked: &'a Assignment, at: &Context) -> Result<Vec<(&'a Trained, Tested)>, Failure> {
    let made = made(at);
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
