//! The stand-in GitHub.
