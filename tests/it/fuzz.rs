//! Thousands of broken inputs, the same ones each time.
//!
//! Each is made from a good one by a few random cuts, doublings and foreign bytes, with numbers
//! from a fixed seed: what fails here fails again tomorrow. Whatever a reader is given, it
//! answers; the test fails when one panics, fills its stack or does not come back.

use mlops_deploy::bundle::load::yaml;
use mlops_deploy::bundle::planning::planner::{self, Answers};
use mlops_deploy::bundle::planning::references;
use mlops_deploy::bundle::state::{Deployed, State, log_line};
use mlops_deploy::bundle::syntax::{glob, json, reference};
use mlops_deploy::bundle::{Facts, InMemory, Options, User, resolve};
use mlops_deploy::domain::{Path, Tree};

/// Numbers that are always the same (xorshift).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap()
    }
}

/// What breaks a syntax, beside single bytes.
const PIECES: [&str; 24] = [
    "${",
    "}",
    "${var.a}",
    "[",
    "]",
    "{",
    "}",
    ": ",
    "- ",
    "&a ",
    "*a",
    "<<: ",
    "\n  ",
    "\n",
    "!",
    "**/",
    "\\",
    "\"",
    "'",
    "\u{feff}",
    "é",
    "%",
    "\0",
    "99999999999999999999",
];

fn broken(good: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(bytes.len() + 1);
        let end = (at + numbers.below(20)).min(bytes.len());
        match numbers.below(6) {
            0 => drop(bytes.drain(at..end)),
            1 => {
                let piece = bytes[at..end].to_vec();
                let to = numbers.below(bytes.len() + 1);
                bytes.splice(to..to, piece);
            }
            2 if at < bytes.len() => bytes[at] = numbers.next() as u8,
            3 => bytes.truncate(at),
            _ => {
                let piece = PIECES[numbers.below(PIECES.len())].bytes().cycle();
                let length = [1, 2, 3, 50][numbers.below(4)];
                bytes.splice(at..at, piece.take(length).collect::<Vec<_>>());
            }
        }
    }
    bytes
}

/// Gives `rounds` broken forms of each seed to a reader.
fn break_it(seeds: &[&str], rounds: usize, mut reader: impl FnMut(&[u8])) {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for seed in seeds {
        for _ in 0..rounds {
            reader(&broken(seed.as_bytes(), &mut numbers));
        }
    }
}

const BUNDLE: &str = "bundle: {name: fuzz, uuid: 1}
include: ['r/*.yml', '**/x.yml']
variables:
  a: {default: x}
  b: {default: '${var.a}-${bundle.target}', description: long}
  c: {type: complex, default: {num_workers: 1, spark_conf: {k: '${var.b}'}}}
