//! A failure as a person reads it, once, at the end: what we were doing, why it did not work,
//! where, and what to do next.

use super::plain;
use crate::domain::{Class, Diagnostic, Failure, Reason};

/// More than these are counted: the annotations and the summary have them all.
const DIAGNOSTICS: usize = 20;

/// Where a defect of ours is reported.
const REPORT: &str = "https://github.com/org/mlops-deploy-action/issues";

/// The text for a terminal or a log, with no line that the runner would take for a command.
pub fn text(failure: &Failure) -> String {
    let (head, more) = chain(failure);
    let mut text = format!("{}\n", told(&head, failure.reason.name()));
    for line in more {
        text.push_str(&format!("  {line}\n"));
    }
    // A finding without a place that is the message itself is not said twice.
    let found = failure.diagnostics.iter().map(one_line).filter(|line| !head.ends_with(line.as_str()));
    for line in found.take(DIAGNOSTICS) {
        text.push_str(&format!("  {line}\n"));
    }
    if failure.diagnostics.len() > DIAGNOSTICS {
        text.push_str(&format!("  and {} more\n", failure.diagnostics.len() - DIAGNOSTICS));
    }
    if let Some(hint) = &failure.hint {
        text.push_str(&format!("  hint: {hint}\n"));
    }
    if failure.reason.class() == Class::Bug {
        text.push_str(&format!("  this is a defect of ours: report it with the journal at {REPORT}\n"));
    }
    plain::lines(&text)
}

/// A message is readable after "failed to"; being told to stop is no failure.
pub fn told(message: &str, reason: &str) -> String {
    if reason == Reason::Cancelled.name() { message.to_owned() } else { format!("failed to {message}") }
}

/// The message with its causes as one sentence, and the lines below it.
pub fn chain(failure: &Failure) -> (String, Vec<String>) {
    let mut texts = vec![failure.message.clone()];
    let mut cause = std::error::Error::source(failure);
    while let Some(error) = cause {
        let text = error.to_string();
        // A change and the step in it may be called alike.
        if texts.last().is_some_and(|last| text.starts_with(&format!("{last}: "))) {
            texts.pop();
        }
        // Some libraries write their cause into their own sentence: it is not said twice.
        if !text.is_empty() && !texts.iter().any(|t| t.contains(&text)) {
            texts.push(text);
        }
        cause = error.source();
    }
    let mut head: Vec<&str> = Vec::new();
    let mut more = Vec::new();
    for text in &texts {
        let mut lines = text.lines();
        head.extend(lines.next());
        more.extend(lines.map(|line| line.trim().to_owned()));
    }
    (head.join(": "), more)
}

/// A finding on one line, its place first.
pub fn one_line(found: &Diagnostic) -> String {
    let place = found.annotation().map_or(String::new(), |o| format!("{o}: "));
    let word = match found.severity {
        crate::domain::Severity::Error => "",
        crate::domain::Severity::Warning => "warning: ",
        crate::domain::Severity::Recommendation => "recommendation: ",
        crate::domain::Severity::Notice => "note: ",
    };
    let summary = found.summary.lines().collect::<Vec<_>>().join(" ");
    format!("{place}{word}{summary}")
}
