//! Phase `record`: what was deployed, by whom, after which answers, into the ledger.
//!
//! Everything in it is a fold of the journal so far: a phase that a stage puts before this one
//! has its verdicts and runs recorded without a word said here.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::domain::Failure;
use crate::domain::fact::{self, Release};
use crate::domain::ledger::{self, By, Chain};
use crate::domain::plan::PlanView;
use crate::saga::{Begun, Entry, Event, Graph};
use crate::stages::assignment::Assignment;
use crate::stages::phase::{Context, Decision, Phase};
use crate::steps::announce;
use crate::steps::bundle::take_lock;
use crate::steps::model::copy_version::{self, Copied};
use crate::steps::model::{tag_version, withdraw_gate};
use crate::steps::open_ledger::OpenLedger;
use crate::steps::record::WriteRecord;
use crate::steps::recover;
use crate::steps::run_job;
use crate::steps::volume::VolumeFiles;

pub struct Record(pub Arc<Assignment>);

#[async_trait]
impl Phase for Record {
    fn name(&self) -> &'static str {
        "record"
    }

    async fn decide(&self, at: &Context, begun: &[Begun]) -> Result<Decision, Failure> {
        let asked = &self.0;
        let (Some(ledger), Some(release)) = (&asked.ledger, &asked.release) else {
            let name = &asked.environment.name;
            let message = format!(
                "no record was written: set `environments.{name}.records` in mlops-deploy.yml to a folder of a volume; \
                 stages behind this one deploy only what a ledger has"
            );
            at.journal.record(Event::Notice { message }).await?;
            return Ok(Decision::default());
        };
        let chain = ledger.read(&VolumeFiles::new(Arc::clone(&at.world.workspace))).await?;
        if let Some(message) = built_otherwise(&chain, release) {
            at.journal.record(Event::Notice { message }).await?;
        }
        let entries = at.journal.entries();
        let record = record(asked, release, &entries, at.world.clock.now().to_string());
        if begun.iter().all(changes_nothing) && chain.last().is_some_and(|last| says_the_same(last, &record)) {
            return Ok(Decision::default());
        }
        let write = WriteRecord { ledger: ledger.clone(), record };
        let open = OpenLedger(ledger.clone());
        Ok(Decision { changes: Graph::new().then(Arc::new(open)).then(Arc::new(write)), ..Decision::default() })
    }
}

/// What a run does that finds everything as it should be: it tries and says again what was found out before.
fn changes_nothing(begun: &Begun) -> bool {
    const AGAIN: [&str; 6] =
        [announce::VERB, take_lock::VERB, recover::VERB, run_job::VERB, withdraw_gate::VERB, tag_version::VERB];
    let verb = begun.spec.verb.as_str();
    let reused = || begun.outcome.as_ref().and_then(Copied::of).is_some_and(|copied| copied.reused);
    AGAIN.contains(&verb) || (verb == copy_version::VERB && reused())
}

/// An earlier run was killed behind its record, or somebody asks twice: the ledger has it.
fn says_the_same(last: &ledger::Record, record: &ledger::Record) -> bool {
    let what = |record: &ledger::Record| {
        let about = [fact::TESTED, fact::PROMOTION].map(|name| record.details.get(name).cloned());
        (record.release, record.stage.clone(), about)
    };
    what(last) == what(record)
}

/// The same commit made another release before: for whoever thinks that its build is
/// reproducible, and for whoever looks for the one that was tested.
fn built_otherwise(chain: &Chain, release: &Release) -> Option<String> {
    let same = |record: &&ledger::Record| record.commit == release.commit && !release.commit.is_empty();
    let before = chain.records().iter().rev().find(same).filter(|record| record.release != release.id)?;
    Some(format!(
        "commit {} was packed before as release {} (record {}), and is {} now: a build that is run twice does not make \
         the same files, or the jobs' `BUNDLE_VAR_…` or the action's version differ",
        release.commit.get(..10).unwrap_or(&release.commit),
        before.release.short(),
        before.sequence,
        release.id.short()
    ))
}

fn record(asked: &Assignment, release: &Release, entries: &[Entry], at: String) -> ledger::Record {
    let about: fact::About = started(entries).unwrap_or_default();
    let counts = fact::<PlanView>(entries, fact::PLAN).map(|plan| plan.counts()).unwrap_or_default();
    let files = fact::<fact::Files>(entries, fact::FILES).unwrap_or_default();
    let changes = [
        ("created", counts.created),
        ("updated", counts.updated),
        ("deleted", counts.deleted),
        ("recreated", counts.recreated),
        ("files", files.added.len() + files.changed.len() + files.deleted.len()),
    ];
    let by = By {
        principal: fact(entries, fact::DEPLOYER).unwrap_or_default(),
        repository: about.repository,
        run_id: about.run_id,
        attempt: about.attempt,
        job: about.job,
        event: about.event,
        url: about.run_url,
    };
    ledger::Record {
        version: ledger::VERSION,
        sequence: 0,
        previous: None,
        at,
        environment: asked.environment.name.clone(),
        bundle: asked.bundle.clone(),
        target: asked.target.clone(),
        stage: about.stage,
        release: release.id,
        archive: Some(release.archive),
        commit: release.commit.clone(),
        older: fact(entries, fact::OLDER).unwrap_or(false),
        plan_digest: fact(entries, fact::PLAN_DIGEST).unwrap_or_default(),
        changes: changes.into_iter().map(|(name, n)| (name.to_owned(), n as u64)).collect(),
        by,
        seen: asked.seen.clone(),
        details: details(entries),
        program: about.version,
    }
}

pub(super) fn started<T: DeserializeOwned>(entries: &[Entry]) -> Option<T> {
    entries.iter().find_map(|entry| match &entry.event {
        Event::RunStarted { run } => serde_json::from_value(run.clone()).ok(),
        _ => None,
    })
}

/// The last word on a fact.
pub(super) fn fact<T: DeserializeOwned>(entries: &[Entry], wanted: &str) -> Option<T> {
    entries.iter().rev().find_map(|entry| match &entry.event {
        Event::Fact { name, value } if name == wanted => serde_json::from_value(value.clone()).ok(),
        _ => None,
    })
}

/// What was asked and what it answered; which jobs ran and how they ended.
fn details(entries: &[Entry]) -> BTreeMap<String, Value> {
    let mut verdicts = Vec::new();
    let mut runs = Vec::new();
    for entry in entries {
        match &entry.event {
            Event::Verdict { rule, passed, message } => {
                verdicts.push(json!({"rule": rule, "passed": passed, "message": message}));
            }
            Event::Done { change, outcome, .. } if change.verb == run_job::VERB => {
                let end = &outcome.0;
                runs.push(json!({"job": end["job"], "run_id": end["run_id"], "result": end["result_state"], "url": end["url"]}));
            }
            _ => {}
        }
    }
    let mut details = BTreeMap::from([("verdicts".to_owned(), json!(verdicts)), ("runs".to_owned(), json!(runs))]);
    let release = fact::<Release>(entries, fact::RELEASE);
    let uncommitted = release.and_then(|release| release.uncommitted);
    details.extend(uncommitted.map(|some| (fact::UNCOMMITTED.to_owned(), json!(some))));
    for name in [fact::TESTED, fact::GATE, fact::PROMOTION, fact::ORDER_UNKNOWN, fact::CARRIED_ON] {
        details.extend(fact::<Value>(entries, name).map(|value| (name.to_owned(), value)));
    }
    details
}
