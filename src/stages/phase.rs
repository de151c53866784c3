//! A phase: read, decide, ask, and only then write. One journal spans a stage's phases.
//!
//! Each phase reads the world afresh: what an earlier one made comes from there and from
//! receipts, never from memory. Before the point of no return a failure in any phase takes
//! back what all of them made; behind it what later phases made. What an interrupted run made,
//! and this one carries on with, is what all of them made.

use std::collections::BTreeSet;
use std::time::Instant;

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::domain::{Failure, Reason};
use crate::policy::Verdict;
use crate::ports::World;
use crate::saga::journal::seconds;
use crate::saga::{Begun, Event, Graph, Journal, Options, Registry, TakenOver, Unwound, execute, unwind};
use crate::steps::bundle::take_lock;
use crate::steps::take_back::take_back;

/// What a phase found out and wants to do about it.
#[derive(Default)]
pub struct Decision {
    /// For reports and later runs, by name.
    pub facts: Vec<(&'static str, Value)>,
    pub verdicts: Vec<Verdict>,
    pub changes: Graph<World>,
    /// What is taken over of an interrupted run, once the changes are made.
    pub takes_over: Option<TakenOver>,
    /// Nothing is left to do: later phases are not asked.
    pub last: bool,
    /// Nothing is left to do up to the phase of this name.
    pub skip_to: Option<&'static str>,
}

#[async_trait]
pub trait Phase: Send + Sync {
    fn name(&self) -> &str;

    /// Only reads. `begun` is what earlier phases of this run did.
    async fn decide(&self, at: &Context, begun: &[Begun]) -> Result<Decision, Failure>;
}

/// Where a stage runs.
pub struct Context {
    pub world: World,
    pub journal: std::sync::Arc<Journal>,
    pub registry: Registry<World>,
    pub options: Options,
    pub dry_run: bool,
    /// Verbs of changes that unwinding leaves to `give_back`.
    pub held: &'static [&'static str],
}

/// How a stage's phases ended.
pub struct Performed {
    pub failure: Option<Failure>,
    /// Present when something was taken back, or should have been.
    pub unwound: Option<Unwound>,
    /// A failure came after the point of no return: the next run goes on from there.
    pub resumable: bool,
    /// Changes that were made and stand, and those that are held.
    pub begun: Vec<Begun>,
}

pub async fn perform(phases: &[Box<dyn Phase>], at: &Context) -> Performed {
    let mut progress = Progress::default();
    let failure = run(phases, at, &mut progress).await.err();
    let resumable = failure.is_some() && progress.forward > 0;
    let Progress { mut begun, forward, .. } = progress;
    let is_held = |b: &Begun| at.held.contains(&b.spec.verb.as_str());
    let mut unwound = None;
    if let Some(failure) = &failure
        && !begun[forward..].iter().all(is_held)
    {
        say_so(at, failure).await;
        let state_path = take_lock::state_path(&begun);
        let how = (&at.registry, at.journal.as_ref());
        unwound = Some(take_back(&begun[forward..], at.held, state_path, &at.world, how).await);
        let later = begun.split_off(forward);
        begun.extend(later.into_iter().filter(is_held));
    }
    Performed { failure, unwound, resumable, begun }
}

/// Whoever is killed while it takes back has something to take back, and nothing to carry on with.
async fn say_so(at: &Context, failure: &Failure) {
    if failure.reason != Reason::Cancelled
        && let Err(error) = at.journal.flush().await
    {
        // That keeps nobody from taking back.
        tracing::warn!("the copy of the journal does not say that this run failed: {error}");
    }
}

/// Gives back what was held until the end, such as a lock.
pub async fn give_back(at: &Context, begun: &[Begun]) -> Unwound {
    let held: Vec<Begun> = begun.iter().filter(|b| at.held.contains(&b.spec.verb.as_str())).cloned().collect();
    unwind(&held, &at.registry, &at.world, &at.journal).await
}

