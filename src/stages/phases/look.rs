//! Phase `plan`: what would change, and may it?
//!
//! Takes no lock and writes nothing. When nothing would change and no interrupted run left
//! anything behind, the stage ends here.

use std::sync::Arc;

use async_trait::async_trait;
use futures::future::try_join_all;
use serde_json::{Value, json};

use super::gate;
use crate::bundle::planning::knowledge::knowledge;
use crate::domain::rights::VolumeName;
use crate::domain::{Failure, fact, plan};
use crate::inputs::event::Occasion;
use crate::policy::may_keep_books::{self, Book};
use crate::policy::not_older::{self, Age};
use crate::policy::{Verdict, trusted_event};
use crate::ports::engine::{Engine, EnginePlan};
use crate::ports::github::Ancestry;
use crate::saga::{Begun, Unfinished};
use crate::stages::assignment::Assignment;
use crate::stages::phase::{Context, Decision, Phase};
use crate::steps::bundle::{WorkspaceFiles, mirror};
use crate::steps::commit_age::{self, Answer};
use crate::steps::model::rights;
use crate::steps::volume::VolumeFiles;

pub struct Look {
    pub assignment: Arc<Assignment>,
    pub engine: Arc<dyn Engine>,
    /// Absent for a stage that only shows the plan.
    pub deploys: Option<Deploys>,
}

pub struct Deploys {
    pub files: WorkspaceFiles,
    pub unchanged: Unchanged,
}

/// What is left to do where the bundle is deployed as it is.
#[derive(Clone, Copy)]
pub enum Unchanged {
    /// The phase to go on with, if the ledger has something to learn.
    SkipTo(&'static str),
    /// The same, with the lock: what comes there changes more than the ledger.
    LockAndSkipTo(&'static str),
    /// The bundle is not all that the stage is about.
    GoOn,
}

#[async_trait]
impl Phase for Look {
    fn name(&self) -> &'static str {
        "plan"
    }

    async fn decide(&self, at: &Context, _: &[Begun]) -> Result<Decision, Failure> {
        let asked = &self.assignment;
        let plan = self.engine.plan(&asked.target, &at.world, asked.act_as.as_ref()).await?;
        let facts = facts(&plan)?;
        let mut decision = Decision { facts, ..Decision::default() };
        let Some(Deploys { files, unchanged }) = &self.deploys else {
            decision.last = true;
            return Ok(decision);
        };
        decision.verdicts.push(trusted(&asked.occasion));
        let (age, left) = tokio::join!(self.age(at, &plan), self.left_to_do(at, &plan, files, *unchanged));
        let (age, left) = (age?, left?);
        let older = matches!(age, Age::Older | Age::Diverged);
        let (deployed, commit) = (plan.deployed_commit.as_deref().unwrap_or_default(), asked.commit_text());
        decision.verdicts.push(not_older::verdict(&age, deployed, commit, asked.allow_older));
        if matches!(age, Age::Unknown(_)) {
            decision
                .facts
                .push((fact::ORDER_UNKNOWN, json!(not_older::verdict(&age, deployed, commit, false).message())));
        }
        if older && asked.allow_older {
            decision.facts.push((fact::OLDER, json!(true)));
        }
        decision.verdicts.extend(left.verdicts);
        Ok(Decision { last: left.last, skip_to: left.skip_to, ..decision })
    }
}

impl Look {
    /// Where the stage goes on, and whether it will be able to write down what it did.
    async fn left_to_do(
        &self,
        at: &Context,
        plan: &EnginePlan,
        files: &WorkspaceFiles,
        unchanged: Unchanged,
    ) -> Result<Decision, Failure> {
        let mut left = Decision::default();
        if !matches!(unchanged, Unchanged::GoOn) && plan.is_empty() && !interrupted(files, &plan.root_path).await? {
            match unchanged {
                _ if !self.is_news(at).await? => left.last = true,
                Unchanged::SkipTo(phase) => left.skip_to = Some(phase),
                Unchanged::LockAndSkipTo(_) | Unchanged::GoOn => {}
            }
        }
        if !left.last {
            left.verdicts.extend(self.may_keep_books(at, &plan.deployer).await?);
        }
        Ok(left)
    }

