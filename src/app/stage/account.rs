//! The journal of a run: on the runner's disk, beside the deployment, and as lines for whoever watches.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;

use crate::adapters::host::LocalFiles;
use crate::app::Desk;
use crate::domain::{Failure, Reason};
use crate::ports::{Clock, Files};
use crate::report::terminal;
use crate::saga::{Entry, Journal, Line, Sink, journal};
use crate::steps::bundle::mirror::Mirror;

pub const JOURNAL: &str = "journal.jsonl";

/// What the journal names and does not tell, for the post step. Its name begins with a dot:
/// whoever uploads the whole folder as an artifact does not take it along by default.
const KEPT: &str = ".kept.jsonl";

/// Every line is on disk before the next is written.
struct OnDisk {
    files: Arc<LocalFiles>,
    folder: PathBuf,
}

#[async_trait]
impl Sink for OnDisk {
    async fn append(&self, line: &Line) -> Result<(), std::io::Error> {
        if let Some(kept) = &line.kept {
            self.files.append(&self.folder.join(KEPT), format!("{kept}\n").as_bytes()).await?;
        }
        self.files.append(&self.folder.join(JOURNAL), format!("{}\n", line.told).as_bytes()).await
    }
}

/// Opens the journal in `folder`; `before` is what it holds already.
pub fn open(desk: &Desk, folder: &Path, mirror: Mirror, before: Vec<Entry>) -> Arc<Journal> {
    let on_disk = OnDisk { files: Arc::clone(&desk.files), folder: folder.to_owned() };
    let clock = Arc::clone(&desk.clock);
    let journal = Journal::new(move || clock.now().to_string(), vec![Box::new(on_disk), Box::new(mirror)]);
    let console = desk.console.clone();
    let masker = Arc::clone(&desk.masker);
    let journal = journal.redacted_by(move |text| masker.redact(text).into_owned());
    let journal = journal.continuing(before).listened_by(move |entry| {
        if let Some(line) = terminal::line(entry) {
            console.line(&line);
        }
    });
    Arc::new(journal)
}

/// What a killed process left in `folder`; nothing where it wrote nothing.
pub async fn read(desk: &Desk, folder: &Path) -> Result<Vec<Entry>, Failure> {
    let text = |name: &str| {
        let path = folder.join(name);
        async move {
            let bytes = desk.files.read(&path).await;
            let bytes =
                bytes.map_err(|e| Failure::new(Reason::DiskError, format!("read {}", path.display())).because(e))?;
            Ok::<_, Failure>(String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned())
        }
    };
    Ok(journal::read_with(&text(JOURNAL).await?, &text(KEPT).await?)?)
}
