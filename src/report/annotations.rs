//! Annotations on the lines of the pull request: worst first, as many as GitHub shows.
//!
//! The runner keeps ten of each type for a step and drops the rest without a word, so the
//! tenth says how many more there are.

use super::plain;
use crate::domain::{Diagnostic, Severity};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Error,
    Warning,
    Notice,
}

impl Level {
    /// The name of the runner's command.
    pub fn name(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Notice => "notice",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    pub level: Level,
    pub title: String,
    pub message: String,
    /// Relative to the checkout.
    pub file: Option<String>,
    pub line: Option<u32>,
    pub column: Option<u32>,
}

/// As many of one type as GitHub shows for a step.
const SHOWN: usize = 10;
/// The runner cuts a message at 4096 characters.
const LONGEST: usize = 4_000;

/// `prefix` is the bundle's folder below the checkout: origins are named from the bundle.
pub fn annotations(found: &[Diagnostic], prefix: &str) -> Vec<Annotation> {
    let mut all: Vec<Annotation> = found.iter().map(|d| annotation(d, prefix)).collect();
    all.sort_by(|a, b| (a.level, &a.file, a.line, a.column).cmp(&(b.level, &b.file, b.line, b.column)));
    all.dedup();
    let mut kept = Vec::new();
    for level in [Level::Error, Level::Warning, Level::Notice] {
        let of: Vec<&Annotation> = all.iter().filter(|a| a.level == level).collect();
        let many = of.len();
        let mut shown: Vec<Annotation> = of.into_iter().take(SHOWN).cloned().collect();
        if many > SHOWN
            && let Some(last) = shown.last_mut()
        {
            last.message = format!("{}\n\nand {} more, all in the job summary", last.message, many - SHOWN);
        }
        kept.extend(shown);
    }
    kept
}

fn annotation(found: &Diagnostic, prefix: &str) -> Annotation {
    let place = found.annotation();
    let mut message = found.summary.clone();
    if let Some(detail) = found.detail.as_deref().filter(|d| !d.is_empty()) {
        message.push_str(&format!("\n\n{detail}"));
    }
    if !found.paths.is_empty() {
        message.push_str(&format!("\n\nat {}", found.paths.join(", ")));
    }
    if found.origins.len() > 1 {
        let others: Vec<String> = found.origins[1..].iter().map(|o| o.to_string()).collect();
        message.push_str(&format!("\nalso {}", others.join(", ")));
    }
    Annotation {
        level: match found.severity {
            Severity::Error => Level::Error,
            Severity::Warning => Level::Warning,
            Severity::Recommendation | Severity::Notice => Level::Notice,
        },
        title: plain::one_line(found.summary.lines().next().unwrap_or_default()).chars().take(120).collect(),
        message: plain::lines(&message).chars().take(LONGEST).collect(),
        file: place.map(|o| below(prefix, &o.file)),
        line: place.map(|o| o.line),
        column: place.map(|o| o.column),
    }
}

fn below(prefix: &str, file: &str) -> String {
    let prefix = prefix.trim_start_matches("./").trim_matches('/');
    if prefix.is_empty() || prefix == "." || file.starts_with('/') {
        file.to_owned()
    } else {
        format!("{prefix}/{file}")
    }
}
