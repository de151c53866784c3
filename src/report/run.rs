//! The journal folded into what the reports tell: one view for the comment, the summary, the
//! outputs and the last words on the terminal.

use std::collections::HashMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::domain::fact::{
    self, About, CarriedOn, Deployed, Deployment, Engine, Files, GateLine, Promotion, Release, Target, Tested,
};
use crate::domain::ledger::Head;
use crate::domain::plan::PlanView;
use crate::domain::{Diagnostic, ModelName, ModelVersion, Purpose, RunOutcome, Severity};
use crate::saga::{Entry, Event, KEPT, Spec};

/// A change that was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    pub id: String,
    pub title: String,
    pub seconds: f64,
}

/// A change that failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Broken {
    pub title: String,
    pub reason: String,
    pub message: String,
}

/// What a promotion copied, or found copied.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Copied {
    pub model: ModelName,
    pub version: ModelVersion,
    pub manifest_sha256: String,
    pub files: usize,
    pub bytes: u64,
    pub reused: bool,
}

/// How a run of a job ended.
#[derive(Clone, Debug, PartialEq)]
pub struct RunEnd {
    pub purpose: Purpose,
    pub job: String,
    pub state: String,
    pub message: String,
    pub url: String,
    pub seconds: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    pub rule: String,
    pub passed: bool,
    pub message: String,
}

/// A run as its journal tells it, whether or not it came to its end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunView {
    pub about: About,
    /// Name and length; a phase that did not end has none.
    pub phases: Vec<(String, Option<f64>)>,
    pub plan: Option<PlanView>,
    pub plan_digest: Option<String>,
    pub files: Option<Files>,
    pub engine: Option<Engine>,
    pub targets: Vec<Target>,
    pub diagnostics: Vec<Diagnostic>,
    pub deployment: Option<Deployment>,
    pub release: Option<Release>,
    /// The head of the environment's ledger, once this run has written there.
    pub recorded: Option<Head>,
    pub resources: Vec<Deployed>,
    pub runs: Vec<RunEnd>,
    /// Each metric at its gate.
    pub gate: Vec<GateLine>,
    /// The versions that passed it.
    pub tested: Vec<Tested>,
    pub promotion: Option<Promotion>,
    pub copied: Option<Copied>,
    pub offline: Option<String>,
    /// What is said where nobody knows whether something newer is deployed.
    pub order_unknown: Option<String>,
    pub deployed_commit: Option<String>,
    pub decided_later: Vec<String>,
    pub verdicts: Vec<Verdict>,
    pub notices: Vec<String>,
    pub made: Vec<Made>,
    /// What an interrupted run made, and this one carried on with; how long that took nobody knows any more.
    pub taken_over: Vec<Made>,
    pub carried_on: Option<CarriedOn>,
    pub broken: Vec<Broken>,
    /// Titles of what was taken back, and of what the world keeps.
    pub taken_back: Vec<String>,
    pub left_in_place: Vec<String>,
    /// What stays because it holds something of others: `schemas.scores`.
    pub kept: Vec<String>,
    /// Title and message of what could not be taken back.
    pub stuck: Vec<(String, String)>,
    pub past_point_of_no_return: bool,
    /// Absent: the process was killed before it could say.
    pub outcome: Option<RunOutcome>,
    pub reason: Option<String>,
    pub message: Option<String>,
    pub hint: Option<String>,
    /// From the first entry to the last.
    pub seconds: f64,
}

impl RunView {
    pub fn of(entries: &[Entry]) -> Self {
        let mut view = Self::default();
        let mut titles: HashMap<String, String> = HashMap::new();
        for (i, entry) in entries.iter().enumerate() {
            if matches!(entry.event, Event::PhaseStarted { .. }) {
                view.close_phase(&entries[..=i]);
            }
            view.take(&entry.event, &mut titles);
        }
        view.seconds = span(entries);
        view
    }

    /// A phase that only reads may not say that it ended; the next one's beginning does.
    fn close_phase(&mut self, so_far: &[Entry]) {
        let Some((name, length @ None)) = self.phases.last_mut() else { return };
        let started = so_far.iter().rposition(|e| matches!(&e.event, Event::PhaseStarted { phase } if phase == name));
        *length = started.map(|at| span(&so_far[at..]));
    }

