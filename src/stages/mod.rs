//! The sentences: phases, the facts they want, the gates they ask, the changes in order.

pub mod assignment;
pub mod deploy_dev;
pub mod look;
pub mod phase;
pub mod promises;
pub mod validate;
