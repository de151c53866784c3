//! Which files are notebooks.
//!
//! A workspace takes the extension off a notebook's name when it is uploaded, so that whoever
//! names one (a task, a pipeline's library, the list of uploaded files) has to know before.

use serde_json::Value;

/// What a file is for a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    File,
    /// It lies in the workspace under its name without the extension.
    Notebook,
    /// Named `.ipynb`, but not one.
    BrokenNotebook,
}

/// The extension of a file that may be a notebook, with its dot; none for any other file,
/// whose content need not be looked at.
pub fn extension(path: &str) -> Option<&str> {
    let name = &path[path.rfind('/').map_or(0, |at| at + 1)..];
    let extension = &name[name.rfind('.')?..];
    matches!(extension.to_ascii_lowercase().as_str(), ".py" | ".r" | ".scala" | ".sql" | ".ipynb").then_some(extension)
}

pub fn detect(path: &str, content: &[u8]) -> FileKind {
    let Some(extension) = extension(path) else { return FileKind::File };
    let comment: &[u8] = match extension.to_ascii_lowercase().as_str() {
        ".py" | ".r" => b"#",
        ".scala" => b"//",
        ".sql" => b"--",
        _ => return jupyter(content),
    };
    let line = content.split(|&b| b == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match line.strip_prefix(comment) {
        Some(b" Databricks notebook source") => FileKind::Notebook,
        _ => FileKind::File,
    }
}

fn jupyter(content: &[u8]) -> FileKind {
    let Ok(document) = serde_json::from_slice::<Value>(content) else { return FileKind::BrokenNotebook };
    let known = document.get("nbformat").and_then(Value::as_i64).is_some_and(|v| v >= 4);
    let whole = document.get("cells").is_some_and(Value::is_array);
    if known && whole { FileKind::Notebook } else { FileKind::BrokenNotebook }
}

/// The name under which a local file lies in the workspace.
pub fn remote_name(path: &str, kind: FileKind) -> &str {
    match (kind, extension(path)) {
        (FileKind::Notebook, Some(extension)) => &path[..path.len() - extension.len()],
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_makes_a_notebook() {
        let notebook = |path, text: &str| detect(path, text.as_bytes()) == FileKind::Notebook;
        assert!(notebook("a.py", "# Databricks notebook source\nx"));
        assert!(notebook("a.PY", "# Databricks notebook source"));
        assert!(notebook("a.py", "# Databricks notebook source\r\nx"));
        assert!(notebook("a.sql", "-- Databricks notebook source"));
        assert!(notebook("a.scala", "// Databricks notebook source"));
        assert!(notebook("a.r", "# Databricks notebook source"));
        assert!(notebook("a.ipynb", r#"{"cells": [], "nbformat": 4}"#));
        assert!(!notebook("a.py", "# Databricks notebook source  \n"));
        assert!(!notebook("a.py", "\n# Databricks notebook source"));
        assert!(!notebook("a.txt", "# Databricks notebook source"));
        assert_eq!(detect("a.ipynb", b"{}"), FileKind::BrokenNotebook);
        assert_eq!(remote_name("x.y/a.py", FileKind::Notebook), "x.y/a");
        assert_eq!(remote_name("x.y/a.py", FileKind::File), "x.y/a.py");
    }
}
