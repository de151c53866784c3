//! `action.yml` says what the code does: inputs, defaults, outputs, entry points, both ways.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use mlops_deploy::inputs::{INPUTS, Inputs, Raw, Surroundings};
use mlops_deploy::report::OUTPUTS;
use serde_json::Value;

fn file() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("action.yml")
}

fn action() -> Value {
    serde_yaml::from_str(&std::fs::read_to_string(file()).unwrap()).unwrap()
}

/// Names in order, each with its field `field`.
fn table(section: &Value, field: &str) -> Vec<(String, String)> {
    let entries = section.as_object().unwrap().iter();
    entries.map(|(name, entry)| (name.clone(), entry[field].as_str().unwrap_or_default().to_owned())).collect()
}

fn owned<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<(String, String)> {
    pairs.map(|(a, b)| (a.to_owned(), b.to_owned())).collect()
}

#[test]
fn inputs_are_the_ones_that_the_code_reads() {
    let inputs = &action()["inputs"];
    assert_eq!(table(inputs, "description"), owned(INPUTS.iter().map(|i| (i.name, i.description))));
    assert_eq!(table(inputs, "default"), owned(INPUTS.iter().map(|i| (i.name, i.default))));
    let required: Vec<&String> =
        inputs.as_object().unwrap().iter().filter(|(_, i)| i["required"] == true).map(|(name, _)| name).collect();
    assert_eq!(required, ["stage"]);
}

#[test]
fn outputs_are_the_ones_that_the_code_writes() {
    assert_eq!(table(&action()["outputs"], "description"), owned(OUTPUTS.iter().map(|o| (o.name, o.description))));
}

/// Leaving every input out must mean the same on a laptop, where `action.yml` gives no defaults.
#[test]
fn the_defaults_mean_what_leaving_them_out_means() {
    let at = Surroundings { root: "/work".into(), confined: true };
    let parse = |pairs: Vec<(String, String)>| {
        let variables =
            pairs.into_iter().map(|(name, value)| (format!("INPUT_{}", name.to_uppercase()).into(), value.into()));
        Inputs::parse(Raw::from_environment(variables), &at).unwrap()
    };
    let stage = ("stage".to_owned(), "validate".to_owned());
    let mut filled: BTreeMap<String, String> = table(&action()["inputs"], "default").into_iter().collect();
    // What the runner puts in place of the expression.
    filled.insert("github-token".to_owned(), String::new());
    filled.insert(stage.0.clone(), stage.1.clone());
    let (given, left_out) = (parse(filled.into_iter().collect()), parse(vec![stage]));
    assert_eq!(format!("{given:?}"), format!("{left_out:?}"));
}

/// The runner reads the whole file as a template, and refuses it for an expression anywhere else.
#[test]
fn expressions_stand_only_where_they_are_evaluated() {
    let text = std::fs::read_to_string(file()).unwrap();
    let with: Vec<&str> = text.lines().filter(|line| line.contains("${{")).map(str::trim_start).collect();
    assert!(!with.is_empty() && with.iter().all(|line| line.starts_with("default:")), "{with:?}");
}

/// A name without a hyphen would be lost on nobody; a name with one needs the runner's spelling.
#[test]
fn names_are_what_the_runner_can_hand_over() {
    for name in INPUTS.iter().map(|i| i.name).chain(OUTPUTS.iter().map(|o| o.name)) {
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{name}");
    }
}

#[test]
fn entry_points_are_in_the_image() {
    let runs = action()["runs"].clone();
    let dockerfile = std::fs::read_to_string(file().with_file_name("Dockerfile")).unwrap();
    assert!(dockerfile.contains(&format!("ENTRYPOINT [\"{}\"]", runs["entrypoint"].as_str().unwrap())));
    let post = runs["post-entrypoint"].as_str().unwrap();
    assert!(dockerfile.contains(&format!("/rootfs{post}")), "{post}");
    assert_eq!(runs["post-if"], "always()");
    assert!(runs.get("args").is_none(), "the runner quotes arguments wrongly, and a default hides a missing input");
}

/// By GitHub's published schema, where the checker is installed.
#[test]
fn github_would_take_the_file() {
    let checker =
        Command::new("check-jsonschema").args(["--builtin-schema", "vendor.github-actions"]).arg(file()).output();
    match checker {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout)),
        Err(_) => println!("check-jsonschema is not installed: action.yml is not checked against GitHub's schema"),
    }
}
