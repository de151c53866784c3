//! Makes the changes of a graph, as many at a time as allowed.
//!
//! In rounds: the changes whose turn it is are observed, their receipts are written down, also
//! beside the deployment, and only then are they made. So a run whose machine is gone can be
//! taken up by another, for one more write a round.
//!
//! What can be taken back comes first; then the journal says `point-of-no-return`; then the
//! rest. Before that line a failure leaves everything to `unwind`, after it the only way is
//! forward and the next run finishes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use futures::StreamExt;
use futures::stream::{self, FuturesUnordered};
use tokio::sync::watch;

use super::change::{Change, Found, Outcome, Outcomes, Receipt, StepError, StepErrorKind};
use super::graph::Graph;
use super::journal::{Event, Journal, JournalError, seconds};
use super::resume::Begun;
use super::unwind::ambiguous;
use crate::domain::{Failure, Reason};

/// Asks running work to stop: no further change is begun, what is in flight is settled.
#[derive(Clone)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    pub fn new() -> (watch::Sender<bool>, Self) {
        let (sender, receiver) = watch::channel(false);
        (sender, Self(receiver))
    }

    pub fn requested(&self) -> bool {
        *self.0.borrow()
    }

    pub async fn wait(&mut self) {
        // The sender lives as long as the program; without it nobody can ask us to stop.
        if self.0.wait_for(|stop| *stop).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// A stage: begin nothing further.
    Stop,
    /// By hand, as the official command does: go on with what does not depend on it.
    KeepGoing,
}

#[derive(Clone)]
pub struct Options {
    pub parallelism: usize,
    pub on_failure: OnFailure,
    pub stop: Stop,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Finished,
    Failed,
    Stopped,
}

/// What was done, and what went wrong.
pub struct Execution {
    pub ending: Ending,
    pub outcomes: Outcomes,
    /// Every change that was made or may have been made, in the order in which it ended.
    pub begun: Vec<Begun>,
    /// Title and error of each failed change; the first is the cause.
    pub errors: Vec<(String, StepError)>,
    /// Titles of changes that were not begun.
    pub skipped: Vec<String>,
    pub past_point_of_no_return: bool,
}

/// How many receipts are written together at least.
const ROUND: usize = 64;

#[derive(Clone, Copy, PartialEq)]
enum Progress {
    Waiting,
    Running,
    Done,
    Failed,
    Skipped,
}

pub async fn execute<W: Sync + ?Sized>(
    graph: &Graph<W>,
    world: &W,
    journal: &Journal,
    options: &Options,
) -> Result<Execution, JournalError> {
    let outcomes = Outcomes::default();
    let nodes = graph.nodes();
    let mut dependants = vec![Vec::new(); nodes.len()];
    for (i, node) in nodes.iter().enumerate() {
        node.after.iter().for_each(|&on| dependants[on].push(i));
    }
    let mut run = Run {
        graph,
        world,
        journal,
        options,
        outcomes: &outcomes,
        progress: vec![Progress::Waiting; nodes.len()],
        waits_for: nodes.iter().map(|node| node.after.len()).collect(),
        ready: (0..nodes.len()).filter(|&i| nodes[i].after.is_empty()).collect(),
        dependants,
        result: Execution {
            ending: Ending::Finished,
            outcomes: Outcomes::default(),
            begun: Vec::new(),
            errors: Vec::new(),
            skipped: Vec::new(),
            past_point_of_no_return: false,
        },
    };
    let first = graph.before_point_of_no_return();
    run.band(|i| first[i]).await?;
    let left: Vec<_> = (0..first.len()).filter(|&i| !first[i]).map(|i| graph.nodes()[i].change.spec()).collect();
    if !left.is_empty() && run.may_go_on() {
        journal.record(Event::PointOfNoReturn { left }).await?;
        journal.flush().await?;
        run.result.past_point_of_no_return = true;
        run.band(|i| !first[i]).await?;
    }
    let result = run.finish();
    Ok(Execution { outcomes, ..result })
}

struct Run<'a, W: Sync + ?Sized> {
    graph: &'a Graph<W>,
    world: &'a W,
    journal: &'a Journal,
    options: &'a Options,
    outcomes: &'a Outcomes,
    progress: Vec<Progress>,
    /// For each node, how many of those before it are not done.
    waits_for: Vec<usize>,
    dependants: Vec<Vec<usize>>,
    /// Nodes that wait for nothing, whichever side of the point of no return they are on.
    ready: BTreeSet<usize>,
    result: Execution,
}

