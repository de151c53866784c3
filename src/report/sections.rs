//! Parts that the comment and the job summary share, each a list of lines.

use super::headline::plural;
use super::markdown::{cell, code, link, prose};
use super::run::RunView;
use crate::domain::fact::{About, Release};
use crate::domain::plan::{Action, Danger, PlanView, Risk};
use crate::domain::{Purpose, RunOutcome};

/// What people call the bundle: its folder, or the repository where it is the repository.
pub fn name(about: &About) -> &str {
    let path = if about.bundle.is_empty() || about.bundle == "." { &about.repository } else { &about.bundle };
    let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    if name.is_empty() { "bundle" } else { name }
}

/// After a failure nobody should take the list for what happened.
pub fn changes_title(view: &RunView) -> &'static str {
    if view.is_good() { "Changes" } else { "What was planned" }
}

/// What a person has to judge: the plan's dangers, and what nobody could find out.
pub fn look_twice(view: &RunView) -> Vec<String> {
    let mut lines = view.plan.as_ref().map(dangers).unwrap_or_default();
    lines.extend(view.order_unknown.iter().map(|unknown| format!("- **order**: {}", prose(unknown))));
    lines.extend(view.release.iter().filter_map(uncommitted).map(|told| format!("- **source**: {told}")));
    lines
}

