//! What the engine resolves, compared with what the official command printed.
//!
//! The corpus lies beside the checkout; without it there is nothing to compare with, and the
//! test says so. Cases the engine refuses are counted, not compared.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use mlops_deploy::bundle::syntax::json;
use mlops_deploy::bundle::{Facts, Git, InMemory, Options, User, resolve};
use mlops_deploy::domain::{Diagnostic, Severity, Tree};
use serde_json::Value;

const PERSON: &str = "tester@databricks.com";
const PRINCIPAL: &str = "aaaaaaaa-bbbb-4ccc-dddd-eeeeeeeeeeee";

fn corpus() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance/corpus");
    path.is_dir().then_some(path)
}

struct Case {
    name: String,
    folder: PathBuf,
    spec: Value,
}

fn cases(corpus: &Path) -> Vec<Case> {
    let sorted = |path: &Path| {
        let mut found: Vec<PathBuf> = fs::read_dir(path).unwrap().map(|e| e.unwrap().path()).collect();
        found.sort();
        found
    };
    let mut found = Vec::new();
    for group in sorted(corpus).into_iter().filter(|p| p.is_dir()) {
        for folder in sorted(&group).into_iter().filter(|p| p.join("case.json").is_file()) {
            let spec = serde_json::from_slice(&fs::read(folder.join("case.json")).unwrap()).unwrap();
            let name = folder.strip_prefix(corpus).unwrap().display().to_string();
            found.push(Case { name, folder, spec });
        }
    }
    found
}

fn add(mut source: InMemory, at: &Path, below: &str) -> InMemory {
    let Ok(entries) = fs::read_dir(at) else { return source };
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let name = name.strip_prefix("dot_").map(|rest| format!(".{rest}")).unwrap_or(name);
        let name = format!("{below}{name}");
        source = match path.is_dir() {
            true => add(source, &path, &format!("{name}/")),
            false => source.with(&name, fs::read(&path).unwrap()),
        };
    }
    source
}

fn files(case: &Case) -> InMemory {
    let mut source = add(InMemory::new(), &case.folder.join("bundle"), "");
    for file in case.spec["files"].as_array().into_iter().flatten() {
        let content = file["text"].as_str().unwrap_or("bytes");
        source = source.with(file["path"].as_str().unwrap(), content);
    }
    if case.spec["git"]["parent"] == true {
        source = source.with("../.gitignore", "/home\n/bin\n");
    }
    source
}

fn facts(case: &Case) -> Facts {
    let name = if case.spec["identity"] == "service_principal" { PRINCIPAL } else { PERSON };
    let mut profile = Tree::map();
    profile.set(&["id"], "1000012345");
    profile.set(&["userName"], name);
    let git = case.spec.get("git").filter(|g| !g.is_null()).map(|git| Git {
        bundle_path: if git["parent"] == true { "bundle".to_owned() } else { ".".to_owned() },
        branch: (git["detached"] != true).then(|| git["branch"].as_str().unwrap_or("main").to_owned()),
        commit: (git["commit"] != false).then(|| "[COMMIT]".to_owned()),
        origin_url: git["origin"].as_str().map(str::to_owned),
    });
    Facts { user: Some(User::from_profile(profile)), git, ..Facts::default() }
}

fn text_map(value: &Value) -> BTreeMap<String, String> {
    let entries = value.as_object().into_iter().flatten();
    entries.map(|(k, v)| (k.clone(), v.as_str().unwrap_or_default().to_owned())).collect()
}

/// The validate steps that see the bundle as it was written: before an overlay changes it.
fn steps(case: &Case) -> Vec<(String, Options)> {
    let mut found = Vec::new();
    for (i, step) in case.spec["steps"].as_array().unwrap().iter().enumerate() {
        let what = step.as_str().or(step["do"].as_str()).unwrap();
        if what == "overlay" {
            break;
        }
        if what != "validate" || step.get("output").is_some() || step.get("cwd").is_some() {
            continue;
        }
        let mut environment = text_map(&case.spec["env"]);
        environment.extend(text_map(&step["env"]));
        let target = step.get("target").unwrap_or(&case.spec["target"]).as_str().map(str::to_owned);
        let variables = step.get("vars").filter(|v| !v.is_null()).unwrap_or(&case.spec["vars"]);
        let options = Options {
            root: "[WORK]/bundle".to_owned(),
            target,
            variables: text_map(variables).into_iter().collect(),
            environment,
            validate: true,
            ..Options::default()
        };
        found.push((format!("{:02}-validate", i + 1), options));
    }
    found
}

fn normal(text: &str) -> String {
    let text = text.replace("1000012345", "[USER_ID]").replace(PERSON, "[USERNAME]").replace(PRINCIPAL, "[USERNAME]");
    let underscored = PRINCIPAL.replace('-', "_");
    let text = text.replace(&underscored, "[SHORT_NAME]");
    // The short name of the person is a word of its own wherever it stands.
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find("tester") {
        let word = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        let alone = !word(rest[..at].chars().next_back()) && !word(rest[at + 6..].chars().next());
        out.push_str(&rest[..at]);
        out.push_str(if alone { "[SHORT_NAME]" } else { "tester" });
        rest = &rest[at + 6..];
    }
    out + rest
}

