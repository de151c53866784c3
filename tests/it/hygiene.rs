//! Holds what no compiler looks at: files say what they are, stay readable, and name no machine and no registry.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A source file longer than this holds two ideas.
const LINES: usize = 500;

#[test]
fn every_source_file_says_what_it_is() {
    let silent: Vec<_> = rust_files().filter(|(_, text)| !text.starts_with("//! ")).map(|(path, _)| path).collect();
    assert!(silent.is_empty(), "these do not open with `//! `: {silent:?}");
}

#[test]
fn no_source_file_holds_two_ideas() {
    let long: Vec<_> = rust_files()
        .filter(|(path, text)| path.starts_with("src/") && text.lines().count() > LINES)
        .map(|(path, text)| format!("{path}: {} lines", text.lines().count()))
        .collect();
    assert!(long.is_empty(), "{long:?}");
}

#[test]
fn no_file_names_a_machine_or_a_registry() {
    // Put together here, so that this file does not find itself.
    let hosts =
        [("crates", ".io"), ("pypi", ".org"), ("pythonhosted", ".org"), ("npmjs", ".org"), ("rust-lang", ".org/dist")];
    let folders = [("/ro", "ot/"), ("/wo", "rk/"), ("/opt", "/ref"), ("/opt/", "wheels"), ("/Us", "ers/taylor")];
    let words: Vec<_> = hosts.iter().chain(&folders).map(|(a, b)| format!("{a}{b}")).collect();
    let mut found = Vec::new();
    for (path, text) in tracked_text().filter(|(path, _)| path != "Cargo.lock") {
        for (number, line) in text.lines().enumerate() {
            found.extend(
                words.iter().filter(|word| line.contains(*word)).map(|word| format!("{path}:{}: {word}", number + 1)),
            );
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn cargo_lock_is_the_only_lock_file() {
    let locks =
        ["uv.lock", "poetry.lock", "Pipfile.lock", "package-lock.json", "yarn.lock", "pnpm-lock.yaml", "Cargo.lock"];
    let other: Vec<_> = tracked()
        .into_iter()
        .filter(|path| locks.iter().any(|lock| path.file_name().is_some_and(|name| name == *lock)))
        .filter(|path| path != Path::new("Cargo.lock"))
        .collect();
    assert!(other.is_empty(), "{other:?}");
}

fn rust_files() -> impl Iterator<Item = (String, String)> {
    tracked_text().filter(|(path, _)| path.ends_with(".rs"))
}

fn tracked_text() -> impl Iterator<Item = (String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    tracked().into_iter().filter_map(move |path| {
        let text = std::fs::read_to_string(root.join(&path)).ok()?;
        Some((path.to_string_lossy().into_owned(), text))
    })
}

/// What git tracks, and what it would: a new file is looked at before it is added.
fn tracked() -> Vec<PathBuf> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8(output.stdout).unwrap();
    let files: Vec<_> = names.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from).collect();
    assert!(files.len() > 20, "git lists almost nothing");
    files
}
