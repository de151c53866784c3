//! Databricks over HTTP.

pub mod claims;
pub mod client;
pub mod connect;
mod discovery;
pub mod limiter;
pub mod oidc;
pub mod personal;
pub mod profile;
mod reply;

pub use claims::UnverifiedClaims;
pub use client::{Settings, Workspace, checked_host};
pub use connect::{Connection, Connector};
pub use limiter::Bounds;
pub use oidc::{GithubOidc, OidcSettings};
pub use personal::PersonalToken;
pub use profile::{Profile, Profiles};
