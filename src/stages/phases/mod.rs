//! What the stages are made of. Each file has one phase, or a few that go together, in the order of a promotion's life:
//! asked, deployed, trained, judged, copied, served, recorded.

pub mod alias;
pub mod carry_on;
pub mod copy;
pub mod deployment;
pub mod endpoint;
pub mod gate;
pub mod jobs;
pub mod keep;
pub mod look;
pub mod preflight;
pub mod promises;
pub mod record;
pub mod recovery;
pub mod train;
pub mod watch;
