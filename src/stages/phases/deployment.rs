//! The phases that every deployment of a bundle has: plan, lock, recover, deploy, verify with
//! the smoke jobs, judge, and at the very end delete.
//!
//! Everything before the lock only reads. A failure in any later phase, a bad smoke run
//! among them, takes back what this run made; the lock is given back after the last word.
//! A stage puts its own phases between these.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use super::carry_on::Carrying;
use super::jobs::{self, Asked};
use super::look::{self, Deploys, Look, Unchanged};
use super::recovery::Recovery;
use super::{promises, record};
use crate::domain::plan::{Action, PlanView};
use crate::domain::{Failure, Purpose, fact};
use crate::policy::as_promised;
use crate::ports::engine::Engine;
use crate::saga::{Begun, Graph};
use crate::stages::assignment::Assignment;
use crate::stages::phase::{Context, Decision, Phase};
use crate::steps::announce::Announce;
use crate::steps::bundle::WorkspaceFiles;
use crate::steps::bundle::mirror::Mirror;
use crate::steps::bundle::sidecar::Sidecar;
use crate::steps::bundle::take_lock::{self, Beating, Claim, TakeLock};
use crate::steps::github_deployment::Subject;

/// What the phases share: nothing that one of them found out.
#[derive(Clone)]
pub struct Parts {
    pub assignment: Arc<Assignment>,
    pub engine: Arc<dyn Engine>,
    pub files: WorkspaceFiles,
    pub beating: Beating,
    pub mirror: Mirror,
}

/// Until nobody else writes and nothing of an interrupted run is left, but for what is carried on.
pub fn opening(parts: &Parts, unchanged: Unchanged, carrying: Option<Carrying>) -> Vec<Box<dyn Phase>> {
    let Parts { assignment, engine, files, .. } = parts.clone();
    vec![
        Box::new(Look { assignment, engine, deploys: Some(Deploys { files, unchanged }) }),
        Box::new(Lock(parts.clone())),
        Box::new(Recovery { parts: parts.clone(), unchanged, carrying }),
    ]
}

/// The bundle, and a fresh look at what came of it. The phases are called `names`. What is told is the plan of `told`: a
/// stage that deploys in two parts tells the whole with the first.
pub fn deploying(parts: &Parts, names: [&'static str; 2], told: Option<&Arc<dyn Engine>>) -> Vec<Box<dyn Phase>> {
    vec![
        Box::new(Deploy { parts: parts.clone(), name: names[0], told: told.cloned(), idle: None }),
        Box::new(Verify { parts: parts.clone(), name: names[1] }),
    ]
}

/// What a sparing engine has left standing, once nothing can be refused any more; mostly there is none, and the stage goes
/// on with phase `next`.
pub fn deleting(parts: &Parts, next: &'static str) -> Vec<Box<dyn Phase>> {
    vec![
        Box::new(Deploy { parts: parts.clone(), name: "delete", told: None, idle: Some(next) }),
        Box::new(Verify { parts: parts.clone(), name: "verify-delete" }),
    ]
}

/// The smoke jobs, and what they ended with.
pub fn trying(parts: &Parts) -> Vec<Box<dyn Phase>> {
    vec![Box::new(Smoke(parts.clone())), Box::new(Judge)]
}

/// What a run holds until it has written its last word: given back at the very end, also
/// when everything else was taken back before.
pub const HELD: &[&str] = &[take_lock::VERB];

struct Lock(Parts);

#[async_trait]
impl Phase for Lock {
    fn name(&self) -> &'static str {
        "lock"
    }

    async fn decide(&self, at: &Context, _: &[Begun]) -> Result<Decision, Failure> {
        let Parts { assignment: asked, engine, files, beating, .. } = &self.0;
        let plan = engine.plan(&asked.target, &at.world, asked.act_as.as_ref()).await?;
        let run = asked.occasion.run.as_ref();
        let sidecar = Sidecar {
            version: 1,
            lock: String::new(),
            repository: asked.occasion.repository.clone().unwrap_or_default(),
            run_id: run.map(|r| r.id.to_string()).unwrap_or_default(),
            attempt: run.map_or(1, |r| r.attempt),
            job: run.map(|r| r.job.clone()).unwrap_or_default(),
            url: asked.occasion.run_url().unwrap_or_default(),
            commit: asked.commit_text().to_owned(),
            since: String::new(),
            heartbeat: String::new(),
        };
        let claim = Claim {
            root_path: plan.root_path,
            state_path: plan.state_path,
            user: plan.deployer,
            wait: asked.lock_timeout,
            sidecar,
            stop: at.options.stop.clone(),
        };
        let announce = Announce(Subject {
            sha: asked.commit_text().to_owned(),
            environment: asked.environment.github_environment.clone(),
            target: asked.target.clone(),
            run_id: claim.sidecar.run_id.clone(),
            production: asked.environment.github_environment == "production",
            log_url: asked.occasion.run_url(),
        });
        let take = TakeLock::new(files.clone(), claim, beating.clone());
        Ok(Decision { changes: Graph::new().then(Arc::new(announce)).then(Arc::new(take)), ..Decision::default() })
    }
}

