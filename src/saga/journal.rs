//! The only truth about a run: one JSON object a line, appended and never changed.
//!
//! Comment, summary, outputs, deployment status and evidence are folds of it. A line is on
//! disk before the change that it announces is made; a torn last line (the process was
//! killed while writing) is dropped on reading, anything else unreadable is an error.
//!
//! It leaves the machine. What only undoing needs is named in it and lies apart (`kept`);
//! beside the deployment, where the same values lie anyway, it is whole.

use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::change::{Outcome, Receipt, Spec};
use super::kept;
use crate::domain::{Failure, Reason, RunOutcome};

pub const VERSION: u32 = 1;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// Stage, bundle, target, commit, run id: whatever identifies the run.
    RunStarted {
        run: Value,
    },
    PhaseStarted {
        phase: String,
    },
    PhaseFinished {
        phase: String,
        seconds: f64,
    },
    /// Something read that a report or a later run needs, by name.
    Fact {
        name: String,
        value: Value,
    },
    /// A gate's answer.
    Verdict {
        rule: String,
        passed: bool,
        message: String,
    },
    /// The changes of a phase, decided, in an order in which they could be made.
    Planned {
        phase: String,
        changes: Vec<Spec>,
    },
    Receipt {
        change: Spec,
        receipt: Receipt,
    },
    Done {
        change: Spec,
        title: String,
        outcome: Outcome,
        seconds: f64,
    },
    Failed {
        change: Spec,
        title: String,
        reason: String,
        message: String,
        /// It is certain that nothing was made: nobody needs to look for it.
        #[serde(default)]
        nothing_made: bool,
    },
    PointOfNoReturn {
        left: Vec<Spec>,
    },
    Undone {
        change: Spec,
        how: String,
    },
    /// What an interrupted run began is this run's own from here on.
    TakenOver {
        steps: Vec<Step>,
        /// What it finished, and is not done again.
        phases: Vec<String>,
    },
    UndoFailed {
        change: Spec,
        message: String,
    },
    /// For people: a warning that fails nothing.
    Notice {
        message: String,
    },
    RunFinished {
        outcome: RunOutcome,
        reason: Option<String>,
        message: Option<String>,
        hint: Option<String>,
    },
    #[serde(other)]
    Unknown,
}

/// A change that another run made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    pub change: Spec,
    pub title: String,
    pub receipt: Receipt,
    pub outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub v: u32,
    /// RFC 3339, UTC.
    pub at: String,
    #[serde(flatten)]
    pub event: Event,
}

/// An entry, in the two ways in which it is written.
pub struct Line {
    /// For whoever gets the journal.
    pub told: String,
    /// What `told` names and does not hold. It must be on disk before `told` is.
    pub kept: Option<String>,
    /// Both in one, for a place that is as confidential as what is deployed.
    pub whole: String,
}

/// Where lines go. The first sink is the local file; others mirror it.
#[async_trait]
pub trait Sink: Send + Sync {
    async fn append(&self, line: &Line) -> Result<(), std::io::Error>;

    /// Called where a killed process must not cost anything: before a round of changes is made.
    async fn flush(&self) -> Result<(), Failure> {
        Ok(())
    }
}

#[derive(Debug)]
pub enum JournalError {
    Write(std::io::Error),
    /// Its copy beside the deployment.
    Copy(Failure),
    Line {
        number: usize,
        source: serde_json::Error,
    },
    /// A line names values that are not where they were kept.
    Missing {
        number: usize,
        name: String,
    },
    Version(u32),
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JournalError::Write(_) => write!(f, "write the journal"),
            JournalError::Copy(_) => write!(f, "copy the journal beside the deployment"),
            JournalError::Line { number, .. } => write!(f, "read line {number} of the journal"),
            JournalError::Missing { number, name } => {
                write!(f, "read line {number} of the journal: what it keeps apart as {name} is gone")
            }
            JournalError::Version(v) => write!(f, "read a journal of version {v}; this program knows {VERSION}"),
        }
    }
}

impl std::error::Error for JournalError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            JournalError::Write(e) => Some(e),
            JournalError::Copy(e) => Some(e),
            JournalError::Line { source, .. } => Some(source),
            JournalError::Missing { .. } | JournalError::Version(_) => None,
        }
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        let no_receipt = "nothing is changed without a written receipt";
        let message = error.to_string();
        match error {
            JournalError::Copy(why) => {
                let hint = why.hint.clone().unwrap_or_else(|| format!("{no_receipt}; run again"));
                Failure::new(why.reason, message).hint(hint).because(why)
            }
            other => {
                let hint = format!("{no_receipt}; free some space under RUNNER_TEMP");
                Failure::new(Reason::DiskError, message).hint(hint).because(other)
            }
        }
    }
}

type Now = Box<dyn Fn() -> String + Send + Sync>;
type Listener = Box<dyn Fn(&Entry) + Send + Sync>;
type Redact = Box<dyn Fn(&str) -> String + Send + Sync>;

