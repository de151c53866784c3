//! The journal of a run: on the runner's disk, beside the deployment, and as lines for whoever watches.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;

use crate::adapters::host::LocalFiles;
use crate::app::Desk;
use crate::ports::{Clock, Files};
use crate::report::terminal;
use crate::saga::{Entry, Journal, Sink};
use crate::steps::bundle::mirror::Mirror;

pub const JOURNAL: &str = "journal.jsonl";

/// Every line is on disk before the next is written.
struct OnDisk {
    files: Arc<LocalFiles>,
    path: PathBuf,
}

#[async_trait]
impl Sink for OnDisk {
    async fn append(&self, line: &str) -> Result<(), std::io::Error> {
        self.files.append(&self.path, format!("{line}\n").as_bytes()).await
    }
}

/// Opens the journal in `folder`; `before` is what it holds already.
pub fn open(desk: &Desk, folder: &Path, mirror: Mirror, before: Vec<Entry>) -> Arc<Journal> {
    let on_disk = OnDisk { files: Arc::clone(&desk.files), path: folder.join(JOURNAL) };
    let clock = Arc::clone(&desk.clock);
    let journal = Journal::new(move || clock.now().to_string(), vec![Box::new(on_disk), Box::new(mirror)]);
    let console = desk.console.clone();
    let journal = journal.continuing(before).listened_by(move |entry| {
        if let Some(line) = terminal::line(entry) {
            console.line(&line);
        }
    });
    Arc::new(journal)
}
