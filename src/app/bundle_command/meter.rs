//! Shows by hand how far long work is, on stderr: a bar on a terminal, now and then a line
//! elsewhere.
//!
//! Work that ends soon shows nothing: what a quick command says is what the official one says.

use std::future::Future;
use std::io::{IsTerminal, Write};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{Instant, interval_at};

use crate::domain::Tally;
use crate::report::progress;

pub struct Meter {
    show: Show,
    /// A bar is on the screen and the cursor behind it.
    drawn: AtomicBool,
    /// What ends before is not worth a word.
    patience: Duration,
    every: Duration,
    out: Box<dyn Fn(&str) + Send + Sync>,
}

#[derive(Clone, Copy, PartialEq)]
enum Show {
    Bar,
    Lines,
    Nothing,
}

impl Meter {
    pub fn on_stderr(quiet: bool) -> Self {
        let write = |text: &str| {
            // A closed pipe must not end a deployment half-way.
            let _ = std::io::stderr().write_all(text.as_bytes());
        };
        let terminal = std::io::stderr().is_terminal();
        let ms = Duration::from_millis;
        let (show, patience, every) = match (quiet, terminal) {
            (true, _) => (Show::Nothing, ms(0), ms(1000)),
            (false, true) => (Show::Bar, ms(300), ms(100)),
            (false, false) => (Show::Lines, ms(5000), ms(5000)),
        };
        Self { show, drawn: AtomicBool::new(false), patience, every, out: Box::new(write) }
    }

    /// Does the work and shows meanwhile how far it is.
    pub async fn watch<T>(&self, what: &str, tally: &Tally, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        if self.show == Show::Nothing {
            return work.await;
        }
        let start = Instant::now();
        let mut ticks = interval_at(start + self.patience, self.every);
        loop {
            tokio::select! {
                done = &mut work => {
                    self.clear();
                    return done;
                }
                _ = ticks.tick() => self.tick(what, tally.read(), start.elapsed().as_secs()),
            }
        }
    }

    fn tick(&self, what: &str, counts: (usize, usize), seconds: u64) {
        match self.show {
            Show::Bar => {
                (self.out)(&format!("\r\u{1b}[K{}", progress::bar(what, counts, seconds)));
                self.drawn.store(true, Ordering::Relaxed);
            }
            // Whoever waits for one thing alone needs no word of it every few seconds.
            Show::Lines if counts.1 == 0 && seconds % 30 >= self.every.as_secs().max(1) => {}
            Show::Lines => (self.out)(&format!("{}\n", progress::line(what, counts, seconds))),
            Show::Nothing => {}
        }
    }

    /// A line of the work itself; a bar makes way for it.
    pub fn say(&self, line: &str) {
        self.clear();
        (self.out)(&format!("{line}\n"));
    }

    fn clear(&self) {
        if self.drawn.swap(false, Ordering::Relaxed) {
            (self.out)("\r\u{1b}[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};
    use tokio::sync::Notify;

    /// Watches work that ends as soon as something of it was shown.
    async fn shown(show: Show) -> String {
        let (text, seen) = (Arc::new(Mutex::new(String::new())), Arc::new(Notify::new()));
        let out = {
            let (text, seen) = (Arc::clone(&text), Arc::clone(&seen));
            move |some: &str| {
                text.lock().unwrap().push_str(some);
                seen.notify_one();
            }
        };
        let ms = Duration::from_millis;
        let meter = Meter { show, drawn: AtomicBool::new(false), patience: ms(1), every: ms(1), out: Box::new(out) };
        let tally = Tally::default();
        tally.expect(2);
        tally.count();
        meter.watch("Uploading files", &tally, seen.notified()).await;
        meter.say("Created jobs.train");
        text.lock().unwrap().clone()
    }

    #[tokio::test]
    async fn a_bar_makes_way_for_what_is_said_and_a_log_gets_whole_lines() {
        let bar = shown(Show::Bar).await;
        assert!(bar.starts_with("\r\u{1b}[KUploading files [############............] 1/2"), "{bar:?}");
        assert!(bar.ends_with("\r\u{1b}[KCreated jobs.train\n"), "{bar:?}");
        let lines = shown(Show::Lines).await;
        assert!(lines.starts_with("Uploading files: 1 of 2 after 0 s\n"), "{lines:?}");
        assert!(lines.ends_with("\nCreated jobs.train\n"), "{lines:?}");
    }
}
