//! A copy of the journal beside the deployment, so that a killed runner costs nothing.
//!
//! Written whole at the points where losing it would hurt: before each round of changes, behind
//! the point of no return, and at the end; with what the journal itself keeps apart, since the
//! state beside it holds the same values. A receipt is in it before its change is made; what a
//! change did whose end is not in it is found out by looking (`Change::find`).

use std::sync::{Arc, Mutex, OnceLock};

use async_trait::async_trait;

use super::workspace_files::WorkspaceFiles;
use crate::domain::Failure;
use crate::saga::journal::{self, Entry};
use crate::saga::{JournalError, Line, Sink};

pub fn mirror_path(root_path: &str) -> String {
    format!("{root_path}/.mlops-deploy/journal.jsonl")
}

/// Collects lines, and puts them into the workspace when told to flush. Until it is pointed
/// somewhere it only collects: what an interrupted run left there is read first.
#[derive(Clone, Default)]
pub struct Mirror {
    place: Arc<OnceLock<(WorkspaceFiles, String)>>,
    lines: Arc<Mutex<String>>,
}

impl Mirror {
    pub fn point_at(&self, files: &WorkspaceFiles, root_path: &str) {
        self.place.get_or_init(|| (files.clone(), root_path.to_owned()));
    }

    /// The deployment that it mirrors to, once that is known.
    pub fn root_path(&self) -> Option<&str> {
        self.place.get().map(|(_, root)| root.as_str())
    }

    /// Takes over what a killed process had written.
    pub fn take_over(&self, entries: &[Entry]) {
        let line = |entry: &Entry| serde_json::to_string(entry).expect("an entry holds only JSON") + "\n";
        *self.lines.lock().expect("no panic while the text is held") = entries.iter().map(line).collect();
    }
}

#[async_trait]
impl Sink for Mirror {
    async fn append(&self, line: &Line) -> Result<(), std::io::Error> {
        let mut lines = self.lines.lock().expect("no panic while the text is held");
        lines.push_str(&line.whole);
        lines.push('\n');
        Ok(())
    }

    async fn flush(&self) -> Result<(), Failure> {
        let Some((files, root)) = self.place.get() else { return Ok(()) };
        let path = mirror_path(root);
        let text = self.lines.lock().expect("no panic while the text is held").clone();
        let put = files.put(&path, text.into()).await;
        put.map_err(|e| e.into_failure(format!("write {path}")))
    }
}

/// The journal of the run that deployed here last, if it is still there.
pub async fn read(files: &WorkspaceFiles, root_path: &str) -> Result<Vec<Entry>, Failure> {
    let path = mirror_path(root_path);
    let bytes = files.read(&path).await.map_err(|e| e.into_failure(format!("read {path}")))?;
    let Some(bytes) = bytes else { return Ok(Vec::new()) };
    let text = String::from_utf8_lossy(&bytes);
    journal::read(&text).map_err(|e: JournalError| {
        Failure::new(crate::domain::Reason::StateUnreadable, format!("read {path}"))
            .hint("it tells what an interrupted run did; look at it, and delete it once its changes are in order")
            .because(e)
    })
}
