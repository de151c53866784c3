//! A stage's phases: nothing is written before every rule has said yes, and what earlier
//! phases made is taken back when a later one fails.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use mlops_deploy::domain::{Failure, Reason};
use mlops_deploy::policy::Verdict;
use mlops_deploy::ports::World;
use mlops_deploy::saga::*;
use mlops_deploy::stages::phase::{Context, Decision, Phase, perform};
use serde_json::json;

use crate::nowhere;

type Table = Arc<Mutex<BTreeSet<String>>>;

/// Lays a thing on the table.
struct Lay {
    thing: &'static str,
    table: Table,
    nature: Nature,
    fails: bool,
}

#[async_trait]
impl Change<World> for Lay {
    fn spec(&self) -> Spec {
        Spec { verb: "lay".into(), subject: self.thing.into(), args: json!(null) }
    }

    fn title(&self) -> String {
        format!("lay {}", self.thing)
    }

    fn nature(&self) -> Nature {
        self.nature.clone()
    }

    async fn observe(&self, _: &World, _: &Outcomes) -> Result<Receipt, StepError> {
        Ok(Receipt(json!({})))
    }

    async fn act(&self, _: &World, _: &Outcomes, _: &Receipt) -> Result<Outcome, StepError> {
        if self.fails {
            return Err(Failure::new(Reason::WorkspaceError, "the table is wet").into());
        }
        self.table.lock().unwrap().insert(self.thing.to_owned());
        Ok(Outcome(json!({})))
    }

    async fn find(&self, _: &World, _: &Receipt) -> Result<Found, StepError> {
        let there = self.table.lock().unwrap().contains(self.thing);
        Ok(if there { Found::Done(Outcome(json!({}))) } else { Found::NotDone })
    }

    async fn undo(&self, _: &World, _: &Receipt, _: Option<&Outcome>) -> Result<Undone, StepError> {
        let there = self.table.lock().unwrap().remove(self.thing);
        Ok(if there { Undone::TakenBack } else { Undone::NothingToDo })
    }
}

struct Course {
    name: &'static str,
    thing: &'static str,
    refused: bool,
    fails: bool,
    nature: Nature,
    table: Table,
}

#[async_trait]
impl Phase for Course {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn decide(&self, _: &Context, _: &[Begun]) -> Result<Decision, Failure> {
        let verdict = if self.refused {
            Verdict::no("hungry", Failure::new(Reason::VerifyFailed, "serve: nobody is hungry"))
        } else {
            Verdict::yes("hungry", "they are")
        };
        let (thing, table, nature, fails) = (self.thing, self.table.clone(), self.nature.clone(), self.fails);
        let changes = Graph::new().then(Arc::new(Lay { thing, table, nature, fails }));
        Ok(Decision { verdicts: vec![verdict], changes, ..Decision::default() })
    }
}

struct Dinner {
    table: Table,
    phases: Vec<Box<dyn Phase>>,
}

fn dinner(edit: impl Fn(&mut Course)) -> Dinner {
    let table = Table::default();
    let course = |name, thing| {
        let mut course =
            Course { name, thing, refused: false, fails: false, nature: Nature::Reversible, table: table.clone() };
        edit(&mut course);
        Box::new(course) as Box<dyn Phase>
    };
    let phases = vec![course("starter", "soup"), course("main", "fish"), course("dessert", "ice")];
    Dinner { table, phases }
}

fn kitchen(table: &Table, dry_run: bool) -> (tokio::sync::watch::Sender<bool>, Context) {
    let (sender, stop) = Stop::new();
    let table = table.clone();
    let registry = Registry::default().with("lay", move |spec| {
        let thing = ["soup", "fish", "ice"].into_iter().find(|t| *t == spec.subject)?;
        Some(Arc::new(Lay { thing, table: table.clone(), nature: Nature::Reversible, fails: false }))
    });
    let context = Context {
        world: nowhere::world(),
        journal: Arc::new(Journal::new(|| "2026-11-21T00:00:00Z".into(), Vec::new())),
        registry,
        options: Options { parallelism: 2, on_failure: OnFailure::Stop, stop },
        dry_run,
        held: &[],
    };
    (sender, context)
}