base: &base {timeout_seconds: 60, tags: {t: '${var.a}'}}
resources:
  jobs:
    j:
      <<: *base
      name: 'j ${var.b} ${workspace.current_user.userName}'
      job_clusters: [{job_cluster_key: m, new_cluster: '${var.c}'}]
      tasks:
        - task_key: t
          notebook_task: {notebook_path: ./nb.py, base_parameters: {s: '${resources.schemas.s.id}'}}
        - {task_key: u, depends_on: [{task_key: t}], spark_python_task: {python_file: src/m.py}, environment_key: e}
      environments: [{environment_key: e, spec: {dependencies: [./dist/*.whl, numpy==1.0]}}]
      permissions: [{level: CAN_VIEW, group_name: users}]
  schemas: {s: {name: s, catalog_name: main, grants: [{principal: p, privileges: [SELECT]}]}}
  pipelines: {p: {name: p, libraries: [{notebook: {path: nb.py}}, {file: {path: 'src/*.py'}}]}}
sync: {include: ['*.csv', '/data/**'], exclude: [docs/], paths: [., ../shared]}
presets: {name_prefix: 'x_', tags: {a: b}, trigger_pause_status: PAUSED}
permissions: [{level: CAN_MANAGE, user_name: me@example.com}]
run_as: {user_name: me@example.com}
targets:
  dev: {mode: development, default: true, variables: {a: y}, resources: {jobs: {j: {tasks: [{task_key: t, max_retries: 2}]}}}}
  prod: {mode: production, workspace: {root_path: /Workspace/x}}
";

const STATE: &str = r#"{"state_version": 2, "cli_version": "1.14.0", "lineage": "l", "serial": 3, "state": {
 "resources.jobs.j": {"__id__": "12", "state": {"name": "j", "tasks": [{"task_key": "t", "max_retries": 1}], "tags": {"a": "b"}},
  "depends_on": [{"node": "resources.schemas.s", "label": "${resources.schemas.s.id}"}]},
 "resources.jobs.j.permissions": {"__id__": "/jobs/12", "state": {"object_id": "/jobs/12", "__embed__": [{"level": "CAN_VIEW", "group_name": "g"}]}},
 "resources.schemas.s": {"__id__": "main.s", "state": {"name": "s", "catalog_name": "main"}}}}"#;

#[test]
fn no_broken_yaml_breaks_its_reader() {
    let file = yaml::File { name: "a.yml".into(), full: "/a.yml".to_owned() };
    let anchors = "a: &a [1, &b {c: d}]\ne: *a\nf: {<<: *b, g: !!str 5}\nh: |\n  text\n  more\ni: >-\n  x\n? j\n: [k, 'l', \"m\\n\"]\n";
    break_it(&[BUNDLE, anchors, "--- !!map {a: 0x1f, b: 1e5, c: ~, d: 2001-01-01}\n...\n--- x"], 1500, |bytes| {
        let _ = yaml::parse(&file, bytes);
    });
}

#[test]
fn no_broken_bundle_breaks_its_resolution_or_its_plan() {
    let mut profile = Tree::map();
    profile.set(&["userName"], "me@example.com");
    let facts = Facts { user: Some(User::from_profile(profile)), ..Facts::default() };
    let options = Options { root: "/src/b".to_owned(), validate: true, ..Options::default() };
    break_it(&[BUNDLE], 500, |bytes| {
        let source = InMemory::new()
            .with("databricks.yml", bytes)
            .with("r/x.yml", "resources: {jobs: {k: {name: '${resources.jobs.j.id}'}}}")
            .with("nb.py", "# Databricks notebook source\n")
            .with("src/m.py", "")
            .with(".gitignore", "*.log\n!a.log\n");
        let Ok(resolved) = resolve(&source, &options, &facts) else { return };
        let _ = resolved.files(&source);
        if !resolved.failed() && resolved.unsupported.is_empty() {
            let _ = planner::plan(&resolved.config, &State::new(), &Answers::new(), "1.14.0");
        }
    });
}

#[test]
fn no_broken_reference_breaks_its_readers() {
    let seeds =
        ["${var.a}", "x ${resources.jobs.a-b.tasks[0].k} y", "${var.${var.y}}", "$${a.b[1][2].c}", "é${bundle.x}é"];
    break_it(&seeds, 3000, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let mut end = 0;
        for found in reference::all(&text) {
            assert!(
                found.range.start >= end && text[found.range.clone()] == format!("${{{}}}", found.name),
                "{text:?}"
            );
            end = found.range.end;
        }
        if let Some(whole) = reference::whole(&text) {
            assert_eq!(whole.range, 0..text.len());
        }
        for found in references::scan(&text) {
            assert!(found.start < found.end && text.is_char_boundary(found.start) && text.is_char_boundary(found.end));
        }
        if let Some(path) = Path::parse(&text) {
            assert_eq!(Path::parse(&path.to_string()), Some(path), "{text:?}");
        }
    });
}

#[test]
fn no_broken_pattern_breaks_what_it_is_matched_with() {
    let source = InMemory::new().with("a/b/c.yml", "").with("aaa.yml", "").with("é.yml", "");
    break_it(&["a/**/*.yml", "[a-c]?*.y[^x]l", "{a,b}/\\*.yml", "*a*a*a*b"], 1500, |bytes| {
        let pattern = String::from_utf8_lossy(bytes);
        let _ = glob::matches(&pattern, "aaa.yml");
        let _ = glob::expand(&source, &pattern);
    });
    let rules = "*.log\n/data/\n!important.log\n# comment\nsrc/**/tmp\n[a-z]*\\ \n";
    let options = Options { root: "/b".to_owned(), ..Options::default() };
    break_it(&[rules], 300, |bytes| {
        let source =
            InMemory::new().with("databricks.yml", "bundle: {name: g}").with(".gitignore", bytes).with("src/a.log", "");
        let _ = resolve(&source, &options, &Facts::default()).map(|resolved| resolved.files(&source));
    });
}

#[test]
fn no_broken_json_or_state_breaks_its_reader() {
    let entry = Deployed { id: "7".to_owned(), state: serde_json::json!({"name": "a"}), depends_on: Vec::new() };
    let known = State::parse(STATE.as_bytes()).unwrap();
    let next = known.next(|| "l".to_owned(), "1.14.0");
    let log = next.log_header() + &log_line("resources.jobs.j", Some(&entry)) + &log_line("resources.schemas.s", None);
    let config = json::read(&"a.json".into(), br#"{"resources": {"jobs": {"j": {"name": "k"}}}}"#).unwrap();
    break_it(&[STATE, r#"{"a": [1, -2.5e3, "\u00e9\n", {"b": null}], "c": true}"#], 2000, |bytes| {
        if let Ok(tree) = json::read(&"a.json".into(), bytes) {
            let _ = json::write(&tree, 2);
        }
        let Ok(state) = State::parse(bytes) else { return };
        let Ok(reads) = planner::reads(&state) else { return };
        // The workspace says of everything what the broken state says, or nonsense.
        let told = |node: &String| Some(state.resources[node].state.clone());
        let answers: Answers = reads.iter().map(|read| (read.node.clone(), told(&read.node))).collect();
        let _ = planner::plan(&config, &state, &answers, "1.14.0");
        let _ = planner::plan_destroy(&config, &state, &answers, "1.14.0");
    });
    break_it(&[&log], 1500, |bytes| {
        let _ = known.replay(&String::from_utf8_lossy(bytes));
    });
}
