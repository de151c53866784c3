//! The model registry of Unity Catalog: models, versions, aliases and tags, behind both of its REST surfaces.
//!
//! Documents are kept in the words of the newer surface; `legacy` translates for the older one, which MLflow's client
//! speaks unless told otherwise. The bytes of a version lie under `/Models` and belong to the Files API.

pub(crate) mod aliases;
pub(crate) mod legacy;
pub(crate) mod models;
pub(crate) mod tags;
pub(crate) mod versions;
