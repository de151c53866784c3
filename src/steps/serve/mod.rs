//! Serving: an endpoint's configuration, asking what it serves.

pub mod ask;
pub mod endpoint;
pub mod set_endpoint;

pub use endpoint::Endpoint;
pub use set_endpoint::SetEndpoint;
