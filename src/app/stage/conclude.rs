//! The last words of a run: its outcome, the lock given back, and everything that is told
//! to the runner, to GitHub and to whoever reads the log.
//!
//! Nothing here fails a run that went well: what GitHub or the runner refuses is a warning.

use std::process::ExitCode;

use super::{Ended, Reached, Run, account, release};
use crate::adapters::host::{Level, Place};
use crate::app::Desk;
use crate::domain::fact::{self, Deployment};
use crate::domain::{Class, Failure, Reason, RunOutcome};
use crate::inputs::parse::CommentPolicy;
use crate::ports::Files;
use crate::ports::github::DeploymentState;
use crate::report::annotations::{self, annotations};
use crate::report::outputs::{Written, outputs, plan_file};
use crate::report::run::RunView;
use crate::report::{comment, failure, headline, summary, terminal};
use crate::saga::{Event, StepErrorKind};
use crate::stages::phase::{Performed, give_back};
use crate::steps::github_deployment::{self, Open, Subject};
use crate::steps::{announce, sticky_comment};

pub async fn conclude(run: &Run<'_>, ended: Ended) -> ExitCode {
    let outcome = outcome(run, &ended.performed);
    if let Err(failure) = last_entries(run, &ended, outcome).await {
        warn(run.desk, &failure.to_string());
    }
    if let Some(reached) = &ended.reached {
        give_lock_back(run, reached, &ended.performed).await;
    }
    let view = RunView::of(&run.journal.entries());
    tell_github(run, &view, outcome).await;
    tell_runner(run, &view).await;
    tell_reader(run, &view, ended.performed.failure.as_ref());
    if let Err(failure) = run.fact(fact::TOLD, &true).await {
        warn(run.desk, &failure.to_string());
    }
    release::forget_unpacked(run).await;
    exit_code(run.desk, ended.performed.failure.as_ref())
}

/// For the post step, when the run ended without its last words, or with its lock: the lock is
/// given back, and GitHub hears how it ended.
pub async fn last_words(run: &Run<'_>, outcome: RunOutcome, held: Option<(&Reached, &Performed)>) {
    if let Some((reached, performed)) = held {
        give_lock_back(run, reached, performed).await;
    }
    tell_github(run, &RunView::of(&run.journal.entries()), outcome).await;
}

/// There is no run to tell of: its inputs cannot be read, or its journal not be begun.
pub fn before_the_first_entry(desk: &Desk, failure: &Failure) -> ExitCode {
    let words = failure::text(failure);
    desk.console.annotate(Level::Error, Some("mlops-deploy"), None, words.trim_end());
    if desk.console.is_actions() {
        desk.console.line(&words);
    }
    let refused = matches!(failure.reason.class(), Class::Input | Class::Refused | Class::Unsupported);
    let outcome = if refused { RunOutcome::Refused } else { RunOutcome::Failed };
    let pairs = [("outcome", outcome.name()), ("failure-reason", failure.reason.name())];
    if let Err(error) = desk.runner.outputs(&pairs) {
        warn(desk, &format!("the outputs were not written: {error}"));
    }
    exit_code(desk, Some(failure))
}

fn outcome(run: &Run<'_>, performed: &Performed) -> RunOutcome {
    let Some(failure) = &performed.failure else {
        let view = RunView::of(&run.journal.entries());
        let nothing = run.inputs.stage.writes() && view.changed_nothing();
        return if nothing { RunOutcome::Unchanged } else { RunOutcome::Succeeded };
    };
    if performed.resumable {
        return RunOutcome::Resumable;
    }
    let stuck = performed.unwound.as_ref().is_some_and(|unwound| !unwound.complete());
    if stuck || failure.reason == Reason::UnwindIncomplete {
        return RunOutcome::Incomplete;
    }
    match failure.reason.class() {
        Class::Cancelled => RunOutcome::Cancelled,
        Class::Refused => RunOutcome::Refused,
        _ => RunOutcome::Failed,
    }
}

