//! What a run says while it works: lines, groups, annotations, a child's output.
//!
//! On the runner these are commands; on a terminal they are plain lines. Every line is
//! redacted and made unable to be a command, whoever wrote it.

use std::sync::Arc;

use super::commands::{Command, neutralise};
use super::mask::Masker;
use super::stream::Stream;

/// The runner cuts an annotation's message here.
const LONGEST_MESSAGE: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Error,
    Warning,
    Notice,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Notice => "notice",
        }
    }
}

/// A message on a line of a file. The runner drops columns when the lines differ, and both
/// when the end lies before the start; so do we, instead of printing what it ignores.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub file: String,
    pub line: Option<u32>,
    pub end_line: Option<u32>,
    pub column: Option<u32>,
    pub end_column: Option<u32>,
}

#[derive(Clone)]
pub struct Console {
    stream: Arc<Stream>,
    masker: Arc<Masker>,
}

impl Console {
    pub fn new(stream: Arc<Stream>, masker: Arc<Masker>) -> Self {
        Self { stream, masker }
    }

    pub fn is_actions(&self) -> bool {
        self.stream.is_actions()
    }

    pub fn masker(&self) -> &Arc<Masker> {
        &self.masker
    }

    /// Prints text; each of its lines is one of ours.
    pub fn line(&self, text: &str) {
        let text = self.masker.redact(text);
        for line in text.split('\n') {
            self.stream.raw_line(&neutralise(line));
        }
    }

    /// What stands in the last line of a terminal until the next call; nowhere else.
    pub fn status(&self, text: Option<&str>) {
        self.stream.status(text.map(|text| neutralise(&self.masker.redact(text))));
    }

    /// Shown by the runner only when debug logging is on; nowhere else.
    pub fn debug(&self, text: &str) {
        self.stream.command(&Command::new("debug").data(&self.masker.redact(text)));
    }

    /// Folds what follows, until the value is dropped.
    #[must_use = "the group ends when this is dropped"]
    pub fn group(&self, title: &str) -> Group {
        if self.is_actions() {
            self.stream.command(&Command::new("group").data(&self.masker.redact(title)));
        } else {
            self.line(title);
        }
        Group { stream: Arc::clone(&self.stream) }
    }

    /// On the runner a mark in the changed file; on a terminal one line.
    pub fn annotate(&self, level: Level, title: Option<&str>, place: Option<&Place>, message: &str) {
        let message = cut(&self.masker.redact(message), LONGEST_MESSAGE).to_owned();
        if !self.is_actions() {
            let place = place.map(|p| format!("{}: ", p.text())).unwrap_or_default();
            return self.line(&format!("{place}{}: {message}", level.name()));
        }
        let mut command = Command::new(level.name());
        if let Some(title) = title {
            command = command.property("title", self.masker.redact(title));
        }
        if let Some(place) = place {
            command = place.properties(command);
        }
        self.stream.command(&command.data(&message));
    }

    /// Until the value is dropped the runner takes nothing for a command.
    #[must_use = "the bracket ends when this is dropped"]
    pub fn untrusted(&self) -> Untrusted {
        self.stream.open_bracket();
        Untrusted { console: self.clone() }
    }
}

impl Place {
    fn text(&self) -> String {
        match (self.line, self.column) {
            (Some(line), Some(column)) => format!("{}:{line}:{column}", self.file),
            (Some(line), None) => format!("{}:{line}", self.file),
            _ => self.file.clone(),
        }
    }

    fn properties<'a>(&self, command: Command<'a>) -> Command<'a> {
        let mut command = command.property("file", &self.file);
        let Some(line) = self.line else { return command };
        command = command.property("line", line);
        let end = self.end_line.filter(|end| *end >= line);
        if let Some(end) = end {
            command = command.property("endLine", end);
        }
        if end.is_none_or(|end| end == line) {
            if let Some(column) = self.column {
                command = command.property("col", column);
            }
            if let Some(column) = self.end_column.filter(|c| self.column.is_none_or(|start| *c >= start)) {
                command = command.property("endColumn", column);
            }
        }
        command
    }
}

/// Ends a group.
pub struct Group {
    stream: Arc<Stream>,
}

impl Drop for Group {
    fn drop(&mut self) {
        self.stream.command(&Command::new("endgroup"));
    }
}

/// A child's output, bracketed.
pub struct Untrusted {
    console: Console,
}

impl Untrusted {
    /// One line as the child wrote it, secrets replaced. It is made unable to be a command
    /// as well: the bracket alone would trust that nobody guesses its word.
    pub fn line(&self, text: &str) {
        self.console.line(text);
    }
}

impl Drop for Untrusted {
    fn drop(&mut self) {
        self.console.stream.close_bracket();
    }
}

/// The longest beginning of at most `most` bytes that ends between two characters.
pub fn cut(text: &str, most: usize) -> &str {
    if text.len() <= most { text } else { &text[..text.floor_char_boundary(most)] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::host::stream::tests::Shared;
    use crate::domain::Secret;

    fn on_the_runner() -> (Console, Shared) {
        let out = Shared::default();
        let stream = Arc::new(Stream::actions(out.clone()));
        let masker = Arc::new(Masker::announcing(Arc::clone(&stream)));
        (Console::new(stream, masker), out)
    }

    #[test]
    fn a_token_minted_while_a_child_speaks_is_masked_at_once() {
        let (console, out) = on_the_runner();
        let child = console.untrusted();
        child.line("::set-output name=a::b");
        console.masker().mask(&Secret::new("fresh-token"));
        child.line("I have fresh-token");
        drop(child);
        let text = out.text();
        let word = text.lines().next().unwrap().strip_prefix("::stop-commands::").unwrap().to_owned();
        assert_eq!(
            text.replace(&word, "WORD"),
            "::stop-commands::WORD\n| ::set-output name=a::b\n::WORD::\n::add-mask::fresh-token\n\
             ::stop-commands::WORD\nI have ***\n::WORD::\n"
        );
    }

    #[test]
    fn two_children_share_one_bracket() {
        let (console, out) = on_the_runner();
        let first = console.untrusted();
        let second = console.untrusted();
        drop(first);
        second.line("still here");
        drop(second);
        assert_eq!(out.text().lines().count(), 3);
    }

    #[test]
    fn annotations_carry_what_the_runner_keeps() {
        let (console, out) = on_the_runner();
        let place =
            Place { file: "a:b.yml".into(), line: Some(3), end_line: Some(4), column: Some(2), end_column: None };
        console.annotate(Level::Error, Some("bad, really"), Some(&place), "50 %\nwrong");
        let backwards = Place { end_line: Some(1), ..place };
        console.annotate(Level::Warning, None, Some(&backwards), "x");
        assert_eq!(
            out.text(),
            "::error title=bad%2C really,file=a%3Ab.yml,line=3,endLine=4::50 %25%0Awrong\n\
             ::warning file=a%3Ab.yml,line=3,col=2::x\n"
        );
    }
}
