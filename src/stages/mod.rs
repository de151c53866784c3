//! The sentences: a file for each stage, which lists its phases in order.

pub mod assignment;
pub mod deploy_dev;
pub mod deploy_staging;
pub mod phase;
pub mod phases;
pub mod promote_prod;
pub mod validate;
