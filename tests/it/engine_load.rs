//! Loading and resolving: what somebody's pull request may do to us, and what it may not.

use mlops_deploy::bundle::load::{merge, yaml};
use mlops_deploy::bundle::syntax::{json, scalars};
use mlops_deploy::bundle::{Facts, Git, InMemory, Options, Resolved, User, resolve};
use mlops_deploy::domain::{Map, Node, Tree};
use proptest::prelude::*;

fn person() -> Facts {
    let mut profile = Tree::map();
    profile.set(&["userName"], "jane.doe@example.com");
    Facts { user: Some(User::from_profile(profile)), git: None, ..Facts::default() }
}

fn resolved(source: &InMemory) -> Resolved {
    let options = Options { root: "/src/bundle".to_owned(), ..Options::default() };
    resolve(source, &options, &person()).unwrap()
}

fn root(text: &str) -> InMemory {
    InMemory::new().with("databricks.yml", text)
}

fn errors(resolved: &Resolved) -> Vec<String> {
    resolved.diagnostics.iter().filter(|d| d.is_error()).map(|d| d.summary.clone()).collect()
}

#[test]
fn aliases_that_multiply_are_refused_before_they_fill_the_memory() {
    let mut text = "bundle: {name: bomb}\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..12 {
        let above = format!("*a{}", i - 1);
        text.push_str(&format!("a{i}: &a{i} [{}]\n", vec![above; 10].join(", ")));
    }
    let found = errors(&resolved(&root(&text)));
    assert_eq!(found, ["failed to load /src/bundle/databricks.yml: yaml: document contains excessive aliasing"]);
}

#[test]
fn what_nests_too_deeply_is_refused() {
    for text in ["[".repeat(5000), "{a: ".repeat(5000), "- ".repeat(5000)] {
        assert_eq!(errors(&resolved(&root(&text))).len(), 1);
    }
}

#[test]
fn a_long_chain_of_variables_costs_its_length() {
    let mut text = "bundle: {name: chain}\nvariables:\n  v0: {default: end}\n".to_owned();
    for i in 1..60 {
        text.push_str(&format!("  v{i}: {{default: \"${{var.v{}}}${{var.v{}}}\"}}\n", 0, i - 1));
    }
    let resolved = resolved(&root(&text));
    assert_eq!(errors(&resolved), [""; 0]);
    assert_eq!(resolved.config.text(&["variables", "v59", "value"]).unwrap().len(), 60 * 3);
}

#[test]
fn a_cycle_of_variables_is_named() {
    let text = "bundle: {name: y}\nvariables: {a: {default: '${var.b}'}, b: {default: 'x ${var.a}'}}\n";
    let found = errors(&resolved(&root(text)));
    assert_eq!(found, ["cycle detected in field resolution: variables.a.default -> var.b -> var.a -> var.b"]);
}

#[test]
fn values_keep_the_places_of_both_sides_of_a_merge() {
    let source = root(
        "bundle: {name: y}\ninclude: [a.yml]\ntargets:\n  dev:\n    resources:\n      jobs:\n        j: {name: over}\n",
    )
    .with("a.yml", "resources:\n  jobs:\n    j: {name: base, description: d}\n");
    let resolved = resolved(&source);
    let job = resolved.config.find(&["resources", "jobs", "j"]).unwrap();
    let places = |tree: &Tree| tree.origins.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(job.text(&["name"]), Some("over"));
    assert_eq!(places(job.get("name").unwrap()), ["databricks.yml:7:19", "a.yml:3:15"]);
    assert_eq!(places(job.get("description").unwrap()), ["a.yml:3:34"]);
    assert_eq!(job.get("name").unwrap().key.as_ref().unwrap().to_string(), "databricks.yml:7:13");
}

#[test]
fn offline_a_target_resolves_with_the_user_left_open() {
    let source = root(
        "bundle: {name: y}\nresources: {experiments: {e: {name: '/Users/${workspace.current_user.userName}/e'}}}\n",
    );
    let options = Options { root: "/src/bundle".to_owned(), ..Options::default() };
    let resolved = resolve(&source, &options, &Facts::default()).unwrap();
    assert_eq!(errors(&resolved), [""; 0]);
    let path = resolved.config.text(&["workspace", "file_path"]).unwrap();
    assert!(path.contains("y/default/files"), "{path}");
}

