//! Bundles whose resources Python code makes, or changes. The interpreter is a real process in a virtual environment of
//! the bundle; the code in it is the test's own and follows the protocol of `databricks.bundles.build`.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::bundle_by_hand::{Hand, said};

const BUNDLE: &str = "bundle: {name: py}
python: {venv_path: .venv, resources: ['resources:load_resources'], mutators: ['mutators:retry']}
variables: {team: {default: ml}}
resources:
  schemas: {features: {name: features, catalog_name: main}}
  jobs:
    written: {name: written, max_concurrent_runs: 2, tasks: [{task_key: t, notebook_task: {notebook_path: ./nb.py}}]}
targets:
  dev: {mode: development, default: true}
";

/// What every code begins with, and how it ends.
const AROUND: &str = "import json, os, sys
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
assert given['-m'] == 'databricks.bundles.build', given
phase = given['--phase']
bundle = json.load(open(given['--input']))
resources, remarks, places = bundle.setdefault('resources', {}), [], []
def end(status=0):
    for name, lines in [('--diagnostics', remarks), ('--locations', places)]:
        open(given[name], 'w').write(''.join(json.dumps(line) + chr(10) for line in lines))
    json.dump(bundle, open(given['--output'], 'w'))
    sys.exit(status)
CODE
end()
";

async fn with(code: &str) -> Hand {
    let hand = Hand::with(BUNDLE).await;
    let folder = hand.folder.path();
    fs::write(folder.join("nb.py"), "# Databricks notebook source\n").unwrap();
    fs::write(folder.join("train.py"), "print(1)\n").unwrap();
    fs::write(folder.join(".gitignore"), ".venv\n").unwrap();
    fs::create_dir_all(folder.join(".venv/bin")).unwrap();
    fs::write(folder.join(".venv/pyvenv.cfg"), "").unwrap();
    let python = folder.join(".venv/bin/python3");
    fs::write(&python, "#!/bin/sh\nexec python3 \"$(dirname \"$0\")/code.py\" \"$@\"\n").unwrap();
    fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
    says(&hand, code);
    hand
}

fn says(hand: &Hand, code: &str) {
    fs::write(hand.folder.path().join(".venv/bin/code.py"), AROUND.replace("CODE", code)).unwrap();
}

async fn validated(hand: &Hand) -> Value {
    serde_json::from_str(&hand.done(&["validate", "-o", "json"]).await).unwrap()
}