struct Deploy {
    parts: Parts,
    name: &'static str,
    told: Option<Arc<dyn Engine>>,
    /// The phase to go on with where there is nothing to delete.
    idle: Option<&'static str>,
}

#[async_trait]
impl Phase for Deploy {
    fn name(&self) -> &str {
        self.name
    }

    /// Plans again: between the first plan and the lock another run may have deployed.
    async fn decide(&self, at: &Context, _: &[Begun]) -> Result<Decision, Failure> {
        let Parts { assignment: asked, engine, files, mirror, .. } = &self.parts;
        if let (Some(next), false) = (self.idle, deletes(at)) {
            return Ok(Decision { skip_to: Some(next), ..Decision::default() });
        }
        let plan = engine.plan(&asked.target, &at.world, asked.act_as.as_ref()).await?;
        mirror.point_at(files, &plan.root_path);
        // A stage may deploy twice: what the second overwrites is saved beside what the first did.
        let undo_folder = format!("{}/{}", asked.undo_folder(&plan.root_path), self.name);
        let facts = match &self.told {
            None => Vec::new(),
            // The plan of the run that is carried on stays what is told.
            Some(_) if record::fact::<Value>(&at.journal.entries(), fact::CARRIED_ON).is_some() => Vec::new(),
            Some(told) if Arc::ptr_eq(told, engine) => look::facts(&plan)?,
            Some(told) => look::facts(&told.plan(&asked.target, &at.world, asked.act_as.as_ref()).await?)?,
        };
        let changes = engine.changes(&asked.target, &at.world, &undo_folder).await?;
        Ok(Decision { facts, changes, ..Decision::default() })
    }
}

/// Whether the plan that was told deletes anything: what it does not say is not deleted.
fn deletes(at: &Context) -> bool {
    let told = record::fact::<PlanView>(&at.journal.entries(), fact::PLAN);
    told.is_some_and(|plan| plan.changes.iter().any(|change| change.action == Action::Delete))
}

/// Reads afresh: a smoke job runs only on what is as promised.
struct Verify {
    parts: Parts,
    name: &'static str,
}

#[async_trait]
impl Phase for Verify {
    fn name(&self) -> &str {
        self.name
    }

    async fn decide(&self, at: &Context, _: &[Begun]) -> Result<Decision, Failure> {
        let Parts { assignment: asked, engine, .. } = &self.parts;
        let plan = engine.plan(&asked.target, &at.world, asked.act_as.as_ref()).await?;
        let catalog = asked.environment.catalog.as_deref();
        let promises = promises::promises(&plan.config, &plan.document, &plan.deployer, catalog);
        Ok(Decision { verdicts: vec![as_promised::verdict(&promises)], ..Decision::default() })
    }
}

struct Smoke(Parts);

#[async_trait]
impl Phase for Smoke {
    fn name(&self) -> &'static str {
        "smoke"
    }

    async fn decide(&self, at: &Context, _: &[Begun]) -> Result<Decision, Failure> {
        let Parts { assignment: asked, engine, .. } = &self.0;
        if asked.smoke.is_empty() {
            return Ok(Decision::default());
        }
        let plan = engine.plan(&asked.target, &at.world, asked.act_as.as_ref()).await?;
        let mut changes = Graph::new();
        for (i, smoke) in asked.smoke.iter().enumerate() {
            let identity = [asked.run_key.as_str(), &asked.target, &smoke.job, &i.to_string()];
            let job = Asked {
                key: &smoke.job,
                purpose: Purpose::Smoke,
                model: None,
                parameters: &smoke.parameters,
                offered: &[],
                identity: identity.map(str::to_owned).to_vec(),
                timeout: smoke.timeout.0,
            };
            changes = changes.then(Arc::new(jobs::run(&plan, job, &at.options.stop)?));
        }
        Ok(Decision { changes, ..Decision::default() })
    }
}

/// Every smoke run's end, read from its outcome.
struct Judge;

#[async_trait]
impl Phase for Judge {
    fn name(&self) -> &'static str {
        "judge"
    }

    async fn decide(&self, _: &Context, begun: &[Begun]) -> Result<Decision, Failure> {
        Ok(Decision { verdicts: jobs::verdicts(begun, Purpose::Smoke), ..Decision::default() })
    }
}