#[test]
fn a_kind_that_is_not_known_is_refused_with_its_place() {
    let text = "bundle: {name: y}\nresources:\n  secrets:\n    v: {name: x}\n";
    let refused: Vec<String> = resolved(&root(text)).unsupported.iter().map(ToString::to_string).collect();
    assert_eq!(refused, ["unsupported: resources.secrets (databricks.yml:3)"]);
}

/// The least bundle that has a construct of the README's table.
fn with_refused(construct: &str) -> String {
    let body = match construct {
        "resources.*" => "resources: {secrets: {c: {name: c}}}",
        "resources.external_locations.*.effective_enable_file_events" => {
            "resources: {external_locations: {l: {name: l, url: u, credential_name: c, effective_enable_file_events: false}}}"
        }
        "resources.external_locations.*.effective_file_event_queue" => {
            "resources: {external_locations: {l: {name: l, url: u, credential_name: c, effective_file_event_queue: {}}}}"
        }
        "resources.apps.*.config" => "resources: {apps: {a: {name: a, config: {command: [x]}}}}",
        "resources.apps.*.git_source" => "resources: {apps: {a: {name: a, git_source: {branch: main}}}}",
        "resources.apps.*.lifecycle.started" => "resources: {apps: {a: {name: a, lifecycle: {started: true}}}}",
        "bundle.engine: terraform" => return "bundle: {name: y, engine: terraform}\n".to_owned(),
        "bundle.databricks_cli_version" => {
            return "bundle: {name: y, databricks_cli_version: '>= 1.20.0'}\n".to_owned();
        }
        "variables.*.lookup.dashboard" => "variables: {d: {lookup: {dashboard: x}}}",
        "artifacts.*.dynamic_version" => "artifacts: {a: {type: whl, dynamic_version: true}}",
        "artifacts.*.executable" => "artifacts: {a: {type: whl, build: x, executable: bash}}",
        "presets.artifacts_dynamic_version" => "presets: {artifacts_dynamic_version: true}",
        "presets.source_linked_deployment" => "presets: {source_linked_deployment: true}",
        "workspace.artifact_path" => "workspace: {artifact_path: /Volumes/a/b/c}",
        "workspace.file_path" => "workspace: {file_path: '${workspace.root_path}//files'}",
        "workspace.root_path" => "workspace: {root_path: /Workspace/x/./y}",
        "experimental.scripts" => "experimental: {scripts: {predeploy: make}}",
        "experimental.*" => "experimental: {immutable_folder: true}",
        "python" => "python: {resources: ['resources:load']}",
        other => panic!("no bundle shows `{other}`"),
    };
    format!("bundle: {{name: y}}\n{body}\n")
}

#[test]
fn what_the_readme_lists_as_refused_is_refused_by_that_name() {
    for (construct, _) in mlops_deploy::bundle::passes::unsupported::REFUSED {
        let resolved = resolved(&root(&with_refused(construct)));
        let paths: Vec<&str> = resolved.unsupported.iter().map(|u| u.path.as_str()).collect();
        let parts: Vec<&str> = construct.split(".*").collect();
        let named = paths.iter().any(|path| parts.iter().all(|part| path.contains(part.trim_start_matches('.'))));
        assert!(named, "{construct}: {paths:?}");
    }
}

#[test]
fn files_to_upload_follow_gitignore_and_patterns() {
    let source = root("bundle: {name: y}\nsync: {include: [data/keep.csv], exclude: [docs]}\n")
        .with(".gitignore", "*.log\n/data/\n!important.log\n")
        .with("src/.gitignore", "tmp/\n")
        .with("src/a.py", "1")
        .with("src/tmp/b.py", "1")
        .with("data/keep.csv", "1")
        .with("data/drop.csv", "1")
        .with("x.log", "1")
        .with("important.log", "1")
        .with("docs/readme.md", "1")
        .with(".git/config", "1");
    let files: Vec<String> = resolved(&source).files(&source).unwrap().into_iter().map(|f| f.path).collect();
    assert_eq!(files, [".gitignore", "data/keep.csv", "databricks.yml", "important.log", "src/.gitignore", "src/a.py"]);
}

