//! The verdict in one line: what a reviewer with thirty seconds reads, the dangerous first.
//!
//! Plain sentences with foreign names between backticks; each report escapes them for where
//! they land.

use super::run::RunView;
use crate::domain::fact::Promotion;
use crate::domain::plan::{Counts, PlanView, Risk};
use crate::domain::{Purpose, RunOutcome};

/// Whether the run was to change the workspace.
fn deploys(view: &RunView) -> bool {
    view.about.stage != "validate" && !view.about.dry_run
}

pub fn headline(view: &RunView) -> String {
    let target = &view.about.target;
    match view.outcome {
        None => format!("The run was interrupted{}; the next one sees to what it began", while_in(view)),
        Some(outcome) if !outcome.is_good() => went_wrong(view, outcome),
        Some(_) if view.offline.is_some() => {
            format!("{} No plan was made: {}", resolved(view), view.offline.as_deref().unwrap_or_default())
        }
        Some(_) if !deploys(view) => planned(view),
        Some(RunOutcome::Unchanged) => format!("Nothing to deploy: `{target}` is as this commit says"),
        Some(_) => match &view.promotion {
            Some(promotion) => promoted(view, promotion),
            None => deployed(view),
        },
    }
}

fn planned(view: &RunView) -> String {
    let target = &view.about.target;
    let Some(plan) = &view.plan else { return resolved(view) };
    let text = match (plan.is_empty(), files_changed(view)) {
        (true, 0) => format!("Nothing would change in `{target}`"),
        (true, files) => format!("Only files would change in `{target}`: {}", plural(files, "file")),
        (false, _) => format!("Would change `{target}`: {}", counts(plan.counts(), &TO_BE)),
    };
    let text = format!("{text}{}", dangers(plan));
    if view.warnings() > 0 { format!("{text}. {}", plural(view.warnings(), "warning")) } else { text }
}

fn resolved(view: &RunView) -> String {
    let wrong = match (view.errors(), view.warnings()) {
        (0, 0) => "nothing to object".to_owned(),
        (0, warnings) => plural(warnings, "warning"),
        (errors, 0) => plural(errors, "error"),
        (errors, warnings) => format!("{} and {}", plural(errors, "error"), plural(warnings, "warning")),
    };
    format!("The bundle was checked for {}: {wrong}.", plural(view.targets.len(), "target"))
}

fn deployed(view: &RunView) -> String {
    let target = &view.about.target;
    let text = match view.plan.as_ref().map(PlanView::counts) {
        Some(counts_) if counts_.changed() > 0 => format!("Deployed to `{target}`: {}", counts(counts_, &DONE)),
        _ => format!("Deployed to `{target}`: {}", plural(files_changed(view), "file")),
    };
    let smoke: Vec<&str> =
        view.runs.iter().filter(|run| run.purpose == Purpose::Smoke).map(|run| run.job.as_str()).collect();
    let text = match smoke.as_slice() {
        [] => text,
        [job] => format!("{text}; smoke job `{job}` passed"),
        all => format!("{text}; {} smoke jobs passed", all.len()),
    };
    let tested = view.tested.iter().map(|t| format!("; version {} of `{}` passed its gate", t.version, t.model));
    text + &tested.collect::<String>()
}

fn promoted(view: &RunView, promotion: &Promotion) -> String {
    let Promotion { source, version, destination, alias, .. } = promotion;
    let text = match source == destination {
        true => format!("Moved `{alias}` of `{source}` to version {version}, the one that was tested"),
        false => format!("Promoted version {version} of `{source}` to `{destination}`"),
    };
    let text = match &view.carried_on {
        Some(all) => format!("{text}, carried on at `{}` from a run that was interrupted,", all.step),
        None => text,
    };
    match view.plan.as_ref().map(PlanView::counts) {
        Some(counts_) if counts_.changed() > 0 => {
            format!("{text} and deployed to `{}`: {}", view.about.target, counts(counts_, &DONE))
        }
        _ => text.trim_end_matches(',').to_owned(),
    }
}

fn went_wrong(view: &RunView, outcome: RunOutcome) -> String {
    let reason = view.reason.as_deref().unwrap_or("internal");
    let word = match outcome {
        RunOutcome::Refused => "Refused",
        RunOutcome::Cancelled => "Cancelled",
        _ => "Failed",
    };
    let errors = match view.errors() {
        0 => String::new(),
        n => format!(", {}", plural(n, "error")),
    };
    format!("{word} (`{reason}`){errors}. {}", left_behind(view, outcome))
}

/// How the workspace is left: the first question after a failure.
pub fn left_behind(view: &RunView, outcome: RunOutcome) -> String {
    let target = &view.about.target;
    match outcome {
        RunOutcome::Resumable => {
            format!("`{target}` is half-way: run again, and the next run goes on from there")
        }
        RunOutcome::Incomplete => {
            format!("{} could not be taken back in `{target}`", plural(view.stuck.len(), "change"))
        }
        _ if !deploys(view) => "Nothing was changed".to_owned(),
        _ if view.taken_back.is_empty() => format!("Nothing was changed in `{target}`"),
        _ if !view.kept.is_empty() => {
            let kept: Vec<String> = view.kept.iter().map(|node| format!("`{node}`")).collect();
            let hold = if kept.len() == 1 { "holds" } else { "hold" };
            let kept = kept.join(", ");
            format!("What this run changed was taken back in `{target}`, but for {kept}, which {hold} something by now")
        }
        _ if view.carried_on.is_some() => format!(
            "What this run changed, and the interrupted one that it carried on, was taken back: `{target}` is as before"
        ),
        _ => format!("What this run changed was taken back: `{target}` is as before"),
    }
}

fn while_in(view: &RunView) -> String {
    let open = view.phases.iter().rev().find(|(_, length)| length.is_none());
    open.map_or(String::new(), |(phase, _)| format!(" in phase `{phase}`"))
}

struct Words {
    create: &'static str,
    update: &'static str,
    recreate: &'static str,
    delete: &'static str,
    same: &'static str,
}

const TO_BE: Words =
    Words { create: "to create", update: "to update", recreate: "to recreate", delete: "to delete", same: "unchanged" };

const DONE: Words =
    Words { create: "created", update: "updated", recreate: "recreated", delete: "deleted", same: "unchanged" };

/// The destructive counts come first.
fn counts(counts: Counts, words: &Words) -> String {
    let parts = [
        (counts.deleted, words.delete),
        (counts.recreated, words.recreate),
        (counts.updated, words.update),
        (counts.created, words.create),
        (counts.unchanged, words.same),
    ];
    let parts: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    parts.join(", ")
}

fn dangers(plan: &PlanView) -> String {
    let all = plan.dangers();
    let risks: Vec<String> = Risk::ALL
        .iter()
        .filter_map(|risk| {
            let times = all.iter().filter(|(_, danger)| danger.risk == *risk).count();
            (times > 0)
                .then(|| if times == 1 { risk.words().to_owned() } else { format!("{} ({times})", risk.words()) })
        })
        .collect();
    let by_hand = match plan.edits_by_hand() {
        0 => String::new(),
        n => format!(". {} made by hand will be lost", plural(n, "edit")),
    };
    if risks.is_empty() { by_hand } else { format!(". Look twice: {}{by_hand}", risks.join(", ")) }
}

pub fn files_changed(view: &RunView) -> usize {
    view.files.as_ref().map_or(0, |f| f.added.len() + f.changed.len() + f.deleted.len())
}

pub fn plural(n: usize, thing: &str) -> String {
    if n == 1 { format!("1 {thing}") } else { format!("{n} {thing}s") }
}