    /// None where the stage writes into no volume.
    async fn may_keep_books(&self, at: &Context, principal: &str) -> Result<Option<Verdict>, Failure> {
        let asked = &self.assignment;
        let records = asked.ledger.as_ref().map(|ledger| ("records", ledger.folder.as_str()));
        let releases = asked.releases.as_deref().map(|folder| ("releases", folder));
        let volumes = [records, releases].into_iter().flatten();
        let volumes = volumes.filter_map(|(key, folder)| Some((key, VolumeName::of_path(folder)?)));
        let look = |(key, volume)| async move {
            let access = rights::may_write(&at.world, principal, &volume).await?;
            Ok::<_, Failure>(Book { key, volume, access })
        };
        let books = try_join_all(volumes.map(look)).await?;
        Ok((!books.is_empty()).then(|| may_keep_books::verdict(principal, &books)))
    }

    /// Whether the ledger does not have this release as its last yet: another commit may make
    /// the same of this target and something else of the next one. What it says of the models that
    /// are trained here must hold still, too.
    async fn is_news(&self, at: &Context) -> Result<bool, Failure> {
        let Some((release, ledger)) = self.assignment.release.as_ref().zip(self.assignment.ledger.as_ref()) else {
            return Ok(false);
        };
        let chain = ledger.read(&VolumeFiles::new(Arc::clone(&at.world.workspace))).await?;
        let Some(record) = chain.last().filter(|record| record.release == release.id) else { return Ok(true) };
        Ok(!gate::still_stands(&at.world, &self.assignment, &fact::tested(&record.details)).await?)
    }

    async fn age(&self, at: &Context, plan: &EnginePlan) -> Result<Age, Failure> {
        let asked = &self.assignment;
        let deployed = plan.deployed_commit.as_deref();
        Ok(match commit_age::ask(&at.world, deployed, asked.commit.as_deref()).await {
            Answer::NothingDeployed => Age::First,
            Answer::Same | Answer::Compared(Ancestry::Identical) => Age::Same,
            Answer::Compared(Ancestry::Ahead) => Age::Newer,
            Answer::Compared(Ancestry::Behind) => Age::Older,
            Answer::Compared(Ancestry::Diverged) => Age::Diverged,
            Answer::Compared(Ancestry::Unknown) => Age::Unknown("nobody knows one of them".to_owned()),
            Answer::NotKnown(why) => Age::Unknown(why),
        })
    }
}

/// Whether the event may change anything.
pub fn trusted(occasion: &Occasion) -> Verdict {
    let trust = occasion.trust;
    let objection = (!trust.may_deploy()).then(|| trust.because().unwrap_or("its code is not trusted"));
    trusted_event::verdict(occasion.event(), objection)
}

/// What reports and later runs read of a plan. The document itself holds values that may be
/// secret, and the journal leaves the machine: it gets the view, which does not.
pub fn facts(plan: &EnginePlan) -> Result<Vec<(&'static str, Value)>, Failure> {
    let deployed = |node: &str| plan.deployed.contains(node);
    let view = plan::read(&plan.document, &knowledge(&deployed, &plan.deployer))?;
    let mut facts = vec![
        (fact::PLAN, json!(view)),
        (
            fact::PLAN_DIGEST,
            json!(plan::digest(&plan.document, plan.files.as_ref().map(|files| files.digest.as_str()))),
        ),
        (fact::DEPLOYED_COMMIT, json!(plan.deployed_commit)),
        (fact::DEPLOYER, json!(plan.deployer)),
    ];
    if let Some(files) = &plan.files {
        facts.push((fact::FILES, json!(files)));
    }
    Ok(facts)
}

async fn interrupted(files: &WorkspaceFiles, root_path: &str) -> Result<bool, Failure> {
    Ok(Unfinished::of(&mirror::read(files, root_path).await?).is_some())
}
