//! A stand-in workspace and a stand-in GitHub: state machines behind real HTTP, with fault knobs.

pub mod github;
pub mod workspace;