#[test]
fn a_gitignore_keeps_out_what_the_official_command_keeps_out() {
    let git = Git { bundle_path: "ml/churn".into(), ..Git::default() };
    let facts = Facts { git: Some(git), ..person() };
    let source = root("bundle: {name: y}\n")
        .with("../../.gitignore", "*.md\n/ml/churn/secret.txt\n/top.txt\n")
        .with(".gitignore", "!keep.md\nscratch/**\n!scratch/README\n")
        .with("keep.md", "1")
        .with("secret.txt", "1")
        .with("top.txt", "1")
        .with("scratch/README", "1")
        .with("src/scratch/x", "1");
    let resolved = resolve(&source, &Options::default(), &facts).unwrap();
    let files = resolved.files(&source).unwrap().into_iter().map(|f| f.path);
    // What lies above the bundle is listed by a source in memory, and by no disk.
    let files: Vec<String> = files.filter(|path| !path.starts_with("..")).collect();
    assert_eq!(files, [".gitignore", "databricks.yml", "top.txt"]);
}

#[test]
fn a_file_that_promises_one_job_and_holds_more_is_recommended_against() {
    let source = root("bundle: {name: y}\ninclude: [r/*.yml]\n")
        .with(
            "r/one.job.yml",
            "resources: {jobs: {one: {name: a}}}\ntargets: {default: {resources: {jobs: {one: {name: b}}}}}\n",
        )
        .with("r/two.job.yml", "resources:\n  jobs: {two: {name: a}}\n  pipelines: {p: {name: p}}\n")
        .with("r/other.sql_warehouse.yml", "resources: {jobs: {other: {name: a}}}\n")
        .with("r/jobs.yml", "resources: {jobs: {x: {name: a}, y: {name: a}}}\n");
    let said: Vec<String> = resolved(&source)
        .diagnostics
        .iter()
        .map(|d| {
            format!("{}: {} {:?}", d.severity, d.summary, d.origins.iter().map(ToString::to_string).collect::<Vec<_>>())
        })
        .collect();
    assert_eq!(
        said,
        [
            "Recommendation: define a single sql warehouse in a file with the .sql_warehouse.yml extension. [\"r/other.sql_warehouse.yml:1:27\"]",
            "Recommendation: define a single job in a file with the .job.yml extension. [\"r/two.job.yml:2:15\", \"r/two.job.yml:3:18\"]",
        ]
    );
}

#[test]
fn a_dashboard_lies_in_the_workspace_however_its_folder_is_written() {
    for (written, meant) in
        [("/Shared/x", "/Workspace/Shared/x"), ("/Workspace/y", "/Workspace/y"), ("/Repos/z/", "/Workspace/Repos/z")]
    {
        let source = root(&format!(
            "bundle: {{name: y}}\nresources: {{dashboards: {{d: {{display_name: d, warehouse_id: w, parent_path: {written}, serialized_dashboard: x}}}}}}\n"
        ));
        let resolved = resolved(&source);
        assert_eq!(resolved.config.text(&["resources", "dashboards", "d", "parent_path"]), Some(meant));
    }
}