/// Facts that are known only now, the end itself, and the mirror brought up to date. What was
/// saved for undoing is thrown away once nothing can need it.
async fn last_entries(run: &Run<'_>, ended: &Ended, outcome: RunOutcome) -> Result<(), Failure> {
    if let Some(open) = opened(run).await {
        let environment = RunView::of(&run.journal.entries()).about.environment;
        run.fact(fact::DEPLOYMENT, &Deployment { id: open.id, environment, of_the_job: open.of_the_job }).await?;
    }
    if let Some(diagnostics) = ended.performed.failure.as_ref().map(|f| &f.diagnostics).filter(|d| !d.is_empty()) {
        let known = RunView::of(&run.journal.entries()).diagnostics;
        let new: Vec<_> = diagnostics.iter().filter(|d| !known.contains(d)).collect();
        run.fact(fact::DIAGNOSTICS, &new).await?;
    }
    let failure = ended.performed.failure.as_ref();
    let message = failure.map(|f| {
        let (head, _) = failure::chain(f);
        head
    });
    let finished = Event::RunFinished {
        outcome,
        reason: failure.map(|f| f.reason.name().to_owned()),
        message,
        hint: failure.and_then(|f| f.hint.clone()),
    };
    run.journal.record(finished).await?;
    // A copy that misses the end would have the next run take all of it back.
    if run.journal.flush().await.is_err() {
        run.journal.flush().await?;
    }
    if !outcome.is_unfinished()
        && let (Some(reached), Some(root)) = (&ended.reached, run.mirror.root_path())
    {
        let folder = format!("{root}/.mlops-deploy/undo");
        if let Err(error) = reached.files.delete(&folder, true).await {
            let message = format!("{folder} was not deleted: {error}; the next run deletes it");
            run.journal.record(Event::Notice { message }).await?;
        }
    }
    Ok(())
}

async fn give_lock_back(run: &Run<'_>, reached: &Reached, performed: &Performed) {
    let given = give_back(&reached.context, &performed.begun).await;
    for (title, error) in given.failed {
        let hint = if error.kind == StepErrorKind::Drift { "" } else { "; delete deploy.lock beside the state" };
        warn(run.desk, &format!("{title}: it was not given back: {error}{hint}"));
    }
}

/// The deployment that an earlier phase found or made; a killed one may not have come to write
/// it down.
async fn opened(run: &Run<'_>) -> Option<Open> {
    let mut announced = false;
    let entries = run.journal.entries();
    for entry in &entries {
        match &entry.event {
            Event::Receipt { change, .. } if change.verb == announce::VERB => announced = true,
            Event::Done { change, outcome, .. } if change.verb == announce::VERB => {
                return announce::opened(&outcome.0);
            }
            _ => {}
        }
    }
    if !announced {
        return None;
    }
    let subject = subject(&RunView::of(&entries));
    github_deployment::find(run.github.as_ref()?.as_ref(), &subject).await.ok().flatten()
}

async fn tell_github(run: &Run<'_>, view: &RunView, outcome: RunOutcome) {
    let Some(github) = &run.github else { return };
    if let Some(open) = opened(run).await {
        let state = match outcome {
            good if good.is_good() => DeploymentState::Success,
            RunOutcome::Cancelled => DeploymentState::Inactive,
            RunOutcome::Failed | RunOutcome::Refused => DeploymentState::Failure,
            _ => DeploymentState::Error,
        };
        let subject = subject(view);
        let words = headline::headline(view);
        let told = github_deployment::report(github.as_ref(), &open, &subject, state, &words, None).await;
        if let Err(error) = told {
            warn(run.desk, &format!("the deployment's status was not written: {error}"));
        }
    }
    if !may_comment(run, view) {
        return;
    }
    let pull = match run.occasion.pull() {
        Some(pull) => Some(pull),
        None if run.inputs.stage.writes() => merged_pull(run, &view.about.commit).await,
        None => None,
    };
    let Some(pull) = pull else { return };
    let body = comment::render(view);
    let posted = sticky_comment::post(github.as_ref(), pull, &comment::marker(&view.about), &body).await;
    if let Err(error) = posted {
        warn(run.desk, &format!("the comment was not written: {error}"));
    }
}