#[derive(Default)]
struct Progress {
    begun: Vec<Begun>,
    /// The first so many cannot be taken back: a graph with them has passed its point of no return.
    forward: usize,
    /// Phases that the interrupted run which is carried on has finished.
    finished: BTreeSet<String>,
}

async fn run(phases: &[Box<dyn Phase>], at: &Context, progress: &mut Progress) -> Result<(), Failure> {
    let mut skip_to = None;
    for (i, phase) in phases.iter().enumerate() {
        if skip_to.is_some_and(|name| name != phase.name()) || progress.finished.contains(phase.name()) {
            continue;
        }
        if at.options.stop.requested() {
            return Err(Failure::new(Reason::Cancelled, format!("stopped before phase `{}`", phase.name())));
        }
        let start = Instant::now();
        at.journal.record(Event::PhaseStarted { phase: phase.name().to_owned() }).await?;
        let decision = phase.decide(at, &progress.begun).await?;
        let last = decision.last;
        skip_to = decision.skip_to;
        note(at, &decision).await?;
        let wrote = carry_out(phase.name(), decision, at, progress).await?;
        let phase = phase.name().to_owned();
        at.journal.record(Event::PhaseFinished { phase, seconds: seconds(start.elapsed()) }).await?;
        if last {
            break;
        }
        if wrote == Wrote::OnlyPlanned {
            let later: Vec<&str> = phases[i + 1..].iter().map(|p| p.name()).collect();
            at.journal.record(Event::Fact { name: "decided-later".to_owned(), value: json!(later) }).await?;
            break;
        }
    }
    Ok(())
}

/// Writes down facts and every verdict, then refuses for the first that says no.
async fn note(at: &Context, decision: &Decision) -> Result<(), Failure> {
    for (name, value) in &decision.facts {
        at.journal.record(Event::Fact { name: (*name).to_owned(), value: value.clone() }).await?;
    }
    for verdict in &decision.verdicts {
        let (rule, passed, message) = (verdict.rule.to_owned(), verdict.passed(), verdict.message());
        at.journal.record(Event::Verdict { rule, passed, message }).await?;
    }
    Ok(())
}

#[derive(PartialEq)]
enum Wrote {
    Everything,
    OnlyPlanned,
}

async fn carry_out(phase: &str, decision: Decision, at: &Context, progress: &mut Progress) -> Result<Wrote, Failure> {
    if let Some(refusal) = decision.verdicts.into_iter().find_map(|v| v.answer.err()) {
        return Err(refusal);
    }
    let wrote = make(phase, &decision.changes, at, progress).await?;
    if let Some(taken_over) = decision.takes_over.filter(|_| wrote == Wrote::Everything) {
        progress.begun.extend(taken_over.begun());
        taken_over.enter(&at.journal).await?;
        progress.finished = taken_over.finished;
    }
    Ok(wrote)
}

async fn make(phase: &str, graph: &Graph<World>, at: &Context, progress: &mut Progress) -> Result<Wrote, Failure> {
    if graph.is_empty() {
        return Ok(Wrote::Everything);
    }
    let changes = graph.nodes().iter().map(|n| n.change.spec()).collect();
    at.journal.record(Event::Planned { phase: phase.to_owned(), changes }).await?;
    if at.dry_run {
        return Ok(Wrote::OnlyPlanned);
    }
    let known = progress.begun.len();
    match execute(graph, &at.world, &at.journal, &at.options).await {
        Ok(execution) => {
            progress.begun.extend(execution.begun.iter().cloned());
            if execution.past_point_of_no_return {
                progress.forward = progress.begun.len();
            }
            execution.into_failure().map_or(Ok(Wrote::Everything), Err)
        }
        // The journal could not be written; what was begun is remembered in it all the same.
        Err(error) => {
            if let Some(unfinished) = crate::saga::Unfinished::of(&at.journal.entries()) {
                let past = unfinished.forward.len() > progress.forward;
                progress.begun.extend(unfinished.all().skip(known).cloned());
                if past {
                    progress.forward = progress.begun.len();
                }
            }
            Err(error.into())
        }
    }
}
