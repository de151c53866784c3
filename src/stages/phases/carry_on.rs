//! Whether an interrupted promotion is carried on, and with what.
//!
//! Up to the last configuration that it gave the endpoint everything stands and becomes this run's own: the copied version,
//! the deployed bundle, the candidate that is built. What came behind it (an alias, clocks) takes no time: that is taken
//! back, and done again when its turn comes. A traffic step whose watching was cut short is watched from its beginning.
//! The bundle is planned and verified anew like any other; phases of the endpoint that came to their end are not.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::copy::copied;
use super::deployment::HELD;
use super::record::{fact, started};
use super::recovery::RECOVERY;
use crate::domain::endpoint::Serving;
use crate::domain::fact::{self, About, CarriedOn, Intent};
use crate::domain::{Failure, ModelVersion};
use crate::policy::Verdict;
use crate::policy::may_carry_on::{self, Left};
use crate::ports::World;
use crate::saga::take_over::{finished, had_failed};
use crate::saga::{Begun, Entry, Event, Found as Made, Nature, Receipt, Step, TakenOver, Unfinished};
use crate::stages::assignment::Promotion;
use crate::stages::phase::Context;
use crate::steps::model::copy_version::{self, Copied, tags};
use crate::steps::model::{Registry, move_alias};
use crate::steps::serve::endpoint::{self, Update};
use crate::steps::serve::set_endpoint;

/// Facts that a run which carries on does not find out itself, or no longer can.
const FACTS: [&str; 7] = [
    fact::PLAN,
    fact::PLAN_DIGEST,
    fact::FILES,
    fact::DEPLOYED_COMMIT,
    fact::OLDER,
    fact::ORDER_UNKNOWN,
    fact::ENDPOINT,
];

/// What the stage means to do.
pub struct Carrying {
    pub promotion: Arc<Promotion>,
    /// Phases that are not done again where an interrupted run has finished them.
    pub lasting: BTreeSet<String>,
}

pub enum Found {
    MayGoOn {
        verdict: Verdict,
        takes_over: TakenOver,
    },
    /// And why.
    HasToGo(String),
}

/// Why it is not carried on, or why that cannot be found out.
enum No {
    Because(String),
    Failed(Failure),
}

impl From<String> for No {
    fn from(why: String) -> Self {
        No::Because(why)
    }
}

impl From<Failure> for No {
    fn from(failure: Failure) -> Self {
        No::Failed(failure)
    }
}

impl Carrying {
    /// Only reads. What is taken over is no longer unfinished.
    pub async fn look(&self, at: &Context, entries: &[Entry], unfinished: &mut Unfinished) -> Result<Found, Failure> {
        match self.may_go_on(at, entries, unfinished).await {
            Ok((verdict, takes_over)) => {
                let taken: Vec<_> = takes_over.steps.iter().map(|step| (&step.change, &step.receipt)).collect();
                unfinished.begun.retain(|begun| !taken.contains(&(&begun.spec, &begun.receipt)));
                Ok(Found::MayGoOn { verdict, takes_over })
            }
            Err(No::Because(why)) => Ok(Found::HasToGo(why)),
            Err(No::Failed(failure)) => Err(failure),
        }
    }

    async fn may_go_on(
        &self,
        at: &Context,
        entries: &[Entry],
        unfinished: &Unfinished,
    ) -> Result<(Verdict, TakenOver), No> {
        let intent = self.means_the_same(at, entries)?;
        let seen_to =
            entries.iter().rposition(|e| matches!(&e.event, Event::PhaseFinished { phase, .. } if phase == RECOVERY));
        if had_failed(&entries[seen_to.unwrap_or(0)..]) {
            return Err("it had failed and was taking it back itself".to_owned().into());
        }
        let Stands { steps, asked } = stands(at, &unfinished.begun).await?;
        let verdict = self.as_left(&at.world, (&steps, asked.as_ref()), unfinished, &intent).await?;
        let mut finished = finished(entries);
        finished.retain(|phase| self.lasting.contains(phase));
        let told = told(entries, &steps, &finished);
        Ok((verdict, TakenOver { steps, finished, told }))
    }

    /// What the interrupted run meant to do.
    fn means_the_same(&self, at: &Context, entries: &[Entry]) -> Result<Intent, No> {
        let journal = at.journal.entries();
        let about = |entries: &[Entry]| started::<About>(entries).unwrap_or_default();
        let then = fact::<Intent>(entries, fact::INTENT);
        let now = fact::<Intent>(&journal, fact::INTENT).ok_or("this run does not say what it means".to_owned())?;
        may_carry_on::means_the_same((&about(entries), then.as_ref()), (&about(&journal), &now))?;
        Ok(then.unwrap_or(now))
    }

