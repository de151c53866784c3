//! Reads an environment's ledger, and believes it only if its chain holds.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};

use super::volume::VolumeFiles;
use crate::domain::ledger::{self, Broken, Chain};
use crate::domain::{Failure, Reason};
use crate::ports::RestError;

/// How many records are read at once.
const AT_ONCE: usize = 16;

/// Where an environment's records of one bundle lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    pub environment: String,
    pub folder: String,
}

impl Ledger {
    /// `records` is the environment's folder in its volume; each bundle has its own below.
    pub fn new(environment: &str, records: &str, bundle: &str) -> Self {
        let plain = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
        let bundle: String = bundle.chars().map(plain).collect();
        Self { environment: environment.to_owned(), folder: format!("{}/{bundle}", records.trim_end_matches('/')) }
    }

    pub fn path(&self, sequence: u64) -> String {
        format!("{}/{}", self.folder, ledger::file_name(sequence))
    }

    pub async fn read(&self, files: &VolumeFiles) -> Result<Chain, Failure> {
        let names = files.names(&self.folder).await.map_err(|e| self.unreadable(e))?;
        let mut sequences = Vec::new();
        for name in names {
            match ledger::sequence_of(&name) {
                Some(sequence) => sequences.push(sequence),
                None => return Err(self.broken(&Broken(format!("`{name}` is no record")))),
            }
        }
        let read = |sequence: u64| async move {
            let path = self.path(sequence);
            let bytes = files.read(&path).await.map_err(|e| self.unreadable(e))?;
            // Gone between the list and now: the chain will show it.
            Ok::<_, Failure>(bytes.map(|bytes| (sequence, bytes.to_vec())))
        };
        let records: Vec<Option<(u64, Vec<u8>)>> =
            stream::iter(sequences).map(read).buffer_unordered(AT_ONCE).try_collect().await?;
        let records: BTreeMap<u64, Vec<u8>> = records.into_iter().flatten().collect();
        Chain::verify(&self.environment, &records).map_err(|broken| self.broken(&broken))
    }

    pub fn broken(&self, broken: &Broken) -> Failure {
        let message = format!("verify the ledger of `{}` in {}: {broken}", self.environment, self.folder);
        Failure::new(Reason::LedgerBroken, message).hint(
            "only the environment's own principal may write there; look at the volume's audit log for who did this",
        )
    }

    fn unreadable(&self, error: RestError) -> Failure {
        let denied = matches!(error, RestError::Status { status: 403, .. });
        let doing = format!("read the ledger of `{}` in {}", self.environment, self.folder);
        let mut failure = error.into_failure(doing);
        if matches!(failure.reason, Reason::PermissionDenied | Reason::NotFound) {
            failure.reason = Reason::LedgerUnreadable;
        }
        if denied {
            failure.hint = Some(
                "grant the principal that signs in here READ VOLUME on that volume, and USE CATALOG and USE SCHEMA above it"
                    .to_owned(),
            );
        }
        failure
    }
}
