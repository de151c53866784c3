//! The post step: ends what a stage left unfinished because its process was killed.
//!
//! A stage that came to its last word has nothing left to settle. One that ended, and was
//! killed before it had said so or could not give its lock back, does both now. Otherwise its journal says
//! what was begun: before the point of no return it is taken back, behind it the run is
//! marked so that the next one goes on; the lock is given back either way.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{Ended, Reached, Run, account, conclude, connect, engine, occasion, prepare, surroundings};
use crate::app::Desk;
use crate::domain::{Failure, Reason, RunOutcome, Stage, fact};
use crate::inputs::parse::Inputs;
use crate::saga::resume::begun;
use crate::saga::{Begun, Entry, Event, Unfinished};
use crate::stages::phase::Performed;
use crate::stages::phases::deployment::HELD;
use crate::stages::phases::recovery::RECOVERY;
use crate::steps::bundle::mirror::Mirror;
use crate::steps::bundle::take_lock;
use crate::steps::take_back;

pub async fn settle() -> Result<ExitCode, Failure> {
    let desk = Desk::lay()?;
    let Some(path) = desk.var("STATE_journal").map(PathBuf::from) else { return Ok(ExitCode::SUCCESS) };
    let folder = path.parent().map_or_else(|| connect::scratch(&desk), Path::to_path_buf);
    let entries = account::read(&desk, &folder).await?;
    let told = entries.iter().any(|e| matches!(&e.event, Event::Fact { name, .. } if name == fact::TOLD));
    let held: Vec<_> = begun(&entries).into_iter().filter(|b| HELD.contains(&b.spec.verb.as_str())).collect();
    if entries.is_empty() || told && held.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let occasion = occasion(&desk).await?;
    let mut raw = desk.raw.clone();
    if let Some(stage) = desk.var("STATE_stage").and_then(Stage::parse) {
        raw.stage = Some(stage.name().to_owned());
    }
    let inputs = Inputs::parse(raw, &surroundings(&desk))?;
    let mirror = Mirror::default();
    let journal = account::open(&desk, &folder, mirror.clone(), entries.clone());
    let github = connect::github(&desk, &inputs, &occasion)?;
    let run = Run { desk: &desk, inputs, occasion, journal, mirror, folder, github };
    if let Some(outcome) = outcome(&entries) {
        say_last_words(&run, outcome, held).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let ended = match Unfinished::of(&entries) {
        Some(unfinished) => take_back(&run, unfinished).await.unwrap_or_else(|failure| Ended::early(Some(failure))),
        None => Ended::early(Some(killed())),
    };
    conclude::conclude(&run, ended).await;
    // The stage's own step has failed already: settling it is no failure of the post step.
    Ok(ExitCode::SUCCESS)
}

fn outcome(entries: &[Entry]) -> Option<RunOutcome> {
    entries.iter().rev().find_map(|entry| match entry.event {
        Event::RunFinished { outcome, .. } => Some(outcome),
        _ => None,
    })
}

async fn say_last_words(run: &Run<'_>, outcome: RunOutcome, held: Vec<Begun>) -> Result<(), Failure> {
    if held.is_empty() {
        conclude::last_words(run, outcome, None).await;
        return Ok(());
    }
    let performed = Performed { failure: None, unwound: None, resumable: false, begun: held };
    let reached = reach(run).await?;
    conclude::last_words(run, outcome, Some((&reached, &performed))).await;
    Ok(())
}

/// The workspace that the stage worked on.
async fn reach(run: &Run<'_>) -> Result<Reached, Failure> {
    let config = prepare::configuration(run.desk, &run.inputs).await?;
    let environment = prepare::environment(&config, &run.inputs)?;
    let engine = engine::for_settling(run)?;
    let (world, _) = run.world(environment, run.process())?;
    let reached = run.reach(world, engine.as_ref());
    Ok(Reached { context: reached.context, files: reached.files })
}

fn killed() -> Failure {
    Failure::new(Reason::Cancelled, "come to an end: the stage was killed before its last word")
}

async fn take_back(run: &Run<'_>, unfinished: Unfinished) -> Result<Ended, Failure> {
    let reached = reach(run).await?;
    let context = &reached.context;
    let (how, state_path) = ((&context.registry, context.journal.as_ref()), take_lock::state_path(unfinished.all()));
    let unwound = take_back::take_back(&unfinished.begun, HELD, state_path, &context.world, how).await;
    let held = unfinished.all().filter(|b| HELD.contains(&b.spec.verb.as_str())).cloned().collect();
    let resumable = unfinished.is_past_the_point_of_no_return();
    let performed = Performed { failure: Some(killed()), unwound: Some(unwound), resumable, begun: held };
    // The mirror lies where the lock was taken. It is ours to write only once what an earlier
    // run left there is seen to.
    let seen_to = |e: &Entry| matches!(&e.event, Event::PhaseFinished { phase, .. } if phase == RECOVERY);
    if run.journal.entries().iter().any(seen_to)
        && let Some(root) = unfinished.all().find_map(|b| b.spec.args["root"].as_str())
    {
        run.mirror.take_over(&run.journal.entries());
        run.mirror.point_at(&reached.files, root);
    }
    Ok(Ended { performed, reached: Some(reached) })
}
