//! The nouns: what the other layers talk about. Plain data; std and serde only.

pub mod canonical;
pub mod diagnostic;
pub mod digest;
pub mod endpoint;
pub mod fact;
pub mod failure;
pub mod host;
pub mod hushed;
pub mod ledger;
pub mod model;
pub mod nearest;
pub mod outcome;
pub mod path;
pub mod plan;
pub mod purpose;
pub mod release;
pub mod rights;
pub mod secret;
pub mod stage;
pub mod tally;
pub mod tree;

pub use diagnostic::{Diagnostic, Severity};
pub use digest::Digest;
pub use failure::{Class, Failure, Reason};
pub use host::{Host, HostError};
pub use hushed::Hushed;
pub use model::{Alias, ModelName, ModelVersion, VersionStatus};
pub use outcome::RunOutcome;
pub use path::{Path, Step};
pub use purpose::Purpose;
pub use release::ReleaseId;
pub use secret::Secret;
pub use stage::Stage;
pub use tally::Tally;
pub use tree::{Map, Node, Origin, Tree};
