//! Holds which layer may use which, edge by edge, and which of them may touch the world.
//!
//! The compiler cannot: layers are modules of one crate, so that a change across them is one change. The list below
//! is the picture of the house; an edge that is not in it is a decision, and belongs into DESIGN's table and here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Layer, and what it may use. `app` and `main` compose everything and stand outside.
const MAY_USE: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("saga", &["domain"]),
    ("ports", &["domain", "saga"]),
    ("bundle", &["domain"]),
    ("inputs", &["domain"]),
    ("policy", &["domain"]),
    ("steps", &["domain", "saga", "ports", "bundle"]),
    ("engines", &["domain", "saga", "ports", "bundle", "steps"]),
    ("stages", &["domain", "saga", "ports", "bundle", "inputs", "policy", "steps"]),
    ("report", &["domain", "saga"]),
    ("adapters", &["domain", "ports"]),
    ("rehearsal", &[]),
];

const COMPOSERS: &[&str] = &["app", "main", "lib"];

/// What reaches the world: files, processes, sockets, the environment, clocks.
const WORLD: &[&str] = &[
    "std::fs",
    "std::env",
    "std::net",
    "std::process",
    "tokio::fs",
    "tokio::net",
    "tokio::process",
    "reqwest::",
    "octocrab",
    "rustix::",
    "SystemTime::now",
    "Timestamp::now",
];

/// Layers that are the world's edge, or a world of their own.
const AT_THE_EDGE: &[&str] = &["adapters", "rehearsal"];

#[test]
fn every_layer_uses_only_what_it_may() {
    let mut wrong = Vec::new();
    for file in sources() {
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == file.layer) else {
            assert!(COMPOSERS.contains(&file.layer.as_str()), "src/{} is a layer that nobody described", file.layer);
            continue;
        };
        for (line, used) in file.uses() {
            if used != file.layer && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{}:{line}: {} may not use {used}", file.path.display(), file.layer));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn only_the_edge_touches_the_world() {
    let mut wrong = Vec::new();
    for file in sources() {
        if AT_THE_EDGE.contains(&file.layer.as_str()) || COMPOSERS.contains(&file.layer.as_str()) {
            continue;
        }
        for (number, line) in file.code.lines().enumerate() {
            for word in WORLD.iter().filter(|word| line.contains(*word)) {
                wrong.push(format!("{}:{}: `{word}` in {}", file.path.display(), number + 1, file.layer));
            }
        }
    }
    assert!(wrong.is_empty(), "use a port\n{}", wrong.join("\n"));
}

#[test]
fn the_bundle_engine_is_pure() {
    let mut wrong = Vec::new();
    for file in sources().into_iter().filter(|file| file.layer == "bundle") {
        for (number, line) in file.code.lines().enumerate() {
            if ["async ", ".await", "tokio::", "futures::"].iter().any(|word| line.contains(word)) {
                wrong.push(format!("{}:{}: {}", file.path.display(), number + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "bytes and facts in, documents out\n{}", wrong.join("\n"));
}

#[test]
fn the_layers_have_no_circle() {
    let edges: BTreeMap<_, BTreeSet<_>> =
        MAY_USE.iter().map(|(name, uses)| (*name, uses.iter().copied().collect())).collect();
    let mut left: BTreeSet<_> = edges.keys().copied().collect();
    while let Some(free) = left.iter().copied().find(|name| edges[name].is_disjoint(&left)) {
        left.remove(free);
    }
    assert!(left.is_empty(), "these use each other: {left:?}");
}

#[test]
fn a_use_is_seen_however_it_is_written() {
    let seen = |path: &str, text: &str| {
        let uses = Source::new(Path::new(path), text).uses();
        uses.into_iter().map(|(line, used)| format!("{line} {used}")).collect::<Vec<_>>()
    };
    assert_eq!(seen("bundle/a.rs", "use crate::ports::Rest;"), ["1 ports"]);
    assert_eq!(seen("bundle/a.rs", "use crate::{domain::{Tree, path}, saga::{self, run}};"), ["1 domain", "1 saga"]);
    assert_eq!(seen("bundle/a.rs", "use crate::{\n    domain::Tree,\n    steps,\n};"), ["2 domain", "3 steps"]);
    assert_eq!(seen("bundle/kinds/a.rs", "use super::super::super::ports::Rest;"), ["1 ports"]);
    assert_eq!(seen("bundle/mod.rs", "let x = super::stages::run();"), ["1 stages"]);
    assert_eq!(seen("bundle/a.rs", "pub(crate) fn f(t: &crate::domain::Tree) {}"), ["1 domain"]);
    let quiet = "// crate::ports\n/* crate::steps */ const A: &str = \"crate::saga\";\n#[cfg(test)]\nmod tests { use crate::stages; }";
    assert_eq!(seen("bundle/a.rs", quiet), [""; 0]);
}

struct Source {
    path: PathBuf,
    layer: String,
    /// How many `super`s lead from the file to the root of the crate.
    depth: usize,
    /// Comments, strings and tests blanked out; lines keep their numbers.
    code: String,
}

impl Source {
    fn new(path: &Path, text: &str) -> Self {
        let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        let is_mod = parts.last().is_some_and(|name| name == "mod.rs");
        let layer = parts[0].trim_end_matches(".rs").to_owned();
        Self { path: path.to_owned(), layer, depth: parts.len() - usize::from(is_mod), code: blank(text) }
    }

    fn uses(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        let root = "super::".repeat(self.depth);
        for prefix in ["crate::", root.as_str()] {
            for (at, _) in self.code.match_indices(prefix) {
                let before = self.code[..at].chars().next_back();
                if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':' || c == '$') {
                    continue;
                }
                found.extend(names(&self.code, at + prefix.len()));
            }
        }
        found.sort();
        found.dedup();
        // `crate` in a `pub(crate)` has no `::`; a macro or item at the root is no layer.
        found.retain(|(_, name)| MAY_USE.iter().any(|(layer, _)| layer == name) || COMPOSERS.contains(&name.as_str()));
        found
    }
}

/// The first names after a path's root: one, or each of a `{group}`.
fn names(code: &str, from: usize) -> Vec<(usize, String)> {
    let line = |at: usize| code[..at].matches('\n').count() + 1;
    let word = |at: usize| code[at..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    if !code[from..].starts_with('{') {
        return vec![(line(from), word(from))];
    }
    let (mut depth, mut found) = (0, Vec::new());
    for (offset, c) in code[from..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if depth == 1 && (c == '{' || c == ',') {
            let next = from + offset + 1;
            let skipped = code[next..].len() - code[next..].trim_start().len();
            found.push((line(next + skipped), word(next + skipped)));
        }
    }
    found
}

/// Blanks comments and string contents, and everything from the test module on.
fn blank(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |at| at + 2)
        } else if let Some(body) = raw_string(rest) {
            body
        } else if c == '"' {
            string(rest)
        } else if rest.starts_with("'\"'") || rest.starts_with("'\\") {
            rest[2..].find('\'').map_or(rest.len(), |at| at + 3)
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        };
        out.extend(rest[..length].chars().filter(|c| *c == '\n'));
        rest = &rest[length..];
    }
    out
}

fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

fn raw_string(text: &str) -> Option<usize> {
    let hashes = text.strip_prefix('r')?.chars().take_while(|c| *c == '#').count();
    text[1 + hashes..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let body = 2 + hashes;
    Some(text[body..].find(&close).map_or(text.len(), |at| body + at + close.len()))
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push(Source::new(path.strip_prefix(&root).unwrap(), &text));
            }
        }
    }
    assert!(found.len() > 10, "the walk over src/ found almost nothing");
    found
}
