//! GitHub over HTTP, through octocrab.
