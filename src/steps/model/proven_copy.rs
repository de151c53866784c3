//! Fills a waiting version with another's files, and proves that they are the same.
//!
//! Everything is read back from where it was written. That the original was read rightly is not taken from one reading
//! either: its digest must be the one of its tag, or it is read a second time.

use std::sync::Arc;

use tracing::info;

use super::bytes::manifest::Difference;
use super::bytes::progress::size;
use super::bytes::{FileEntry, Manifest, Progress, Pump, Store};
use crate::domain::{Failure, Reason};
use crate::ports::Clock;

pub struct ProvenCopy<'a> {
    /// Such as `copy staging.models.churn/3 to prod.models.churn`.
    pub doing: String,
    pub from: Arc<dyn Store>,
    pub to: Arc<dyn Store>,
    pub files: &'a [FileEntry],
    /// The digest that the original's manifest is known to have.
    pub expected: Option<&'a str>,
    pub progress: &'a (dyn Fn(&str, u64) -> Arc<Progress> + Send + Sync),
}

impl ProvenCopy<'_> {
    /// What differs is copied once more; what differs then is told.
    pub async fn make(&self, clock: &Arc<dyn Clock>) -> Result<Manifest, Failure> {
        let pump = Pump::new(Arc::clone(clock));
        let (files, routes) = (self.files.len(), (self.from.route(), self.to.route()));
        let total = size(total(self.files));
        info!("{}: {files} files, {total}; read by {}, written by {}", self.doing, routes.0, routes.1);
        for stray in self.to.list().await?.iter().filter(|there| !self.files.iter().any(|f| f.path == there.path)) {
            self.to.remove(&stray.path).await?;
        }
        let mut manifest = self.copied(&pump, self.files, clock).await?;
        let differences = self.proof(&pump, &manifest, clock).await?;
        if differences.is_empty() {
            return Ok(manifest);
        }
        info!("what was read back differs and is copied once more: {}", told(&differences, "; "));
        let suspect = |file: &&FileEntry| differences.iter().any(|d| d.path.as_ref().is_none_or(|p| *p == file.path));
        let again: Vec<FileEntry> = self.files.iter().filter(suspect).cloned().collect();
        manifest.0.extend(self.copied(&pump, &again, clock).await?.0);
        let differences = self.proof(&pump, &manifest, clock).await?;
        if differences.is_empty() {
            return Ok(manifest);
        }
        let message = format!("the copy is not the original:\n  {}", told(&differences, "\n  "));
        Err(Failure::new(Reason::CopyDiffers, message)
            .hint("it was not finalized and cannot be loaded; run again, and ask who else writes to this model"))
    }

    async fn copied(&self, pump: &Pump, files: &[FileEntry], clock: &Arc<dyn Clock>) -> Result<Manifest, Failure> {
        let progress = (self.progress)("copying", total(files));
        let manifest = pump.copy(&self.from, &self.to, files, &progress).await?;
        progress.finished(clock.now());
        Ok(manifest)
    }

    /// Where the copy differs from `manifest`, and `manifest` from what else is known of the original.
    async fn proof(
        &self,
        pump: &Pump,
        manifest: &Manifest,
        clock: &Arc<dyn Clock>,
    ) -> Result<Vec<Difference>, Failure> {
        let there = self.to.list().await?;
        let again = if self.expected.is_none() { self.from.list().await? } else { Vec::new() };
        let progress = (self.progress)("reading back", total(&there) + total(&again));
        let (copy, original) =
            futures::try_join!(pump.digest(&self.to, &there, &progress), pump.digest(&self.from, &again, &progress))?;
        progress.finished(clock.now());
        let mut differences = manifest.differences(&copy);
        match self.expected {
            Some(digest) if digest != manifest.digest() => {
                let what = format!("the original has not the digest of its tag `manifest_sha256`, {digest}");
                differences.push(Difference { path: None, what });
            }
            Some(_) => {}
            None => differences.extend(manifest.differences(&original).into_iter().map(Difference::on_second_reading)),
        }
        Ok(differences)
    }
}

fn total(files: &[FileEntry]) -> u64 {
    files.iter().map(|file| file.size).sum()
}

fn told(differences: &[Difference], between: &str) -> String {
    differences.iter().map(Difference::to_string).collect::<Vec<_>>().join(between)
}