fn on(table: &Table) -> Vec<String> {
    table.lock().unwrap().iter().cloned().collect()
}

#[tokio::test]
async fn all_phases_are_performed_in_order() {
    let dinner = dinner(|_| {});
    let (_stop, kitchen) = kitchen(&dinner.table, false);
    let done = perform(&dinner.phases, &kitchen).await;
    assert!(done.failure.is_none());
    assert_eq!(done.begun.len(), 3);
    assert_eq!(on(&dinner.table), ["fish", "ice", "soup"]);
}

#[tokio::test]
async fn a_refusal_in_a_later_phase_takes_back_the_earlier_ones() {
    let dinner = dinner(|c| c.refused = c.name == "dessert");
    let (_stop, kitchen) = kitchen(&dinner.table, false);
    let done = perform(&dinner.phases, &kitchen).await;
    assert_eq!(done.failure.unwrap().reason, Reason::VerifyFailed);
    assert_eq!(done.unwound.unwrap().taken_back, 2);
    assert_eq!(on(&dinner.table), [] as [String; 0]);
}

#[tokio::test]
async fn a_failed_change_takes_back_the_earlier_phases() {
    let dinner = dinner(|c| c.fails = c.name == "main");
    let (_stop, kitchen) = kitchen(&dinner.table, false);
    let done = perform(&dinner.phases, &kitchen).await;
    assert_eq!(done.failure.unwrap().reason, Reason::WorkspaceError);
    assert_eq!(on(&dinner.table), [] as [String; 0]);
}

#[tokio::test]
async fn after_the_point_of_no_return_the_next_run_goes_on_instead() {
    let dinner = dinner(|c| match c.name {
        "main" => c.nature = Nature::Irreversible("the fish is dead"),
        "dessert" => c.fails = true,
        _ => {}
    });
    let (_stop, kitchen) = kitchen(&dinner.table, false);
    let done = perform(&dinner.phases, &kitchen).await;
    assert!(done.resumable);
    assert_eq!(done.unwound.unwrap().taken_back, 0);
    assert_eq!(on(&dinner.table), ["fish", "soup"]);
    let unfinished = Unfinished::of(&kitchen.journal.entries()).unwrap();
    assert!(unfinished.is_past_the_point_of_no_return());
}

/// A served candidate goes, also where something was deleted before it.
#[tokio::test]
async fn behind_a_phase_that_went_forward_later_phases_are_taken_back() {
    let dinner = dinner(|c| match c.name {
        "starter" => c.nature = Nature::Irreversible("the soup is eaten"),
        "dessert" => c.refused = true,
        _ => {}
    });
    let (_stop, kitchen) = kitchen(&dinner.table, false);
    let done = perform(&dinner.phases, &kitchen).await;
    assert!(done.resumable);
    assert_eq!(done.unwound.unwrap().taken_back, 1);
    assert_eq!(on(&dinner.table), ["soup"]);
    let unfinished = Unfinished::of(&kitchen.journal.entries()).unwrap();
    assert_eq!((unfinished.forward.len(), unfinished.begun.len()), (1, 0));
}

#[tokio::test]
async fn a_dry_run_writes_nothing_and_names_what_is_decided_later() {
    let dinner = dinner(|_| {});
    let (_stop, kitchen) = kitchen(&dinner.table, true);
    let done = perform(&dinner.phases, &kitchen).await;
    assert!(done.failure.is_none());
    assert_eq!(on(&dinner.table), [] as [String; 0]);
    let later = kitchen.journal.entries().into_iter().find_map(|e| match e.event {
        Event::Fact { name, value } if name == "decided-later" => Some(value),
        _ => None,
    });
    assert_eq!(later.unwrap(), json!(["main", "dessert"]));
}

#[tokio::test]
async fn asked_to_stop_it_takes_back_and_says_so() {
    let dinner = dinner(|_| {});
    let (stop, kitchen) = kitchen(&dinner.table, false);
    stop.send(true).unwrap();
    let done = perform(&dinner.phases, &kitchen).await;
    assert_eq!(done.failure.unwrap().reason, Reason::Cancelled);
    assert_eq!(on(&dinner.table), [] as [String; 0]);
}
