//! Tests tell stories from outside: real HTTP, real subprocesses.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod dependencies;
mod hygiene;
mod layers;
mod nowhere;
mod phases;
mod saga;
mod configuration;
mod inputs;
mod occasions;
mod stand_in_front;