#[test]
fn entries_of_nobody_leave_the_list_to_whoever_deploys() {
    let source = root(
        "bundle: {name: y}\nresources: {jobs: {some: {name: a, permissions: [{level: CAN_VIEW}]}, none: {name: b, permissions: []}}}\n",
    );
    let resolved = resolved(&source);
    let level = |job: &str| {
        resolved.config.find(&["resources", "jobs", job, "permissions"]).map(|list| json::write(list, 0).unwrap())
    };
    assert_eq!(level("some").unwrap(), r#"[{"level":"IS_OWNER","user_name":"jane.doe@example.com"}]"#);
    assert_eq!(level("none"), None);
}

#[test]
fn an_identity_to_run_as_goes_to_alerts_too_and_app_resources_have_names() {
    let source = root(
        "bundle: {name: y}\nrun_as: {user_name: jane.doe@example.com}\nresources:\n  \
         alerts: {a: {display_name: a}}\n  apps: {p: {name: p, source_code_path: ., resources: [{name: x, description: d}, {name: x, job: {id: '1'}}, {}]}}\n",
    );
    let resolved = resolved(&source);
    assert_eq!(
        resolved.config.text(&["resources", "alerts", "a", "run_as", "user_name"]),
        Some("jane.doe@example.com")
    );
    let resources = resolved.config.find(&["resources", "apps", "p", "resources"]).unwrap();
    assert_eq!(json::write(resources, 0).unwrap(), r#"[{"job":{"id":"1"},"name":"x"},{"name":""}]"#);
}

#[test]
fn an_etag_in_a_bundle_is_an_error() {
    let source =
        root("bundle: {name: y}\nresources: {dashboards: {d: {display_name: n, warehouse_id: w, etag: '1'}}}\n");
    assert_eq!(
        errors(&resolved(&source)),
        ["dashboard \"n\" has an etag set. Etags must not be set in bundle configuration"]
    );
}

#[test]
fn a_permission_of_nobody_on_a_secret_scope_is_an_error() {
    let source = root("bundle: {name: y}\nresources: {secret_scopes: {s: {name: s, permissions: [{level: READ}]}}}\n");
    assert_eq!(errors(&resolved(&source)), ["secret scope permission principal is required"]);
}

#[test]
fn files_of_dashboards_are_read_all_or_none() {
    let source = root(
        "bundle: {name: y}\nresources: {dashboards: {a: {display_name: a, warehouse_id: w, file_path: a.json}, b: {display_name: b, warehouse_id: w, file_path: b.json}}}\n",
    )
    .with("a.json", "{}");
    let resolved = resolved(&source);
    assert_eq!(errors(&resolved).len(), 1);
    assert_eq!(resolved.config.text(&["resources", "dashboards", "a", "serialized_dashboard"]), None);
}

#[test]
fn notebooks_lose_their_extension_and_files_keep_it() {
    let source = root("bundle: {name: y}\ninclude: [jobs/*.yml]\n")
        .with(
            "jobs/a.yml",
            "resources: {jobs: {j: {name: j, tasks: [{task_key: n, notebook_task: {notebook_path: ../nb.py}}, \
             {task_key: p, existing_cluster_id: c, spark_python_task: {python_file: ../main.py}}]}}}\n",
        )
        .with("nb.py", "# Databricks notebook source\nprint(1)\n")
        .with("main.py", "print(1)\n");
    let resolved = resolved(&source);
    let tasks = resolved.config.find(&["resources", "jobs", "j", "tasks"]).unwrap().as_list().unwrap();
    let files = "/Workspace/Users/jane.doe@example.com/.bundle/y/default/files";
    assert_eq!(tasks[0].text(&["notebook_task", "notebook_path"]), Some(format!("{files}/nb").as_str()));
    assert_eq!(tasks[1].text(&["spark_python_task", "python_file"]), Some(format!("{files}/main.py").as_str()));
}

fn trees() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        Just(Tree::null()),
        any::<bool>().prop_map(Tree::from),
        any::<i64>().prop_map(Tree::from),
        "[a-zé\"\\\\\n<&]{0,8}".prop_map(Tree::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Tree::from),
            prop::collection::vec(("[a-c]{1,2}", inner), 0..5)
                .prop_map(|entries| Tree::from(entries.into_iter().collect::<Map>())),
        ]
    })
}

proptest! {
    #[test]
    fn no_text_makes_the_yaml_reader_panic(text in "[\\[\\]{}:,&*!|>\\-?#'\"a0-9 \n\t%@`]{0,80}") {
        let file = yaml::File { name: "a.yml".into(), full: "/a.yml".to_owned() };
        let _ = yaml::parse(&file, text.as_bytes());
    }

    #[test]
    fn no_bytes_make_the_readers_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let file = yaml::File { name: "a.yml".into(), full: "/a.yml".to_owned() };
        let _ = yaml::parse(&file, &bytes);
        let _ = json::read(&"a.json".into(), &bytes);
    }

    #[test]
    fn no_scalar_makes_the_dialect_panic(text in "[-+0-9a-fxob_.eEpP:T]{0,16}|\\PC{0,8}") {
        let _ = scalars::value(scalars::looks_like(&text), &text);
        let _ = scalars::float_of_text(&text);
        let _ = scalars::integer(&text);
    }

    #[test]
    fn json_reads_back_what_it_wrote(tree in trees()) {
        let text = json::write(&tree, 2).unwrap();
        prop_assert_eq!(json::read(&"a.json".into(), text.as_bytes()).unwrap(), tree);
    }

    #[test]
    fn merging_nothing_changes_nothing_and_lists_append(base in trees(), over in trees()) {
        let mut merged = base.clone();
        merge::merge(&mut merged, Tree::null());
        prop_assert_eq!(&merged, &base);
        let mut both = base.clone();
        merge::merge(&mut both, over.clone());
        match (&base.node, &over.node, &both.node) {
            (Node::List(a), Node::List(b), Node::List(c)) => prop_assert_eq!(a.len() + b.len(), c.len()),
            (Node::Map(a), Node::Map(b), Node::Map(c)) => prop_assert!(a.keys().chain(b.keys()).all(|k| c.contains_key(k))),
            (_, Node::Null, _) => prop_assert_eq!(&both, &base),
            _ => prop_assert_eq!(&both, &over),
        }
    }
}