const A_JOB: &str = "
if phase == 'load_resources':
    resources['jobs']['made'] = {
        'name': 'made for ${var.team} in ${bundle.target}', 'max_concurrent_runs': '5',
        'trigger': {'periodic': {'interval': 1, 'unit': 'DAYS'}},
        'tasks': [{'task_key': 'b', 'spark_python_task': {'python_file': 'train.py'}, 'environment_key': 'e'},
                  {'task_key': 'a', 'notebook_task': {'notebook_path': 'nb.py'}}],
        'environments': [{'environment_key': 'e', 'spec': {'environment_version': '2'}}]}
    resources['volumes'] = {'made': {'name': 'v', 'catalog_name': 'main', 'schema_name': 'features'}}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_code_adds_is_deployed_as_one_of_a_file() {
    let hand = with(A_JOB).await;
    let made = &validated(&hand).await["resources"]["jobs"]["made"];
    let prefix = made["name"].as_str().unwrap().strip_suffix("made for ml in dev").expect("references are resolved");
    assert!(prefix.starts_with("[dev "), "a development target names its jobs: {made}");
    assert_eq!(made["max_concurrent_runs"], 5);
    assert_eq!(made["trigger"]["pause_status"], "PAUSED");
    assert_eq!(made["queue"]["enabled"], true);
    assert_eq!(made["tasks"][0]["task_key"], "a");
    let notebook = made["tasks"][0]["notebook_task"]["notebook_path"].as_str().unwrap();
    assert!(notebook.ends_with("/files/nb") && notebook.starts_with("/Workspace/"), "{notebook}");

    hand.done(&["deploy"]).await;
    assert_eq!(hand.jobs().await, 2);
    assert!(hand.done(&["plan"]).await.contains("0 to add, 0 to change, 0 to delete"), "a deployed bundle has no plan");

    says(&hand, "");
    let planned = hand.done(&["plan"]).await;
    assert!(planned.contains("delete jobs.made") && planned.contains("delete volumes.made"), "{planned}");
    hand.done(&["deploy", "--auto-approve"]).await;
    assert_eq!(hand.jobs().await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schemas_of_files_and_of_code_do_not_know_each_other_by_name() {
    let hand = with(A_JOB).await;
    let volume = &validated(&hand).await["resources"]["volumes"]["made"];
    assert_eq!(volume["volume_path"], "/Volumes/main/features/v", "the schema of the file has a prefix by then");
    let code = format!("{A_JOB}    resources['schemas']['own'] = {{'name': 'features', 'catalog_name': 'main'}}\n");
    says(&hand, &code);
    let volume = &validated(&hand).await["resources"]["volumes"]["made"];
    assert_eq!(volume["schema_name"], "${resources.schemas.own.name}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn code_changes_what_files_and_code_have_and_no_prefix_comes_twice() {
    let code = "
if phase == 'apply_mutators':
    assert resources['jobs']['written']['tags'] == {'dev': resources['jobs']['written']['tags']['dev']}
    for job in resources['jobs'].values():
        job['name'] += ' of ${var.team}'
        for task in job['tasks']:
            task['max_retries'] = 3
        job['tasks'] += [{'task_key': 't', 'timeout_seconds': 60}]
        del job['max_concurrent_runs']
";
    let hand = with(code).await;
    let job = &validated(&hand).await["resources"]["jobs"]["written"];
    let name = job["name"].as_str().unwrap();
    assert!(name.ends_with("] written of ml") && name.matches("[dev ").count() == 1, "{name}");
    assert_eq!(job["tasks"].as_array().unwrap().len(), 1, "tasks of one name are one task: {job}");
    assert_eq!((&job["tasks"][0]["max_retries"], &job["tasks"][0]["timeout_seconds"]), (&3.into(), &60.into()));
    assert!(job.get("max_concurrent_runs").is_none(), "{job}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn code_that_touches_what_is_not_its_own_is_an_error_that_names_it() {
    let cases = [
        (
            "if phase == 'load_resources': resources['jobs']['written']['name'] = 'x'",
            "change",
            "resources.jobs.written",
        ),
        ("if phase == 'load_resources': del resources['jobs']", "delete", "resources.jobs.written"),
        ("if phase == 'apply_mutators': resources['jobs']['n'] = {'name': 'n'}", "add", "resources.jobs.n"),
        ("bundle['variables']['team']['value'] = 'x'", "update", "variables.team.value"),
        ("bundle['permissions'] = [{'level': 'CAN_VIEW', 'user_name': 'u'}]", "insert", "permissions"),
        ("del bundle['workspace']['root_path']", "delete", "workspace.root_path"),
        ("resources['jobs']['written']['nmae'] = 'x'", "unknown field: nmae", "resources.jobs.written"),
        (
            "if phase == 'load_resources': resources['jobs']['n'] = {'tasks': 1}",
            "expected sequence",
            "resources.jobs.n",
        ),
        ("if phase == 'load_resources': resources['jobs']['n'] = None", "no fields", "resources.jobs.n"),
    ];
    let hand = with("").await;
    for (code, word, place) in cases {
        says(&hand, code);
        let refused = hand.run(&["deploy"]).await;
        assert_eq!(refused.status.code(), Some(1), "{code}: {}", said(&refused));
        assert!(said(&refused).starts_with("Error: "), "{code}: {}", said(&refused));
        assert!(said(&refused).contains(word) && said(&refused).contains(place), "{code}: {}", said(&refused));
    }
    assert_eq!(hand.jobs().await, 0, "nothing is deployed of a bundle with an error");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_code_remarks_stands_at_its_own_line() {
    let code = "
if phase == 'load_resources':
    remarks.append({'severity': 'warning', 'summary': 'no owner', 'path': 'resources.jobs.made'})
    resources['jobs']['made'] = {'name': 'm', 'job_clusters': [{'job_cluster_key': 'k', 'new_cluster': {'num_workers': 0}}]}
    places.append({'path': 'resources.jobs.made', 'file': 'resources/made.py', 'line': 7, 'column': 3})
else:
    remarks.append({'severity': 'error', 'summary': 'retries', 'detail': 'at most 3',
                    'location': {'file': 'mutators.py', 'line': 4, 'column': 1}})
    end(1)
";
    let hand = with(code).await;
    let refused = hand.run(&["validate"]).await;
    assert_eq!(refused.status.code(), Some(1));
    let text = said(&refused);
    assert!(text.contains("Warning: no owner\n  at resources.jobs.made\n"), "{text}");
    assert!(
        text.contains("at resources.jobs.made.job_clusters[0].new_cluster\n  in resources/made.py:7:3\n"),
        "{text}"
    );
    assert!(text.contains("Error: retries\n  in mutators.py:4:1\n\nat most 3\n"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn code_that_fails_is_told_with_what_it_said_and_no_token() {
    let hand = with("").await;
    let not_there = "ModuleNotFoundError: No module named 'databricks'";
    let missing = format!("sys.exit(\"find databricks.bundles.build ({not_there})\")");
    let cases = [
        ("raise ValueError('token ' + os.environ['DATABRICKS_TOKEN'])", "exit status 1", "ValueError: token ***"),
        ("os.kill(os.getpid(), 9)", "signal 9", "load_resources"),
        (missing.as_str(), "exit status 1", "pip install databricks-bundles"),
        ("open(given['--diagnostics'], 'w'); sys.exit(0)", "left no output", "load_resources"),
        ("sys.exit(0)", "left no diagnostics", "load_resources"),
        ("remarks.append({'severity': 'odd', 'summary': 's'})", "`odd` is no severity", ""),
        ("bundle = 1", "expected map, found int", ""),
        ("bundle = None", "", ""),
    ];
    for (code, how, what) in cases {
        says(&hand, code);
        let refused = hand.run(&["validate"]).await;
        assert_eq!(refused.status.code(), Some(1), "{code}: {}", said(&refused));
        assert!(said(&refused).contains(how) && said(&refused).contains(what), "{code}: {}", said(&refused));
        assert!(!said(&refused).contains(crate::bundle_by_hand::TOKEN), "{code}: {}", said(&refused));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_environment_the_command_says_how_to_make_it() {
    let hand = with("").await;
    let environment = hand.folder.path().join(".venv");
    fs::remove_file(environment.join("pyvenv.cfg")).unwrap();
    let refused = hand.run(&["plan"]).await;
    assert!(said(&refused).contains("`.venv` is no virtual environment"), "{}", said(&refused));
    fs::remove_dir_all(environment).unwrap();
    for command in [&["validate"][..], &["plan"], &["deploy"], &["summary"], &["destroy", "--auto-approve"]] {
        let refused = hand.run(command).await;
        assert_eq!(refused.status.code(), Some(1), "{command:?}");
        assert!(
            said(&refused).contains("there is no `.venv/bin/python3`; make it with `uv sync`"),
            "{}",
            said(&refused)
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kind_without_a_table_is_refused_from_code_as_from_a_file() {
    let hand = with("if phase == 'load_resources': resources['genie_spaces'] = {'g': {'title': 'g'}}").await;
    let refused = hand.run(&["validate"]).await;
    assert_eq!(refused.status.code(), Some(64), "{}", said(&refused));
    assert!(said(&refused).contains("unsupported: resources.genie_spaces"), "{}", said(&refused));
}

/// The configuration that code is given says the same when it comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn code_that_does_nothing_changes_nothing() {
    let hand = with("").await;
    let with_code = validated(&hand).await;
    let plain = BUNDLE.lines().filter(|line| !line.starts_with("python")).collect::<Vec<_>>().join("\n");
    fs::write(hand.folder.path().join("databricks.yml"), plain).unwrap();
    let mut without = validated(&hand).await;
    for section in ["python", "experimental"] {
        without[section] = with_code[section].clone();
    }
    assert_eq!(with_code, without);
}