    /// What is relied on is as the interrupted run left it.
    async fn as_left(
        &self,
        world: &World,
        (steps, asked): (&[Step], Option<&Receipt>),
        unfinished: &Unfinished,
        intent: &Intent,
    ) -> Result<Verdict, No> {
        let wanted = |receipt: &Receipt| read::<Serving>(&receipt.0["wanted"]);
        let meant = steps.last().and_then(|last| wanted(&last.receipt));
        let meant = meant.ok_or("its journal does not say what the endpoint was given".to_owned())?;
        let begun: Vec<Begun> = steps.iter().map(Begun::from).collect();
        let (model, version) = copied(&self.promotion, &begun).ok_or("it had not copied the version".to_owned())?;
        let name = self.promotion.serve.as_ref().map(|serve| serve.endpoint.as_str()).unwrap_or_default();
        let now = endpoint::read(world, name).await?.filter(|now| now.update != Update::GoesOn);
        let registry = Registry(world.workspace.as_ref());
        let there = registry.version(&model, version).await?;
        let tags = registry.version_tags(&model, version).await?.unwrap_or_default();
        let copies = begun.iter().filter(|step| step.spec.verb == copy_version::VERB);
        let copy = copies.filter_map(|step| Copied::of(step.outcome.as_ref()?)).next_back();
        let digest = copy.as_ref().map(|copy| copy.manifest_sha256.as_str());
        let stands_for = registry.by_alias(&intent.destination, &intent.alias).await?.map(|found| found.version);
        Ok(may_carry_on::as_left(&Left {
            endpoint: name,
            serves: now.as_ref().map(|now| &now.serving),
            meant: &meant,
            asked: asked.and_then(wanted).as_ref(),
            model: &model,
            version,
            status: there.as_ref().map(|there| &there.status),
            digest: [digest.and_then(|_| tags.get(tags::MANIFEST).map(String::as_str)), digest],
            alias: &intent.alias,
            stands_for: [self.stood_for(unfinished, stands_for), intent.stands_for],
        })?)
    }
}

struct Stands {
    steps: Vec<Step>,
    /// Of the last change, where it was asked for and did not come about.
    asked: Option<Receipt>,
}

/// The changes up to the last that gave the endpoint something.
async fn stands(at: &Context, begun: &[Begun]) -> Result<Stands, No> {
    let gives = |begun: &Begun| begun.spec.verb == set_endpoint::VERB;
    let until = begun.iter().rposition(gives).map_or(0, |last| last + 1);
    let (mut steps, mut asked) = (Vec::<Step>::new(), None);
    for (i, Begun { spec, receipt, outcome }) in begun[..until].iter().enumerate() {
        if HELD.contains(&spec.verb.as_str()) {
            continue;
        }
        let change = at.registry.rebuild(spec).ok_or_else(|| format!("nobody knows here what `{}` is", spec.id()))?;
        if matches!(change.nature(), Nature::Append(_)) {
            continue;
        }
        let found = match outcome {
            Some(outcome) => Made::Done(outcome.clone()),
            None => change.find(&at.world, receipt).await.map_err(|error| error.failure)?,
        };
        match found {
            Made::Done(outcome) => {
                let (change, title) = (spec.clone(), change.title());
                steps.push(Step { change, title, receipt: receipt.clone(), outcome });
            }
            Made::NotDone if i + 1 == until => asked = Some(receipt.clone()),
            Made::NotDone | Made::Ambiguous(_) => return Err(format!("`{}` is not what it made", spec.id()).into()),
        }
    }
    match steps.last() {
        Some(last) if last.change.verb == set_endpoint::VERB => Ok(Stands { steps, asked }),
        _ => Err("it had not come as far as the endpoint".to_owned().into()),
    }
}

impl Carrying {
    /// What the alias will stand for once the interrupted run's own moving of it is taken back.
    fn stood_for(&self, unfinished: &Unfinished, now: Option<ModelVersion>) -> Option<ModelVersion> {
        let Promotion { destination, alias, .. } = self.promotion.as_ref();
        let moved = unfinished.begun.iter().find(|begun| {
            let args = &begun.spec.args;
            begun.spec.verb == move_alias::VERB
                && args["model"] == json!(destination)
                && args["alias"] == json!(alias)
                && args["to"] == json!(now)
        });
        moved.map_or(now, |moved| read(&moved.receipt.0["was"]).flatten())
    }
}

/// Words of the interrupted run that stay true, and what it was.
fn told(entries: &[Entry], steps: &[Step], finished: &BTreeSet<String>) -> Vec<Event> {
    let word = |name: &str| {
        let value = fact::<Value>(entries, name)?;
        Some(Event::Fact { name: name.to_owned(), value })
    };
    let mut told: Vec<Event> = FACTS.iter().filter_map(|name| word(name)).collect();
    let mut phase = "";
    for entry in entries {
        match &entry.event {
            Event::PhaseStarted { phase: started } => phase = started,
            Event::Verdict { .. } if phase == RECOVERY || finished.contains(phase) => told.push(entry.event.clone()),
            _ => {}
        }
    }
    let mut all: CarriedOn = fact(entries, fact::CARRIED_ON).unwrap_or_default();
    if all.since.is_empty() {
        all.since = entries.first().map(|entry| entry.at.clone()).unwrap_or_default();
    }
    all.runs.extend(started::<About>(entries).map(|about| about.run_url));
    all.step = steps.last().and_then(|step| step.change.args["step"].as_str()).unwrap_or_default().to_owned();
    told.push(Event::Fact { name: fact::CARRIED_ON.to_owned(), value: json!(all) });
    told
}

fn read<T: DeserializeOwned>(value: &Value) -> Option<T> {
    T::deserialize(value).ok()
}
