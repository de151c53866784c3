//! Holds what the binary is made of: licences, banned crates, sources, and crates that come twice.
//!
//! A test over `cargo tree` in place of a tool: it compiles in no time, and the lists with their reasons stand
//! where the other rules of the house do.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Permissive ones only: who uses the action owes nobody their source.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

const BANNED: &[(&str, &str)] = &[
    ("native-tls", "one TLS stack: rustls"),
    ("openssl", "one TLS stack: rustls"),
    ("openssl-sys", "a static binary links no system library"),
    ("ring", "one crypto provider: aws-lc-rs"),
    ("serde_yml", "unsound; `yaml_serde` is the maintained fork"),
    ("serde_yaml", "archived; `yaml_serde` is the maintained fork"),
];

/// Crates that come in two versions, and who keeps the older one.
const TWICE: &[(&str, &str)] = &[
    ("base64", "reqwest and hyper-util moved to 0.23, jsonwebtoken and octocrab did not"),
    ("block-buffer", "octocrab's hmac 0.12 keeps sha2 0.10"),
    ("cpufeatures", "octocrab's hmac 0.12 keeps sha2 0.10"),
    ("crypto-common", "octocrab's hmac 0.12 keeps sha2 0.10"),
    ("digest", "octocrab's hmac 0.12 keeps sha2 0.10"),
    ("getrandom", "octocrab"),
    ("sha2", "octocrab's hmac 0.12 keeps sha2 0.10"),
    ("syn", "half the derive macros moved to 3"),
    ("untrusted", "rustls-webpki and aws-lc-rs"),
];

#[test]
fn every_licence_is_permissive() {
    let wrong: Vec<_> = shipped()
        .into_iter()
        .filter(|package| !permitted(&package.licence))
        .map(|package| format!("{}: `{}`", package.name, package.licence))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn nothing_banned_is_linked() {
    let names: BTreeSet<_> = shipped().into_iter().map(|p| p.name).collect();
    let wrong: Vec<_> = BANNED.iter().filter(|(name, _)| names.contains(*name)).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn every_crate_comes_from_the_registry() {
    let wrong: Vec<_> = shipped().into_iter().filter_map(|p| p.elsewhere).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn no_crate_comes_twice_unnoticed() {
    let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in shipped() {
        versions.entry(package.name).or_default().push(package.version);
    }
    let twice: BTreeSet<_> = versions.iter().filter(|(_, v)| v.len() > 1).map(|(name, _)| name.as_str()).collect();
    let known: BTreeSet<_> = TWICE.iter().map(|(name, _)| *name).collect();
    let new: Vec<_> = twice.difference(&known).map(|name| format!("{name} {:?}", versions[*name])).collect();
    assert!(new.is_empty(), "avoid these, or say in TWICE who keeps the older one: {new:?}");
    let gone: Vec<_> = known.difference(&twice).collect();
    assert!(gone.is_empty(), "these come once now; take them off TWICE: {gone:?}");
}

#[test]
fn licence_expressions_are_read_as_written() {
    assert!(permitted("GPL-3.0 OR MIT"));
    assert!(!permitted("GPL-3.0 AND MIT"));
    assert!(permitted("(GPL-3.0 OR MIT) AND ISC"));
    assert!(!permitted("GPL-3.0 OR MIT AND MPL-2.0"));
    assert!(permitted("MIT/Apache-2.0"));
    assert!(permitted("Apache-2.0 WITH LLVM-exception"));
    assert!(!permitted("GPL-2.0 WITH Classpath-exception-2.0"));
}

struct Package {
    name: String,
    version: String,
    licence: String,
    /// Where it comes from when that is not the registry.
    elsewhere: Option<String>,
}

/// Everything that is compiled into the binary or into building it. `cargo metadata` would also list what features
/// that nobody turned on would bring.
fn shipped() -> Vec<Package> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--edges=normal,build", "--prefix=none", "--format={p}|{l}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: BTreeSet<_> =
        text.lines().map(|line| line.trim_end_matches(" (*)")).filter(|line| !line.is_empty()).collect();
    let packages: Vec<_> = lines.into_iter().map(package).filter(|p| p.name != env!("CARGO_PKG_NAME")).collect();
    assert!(packages.len() > 50, "cargo lists almost nothing");
    packages
}

/// `name v1.2.3 (proc-macro) (source)|licence`, the brackets only where they apply.
fn package(line: &str) -> Package {
    let (id, licence) = line.split_once('|').unwrap();
    let mut words = id.split_whitespace();
    let mut next = || words.next().unwrap().to_owned();
    let (name, version) = (next(), next().trim_start_matches('v').to_owned());
    let elsewhere = words.find(|word| *word != "(proc-macro)").map(str::to_owned);
    Package { name, version, licence: licence.to_owned(), elsewhere }
}

/// An SPDX expression holds when some choice in it needs only permitted licences; AND binds tighter than OR.
fn permitted(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<_> = spaced.split_whitespace().collect();
    !words.is_empty() && either(&words, &mut 0)
}

fn either(words: &[&str], at: &mut usize) -> bool {
    let mut holds = both(words, at);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        holds |= both(words, at);
    }
    holds
}

fn both(words: &[&str], at: &mut usize) -> bool {
    let mut holds = one(words, at);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        holds &= one(words, at);
    }
    holds
}

fn one(words: &[&str], at: &mut usize) -> bool {
    let word = words[*at];
    *at += 1;
    if word == "(" {
        let holds = either(words, at);
        *at += 1;
        return holds;
    }
    if words.get(*at) == Some(&"WITH") {
        *at += 2;
        return LICENCES.contains(&format!("{word} WITH {}", words[*at - 1]).as_str());
    }
    LICENCES.contains(&word)
}
