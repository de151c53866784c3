//! Environment and `mlops-deploy.yml` to a typed request, with every mistake at once.
//!
//! `raw` takes the texts as they come, `parse` turns them into types; `event` says what
//! started the run and how far it is to be trusted; `config` reads `mlops-deploy.yml`.

pub mod config;
pub mod event;
mod mistake;
pub mod parse;
pub mod period;
pub mod raw;

pub use config::Config;
pub use event::{Occasion, Trust};
pub use parse::{CommentPolicy, EngineChoice, Inputs, Surroundings};
pub use period::Period;
pub use raw::{INPUTS, Raw};
