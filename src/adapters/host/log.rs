//! Tracing events as lines of the console.
//!
//! No time, no target, no colour: the runner stamps every line itself, and a level that
//! matters is a word. A warning is a line and no annotation: of those there are ten per
//! step, and the report decides which ten.

use std::fmt::{self, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use super::console::Console;

pub struct ConsoleLayer {
    console: Console,
}

impl ConsoleLayer {
    pub fn new(console: Console) -> Self {
        Self { console }
    }
}

impl<S: Subscriber> Layer<S> for ConsoleLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut message = Message::default();
        event.record(&mut message);
        let text = message.0;
        match *event.metadata().level() {
            Level::ERROR => self.console.line(&format!("error: {text}")),
            Level::WARN => self.console.line(&format!("warning: {text}")),
            Level::INFO => self.console.line(&text),
            _ if self.console.is_actions() => self.console.debug(&text),
            _ => self.console.line(&format!("debug: {text}")),
        }
    }
}

/// The sentence alone: it names what its fields repeat for machines.
#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.0, "{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::host::stream::tests::Shared;
    use crate::adapters::host::{Masker, Stream};
    use crate::domain::Secret;
    use std::sync::Arc;
    use tracing_subscriber::layer::SubscriberExt;

    fn told(on_the_runner: bool) -> String {
        let out = Shared::default();
        let stream = Arc::new(if on_the_runner { Stream::actions(out.clone()) } else { Stream::plain(out.clone()) });
        let masker = Arc::new(Masker::new());
        masker.mask(&Secret::new("s3cr3t-token"));
        let layer = ConsoleLayer::new(Console::new(stream, masker));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::info!(job.name = "train", "created job `train`\n::error::from its name");
            tracing::warn!("the token is s3cr3t-token");
            tracing::debug!("asked\ntwice");
        });
        out.text()
    }

    #[test]
    fn a_line_says_its_sentence_once_and_is_never_a_command() {
        assert_eq!(
            told(true),
            "created job `train`\n| ::error::from its name\nwarning: the token is ***\n::debug::asked%0Atwice\n"
        );
        assert_eq!(
            told(false),
            "created job `train`\n| ::error::from its name\nwarning: the token is ***\ndebug: asked\ntwice\n"
        );
    }
}
