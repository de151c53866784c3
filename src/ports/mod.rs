//! What we need from the world: traits and their types.
//!
//! A step asks the `World` it is given; adapters answer. Nothing here knows a library.

pub mod clock;
pub mod engine;
pub mod files;
pub mod github;
pub mod history;
pub mod identity;
pub mod process;
pub mod rest;
pub mod store;
pub mod transfer;
pub mod world;

pub use clock::Clock;
pub use files::Files;
pub use github::GitHub;
pub use history::History;
pub use identity::{Identity, IdentityError};
pub use process::{Command, Finished, Process, ProcessError};
pub use rest::{Body, Method, Part, Reply, Request, Rest, RestError};
pub use store::Store;
pub use transfer::Transfer;
pub use world::World;
