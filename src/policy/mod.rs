//! May we? One rule a file.
