//! The one stream that people and the runner read: whole lines, one writer at a time.
//!
//! Masks, groups and annotations are commands in the same stream as untrusted text, so all
//! of it goes through here: while a child's output is bracketed the runner ignores commands,
//! and one of ours has to open the bracket for a moment or a fresh token stays unmasked.

use std::io::Write;
use std::sync::{Mutex, MutexGuard};

use super::commands::Command;

/// Where lines go, and whether the runner listens.
pub struct Stream {
    inner: Mutex<Inner>,
    actions: bool,
    /// A person watches, and the last line may be drawn anew.
    terminal: bool,
}

struct Inner {
    out: Box<dyn Write + Send>,
    /// What stands in the last line and makes way for every other.
    status: Option<String>,
    /// The word that ends the bracket, and how many ask for it.
    bracket: Option<(String, usize)>,
}

impl Stream {
    /// For a terminal or a file: commands are not printed.
    pub fn plain(out: impl Write + Send + 'static) -> Self {
        Self::new(out, false, false)
    }

    /// As plain, with a status in the last line.
    pub fn terminal(out: impl Write + Send + 'static) -> Self {
        Self::new(out, false, true)
    }

    /// For the GitHub runner, which reads commands in what we print.
    pub fn actions(out: impl Write + Send + 'static) -> Self {
        Self::new(out, true, false)
    }

    fn new(out: impl Write + Send + 'static, actions: bool, terminal: bool) -> Self {
        let inner = Inner { out: Box::new(out), status: None, bracket: None };
        Self { inner: Mutex::new(inner), actions, terminal }
    }

    /// Draws the last line anew, or takes it away; nothing where nobody watches.
    pub(super) fn status(&self, text: Option<String>) {
        if self.terminal {
            let mut inner = self.lock();
            inner.status = text;
            inner.put("\r\u{1b}[K");
            inner.draw();
            inner.flush();
        }
    }

    pub fn is_actions(&self) -> bool {
        self.actions
    }

    /// A line that the caller has made safe; see `Console::line`.
    pub(super) fn raw_line(&self, line: &str) {
        let mut inner = self.lock();
        inner.line(line);
        inner.flush();
    }

    /// A command of ours, heard even while a child's output is bracketed.
    pub(super) fn command(&self, command: &Command<'_>) {
        if !self.actions {
            return;
        }
        let mut inner = self.lock();
        let word = inner.bracket.as_ref().map(|(word, _)| word.clone());
        if let Some(word) = &word {
            inner.line(&format!("::{word}::"));
        }
        inner.line(&command.to_string());
        if let Some(word) = &word {
            inner.line(&Command::new("stop-commands").data(word).to_string());
        }
        inner.flush();
    }

    pub(super) fn open_bracket(&self) {
        if !self.actions {
            return;
        }
        let mut inner = self.lock();
        if let Some((_, depth)) = &mut inner.bracket {
            *depth += 1;
            return;
        }
        let word = uuid::Uuid::new_v4().simple().to_string();
        inner.line(&Command::new("stop-commands").data(&word).to_string());
        inner.flush();
        inner.bracket = Some((word, 1));
    }

    pub(super) fn close_bracket(&self) {
        let mut inner = self.lock();
        let Some((word, depth)) = inner.bracket.take() else { return };
        if depth > 1 {
            inner.bracket = Some((word, depth - 1));
            return;
        }
        inner.line(&format!("::{word}::"));
        inner.flush();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Inner {
    // A closed pipe must not end a deployment half-way: what cannot be printed is dropped.
    fn put(&mut self, text: &str) {
        let _ = self.out.write_all(text.as_bytes());
    }

    fn line(&mut self, line: &str) {
        if self.status.is_some() {
            self.put("\r\u{1b}[K");
        }
        self.put(line);
        self.put("\n");
        self.draw();
    }

    fn draw(&mut self) {
        if let Some(status) = self.status.take() {
            self.put(&status);
            self.status = Some(status);
        }
    }

    fn flush(&mut self) {
        let _ = self.out.flush();
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::sync::Arc;

    /// What was printed, for tests to read.
    #[derive(Clone, Default)]
    pub struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Shared {
        pub fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    #[test]
    fn a_status_makes_way_for_lines_and_is_drawn_for_a_person_only() {
        for (terminal, expected) in [
            (true, "\r\u{1b}[K[#.] 1/2\r\u{1b}[Kcreate jobs.train\n[#.] 1/2\r\u{1b}[Kdone\n"),
            (false, "create jobs.train\ndone\n"),
        ] {
            let out = Shared::default();
            let stream = if terminal { Stream::terminal(out.clone()) } else { Stream::plain(out.clone()) };
            stream.status(Some("[#.] 1/2".to_owned()));
            stream.raw_line("create jobs.train");
            stream.status(None);
            stream.raw_line("done");
            assert_eq!(out.text(), expected);
        }
    }
}
