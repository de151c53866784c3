//! Changes are made with receipts, taken back when something fails, and found again after a
//! lost reply or a killed process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use mlops_deploy::domain::{Failure, Reason};
use mlops_deploy::saga::decorators::{Faulty, Point, Twice};
use mlops_deploy::saga::*;
use serde_json::json;

/// A shelf of labelled values; putting is the only verb.
#[derive(Default)]
struct Shelf {
    things: Mutex<BTreeMap<String, String>>,
}

impl Shelf {
    fn get(&self, name: &str) -> Option<String> {
        self.things.lock().unwrap().get(name).cloned()
    }

    fn all(&self) -> BTreeMap<String, String> {
        self.things.lock().unwrap().clone()
    }
}

struct Put {
    name: String,
    value: String,
    nature: Nature,
}

fn put(name: &str, value: &str) -> Arc<dyn Change<Shelf>> {
    Arc::new(Put { name: name.into(), value: value.into(), nature: Nature::Reversible })
}

fn burn(name: &str) -> Arc<dyn Change<Shelf>> {
    Arc::new(Put { name: name.into(), value: "ashes".into(), nature: Nature::Irreversible("the thing is gone") })
}

#[async_trait]
impl Change<Shelf> for Put {
    fn spec(&self) -> Spec {
        Spec { verb: "put".into(), subject: self.name.clone(), args: json!({"value": self.value}) }
    }

    fn title(&self) -> String {
        format!("put `{}`", self.name)
    }

    fn nature(&self) -> Nature {
        self.nature.clone()
    }

    async fn observe(&self, shelf: &Shelf, _: &Outcomes) -> Result<Receipt, StepError> {
        Ok(Receipt(json!({"was": shelf.get(&self.name)})))
    }

    async fn act(&self, shelf: &Shelf, _: &Outcomes, _: &Receipt) -> Result<Outcome, StepError> {
        shelf.things.lock().unwrap().insert(self.name.clone(), self.value.clone());
        Ok(Outcome(json!({"now": self.value})))
    }

    async fn find(&self, shelf: &Shelf, _: &Receipt) -> Result<Found, StepError> {
        Ok(match shelf.get(&self.name) {
            Some(v) if v == self.value => Found::Done(Outcome(json!({"now": v}))),
            _ => Found::NotDone,
        })
    }

    async fn undo(&self, shelf: &Shelf, receipt: &Receipt, _: Option<&Outcome>) -> Result<Undone, StepError> {
        let was = receipt.0["was"].as_str().map(str::to_owned);
        let now = shelf.get(&self.name);
        if now == was {
            return Ok(Undone::NothingToDo);
        }
        if now.as_deref() == Some(&format!("{} with flowers", self.value)) {
            return Ok(Undone::Kept);
        }
        if now.as_deref() != Some(&self.value) {
            return Err(StepError::drift(&self.name, &self.value, now.unwrap_or_default()));
        }
        let mut things = shelf.things.lock().unwrap();
        match was {
            Some(v) => things.insert(self.name.clone(), v),
            None => things.remove(&self.name),
        };
        Ok(Undone::TakenBack)
    }
}

fn registry() -> Registry<Shelf> {
    Registry::default().with("put", |spec| Some(put(&spec.subject, spec.args["value"].as_str()?)))
}

fn journal() -> Journal {
    Journal::new(|| "2026-11-21T00:00:00Z".into(), Vec::new())
}

fn options() -> (tokio::sync::watch::Sender<bool>, Options) {
    let (sender, stop) = Stop::new();
    (sender, Options { parallelism: 3, on_failure: OnFailure::Stop, stop })
}

fn house() -> Vec<Arc<dyn Change<Shelf>>> {
    vec![put("cup", "tea"), put("plate", "bread"), put("bowl", "soup"), put("glass", "water")]
}

fn shelf() -> Shelf {
    let shelf = Shelf::default();
    shelf.things.lock().unwrap().insert("cup".into(), "coffee".into());
    shelf
}

fn chain(changes: Vec<Arc<dyn Change<Shelf>>>) -> Graph<Shelf> {
    changes.into_iter().fold(Graph::new(), Graph::then)
}

