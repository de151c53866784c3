//! Serving: an endpoint's configuration, asking what it serves, counting how it answers.

pub mod ask;
pub mod endpoint;
pub mod metrics;
pub mod set_endpoint;

pub use endpoint::Endpoint;
pub use set_endpoint::SetEndpoint;