    fn take(&mut self, event: &Event, titles: &mut HashMap<String, String>) {
        let title_of = |titles: &HashMap<String, String>, spec: &Spec| {
            titles.get(&spec.id()).cloned().unwrap_or_else(|| format!("{} `{}`", spec.verb, spec.subject))
        };
        match event {
            Event::RunStarted { run } => self.about = read(run).unwrap_or_default(),
            Event::PhaseStarted { phase } => self.phases.push((phase.clone(), None)),
            Event::PhaseFinished { phase, seconds } => {
                let started = self.phases.iter_mut().rev().find(|(name, _)| name == phase);
                started.into_iter().for_each(|(_, length)| *length = Some(*seconds));
            }
            Event::Fact { name, value } => self.fact(name, value),
            Event::Verdict { rule, passed, message } => {
                self.verdicts.push(Verdict { rule: rule.clone(), passed: *passed, message: message.clone() })
            }
            Event::Done { change, title, outcome, seconds } => {
                titles.insert(change.id(), title.clone());
                self.made.push(Made { id: change.id(), title: title.clone(), seconds: *seconds });
                self.runs.extend(run_end(change, &outcome.0, *seconds));
                match change.verb.as_str() {
                    RECORD => self.recorded = read(&outcome.0),
                    COPY => self.copied = read(&outcome.0),
                    _ => {}
                }
            }
            Event::Failed { change, title, reason, message, .. } => {
                titles.insert(change.id(), title.clone());
                self.broken.push(Broken { title: title.clone(), reason: reason.clone(), message: message.clone() });
            }
            Event::PointOfNoReturn { .. } => self.past_point_of_no_return = true,
            Event::Undone { change, how } => {
                let title = title_of(titles, change);
                self.made.retain(|made| made.id != change.id());
                self.taken_over.retain(|step| step.id != change.id());
                match how.as_str() {
                    "taken-back" => self.taken_back.push(title),
                    "left-in-place" => self.left_in_place.push(title),
                    KEPT => self.kept.push(change.subject.trim_start_matches("resources.").to_owned()),
                    _ => {}
                }
            }
            Event::TakenOver { steps, .. } => {
                for step in steps {
                    titles.insert(step.change.id(), step.title.clone());
                    self.taken_over.push(Made { id: step.change.id(), title: step.title.clone(), seconds: 0.0 });
                    if step.change.verb == COPY {
                        self.copied = read(&step.outcome.0);
                    }
                }
            }
            Event::UndoFailed { change, message } => self.stuck.push((title_of(titles, change), message.clone())),
            Event::Notice { message } => self.notices.push(message.clone()),
            Event::RunFinished { outcome, reason, message, hint } => {
                self.outcome = Some(*outcome);
                (self.reason, self.message, self.hint) = (reason.clone(), message.clone(), hint.clone());
            }
            Event::Planned { .. } | Event::Receipt { .. } | Event::Unknown => {}
        }
    }

    /// The last word counts: a plan is made again once the lock is held.
    fn fact(&mut self, name: &str, value: &Value) {
        match name {
            fact::PLAN => self.plan = read(value).or(self.plan.take()),
            fact::PLAN_DIGEST => self.plan_digest = read(value),
            fact::FILES => self.files = read(value),
            fact::ENGINE => self.engine = read(value),
            fact::TARGETS => self.targets = read(value).unwrap_or_default(),
            fact::DIAGNOSTICS => self.diagnostics.extend(read::<Vec<Diagnostic>>(value).unwrap_or_default()),
            fact::DEPLOYMENT => self.deployment = read(value),
            fact::RELEASE => self.release(read(value)),
            fact::RESOURCES => self.resources = read(value).unwrap_or_default(),
            fact::GATE => self.gate = read(value).unwrap_or_default(),
            fact::TESTED => self.tested = read(value).unwrap_or_default(),
            fact::PROMOTION => self.promotion = read(value),
            fact::ORDER_UNKNOWN => self.order_unknown = read(value),
            fact::CARRIED_ON => self.carried_on = read(value),
            fact::OFFLINE => self.offline = read(value),
            fact::DEPLOYED_COMMIT => self.deployed_commit = read(value),
            fact::DECIDED_LATER => self.decided_later = read(value).unwrap_or_default(),
            _ => {}
        }
    }

    /// A release may be of another commit than the one that is checked out: it is what counts.
    fn release(&mut self, release: Option<Release>) {
        if let Some(commit) = release.as_ref().map(|r| &r.commit).filter(|commit| !commit.is_empty()) {
            self.about.commit.clone_from(commit);
        }
        self.release = release;
    }

    /// Nothing but the books was written: what is deployed is as it was.
    pub fn changed_nothing(&self) -> bool {
        self.taken_over.is_empty()
            && self.made.iter().all(|made| BOOKS.iter().any(|verb| made.id.starts_with(&format!("{verb} "))))
    }

    pub fn errors(&self) -> usize {
        self.diagnostics.iter().filter(|d| d.severity == Severity::Error).count()
    }

    pub fn warnings(&self) -> usize {
        self.diagnostics.iter().filter(|d| d.severity == Severity::Warning).count()
    }

    /// Nothing went wrong, as far as it came.
    pub fn is_good(&self) -> bool {
        self.outcome.is_some_and(RunOutcome::is_good)
    }

    /// Whether a run like this one is worth a comment under `comment: changes`.
    pub fn is_worth_telling(&self) -> bool {
        let plans = self.plan.as_ref().is_some_and(|plan| !plan.is_empty());
        let files =
            self.files.as_ref().is_some_and(|f| !(f.added.is_empty() && f.changed.is_empty() && f.deleted.is_empty()));
        plans || files || !self.is_good() || self.errors() + self.warnings() > 0
    }
}

/// A journal of another version may say it differently: what cannot be read is left out.
fn read<T: DeserializeOwned>(value: &Value) -> Option<T> {
    T::deserialize(value).ok()
}

const RECORD: &str = "record";
const COPY: &str = "copy-model-version";
/// Verbs that write down what was deployed, and deploy nothing.
const BOOKS: [&str; 3] = ["keep-release", "open-ledger", RECORD];

fn run_end(change: &Spec, outcome: &Value, seconds: f64) -> Option<RunEnd> {
    if change.verb != "run-job" {
        return None;
    }
    let text = |name: &str| outcome[name].as_str().unwrap_or_default().to_owned();
    let state = [text("result_state"), text("life_cycle_state")].into_iter().find(|s| !s.is_empty())?;
    let purpose = read(&change.args["purpose"]).unwrap_or(Purpose::Smoke);
    Some(RunEnd { purpose, job: text("job"), state, message: text("message"), url: text("url"), seconds })
}

fn span(entries: &[Entry]) -> f64 {
    let at = |entry: Option<&Entry>| entry.and_then(|e| e.at.parse::<jiff::Timestamp>().ok());
    match (at(entries.first()), at(entries.last())) {
        (Some(first), Some(last)) => (last.duration_since(first).as_secs_f64()).max(0.0),
        _ => 0.0,
    }
}