/// Numbers by value: the recording writes 1.0 as 1.
fn same(a: &Value, b: &Value, at: &str, found: &mut Vec<String>) {
    match (a, b) {
        // A short name that is glued to another word.
        (Value::String(x), Value::String(y)) if x.replace("[SHORT_NAME]", "tester") == *y => {}
        (Value::Object(x), Value::Object(y)) => {
            let keys: std::collections::BTreeSet<&String> = x.keys().chain(y.keys()).collect();
            for key in keys {
                let at = format!("{at}.{key}");
                match (x.get(key), y.get(key)) {
                    (Some(x), Some(y)) => same(x, y, &at, found),
                    (Some(x), None) => found.push(format!("{at}: missing, expected {x}")),
                    (None, Some(y)) => found.push(format!("{at}: unexpected {y}")),
                    (None, None) => {}
                }
            }
        }
        (Value::Array(x), Value::Array(y)) if x.len() == y.len() => {
            for (i, (x, y)) in x.iter().zip(y).enumerate() {
                same(x, y, &format!("{at}[{i}]"), found);
            }
        }
        (Value::Number(x), Value::Number(y)) if x.as_f64() == y.as_f64() => {}
        _ if a == b => {}
        _ => found.push(format!("{at}: expected {a}, got {b}")),
    }
}

/// Severity, places and first sentence, as the recording is compared.
fn heads(diagnostics: &[Diagnostic]) -> Vec<String> {
    let mut heads: Vec<String> = diagnostics
        .iter()
        .map(|d| {
            let mut places: Vec<String> = d.origins.iter().map(|o| format!("{}:{}", o.file, o.line)).collect();
            places.sort();
            let line = d.summary.lines().next().unwrap_or_default();
            format!("{} [{}] {}", d.severity, places.join(" "), normal(sentence(line)))
        })
        .collect();
    heads.sort();
    heads
}

fn sentence(line: &str) -> &str {
    let end = line.match_indices(['.', '!', '?']).find(|(i, _)| line[i + 1..].starts_with(' '));
    end.map_or(line, |(i, _)| &line[..=i]).trim()
}

fn recorded_heads(stderr: &str) -> Vec<String> {
    let mut heads: Vec<(String, Vec<String>, String)> = Vec::new();
    let mut inside = false;
    for line in stderr.lines() {
        let head = ["Error", "Warning", "Recommendation"]
            .into_iter()
            .find_map(|s| Some((s, line.strip_prefix(s)?.strip_prefix(": ")?)));
        if let Some((severity, text)) = head {
            heads.push((severity.to_owned(), Vec::new(), sentence(text).to_owned()));
            inside = false;
        } else if let Some((_, places, _)) = heads.last_mut() {
            inside = line.starts_with("  in ") || inside && line.starts_with("     ");
            if inside {
                let place = line.trim().trim_start_matches("in ");
                places.push(place.rsplit_once(':').unwrap().0.to_owned());
            }
        }
    }
    let mut heads: Vec<String> = heads
        .into_iter()
        .map(|(severity, mut places, text)| {
            places.sort();
            format!("{severity} [{}] {text}", places.join(" "))
        })
        .collect();
    heads.sort();
    heads
}

#[test]
fn the_engine_resolves_what_the_official_command_resolves() {
    let Some(corpus) = corpus() else {
        eprintln!("skipped: the conformance corpus does not lie beside this checkout");
        return;
    };
    let only = std::env::var("CASE").unwrap_or_default();
    let (mut equal, mut refused, mut wording) = (0, 0, Vec::new());
    let mut different = Vec::new();
    for case in cases(&corpus).iter().filter(|c| c.name.contains(&only)) {
        let source = files(case);
        for (step, options) in steps(case) {
            let mut resolved = resolve(&source, &options, &facts(case)).unwrap();
            let later = resolved.checks.drain(..).chain(resolved.validate_checks.drain(..)).collect::<Vec<_>>();
            resolved.diagnostics.extend(later);
            // What only a workspace knows is compared by the corpus's own checker.
            if !resolved.lookups.is_empty() {
                continue;
            }
            if !resolved.unsupported.is_empty() {
                refused += 1;
                if !only.is_empty() {
                    eprintln!("REFUSED {} {step}: {}", case.name, resolved.unsupported[0]);
                }
                continue;
            }
            let expect = case.folder.join("expect").join(&step);
            let exits: Value =
                serde_json::from_slice(&fs::read(case.folder.join("expect/exits.json")).unwrap()).unwrap();
            let written = json::write(&resolved.config, 2);
            // Infinity has no JSON form: printing is what fails then.
            let failed = written.is_err() || resolved.diagnostics.iter().any(|d| d.severity == Severity::Error);
            let mut found = Vec::new();
            let strict = case.spec["steps"].to_string().contains("--strict");
            if !strict && failed != (exits[&step] != 0) {
                found.push(format!("exit: expected {}, failed: {failed}", exits[&step]));
            }
            let printed = match written {
                Ok(text) => serde_json::from_str(&normal(&text)).unwrap(),
                Err(_) => Value::Null,
            };
            let expected =
                fs::read(expect.join("stdout.json")).map_or(Value::Null, |b| serde_json::from_slice(&b).unwrap());
            same(&expected, &printed, "", &mut found);
            let stderr = fs::read_to_string(expect.join("stderr.txt")).unwrap_or_default();
            let (theirs, ours) = (recorded_heads(&stderr), heads(&resolved.diagnostics));
            if theirs != ours {
                wording.push(format!(
                    "{} {step}\n  - {}\n  + {}",
                    case.name,
                    theirs.join("\n  - "),
                    ours.join("\n  + ")
                ));
            }
            match found.is_empty() {
                true => equal += 1,
                false => different.push(format!("{} {step}\n  {}", case.name, found.join("\n  "))),
            }
        }
    }
    eprintln!("{}\n", different.join("\n"));
    if std::env::var("WORDING").is_ok() {
        eprintln!("{}\n", wording.join("\n"));
    }
    eprintln!("equal {equal}, refused {refused}, different {}, other words {}", different.len(), wording.len());
    assert!(different.is_empty(), "{} validate steps differ", different.len());
    assert!(!only.is_empty() || equal >= 155, "only {equal} validate steps are equal; fewer than before");
}