pub fn subject(view: &RunView) -> Subject {
    Subject {
        sha: view.about.commit.clone(),
        environment: view.about.environment.clone(),
        target: view.about.target.clone(),
        run_id: view.about.run_id.clone(),
        production: view.about.environment == "production",
        log_url: Some(view.about.run_url.clone()).filter(|url| !url.is_empty()),
    }
}

fn may_comment(run: &Run<'_>, view: &RunView) -> bool {
    let wanted = match run.inputs.comment {
        CommentPolicy::Always => true,
        CommentPolicy::Changes => view.is_worth_telling(),
        CommentPolicy::Never => false,
    };
    wanted && run.occasion.trust.may_comment()
}

async fn merged_pull(run: &Run<'_>, commit: &str) -> Option<u64> {
    let github = run.github.as_ref().filter(|_| !commit.is_empty())?;
    match github.pulls_of_commit(commit).await {
        Ok(pulls) => pulls.iter().find(|pull| pull.merged).map(|pull| pull.number),
        Err(error) => {
            warn(run.desk, &format!("the merged pull request was not found: {error}"));
            None
        }
    }
}

async fn tell_runner(run: &Run<'_>, view: &RunView) {
    let summary = summary::render(view);
    let mut written = Written { journal: Some(at(run, account::JOURNAL)), ..Written::default() };
    written.summary = leave(run, "summary.md", &summary).await;
    if let Some(plan) = plan_file(view) {
        written.plan = leave(run, "plan.json", &plan).await;
    }
    let outputs = outputs(view, &written);
    let pairs: Vec<(&str, &str)> = outputs.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let told = run.desk.runner.outputs(&pairs).and_then(|()| run.desk.runner.summary(&summary));
    if let Err(error) = told {
        warn(run.desk, &format!("outputs or summary were not written: {error}"));
    }
}

fn at(run: &Run<'_>, name: &str) -> String {
    run.folder.join(name).display().to_string()
}

async fn leave(run: &Run<'_>, name: &str, text: &str) -> Option<String> {
    let text = run.desk.masker.redact(text);
    match run.desk.files.write(&run.folder.join(name), text.as_bytes()).await {
        Ok(()) => Some(at(run, name)),
        Err(error) => {
            warn(run.desk, &format!("{name} was not written: {error}"));
            None
        }
    }
}

fn tell_reader(run: &Run<'_>, view: &RunView, failed: Option<&Failure>) {
    let inputs = &run.inputs;
    let prefix = inputs.bundle_path.strip_prefix(&inputs.root).unwrap_or(&inputs.bundle_path);
    for found in annotations(&view.diagnostics, &prefix.display().to_string()) {
        let level = match found.level {
            annotations::Level::Error => Level::Error,
            annotations::Level::Warning => Level::Warning,
            annotations::Level::Notice => Level::Notice,
        };
        let place = found.file.map(|file| Place { file, line: found.line, column: found.column, ..Place::default() });
        run.desk.console.annotate(level, Some(&found.title), place.as_ref(), &found.message);
    }
    if let Some(failed) = failed {
        let words = failure::text(failed);
        run.desk.console.line(words.trim_end());
        if view.diagnostics.is_empty() {
            run.desk.console.annotate(Level::Error, Some("mlops-deploy"), None, words.trim_end());
        }
    }
    run.desk.console.line(terminal::last_words(view).trim_end());
}

fn warn(desk: &Desk, message: &str) {
    desk.console.annotate(Level::Warning, Some("mlops-deploy"), None, message);
}

fn exit_code(desk: &Desk, failure: Option<&Failure>) -> ExitCode {
    match failure {
        None => ExitCode::SUCCESS,
        Some(failure) if failure.reason == Reason::Cancelled => {
            ExitCode::from(desk.signals.exit_code().unwrap_or(Class::Cancelled.exit_code()))
        }
        Some(failure) => ExitCode::from(failure.reason.class().exit_code()),
    }
}