#[tokio::test]
async fn whichever_change_fails_and_wherever_everything_is_as_before() {
    for broken in 0..house().len() {
        for point in [Point::Observe, Point::BeforeAct, Point::AfterAct] {
            let (shelf, journal, (_stop, options)) = (shelf(), journal(), options());
            let mut changes = house();
            changes[broken] = Arc::new(Faulty::new(changes[broken].clone(), point));
            let run = execute(&chain(changes), &shelf, &journal, &options).await.unwrap();
            assert_eq!(run.ending, Ending::Failed);
            let unwound = unwind(&run.begun, &registry(), &shelf, &journal).await;
            assert!(unwound.complete(), "{:?}", unwound.failed);
            assert_eq!(shelf.all(), self::shelf().all(), "change {broken} at {point:?}");
        }
    }
}

#[tokio::test]
async fn a_lost_reply_is_found_and_nothing_is_made_twice() {
    let (shelf, journal, (_stop, options)) = (shelf(), journal(), options());
    let changes = house().into_iter().map(|c| Arc::new(Faulty::new(c, Point::LostReply)) as Arc<dyn Change<Shelf>>);
    let run = execute(&chain(changes.collect()), &shelf, &journal, &options).await.unwrap();
    assert_eq!(run.ending, Ending::Finished);
    assert_eq!(shelf.get("cup").as_deref(), Some("tea"));
    assert_eq!(shelf.all().len(), 4);
}

#[tokio::test]
async fn doing_every_step_twice_is_harmless() {
    let (shelf, journal, (_stop, options)) = (shelf(), journal(), options());
    let graph = chain(house()).map(|c| Arc::new(Twice(c)));
    let run = execute(&graph, &shelf, &journal, &options).await.unwrap();
    assert_eq!(run.ending, Ending::Finished);
    unwind(&run.begun, &registry(), &shelf, &journal).await;
    let again = unwind(&run.begun, &registry(), &shelf, &journal).await;
    assert_eq!(again.taken_back, 0);
    assert_eq!(shelf.all(), self::shelf().all());
}

#[tokio::test]
async fn what_cannot_be_taken_back_waits_behind_the_point_of_no_return() {
    let (shelf, journal, (_stop, options)) = (shelf(), journal(), options());
    let graph = chain(vec![burn("old"), put("ash tray", "full")]).then(put("cup", "tea"));
    // `cup` waits for `ash tray`, which waits for the fire: only an independent change comes first.
    let mut graph = graph;
    graph.add(Arc::new(Faulty::new(put("plate", "bread"), Point::BeforeAct)), &[]);
    let run = execute(&graph, &shelf, &journal, &options).await.unwrap();
    assert_eq!(run.ending, Ending::Failed);
    assert!(!run.past_point_of_no_return);
    assert_eq!(shelf.get("old"), None, "nothing irreversible was begun");
}

#[tokio::test]
async fn a_killed_run_is_unwound_by_the_next_process_from_its_journal() {
    let (shelf, journal, (_stop, options)) = (shelf(), journal(), options());
    let run = execute(&chain(house()), &shelf, &journal, &options).await.unwrap();
    assert_eq!(run.ending, Ending::Finished);
    let mut text: String = journal.entries().iter().map(|e| serde_json::to_string(e).unwrap() + "\n").collect();
    // Killed while writing: the last line is torn, so nobody knows whether `glass` was filled.
    text.truncate(text.trim_end().rfind('\n').unwrap() + 20);
    let unfinished = Unfinished::of(&mlops_deploy::saga::journal::read(&text).unwrap()).unwrap();
    assert_eq!(unfinished.begun.len(), 4);
    assert_eq!(unfinished.begun[3].outcome, None);
    let unwound = unwind(&unfinished.begun, &registry(), &shelf, &self::journal()).await;
    assert_eq!(unwound.taken_back, 4);
    assert_eq!(shelf.all(), self::shelf().all());
}

#[tokio::test]
async fn what_somebody_has_filled_is_kept_until_it_stands_in_the_books() {
    let (shelf, journal, (_stop, options)) = (shelf(), journal(), options());
    let run = execute(&chain(vec![put("cup", "tea"), put("vase", "glass")]), &shelf, &journal, &options).await.unwrap();
    shelf.things.lock().unwrap().insert("vase".into(), "glass with flowers".into());
    let unwound = unwind(&run.begun, &registry(), &shelf, &journal).await;
    assert!(unwound.complete());
    assert_eq!((unwound.taken_back, unwound.kept.as_slice()), (1, &run.begun[1..]));
    assert_eq!(shelf.get("vase").as_deref(), Some("glass with flowers"));
    // Killed before it was entered anywhere: the next process finds it again.
    let unfinished = Unfinished::of(&journal.entries()).unwrap();
    assert_eq!(unfinished.begun, run.begun[1..]);
}

