//! Tests tell stories from outside: real HTTP, real subprocesses.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod action_file;
mod bundle_plan;
mod bundle_validate;
mod configuration;
mod container;
mod dependencies;
mod failure_texts;
mod foreign_text;
mod git_checkout;
mod github_client;
mod github_description;
mod github_refusals;
mod hygiene;
mod inputs;
mod layers;
mod nowhere;
mod occasions;
mod phases;
mod plans;
mod readme;
mod reports;
mod runner;
mod saga;
mod sandbox;
mod sign_in;
mod stage_stories;
mod stage_world;
mod stand_in_clients;
mod stand_in_front;
mod stand_in_github;
mod stand_in_identity;
mod stand_in_workspace;
mod stand_ins_together;
mod still_clock;
mod workspace_client;
