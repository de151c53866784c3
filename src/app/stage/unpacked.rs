//! A release whose files lie on this machine: all that a stage deploys from.

use std::path::PathBuf;

use crate::domain::fact::Release;
use crate::domain::release::Manifest;

pub struct Unpacked {
    pub manifest: Manifest,
    pub release: Release,
    /// The folder of its databricks.yml.
    pub bundle: PathBuf,
    /// Nothing of it lies outside.
    pub root: PathBuf,
}