pub struct Journal {
    now: Now,
    sinks: Vec<Box<dyn Sink>>,
    listener: Option<Listener>,
    redact: Option<Redact>,
    entries: Mutex<Vec<Entry>>,
    writing: tokio::sync::Mutex<()>,
}

impl Journal {
    /// `now` gives RFC 3339 UTC.
    pub fn new(now: impl Fn() -> String + Send + Sync + 'static, sinks: Vec<Box<dyn Sink>>) -> Self {
        Self {
            now: Box::new(now),
            sinks,
            listener: None,
            redact: None,
            entries: Mutex::new(Vec::new()),
            writing: tokio::sync::Mutex::new(()),
        }
    }

    /// Goes on with a journal that another process began; its entries are written already.
    pub fn continuing(mut self, before: Vec<Entry>) -> Self {
        self.entries = Mutex::new(before);
        self
    }

    /// Calls `listener` with each entry once it is written: the live account on a terminal.
    pub fn listened_by(mut self, listener: impl Fn(&Entry) + Send + Sync + 'static) -> Self {
        self.listener = Some(Box::new(listener));
        self
    }

    /// Takes secrets out of every text that is told: whoever writes a report of the journal
    /// need not ask again.
    pub fn redacted_by(mut self, redact: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        self.redact = Some(Box::new(redact));
        self
    }

    pub async fn record(&self, event: Event) -> Result<(), JournalError> {
        self.record_telling(event, &[]).await
    }

    /// `told` names the fields of a receipt or an outcome that may leave the machine.
    ///
    /// An entry that could not be written is remembered all the same: the run that is about
    /// to fail for it must still know what to take back.
    pub async fn record_telling(&self, event: Event, told: &[&str]) -> Result<(), JournalError> {
        let (entry, line) = self.line(Entry { v: VERSION, at: (self.now)(), event }, told);
        let turn = self.writing.lock().await;
        self.entries.lock().expect("no panic while the list is held").push(entry.clone());
        // A full disk keeps no other place from having the line.
        let mut written = Ok(());
        for sink in &self.sinks {
            written = written.and(sink.append(&line).await);
        }
        drop(turn);
        written.map_err(JournalError::Write)?;
        if let Some(listener) = &self.listener {
            listener(&entry);
        }
        Ok(())
    }

    /// The entry without secrets, and as it is written.
    fn line(&self, entry: Entry, told: &[&str]) -> (Entry, Line) {
        let mut value = serde_json::to_value(&entry).expect("an entry holds only JSON");
        let kept = kept::set_apart(&mut value, told);
        if let Some(redact) = &self.redact {
            redacted(&mut value, redact);
        }
        let told = value.to_string();
        let apart = kept.as_deref().map(kept::lines).unwrap_or_default();
        kept::put_back(&mut value, &apart).expect("it was set apart just now");
        let whole = value.to_string();
        (serde_json::from_value(value).unwrap_or(entry), Line { told, kept, whole })
    }

    pub async fn flush(&self) -> Result<(), JournalError> {
        for sink in &self.sinks {
            sink.flush().await.map_err(JournalError::Copy)?;
        }
        Ok(())
    }

    pub fn entries(&self) -> Vec<Entry> {
        self.entries.lock().expect("no panic while the list is held").clone()
    }
}

fn redacted(value: &mut Value, redact: &Redact) {
    match value {
        Value::String(text) => *text = redact(text),
        Value::Array(items) => items.iter_mut().for_each(|item| redacted(item, redact)),
        Value::Object(fields) => fields.values_mut().for_each(|field| redacted(field, redact)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Reads a whole journal back. The last line may be torn.
pub fn read(text: &str) -> Result<Vec<Entry>, JournalError> {
    read_with(text, "")
}

/// Reads a journal back with the lines that were kept apart.
pub fn read_with(text: &str, kept: &str) -> Result<Vec<Entry>, JournalError> {
    let kept = kept::lines(kept);
    let whole = text.ends_with('\n');
    let lines: Vec<&str> = text.lines().collect();
    let mut entries = Vec::with_capacity(lines.len());
    for (i, line) in lines.iter().enumerate() {
        let number = i + 1;
        let mut value = match serde_json::from_str::<Value>(line) {
            Ok(value) => value,
            Err(_) if number == lines.len() && !whole => break,
            Err(source) => return Err(JournalError::Line { number, source }),
        };
        kept::put_back(&mut value, &kept).map_err(|name| JournalError::Missing { number, name })?;
        match serde_json::from_value::<Entry>(value) {
            Ok(entry) if entry.v > VERSION => return Err(JournalError::Version(entry.v)),
            Ok(entry) => entries.push(entry),
            Err(source) => return Err(JournalError::Line { number, source }),
        }
    }
    Ok(entries)
}

/// Rounded to milliseconds: a journal is read by people too.
pub fn seconds(elapsed: Duration) -> f64 {
    (elapsed.as_secs_f64() * 1000.0).round() / 1000.0
}