impl<W: Sync + ?Sized> Run<'_, W> {
    fn may_go_on(&self) -> bool {
        let failed = !self.result.errors.is_empty() && self.options.on_failure == OnFailure::Stop;
        !failed && !self.options.stop.requested()
    }

    async fn band(&mut self, wanted: impl Fn(usize) -> bool) -> Result<(), JournalError> {
        loop {
            let round = self.next_round(&wanted);
            if round.is_empty() {
                return Ok(());
            }
            let observed = self.observe(round).await?;
            if !observed.is_empty() && self.may_go_on() {
                self.journal.flush().await?;
                self.act(observed).await?;
            }
        }
    }

    /// Those whose turn it is, as many as one round takes: no fewer than were made before, since
    /// the copy is written whole and small rounds would write it over and over.
    fn next_round(&mut self, wanted: &impl Fn(usize) -> bool) -> Vec<usize> {
        if !self.may_go_on() {
            return Vec::new();
        }
        let most = ROUND.max(self.result.begun.len());
        let round: Vec<_> = self.ready.iter().copied().filter(|&i| wanted(i)).take(most).collect();
        for i in &round {
            self.ready.remove(i);
        }
        round
    }

    fn is_done(&mut self, node: usize) {
        self.progress[node] = Progress::Done;
        for i in self.dependants[node].clone() {
            self.waits_for[i] -= 1;
            if self.waits_for[i] == 0 && self.progress[i] == Progress::Waiting {
                self.ready.insert(i);
            }
        }
    }

    /// What waits for a node that failed is never begun, and neither is what waits for that.
    fn has_failed(&mut self, node: usize) {
        self.progress[node] = Progress::Failed;
        let mut left = self.dependants[node].clone();
        while let Some(i) = left.pop() {
            if self.progress[i] == Progress::Waiting {
                self.progress[i] = Progress::Skipped;
                left.extend(&self.dependants[i]);
            }
        }
    }

    /// Receipts for all of them; one that could not be observed has failed, and leaves the rest.
    async fn observe(&mut self, round: Vec<usize>) -> Result<Vec<Observed>, JournalError> {
        let (world, journal, done) = (self.world, self.journal, self.outcomes);
        let attempts: Vec<_> = round
            .into_iter()
            .map(|i| (i, Arc::clone(&self.graph.nodes()[i].change)))
            .map(|(i, change)| async move { (i, receipt(change.as_ref(), world, journal, done).await) })
            .collect();
        let mut attempts = stream::iter(attempts).buffered(self.options.parallelism.max(1));
        let (mut observed, mut failed) = (Vec::new(), Vec::new());
        let mut unwritten = None;
        while let Some((node, attempt)) = attempts.next().await {
            match attempt {
                Ok((receipt, start)) => observed.push(Observed { node, receipt, start }),
                Err(Ended::Step(error)) => failed.push((node, error)),
                Err(Ended::Journal(error)) => unwritten = unwritten.or(Some(error)),
            }
        }
        drop(attempts);
        for (node, error) in failed {
            self.has_failed(node);
            self.result.errors.push((self.graph.nodes()[node].change.title(), error));
        }
        unwritten.map_or(Ok(observed), Err)
    }

    async fn act(&mut self, round: Vec<Observed>) -> Result<(), JournalError> {
        let mut waiting = round.into_iter();
        let mut running = FuturesUnordered::new();
        let mut unwritten = None;
        loop {
            while unwritten.is_none() && running.len() < self.options.parallelism.max(1) && self.may_go_on() {
                let Some(Observed { node, receipt, start }) = waiting.next() else { break };
                self.progress[node] = Progress::Running;
                let change = Arc::clone(&self.graph.nodes()[node].change);
                let (world, journal, done) = (self.world, self.journal, self.outcomes);
                running.push(
                    async move { (node, attempt(change.as_ref(), (world, journal, done), receipt, start).await) },
                );
            }
            // What is in flight is always waited for, also when the journal cannot be written:
            // dropping a request halfway leaves nobody knowing what it did.
            let Some((i, attempted)) = running.next().await else { return unwritten.map_or(Ok(()), Err) };
            if let Err(error) = self.settle(i, attempted) {
                unwritten.get_or_insert(error);
            }
        }
    }

    /// Takes a finished attempt into the account. It writes nothing: while it runs nobody
    /// drives the other attempts, and one of them may be holding the journal.
    fn settle(&mut self, i: usize, attempted: Attempted) -> Result<(), JournalError> {
        let change = &self.graph.nodes()[i].change;
        let Attempted { receipt, ended, unwritten } = attempted;
        let outcome = match ended {
            Ok(outcome) => {
                self.is_done(i);
                self.outcomes.insert(change.spec().id(), outcome.clone());
                Some(outcome)
            }
            Err(error) => {
                self.has_failed(i);
                let nothing_made = error.kind == StepErrorKind::Refused;
                self.result.errors.push((change.title(), error));
                if nothing_made {
                    return unwritten.map_or(Ok(()), Err);
                }
                None
            }
        };
        self.result.begun.push(Begun { spec: change.spec(), receipt, outcome });
        unwritten.map_or(Ok(()), Err)
    }

    fn finish(mut self) -> Execution {
        for (i, progress) in self.progress.iter().enumerate() {
            if matches!(progress, Progress::Waiting | Progress::Skipped) {
                self.result.skipped.push(self.graph.nodes()[i].change.title());
            }
        }
        self.result.ending = if !self.result.errors.is_empty() {
            Ending::Failed
        } else if !self.result.skipped.is_empty() {
            Ending::Stopped
        } else {
            Ending::Finished
        };
        self.result
    }
}

