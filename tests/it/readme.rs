//! Holds the README to the code: its tables are written by this test from what they describe.
//!
//! `UPDATE_README=1 cargo test readme` writes them anew.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use mlops_deploy::bundle::compatibility::{SETTINGS, Setting};
use mlops_deploy::bundle::kinds;
use mlops_deploy::bundle::passes::unsupported::REFUSED;
use mlops_deploy::domain::failure::{Class, Reason};
use serde_json::Value;

const README: &str = "README.md";

/// In the order in which they run.
const STAGES: [&str; 4] = ["validate", "deploy-dev", "deploy-staging", "promote-prod"];

#[test]
fn the_tables_are_those_of_the_code() {
    let tables = [
        ("permissions", permissions()),
        ("inputs", inputs()),
        ("outputs", outputs()),
        ("exit-codes", exit_codes()),
        ("failure-reasons", failure_reasons()),
        ("kinds", kinds()),
        ("refused", refused()),
        ("compatibility", compatibility()),
    ];
    let now = read(README);
    let mut wanted = now.clone();
    for (name, table) in &tables {
        let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->"));
        let from = wanted.find(&begin).unwrap_or_else(|| panic!("no `{begin}`")) + begin.len();
        let to = from + wanted[from..].find(&end).unwrap_or_else(|| panic!("no `{end}`"));
        wanted.replace_range(from..to, table);
    }
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(root().join(README), &wanted).unwrap();
    } else {
        assert!(now == wanted, "the tables in the README are old; run the test with UPDATE_README=1");
    }
}

#[test]
fn every_path_that_the_readme_names_is_there() {
    let readme = read(README);
    let links = readme.split("](").skip(1).map(|rest| rest.split(')').next().unwrap());
    let missing: Vec<_> = links.filter(|link| !link.contains("://") && !root().join(link).exists()).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let makefile = read("Makefile");
    let targets =
        readme.split("make ").skip(1).map(|rest| rest.split(|c: char| !c.is_ascii_lowercase()).next().unwrap());
    let unknown: Vec<_> = targets
        .filter(|t| ["demo", "test", "conformance", "bench", "image"].contains(t))
        .filter(|t| !makefile.contains(&format!("\n{t}:")))
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn reasons_have_names_of_their_own() {
    let mut names: Vec<_> = Reason::ALL.iter().map(|reason| reason.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Reason::ALL.len());
    assert!(names.iter().all(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '-')));
}

/// From the example's workflows, so that the table and what people copy are the same.
fn permissions() -> String {
    let mut stages: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for file in std::fs::read_dir(root().join("examples/churn/.github/workflows")).unwrap() {
        let workflow = yaml(&std::fs::read_to_string(file.unwrap().path()).unwrap());
        for job in workflow["jobs"].as_object().unwrap().values() {
            let steps = job["steps"].as_array().unwrap();
            let Some(stage) = steps.iter().find_map(|step| step["with"]["stage"].as_str()) else { continue };
            let given = job["permissions"].as_object().unwrap();
            let given = given.iter().map(|(name, level)| (name.clone(), level.as_str().unwrap().to_owned())).collect();
            stages.insert(stage.to_owned(), given);
        }
    }
    let mut table = String::from("| permission | for |");
    let names = ["contents", "id-token", "pull-requests", "deployments", "actions"];
    let why = [
        "the checkout, and comparing commits",
        "the ID token that the workspace exchanges",
        "the comment",
        "the deployment and its status",
        "finding the job's own deployment",
    ];
    for stage in STAGES {
        write!(table, " `{stage}` |").unwrap();
    }
    writeln!(table, "\n|---|---|{}", "---|".repeat(STAGES.len())).unwrap();
    for (name, why) in names.iter().zip(why) {
        write!(table, "| `{name}` | {why} |").unwrap();
        for stage in STAGES {
            let level = stages[stage].iter().find(|(given, _)| given == name).map_or("", |(_, level)| level);
            write!(table, " {level} |").unwrap();
        }
        table.push('\n');
    }
    let unexplained: Vec<_> = stages.values().flatten().filter(|(name, _)| !names.contains(&name.as_str())).collect();
    assert!(unexplained.is_empty(), "say in the table what these are for: {unexplained:?}");
    table
}

fn inputs() -> String {
    let action = yaml(&read("action.yml"));
    let mut table = String::from("| input | default | meaning |\n|---|---|---|\n");
    for (name, input) in action["inputs"].as_object().unwrap() {
        let default = match input["default"].as_str() {
            None | Some("") => String::new(),
            Some(default) => format!("`{default}`"),
        };
        writeln!(table, "| `{name}` | {default} | {} |", cell(&input["description"])).unwrap();
    }
    table
}

fn outputs() -> String {
    let action = yaml(&read("action.yml"));
    let mut table = String::from("| output | meaning |\n|---|---|\n");
    for (name, output) in action["outputs"].as_object().unwrap() {
        writeln!(table, "| `{name}` | {} |", cell(&output["description"])).unwrap();
    }
    table
}

fn exit_codes() -> String {
    let classes = [
        (Class::Input, "your input: a mistake in an input, a configuration file or the bundle"),
        (Class::Refused, "refused by a gate"),
        (Class::Outside, "the outside world: a workspace, GitHub, the disk"),
        (Class::Unsupported, "unsupported: a construct that neither engine here knows"),
        (Class::Bug, "our bug; the message has the link to report it"),
    ];
    let mut table = String::from("| code | meaning |\n|---|---|\n| 0 | done |\n");
    for (class, meaning) in classes {
        writeln!(table, "| {} | {meaning} |", class.exit_code()).unwrap();
    }
    table.push_str("| 130, 143 | cancelled, by SIGINT or SIGTERM |\n");
    table
}

fn failure_reasons() -> String {
    let mut table = String::from("| reason | exit code | meaning |\n|---|---|---|\n");
    for reason in Reason::ALL {
        let code = match reason.class() {
            Class::Cancelled => "130, 143".to_owned(),
            class => class.exit_code().to_string(),
        };
        writeln!(table, "| `{}` | {code} | {} |", reason.name(), reason.meaning()).unwrap();
    }
    table
}

fn kinds() -> String {
    let mut table = String::from("| kind | a delete or recreate loses |\n|---|---|\n");
    for kind in kinds::ALL {
        let id = if kind.loses.identity { "its id" } else { "" };
        let parts: Vec<_> = [id, kind.loses.data].into_iter().filter(|part| !part.is_empty()).collect();
        writeln!(table, "| {} | {} |", kind.title, parts.join("; ")).unwrap();
    }
    table
}

fn refused() -> String {
    let mut table = String::from("| construct | what it is |\n|---|---|\n");
    for (construct, meaning) in REFUSED {
        writeln!(table, "| `{construct}` | {meaning} |").unwrap();
    }
    table
}

fn compatibility() -> String {
    let mut table = String::from("| what | since | there | here |\n|---|---|---|---|\n");
    for Setting { name, since, there, here } in SETTINGS {
        writeln!(table, "| {name} | {since} | {there} | {here} |").unwrap();
    }
    table
}

fn cell(text: &Value) -> String {
    text.as_str().unwrap().split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

fn yaml(text: &str) -> Value {
    serde_yaml::from_str(text).unwrap()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
