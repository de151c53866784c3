//! A stand-in workspace and a stand-in GitHub: state machines behind real HTTP, with fault knobs.
//!
//! They use nothing of the product but their own wire types, so that a mistake of ours in reading
//! an API cannot be confirmed by a stand-in that shares it.

pub mod front;
pub mod github;
pub mod workspace;
