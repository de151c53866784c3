//! The sentences: phases, the facts they want, the gates they ask, the changes in order.

pub mod alias;
pub mod assignment;
pub mod copy;
pub mod deploy_dev;
pub mod deploy_staging;
pub mod deployment;
pub mod endpoint;
pub mod gate;
pub mod jobs;
pub mod keep;
pub mod look;
pub mod phase;
pub mod preflight;
pub mod promises;
pub mod promote_prod;
pub mod record;
pub mod train;
pub mod validate;
pub mod watch;
