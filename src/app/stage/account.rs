//! The journal of a run: on the runner's disk, beside the deployment, and as lines for whoever watches.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use crate::adapters::host::LocalFiles;
use crate::app::Desk;
use crate::domain::{Failure, Reason};
use crate::ports::{Clock, Files};
use crate::report::{progress, terminal};
use crate::saga::{Entry, Event, Journal, Line, Sink, journal};
use crate::steps::bundle::mirror::Mirror;

pub const JOURNAL: &str = "journal.jsonl";

/// What the journal names and does not tell, for the post step. Its name begins with a dot:
/// whoever uploads the whole folder as an artifact does not take it along by default.
const KEPT: &str = ".kept.jsonl";

/// Every line is in the file before the next is written.
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
    let counts = Mutex::new((0, 0));
    let journal = journal.continuing(before).listened_by(move |entry| {
        if let Some(line) = terminal::line(entry) {
            console.line(&line);
        }
        let mut counts = counts.lock().expect("no panic while the counts are held");
        let (done, all) = counted(&entry.event, *counts);
        if (done, all) != *counts {
            *counts = (done, all);
            let bar = (done < all).then(|| progress::bar("Changes", (done, all), 0));
            console.status(bar.as_deref());
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

/// How many of the changes of a phase are made once this has happened. Of an end that came too
/// early nothing is counted.
fn counted(event: &Event, (done, all): (usize, usize)) -> (usize, usize) {
    match event {
        Event::Planned { changes, .. } => (0, changes.len()),
        Event::Done { .. } => (done + 1, all),
        Event::Failed { .. } | Event::PhaseFinished { .. } => (0, 0),
        _ => (done, all),
    }
}
