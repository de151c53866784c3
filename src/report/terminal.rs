//! The last words on the terminal or in the log, and a line for each thing that happens.
//!
//! No colour and no symbols: a log is read in a browser, a mail, an editor.

use super::run::RunView;
use super::sections::length;
use super::{headline, plain};
use crate::saga::{Entry, Event, KEPT};

/// What is said at the end of a run. A failure's own text is printed apart, once.
pub fn last_words(view: &RunView) -> String {
    let mut text = format!("{} ({})\n", headline::headline(view), length(view.seconds));
    if let Some(plan) = view.plan.as_ref().filter(|_| view.is_good()) {
        for (change, danger) in plan.dangers() {
            text.push_str(&format!("  {}: {}: {}\n", danger.risk.words(), change.title, danger.sentence));
        }
    }
    for resource in view.resources.iter().filter(|r| !r.url.is_empty()) {
        text.push_str(&format!("  {}: {}\n", resource.title, resource.url));
    }
    for (title, why) in &view.stuck {
        text.push_str(&format!("  not taken back: {title}: {why}\n"));
    }
    plain::lines(&text)
}

/// One line as it happens; nothing for what only a later run needs.
pub fn line(entry: &Entry) -> Option<String> {
    let text = match &entry.event {
        Event::PhaseStarted { phase } => format!("phase {phase}"),
        Event::Verdict { rule, passed, message } => {
            format!("  {} {rule}: {message}", if *passed { "passed" } else { "refused" })
        }
        Event::Planned { changes, .. } => format!("  {} to make", headline::plural(changes.len(), "change")),
        Event::Done { title, seconds, .. } => format!("  {title} ({})", length(*seconds)),
        Event::Failed { title, message, .. } => format!("  failed: {title}: {message}"),
        Event::PointOfNoReturn { left } => {
            format!("  point of no return: {} that cannot be taken back", headline::plural(left.len(), "change"))
        }
        Event::Undone { change, how } if how == "taken-back" => format!("  taken back: {}", change.id()),
        Event::Undone { change, how } if how == KEPT => {
            format!("  stays, for it holds something by now: {}", change.id())
        }
        Event::TakenOver { steps, .. } => {
            format!("  carries on with {} of the interrupted run", headline::plural(steps.len(), "change"))
        }
        Event::UndoFailed { change, message } => format!("  not taken back: {}: {message}", change.id()),
        Event::Notice { message } => format!("  notice: {message}"),
        _ => return None,
    };
    Some(plain::lines(&text))
}
