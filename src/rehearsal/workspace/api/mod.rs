//! One file per API area. A function takes the call and answers; the route table names it.

pub(crate) mod alerts;
pub(crate) mod apps;
pub(crate) mod catalog;
pub(crate) mod clusters;
pub(crate) mod dashboards;
pub(crate) mod experiments;
pub(crate) mod files;
pub(crate) mod grants;
pub(crate) mod imports;
pub(crate) mod invocations;
pub(crate) mod job_settings;
pub(crate) mod jobs;
pub(crate) mod legacy_models;
pub(crate) mod model_credentials;
pub(crate) mod monitors;
pub(crate) mod people;
pub(crate) mod permissions;
pub(crate) mod pipelines;
pub(crate) mod registry;
pub(crate) mod runs;
pub(crate) mod secrets;
pub(crate) mod serving;
pub(crate) mod tables;
pub(crate) mod tracking;
pub(crate) mod warehouses;
pub(crate) mod workspace_files;
