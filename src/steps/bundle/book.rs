//! The state while it is being made: what is done is written down before anything else is.
//!
//! All changes of a deployment write into one book. By hand each entry is also appended to
//! the write-ahead log beside the checkout, from which the next command recovers.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};

use crate::bundle::state::{Deployed, State, log_line};
use crate::domain::{Failure, Reason};
use crate::ports::Files;

pub struct Book {
    state: Mutex<State>,
    /// Where the log lies.
    log: Option<PathBuf>,
    begun: tokio::sync::Mutex<Begun>,
}

/// What was written down yet.
#[derive(Default)]
struct Begun {
    an_entry: bool,
    log: bool,
}

impl Book {
    /// `next` is the state that this deployment makes, still with the entries of the last.
    pub fn new(next: State, log: Option<PathBuf>) -> Self {
        Self { state: Mutex::new(next), log, begun: tokio::sync::Mutex::default() }
    }

    fn entries(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic while the book is open")
    }

    pub fn state(&self) -> State {
        self.entries().clone()
    }

    /// The state, where anything was written down: a deployment that changed nothing makes no state.
    pub async fn made(&self) -> Option<State> {
        let begun = self.begun.lock().await;
        begun.an_entry.then(|| self.state())
    }

    pub fn get(&self, node: &str) -> Option<Deployed> {
        self.entries().resources.get(node).cloned()
    }

    /// Writes down what became of a node; `None`: it is gone.
    pub async fn enter(&self, disk: &dyn Files, node: &str, entry: Option<Deployed>) -> Result<(), Failure> {
        let header = {
            let mut state = self.entries();
            match &entry {
                Some(entry) => state.put(node, entry.clone()),
                None => state.remove(node),
            }
            state.log_header()
        };
        let mut begun = self.begun.lock().await;
        begun.an_entry = true;
        let Some(log) = &self.log else { return Ok(()) };
        let mut lines = if begun.log { String::new() } else { header };
        lines.push_str(&log_line(node, entry.as_ref()));
        disk.append(log, lines.as_bytes())
            .await
            .map_err(|e| Failure::new(Reason::DiskError, format!("write {}", log.display())).because(e))?;
        begun.log = true;
        Ok(())
    }
}