fn uncommitted(release: &Release) -> Option<String> {
    let some = release.uncommitted.as_ref()?;
    let named: Vec<String> = some.names.iter().map(|name| code(name)).collect();
    let more = some.files.saturating_sub(named.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let commit = code(release.commit.get(..10).unwrap_or(&release.commit));
    Some(format!("{} packed that {commit} does not have so: {}{more}", plural(some.files, "file"), named.join(", ")))
}

/// Names in one line; more are counted.
const NAMES: usize = 10;

/// Worst first; the same of several resources in one line.
fn dangers(plan: &PlanView) -> Vec<String> {
    let mut groups: Vec<(&Danger, Vec<&str>)> = Vec::new();
    for (change, danger) in plan.dangers() {
        match groups.iter_mut().find(|(first, _)| *first == danger) {
            Some((_, titles)) => titles.push(&change.title),
            None => groups.push((danger, vec![&change.title])),
        }
    }
    let line = |(danger, titles): (&Danger, Vec<&str>)| {
        let (risk, sentence) = (danger.risk.words(), prose(&danger.sentence));
        match titles.len() {
            1 => format!("- **{risk}**: {}: {sentence}", named(&titles)),
            n => format!("- **{risk}** ({n}): {sentence}: {}", named(&titles)),
        }
    };
    groups.into_iter().map(line).collect()
}

fn named(titles: &[&str]) -> String {
    let named: Vec<String> = titles.iter().take(NAMES).map(|title| prose(title)).collect();
    let more = titles.len().saturating_sub(NAMES);
    if more > 0 { format!("{} and {more} more", named.join(", ")) } else { named.join(", ") }
}

const PROMOTED: &str =
    "- promote the release that served before, with `allow-older: true`: its version is still here, and is used again";

/// What a person does to get back, and what nobody can get back.
pub fn undo(view: &RunView) -> Vec<String> {
    let changes = |plan: &&PlanView| !plan.is_empty() || view.promotion.is_some();
    let Some(plan) = view.plan.as_ref().filter(changes) else { return Vec::new() };
    let deploys = view.about.stage != "validate" && !view.about.dry_run;
    let mut lines = Vec::new();
    match view.outcome {
        Some(outcome) if !outcome.is_good() => match outcome {
            RunOutcome::Resumable => lines.push("- run the job again: it goes on from where it stopped".to_owned()),
            RunOutcome::Incomplete => {
                let kept = view.kept.iter();
                lines.extend(kept.map(|node| format!("- stays, for it holds something by now: {}", code(node))));
                let stuck = view.stuck.iter();
                lines.extend(stuck.map(|(title, why)| format!("- by hand: {} ({})", prose(title), prose(why))));
            }
            _ => return Vec::new(),
        },
        Some(_) if view.promotion.is_some() => {
            lines.push(PROMOTED.to_owned());
        }
        Some(_) if deploys => {
            lines.push("- revert the commit on the branch that deploys; the next deployment takes it back".to_owned())
        }
        Some(_) => lines.push("- nothing is deployed yet; after the deployment, revert the commit".to_owned()),
        None => return Vec::new(),
    }
    let lost: Vec<&str> = plan
        .changes
        .iter()
        .filter(|c| matches!(c.action, Action::Delete | Action::Recreate) && !c.vanished)
        .filter(|c| c.dangers.iter().any(|d| d.risk == Risk::DataLoss))
        .map(|c| c.title.as_str())
        .collect();
    if !lost.is_empty() {
        let be = if deploys { "cannot" } else { "could not" };
        lines.push(format!("- a revert makes {} again, but {be} bring back what was in it", named(&lost)));
    }
    lines
}

pub fn verdicts(view: &RunView) -> Vec<String> {
    let line = |v: &super::run::Verdict| {
        let word = if v.passed { "passed" } else { "**refused**" };
        format!("- {word}: {}: {}", code(&v.rule), prose(&v.message))
    };
    view.verdicts.iter().map(line).collect()
}

pub fn notices(view: &RunView) -> Vec<String> {
    view.notices.iter().map(|notice| format!("- {}", prose(notice))).collect()
}

/// At most `many` names of each sort.
pub fn files(view: &RunView, many: usize) -> Vec<String> {
    let Some(files) = &view.files else { return Vec::new() };
    let mut lines = Vec::new();
    for (word, names) in [("deleted", &files.deleted), ("changed", &files.changed), ("added", &files.added)] {
        lines.extend(names.iter().take(many).map(|name| format!("- {word} {}", code(name))));
        if names.len() > many {
            lines.push(format!("- and {} more {word}", names.len() - many));
        }
    }
    lines
}

pub fn targets(view: &RunView) -> Vec<String> {
    let line = |t: &crate::domain::fact::Target| {
        let mut parts = vec![plural(t.resources, "resource")];
        if !t.mode.is_empty() {
            parts.insert(0, prose(&t.mode));
        }
        for (n, word) in [(t.errors, "error"), (t.warnings, "warning")] {
            if n > 0 {
                parts.push(plural(n, word));
            }
        }
        if t.unknown > 0 {
            parts.push(format!("{} that only the workspace knows", plural(t.unknown, "value")));
        }
        let host = if t.host.is_empty() { String::new() } else { format!(" on {}", code(&t.host)) };
        format!("- {}{host}: {}", code(&t.name), parts.join(", "))
    };
    view.targets.iter().map(line).collect()
}

pub fn resources(view: &RunView) -> Vec<String> {
    view.resources.iter().map(|r| format!("- {} {}", link(&r.title, &r.url), code(&r.id))).collect()
}

/// The runs that had this purpose.
pub fn runs(view: &RunView, purpose: Purpose) -> Vec<String> {
    let line = |run: &super::run::RunEnd| {
        let job = link(&format!("job `{}`", run.job), &run.url);
        let why = if run.message.is_empty() { String::new() } else { format!(": {}", prose(&run.message)) };
        format!("- {job} ended with {} after {}{why}", code(&run.state), length(run.seconds))
    };
    view.runs.iter().filter(|run| run.purpose == purpose).map(line).collect()
}

/// The versions that were tested or promoted.
pub fn models(view: &RunView) -> Vec<String> {
    let tested = view.tested.iter();
    let mut lines: Vec<String> =
        tested.map(|t| format!("- version {} of {} passed its gate", t.version, code(&t.model.to_string()))).collect();
    let Some(copied) = &view.copied else { return lines };
    lines.push(format!("- version {} of {}", copied.version, code(&copied.model.to_string())));
    if let Some(promotion) = &view.promotion {
        let from = code(&promotion.source.to_string());
        let how = if copied.reused { "an earlier attempt's copy" } else { "a copy" };
        lines.push(format!("- {how} of version {} of {from}, compared byte for byte", promotion.version));
    }
    if copied.files > 0 {
        let size = format!("{}, {}", plural(copied.files, "file"), bytes(copied.bytes));
        lines.push(format!("- {size}, manifest {}", code(&copied.manifest_sha256)));
    }
    lines
}

/// What was deployed, and where that stands in the books.
pub fn release(view: &RunView) -> Vec<String> {
    let Some(release) = &view.release else { return Vec::new() };
    let mut lines = vec![
        format!("- id {}", code(&release.id.to_string())),
        format!(
            "- {} files, {}; archive {}, {}",
            release.files,
            bytes(release.size),
            bytes(release.archive.size),
            code(&release.archive.sha256.to_string())
        ),
    ];
    if !release.commit.is_empty() {
        lines.push(format!("- of commit {}", code(&release.commit)));
    }
    if !release.kept.is_empty() {
        lines.push(format!("- kept in {}", code(&release.kept)));
    }
    if let Some(head) = &view.recorded {
        lines.push(format!(
            "- record {} of the ledger, whose head is now {}",
            head.sequence,
            code(&head.digest.to_string())
        ));
    }
    lines
}

fn bytes(size: u64) -> String {
    match size {
        0..1_000 => format!("{size} bytes"),
        1_000..1_000_000 => format!("{:.1} kB", size as f64 / 1e3),
        _ => format!("{:.1} MB", size as f64 / 1e6),
    }
}

/// One line for each metric at its gate.
pub fn gate(view: &RunView) -> Vec<String> {
    if view.gate.is_empty() {
        return Vec::new();
    }
    let mut lines = vec!["| metric | value | demanded | champion | |".to_owned(), "|---|---|---|---|---|".to_owned()];
    for line in &view.gate {
        let metric = cell(&format!("{} {}", line.model, line.metric));
        let value = if line.value.is_empty() { "missing" } else { &line.value };
        let verdict = if line.passed { "passed".to_owned() } else { format!("**refused**: {}", cell(&line.why)) };
        let champion = if line.champion.is_empty() { "none" } else { &line.champion };
        lines.push(format!("| {metric} | {} | {} | {} | {verdict} |", cell(value), cell(&line.limit), cell(champion)));
    }
    lines
}

/// A promotion's time by whose it is: what we do, what the platform builds, what was chosen to be watched.
pub fn times(view: &RunView) -> Option<String> {
    view.promotion.as_ref()?;
    let of = |wanted: fn(&str) -> bool| -> f64 {
        view.phases
            .iter()
            .filter(|(name, _)| wanted(name))
            .filter_map(|(_, seconds)| *seconds)
            .fold(0.0, |all, one| all + one)
    };
    let platform = |name: &str| name == "candidate" || name.starts_with("traffic-");
    let bake = |name: &str| name.starts_with("bake-");
    let ours = of(|name| !(name == "candidate" || name.starts_with("traffic-") || name.starts_with("bake-")));
    Some(format!(
        "- deployed in {}; the platform built for {}; watched for {}",
        length(ours),
        length(of(platform)),
        length(of(bake))
    ))
}

/// What was done, or tried.
pub fn steps(view: &RunView) -> Vec<String> {
    let taken_over = view.taken_over.iter();
    let mut lines: Vec<String> = taken_over.map(|step| format!("- before: {}", prose(&step.title))).collect();
    let made = view.made.iter();
    lines.extend(made.map(|made| format!("- {} ({})", prose(&made.title), length(made.seconds))));
    lines.extend(view.broken.iter().map(|b| format!("- **failed** {}: {}", prose(&b.title), prose(&b.message))));
    lines.extend(view.taken_back.iter().map(|title| format!("- taken back: {}", prose(title))));
    lines.extend(view.left_in_place.iter().map(|title| format!("- left in place: {}", prose(title))));
    let stuck = view.stuck.iter();
    lines.extend(stuck.map(|(title, why)| format!("- **not taken back**: {}: {}", prose(title), prose(why))));
    lines
}

/// The runs whose work this one carried on, and how far they came.
fn carried_on(view: &RunView) -> Vec<String> {
    let Some(all) = &view.carried_on else { return Vec::new() };
    let runs: Vec<String> = all.runs.iter().map(|page| link("a run that was interrupted", page)).collect();
    vec![format!("- carried on from {} at {}", runs.join(" and "), code(&all.step))]
}

pub fn about(view: &RunView) -> Vec<String> {
    let about = &view.about;
    let mut lines = carried_on(view);
    let mut line = |what: &str, text: &str| {
        if !text.is_empty() {
            lines.push(format!("- {what} {}", code(text)));
        }
    };
    line("stage", &about.stage);
    line("workspace", &about.host);
    line("commit", &about.commit);
    line("release", &view.release.as_ref().map(|r| r.id.to_string()).unwrap_or_default());
    line("deployed before", view.deployed_commit.as_deref().unwrap_or_default());
    line("plan", view.plan_digest.as_deref().unwrap_or_default());
    line("version", &about.version);
    if let Some(engine) = &view.engine {
        lines.push(format!("- engine {}: {}", code(&engine.name), prose(&engine.because)));
    }
    let took = |(name, seconds): &(String, Option<f64>)| {
        format!("{} {}", code(name), seconds.map_or("not finished".to_owned(), length))
    };
    if !view.phases.is_empty() {
        lines.push(format!("- phases: {}", view.phases.iter().map(took).collect::<Vec<_>>().join(", ")));
    }
    lines.extend(times(view));
    if !view.decided_later.is_empty() {
        let later: Vec<String> = view.decided_later.iter().map(|phase| code(phase)).collect();
        lines.push(format!("- decided when it runs: {}", later.join(", ")));
    }
    lines
}

pub fn length(seconds: f64) -> String {
    if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1000.0)
    } else if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{:.0} min {:.0} s", (seconds / 60.0).floor(), seconds % 60.0)
    }
}
