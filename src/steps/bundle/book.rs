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
    /// Where the log lies, and whether its first line is written.
    log: Option<PathBuf>,
    begun: tokio::sync::Mutex<bool>,
}

impl Book {
    /// `next` is the state that this deployment makes, still with the entries of the last.
    pub fn new(next: State, log: Option<PathBuf>) -> Self {
        Self { state: Mutex::new(next), log, begun: tokio::sync::Mutex::new(false) }
    }

    fn entries(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic while the book is open")
    }

    pub fn state(&self) -> State {
        self.entries().clone()
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
        let Some(log) = &self.log else { return Ok(()) };
        let mut begun = self.begun.lock().await;
        let mut lines = if *begun { String::new() } else { header };
        lines.push_str(&log_line(node, entry.as_ref()));
        disk.append(log, lines.as_bytes())
            .await
            .map_err(|e| Failure::new(Reason::DiskError, format!("write {}", log.display())).because(e))?;
        *begun = true;
        Ok(())
    }
}