#[tokio::test]
async fn a_persons_repair_is_not_overwritten_by_undo() {
    let (shelf, journal, (_stop, options)) = (shelf(), journal(), options());
    let run = execute(&chain(house()), &shelf, &journal, &options).await.unwrap();
    shelf.things.lock().unwrap().insert("bowl".into(), "salad".into());
    let unwound = unwind(&run.begun, &registry(), &shelf, &journal).await;
    assert_eq!(unwound.failed.len(), 1);
    assert_eq!(unwound.taken_back, 3, "the others are taken back all the same");
    assert_eq!(shelf.get("bowl").as_deref(), Some("salad"));
    insta::assert_snapshot!(unwound.failed[0].1, @"take back bowl: it is no longer what this run made of it: expected soup, found salad");
}

#[tokio::test]
async fn by_hand_the_independent_changes_go_on() {
    let (shelf, journal, (_stop, mut options)) = (shelf(), journal(), options());
    options.on_failure = OnFailure::KeepGoing;
    let mut graph = Graph::new();
    graph.add(Arc::new(Faulty::new(put("a", "1"), Point::BeforeAct)), &[]);
    graph.add(put("b", "2"), &["put a".into()]);
    graph.add(put("c", "3"), &[]);
    let run = execute(&graph, &shelf, &journal, &options).await.unwrap();
    assert_eq!(run.skipped, ["put `b`"]);
    assert_eq!(shelf.get("c").as_deref(), Some("3"));
    assert_eq!(run.into_failure().unwrap().reason, Reason::WorkspaceError);
}

#[tokio::test]
async fn a_stop_begins_nothing_further() {
    let (shelf, journal, (stop, options)) = (shelf(), journal(), options());
    stop.send(true).unwrap();
    let run = execute(&chain(house()), &shelf, &journal, &options).await.unwrap();
    assert_eq!(run.ending, Ending::Stopped);
    assert_eq!(shelf.all(), self::shelf().all());
    assert_eq!(run.into_failure().unwrap().reason, Reason::Cancelled);
}

/// The disk is full: the receipt cannot be written, so nothing is changed.
struct Full;

#[async_trait]
impl Sink for Full {
    async fn append(&self, _: &Line) -> Result<(), std::io::Error> {
        Err(std::io::Error::from(std::io::ErrorKind::StorageFull))
    }
}

#[tokio::test]
async fn without_a_written_receipt_nothing_is_changed() {
    let (shelf, (_stop, options)) = (shelf(), options());
    let journal = Journal::new(|| "2026-11-21T00:00:00Z".into(), vec![Box::new(Full)]);
    let Err(error) = execute(&chain(house()), &shelf, &journal, &options).await else { panic!("it was executed") };
    assert_eq!(Failure::from(error).reason, Reason::DiskError);
    assert_eq!(shelf.all(), self::shelf().all());
}

#[test]
fn a_journal_of_a_later_version_is_refused() {
    let line = json!({"v": 2, "at": "2026-11-21T00:00:00Z", "event": "notice", "message": ""});
    let Err(error) = mlops_deploy::saga::journal::read(&format!("{line}\n")) else { panic!("it was read") };
    insta::assert_snapshot!(error, @"read a journal of version 2; this program knows 1");
}

#[tokio::test]
async fn what_was_certainly_not_made_is_not_taken_for_ours_when_somebody_else_made_the_same() {
    let (shelf, journal, (_stop, options)) = (shelf(), journal(), options());
    let refused = Arc::new(Faulty::new(put("plate", "bread"), Point::BeforeAct));
    let run = execute(&chain(vec![put("cup", "tea"), refused]), &shelf, &journal, &options).await.unwrap();
    shelf.things.lock().unwrap().insert("plate".into(), "bread".into());
    let unfinished = Unfinished::of(&journal.entries()).unwrap();
    assert_eq!(unfinished.begun, run.begun);
    let unwound = unwind(&run.begun, &registry(), &shelf, &journal).await;
    assert_eq!(unwound.taken_back, 1);
    assert_eq!(shelf.get("plate").as_deref(), Some("bread"));
}
