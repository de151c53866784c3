//! The stand-in Databricks workspace.