struct Observed {
    node: usize,
    receipt: Receipt,
    start: Instant,
}

struct Attempted {
    receipt: Receipt,
    ended: Result<Outcome, StepError>,
    unwritten: Option<JournalError>,
}

enum Ended {
    Step(StepError),
    Journal(JournalError),
}

/// Observes one change and writes its receipt down.
async fn receipt<W: Sync + ?Sized>(
    change: &dyn Change<W>,
    world: &W,
    journal: &Journal,
    done: &Outcomes,
) -> Result<(Receipt, Instant), Ended> {
    let start = Instant::now();
    match change.observe(world, done).await {
        Ok(receipt) => {
            let event = Event::Receipt { change: change.spec(), receipt: receipt.clone() };
            journal.record_telling(event, change.told()).await.map_err(Ended::Journal)?;
            Ok((receipt, start))
        }
        Err(error) => {
            journal.record(failed(change, &error)).await.map_err(Ended::Journal)?;
            Err(Ended::Step(error))
        }
    }
}

/// Makes one change and writes down how it ended.
async fn attempt<W: Sync + ?Sized>(
    change: &dyn Change<W>,
    (world, journal, done): (&W, &Journal, &Outcomes),
    receipt: Receipt,
    start: Instant,
) -> Attempted {
    let ended = act(change, world, done, &receipt).await;
    let event = match &ended {
        Ok(outcome) => {
            let (spec, title, seconds) = (change.spec(), change.title(), seconds(start.elapsed()));
            Event::Done { change: spec, title, outcome: outcome.clone(), seconds }
        }
        Err(error) => failed(change, error),
    };
    let unwritten = journal.record_telling(event, change.told()).await.err();
    Attempted { receipt, ended, unwritten }
}

fn failed<W: Sync + ?Sized>(change: &dyn Change<W>, error: &StepError) -> Event {
    let (reason, message) = (error.failure.reason.name().to_owned(), error.to_string());
    let nothing_made = error.kind == StepErrorKind::Refused;
    Event::Failed { change: change.spec(), title: change.title(), reason, message, nothing_made }
}

async fn act<W: Sync + ?Sized>(
    change: &dyn Change<W>,
    world: &W,
    done: &Outcomes,
    receipt: &Receipt,
) -> Result<Outcome, StepError> {
    // A lost reply is looked for before anything is sent again: nothing is made twice.
    const TRIES: usize = 3;
    let mut tried = 1;
    loop {
        let lost = match change.act(world, done, receipt).await {
            Ok(outcome) => return Ok(outcome),
            Err(error) if error.kind == StepErrorKind::Lost => error,
            Err(error) => return Err(error),
        };
        // Who cannot look does not know more than before.
        let found = change.find(world, receipt).await.map_err(|error| StepError::lost(error.failure))?;
        match found {
            Found::Done(outcome) => return Ok(outcome),
            Found::NotDone if tried < TRIES => tried += 1,
            Found::NotDone => return Err(lost),
            Found::Ambiguous(names) => return Err(ambiguous(&names)),
        }
    }
}

impl Execution {
    /// The failure to report: the first error, with the others named below it.
    pub fn into_failure(mut self) -> Option<Failure> {
        if self.errors.is_empty() {
            let stopped = (self.ending == Ending::Stopped).then(|| {
                Failure::new(Reason::Cancelled, format!("stopped before {} of the changes", self.skipped.len()))
            });
            return stopped;
        }
        let (title, first) = self.errors.remove(0);
        let reason = first.failure.reason;
        let hint = first.failure.hint.clone();
        let mut message = title;
        if !self.errors.is_empty() {
            let others: Vec<&str> = self.errors.iter().map(|(t, _)| t.as_str()).collect();
            message.push_str(&format!(" (also failed: {})", others.join(", ")));
        }
        let mut failure = Failure::new(reason, message).because(first);
        failure.hint = hint;
        Some(failure)
    }
}
