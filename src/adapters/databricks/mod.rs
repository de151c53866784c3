//! Databricks over HTTP.
