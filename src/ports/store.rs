//! Where the archives of releases are kept between the stages.
//!
//! A store is not trusted: whoever fetches an archive compares it with the release id, which
//! came another way. So a store only has to keep bytes, and to say when it has none.

use std::path::Path;

use async_trait::async_trait;

use crate::domain::ledger::Archive;
use crate::domain::{Digest, Failure, ReleaseId};

#[async_trait]
pub trait Store: Send + Sync {
    /// For people: where it is.
    fn place(&self) -> String;

    /// The digest that is recorded beside a release's archive; none where it has no whole one.
    async fn digest(&self, id: ReleaseId) -> Result<Option<Digest>, Failure>;

    /// Keeps an archive and its digest. Keeping the same again is harmless.
    async fn put(&self, id: ReleaseId, file: &Path, archive: &Archive) -> Result<(), Failure>;

    /// Brings an archive into the file `to`.
    async fn fetch(&self, id: ReleaseId, to: &Path) -> Result<(), Failure>;
}

/// What is recorded beside an archive, as `sha256sum --check` reads it.
pub fn beside(id: ReleaseId, archive: &Archive) -> String {
    format!("{}  {}\n", archive.sha256.hex(), id.file_name())
}

/// Reads what is recorded beside an archive.
pub fn read_beside(id: ReleaseId, text: &[u8]) -> Result<Digest, Failure> {
    let text = String::from_utf8_lossy(text);
    let digest = text.trim_end().strip_suffix(&id.file_name()).and_then(Digest::parse);
    digest.ok_or_else(|| {
        let message = format!("verify release {}: what is recorded beside its archive is no digest", id.short());
        Failure::new(crate::domain::Reason::ReleaseChanged, message)
            .hint("somebody changed it; run `deploy-dev` on the commit again")
    })
}
