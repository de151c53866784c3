//! Small print of a resolved configuration, as the official command prints it: seen side by side.

use mlops_deploy::bundle::syntax::json;
use mlops_deploy::bundle::{Facts, InMemory, Options, Resolved, User, resolve};
use mlops_deploy::domain::Tree;

fn on(host: &str) -> Facts {
    let mut profile = Tree::map();
    profile.set(&["userName"], "jürgen@example.com");
    Facts { user: Some(User::from_profile(profile)), host: Some(host.to_owned()), ..Facts::default() }
}

fn resolved(source: &InMemory, options: Options) -> Resolved {
    let options = Options { root: "/src/bundle".to_owned(), ..options };
    resolve(source, &options, &on("https://x.cloud.databricks.com")).unwrap()
}

fn of(text: &str) -> Resolved {
    resolved(&InMemory::new().with("databricks.yml", text), Options::default())
}

fn text_at(resolved: &Resolved, path: &[&str]) -> String {
    resolved.config.find(path).map_or_else(|| "nothing".to_owned(), |tree| json::write(tree, 0).unwrap())
}

fn errors(resolved: &Resolved) -> Vec<&str> {
    resolved.diagnostics.iter().filter(|d| d.is_error()).map(|d| d.summary.as_str()).collect()
}

#[test]
fn a_target_that_sets_a_section_of_the_bundle_to_nothing_does_not_override_it() {
    let resolved = of("bundle: {name: y}\n\
         presets: {name_prefix: px_, jobs_max_concurrent_runs: 3}\n\
         resources: {jobs: {j: {name: j, description: long, timeout_seconds: 5, lifecycle: {prevent_destroy: true}}}}\n\
         targets: {t: {presets: {name_prefix: '', jobs_max_concurrent_runs: 0}, resources: {jobs: {j: \
         {description: '', timeout_seconds: 0, lifecycle: {prevent_destroy: false}}}}}}\n");
    let job = |field: &str| text_at(&resolved, &["resources", "jobs", "j", field]);
    assert_eq!(text_at(&resolved, &["presets"]), r#"{"jobs_max_concurrent_runs":3,"name_prefix":"px_"}"#);
    assert_eq!((job("name"), job("max_concurrent_runs")), ("\"px_j\"".to_owned(), "3".to_owned()));
    assert_eq!(job("lifecycle"), r#"{"prevent_destroy":true}"#);
    // What the workspace's own fields are set to counts.
    assert_eq!((job("description"), job("timeout_seconds")), ("nothing".to_owned(), "0".to_owned()));
}

#[test]
fn nothing_takes_the_place_of_another_sort_of_thing() {
    let bundle = |below: &str, above: &str| {
        of(&format!(
            "bundle: {{name: y}}\nvariables: {{n: {{default: 4}}}}\n{below}\ntargets:\n  t:\n    variables: {{n: 5}}\n    {above}\n"
        ))
    };
    let refused = |below: &str, above: &str| {
        let resolved = bundle(below, above);
        assert_eq!(text_at(&resolved, &["variables", "n", "default"]), "4", "the bundle stays as it was");
        errors(&resolved).join("; ")
    };
    let of_target = "failed to perform target override for target=t: ";
    assert_eq!(
        refused("presets: {jobs_max_concurrent_runs: '${var.n}'}", "presets: {jobs_max_concurrent_runs: 9}"),
        format!("{of_target}failed to merge target=t field=presets: cannot merge string with int")
    );
    assert_eq!(
        refused("resources: {jobs: {j: {tags: {a: b}}}}", "resources: {jobs: {j: {tags: '${var.n}'}}}"),
        format!("{of_target}failed to merge target=t field=resources: cannot merge map with string")
    );
    // The first by name, wherever it is written.
    let job =
        |tags: &str, runs: &str| format!("resources: {{jobs: {{j: {{tags: {tags}, max_concurrent_runs: {runs}}}}}}}");
    assert_eq!(
        refused(&job("{a: b}", "'${var.n}'"), &job("'${var.n}'", "2")),
        format!("{of_target}failed to merge target=t field=resources: cannot merge string with int")
    );
    let fine =
        bundle("resources: {jobs: {j: {name: 5, tags: {a: b}}}}", "resources: {jobs: {j: {name: x, tags: {a: 5}}}}");
    assert_eq!((errors(&fine), text_at(&fine, &["resources", "jobs", "j", "name"])), (vec![], "\"x\"".to_owned()));

    let source = InMemory::new()
        .with("databricks.yml", "bundle: {name: y}\ninclude: [r/*.yml]\npresets: {jobs_max_concurrent_runs: 4}\n")
        .with("r/a.yml", "resources: {jobs: {a: {name: a}}}\n")
        .with("r/b.yml", "resources: {jobs: {b: {name: b}}}\npresets: {jobs_max_concurrent_runs: '${var.n}'}\n");
    let files = resolved(&source, Options::default());
    assert_eq!(errors(&files), ["cannot merge int with string"]);
    assert_eq!(text_at(&files, &["resources"]), r#"{"jobs":{"a":{"name":"a"}}}"#);
}

#[test]
fn a_bundle_outside_of_any_repository_is_seen_from_the_root_of_its_files() {
    let seen =
        |sync: &str| text_at(&of(&format!("bundle: {{name: y}}\n{sync}\n")), &["bundle", "git", "bundle_root_path"]);
    assert_eq!(seen(""), "\".\"");
    assert_eq!(seen("sync: {paths: [.]}"), "\".\"");
    assert_eq!(seen("sync: {paths: [., ..]}"), "\"bundle\"");
    assert_eq!(seen("sync: {paths: [../..]}"), "\"src/bundle\"");
}

#[test]
fn a_section_with_nothing_behind_it_says_nothing() {
    let job =
        |more: &str| of(&format!("bundle: {{name: y}}\nresources: {{jobs: {{j: {{name: x, tags: null{more}}}}}}}\n"));
    assert_eq!(job(", permissions: null").config, job("").config);
    let target = |more: &str| of(&format!("bundle: {{name: y}}\ntargets: {{t: {{{more}}}}}\n"));
    for section in ["workspace", "sync", "permissions", "artifacts"] {
        let nothing = target(&format!("{section}: null"));
        assert_eq!((errors(&nothing), &nothing.config), (vec![], &target("").config), "{section}");
    }
}

#[test]
fn a_reference_does_not_stand_for_a_section() {
    let said = |section: &str| {
        errors(&of(&format!("bundle: {{name: y}}\nvariables: {{s: {{default: x}}}}\n{section}\n"))).join("; ")
    };
    assert_eq!(said("resources: '${var.s}'"), "expected a map at \"resources\", found string");
    assert_eq!(
        said("targets: {t: {default: true}, u: '${var.s}'}"),
        "expected a map to index \"targets.u.resources\", found string"
    );
    assert_eq!(
        said("targets: '${var.s}'"),
        "failed to rewrite /src/bundle/databricks.yml: expected a map or sequence, found string"
    );
    assert_eq!(said("workspace: '${var.s}'"), "expected a map to index \"workspace.host\", found string");
    assert_eq!(said("sync: '${var.s}'"), "expected a map to index \"paths\", found string");
    assert_eq!(said("sync: {paths: '${var.s}'}"), "expected a map or sequence, found string");
    assert_eq!(said("resources: {jobs: {'': {name: x}}}"), "failed to collect resources: can't parse resource key");
    assert_eq!(said("artifacts: {a: null}"), "Artifact not properly configured");
}

#[test]
fn a_level_of_the_bundle_is_looked_at_where_there_is_something_to_give_it_for() {
    let said =
        |more: &str| errors(&of(&format!("bundle: {{name: y}}\npermissions: [{{user_name: a}}]\n{more}"))).join("; ");
    assert_eq!(said(""), "");
    assert_eq!(said("resources: {jobs: {}}\n"), "");
    let wrong = "invalid permission level: , allowed values: [CAN_MANAGE, CAN_VIEW, CAN_RUN]";
    assert_eq!(said("resources: {schemas: {s: {name: s, catalog_name: c}}}\n"), wrong);
}

#[test]
fn whatever_lies_in_a_schema_of_the_bundle_follows_its_name() {
    let resolved = of("bundle: {name: y}\nresources:\n  schemas: {s: {catalog_name: main, name: ml}}\n\
         \x20 quality_monitors:\n    m: {table_name: main.ml.t, assets_dir: /x, output_schema_name: main.ml, snapshot: {}}\n\
         \x20   n: {table_name: main.ml.t, assets_dir: /x, output_schema_name: other.ml, snapshot: {}}\n\
         \x20 model_serving_endpoints:\n    e: {name: e, config: {auto_capture_config: {catalog_name: main, schema_name: ml}}, \
         ai_gateway: {inference_table_config: {catalog_name: main, schema_name: ml}}}\n");
    let at = |path: &[&str]| text_at(&resolved, &[&["resources"], path].concat());
    let reference = "\"${resources.schemas.s.name}\"";
    assert_eq!(at(&["quality_monitors", "m", "output_schema_name"]), "\"main.${resources.schemas.s.name}\"");
    assert_eq!(at(&["quality_monitors", "m", "table_name"]), "\"main.ml.t\"");
    assert_eq!(at(&["quality_monitors", "n", "output_schema_name"]), "\"other.ml\"");
    assert_eq!(at(&["model_serving_endpoints", "e", "config", "auto_capture_config", "schema_name"]), reference);
    assert_eq!(at(&["model_serving_endpoints", "e", "ai_gateway", "inference_table_config", "schema_name"]), reference);
}

#[test]
fn what_an_app_uses_is_named_once_and_the_later_word_is_the_whole() {
    let resolved = of(
        "bundle: {name: y}\nresources:\n  apps:\n    a:\n      name: a\n      source_code_path: .\n      resources: \
         [{name: x, description: d, job: {id: '1', permission: CAN_VIEW}}, {name: y, secret: {key: k, scope: s, permission: READ}}]\n\
         targets: {t: {resources: {apps: {a: {resources: [{name: x, job: {id: '2', permission: CAN_MANAGE}}]}}}}}\n",
    );
    assert_eq!(
        text_at(&resolved, &["resources", "apps", "a", "resources"]),
        r#"[{"job":{"id":"2","permission":"CAN_MANAGE"},"name":"x"},{"name":"y","secret":{"key":"k","permission":"READ","scope":"s"}}]"#
    );
}

#[test]
fn a_bundle_that_is_refused_for_its_python_code_is_resolved_as_far_as_files_go() {
    let text = "bundle: {name: y}\npython: {resources: ['r:load']}\n\
                resources: {jobs: {j: {name: j, tasks: [{task_key: t, notebook_task: {notebook_path: nb.py}}]}}}\n";
    let source = InMemory::new().with("databricks.yml", text).with("nb.py", "# Databricks notebook source\n");
    let notebook = |by_hand: bool| {
        let resolved = resolved(&source, Options { by_hand, ..Options::default() });
        let task =
            resolved.config.find(&["resources", "jobs", "j", "tasks"]).and_then(Tree::as_list).unwrap()[0].clone();
        let path = task.text(&["notebook_task", "notebook_path"]).unwrap_or_default().to_owned();
        (resolved.python.is_some(), resolved.unsupported.len(), path.ends_with("/files/nb"))
    };
    assert_eq!(notebook(false), (false, 1, true));
    assert_eq!(notebook(true), (true, 0, false), "by hand nothing goes on before the code has run");
}

#[test]
fn patterns_reach_into_the_folders_of_git_by_hand_and_not_in_stages() {
    let source = InMemory::new()
        .with("databricks.yml", "bundle: {name: y}\nsync: {include: ['.gitignore', 'config']}\n")
        .with(".git/config", "token")
        .with(".databricks/.gitignore", "*");
    for (by_hand, wanted) in
        [(true, &[".databricks/.gitignore", ".git/config", "databricks.yml"][..]), (false, &["databricks.yml"])]
    {
        let resolved = resolved(&source, Options { by_hand, ..Options::default() });
        let files: Vec<String> = resolved.files(&source).unwrap().into_iter().map(|file| file.path).collect();
        assert_eq!(files, wanted);
    }
}

#[test]
fn an_artifact_with_nothing_to_build_and_nothing_to_upload_is_a_mistake() {
    let what = "misconfigured artifact: please specify 'build' or 'files' property";
    assert_eq!(errors(&of("bundle: {name: y}\nartifacts: {a: {type: jar}}\n")), [what]);
    assert_eq!(errors(&of("bundle: {name: y}\nartifacts: {a: {type: jar, build: make}, b: {type: whl}}\n")), [""; 0]);
}

#[test]
fn an_alert_takes_from_its_file_what_an_alert_has() {
    let alert = |file: &str| {
        let text = "bundle: {name: y}\nresources: {alerts: {a: {display_name: d, warehouse_id: w, file_path: a.dbalert.json}}}\n";
        let source = InMemory::new().with("databricks.yml", text).with("a.dbalert.json", file);
        let resolved = resolved(&source, Options::default());
        let found = errors(&resolved).into_iter().map(str::to_owned).collect::<Vec<_>>();
        (text_at(&resolved, &["resources", "alerts", "a"]), found)
    };
    let (content, found) = alert(
        r#"{"query_lines": ["select 1", "from t"], "custom_summary": 5, "display_name": "other", "unknown": 1,
            "evaluation": {"source": {"name": "n", "unknown": 2}}, "schedule": null}"#,
    );
    assert_eq!(found, [""; 0]);
    for part in [
        r#""query_text":"select 1\nfrom t\n""#,
        r#""custom_summary":"5""#,
        r#""display_name":"d""#,
        r#""evaluation":{"source":{"name":"n"}}"#,
    ] {
        assert!(content.contains(part), "{part}: {content}");
    }
    assert!(!content.contains("unknown") && !content.contains("schedule"), "{content}");
    for (file, what) in [
        ("[1]", "json: cannot unmarshal array into Go value of type map[string]json.RawMessage"),
        (r#"{"query_lines": "x"}"#, "json: cannot unmarshal string into Go value of type []string"),
    ] {
        assert_eq!(alert(file).1, [format!("failed to parse .dbalert.json file a.dbalert.json: {what}")]);
    }
    let what = ".alert file a.dbalert.json must not contain variable interpolations.";
    assert_eq!(alert(r#"{"query_lines": ["${var.x}"]}"#).1, [what]);
}

#[test]
fn the_alert_that_a_task_waits_for_may_lie_in_the_bundle() {
    let text = "bundle: {name: y}\nresources: {jobs: {j: {name: j, tasks: [{task_key: t, alert_task: {workspace_path: ./a.dbalert.json}}]}}}\n";
    let source = InMemory::new().with("databricks.yml", text).with("a.dbalert.json", "{}");
    let found = text_at(&resolved(&source, Options::default()), &["resources", "jobs", "j", "tasks"]);
    assert!(found.contains("/files/a.dbalert.json\""), "{found}");
}

#[test]
fn a_job_that_takes_its_code_from_a_repository_keeps_all_of_its_paths() {
    let resolved = of(
        "bundle: {name: y}\nresources: {jobs: {j: {name: j, git_source: {git_url: 'https://x', git_provider: \
                       gitHub, git_branch: m}, tasks: [{task_key: t, environment_key: e, spark_python_task: {python_file: \
                       a.py}, libraries: [{requirements: ./r.txt}, {whl: ./d/*.whl}]}], environments: [{environment_key: \
                       e, spec: {client: '1', dependencies: ['-r ./r.txt', '-e ./src', ./d/*.whl]}}]}}}\n",
    );
    assert_eq!(errors(&resolved), [""; 0]);
    let job = |field: &str| text_at(&resolved, &["resources", "jobs", "j", field]);
    assert!(job("environments").contains(r#""dependencies":["-r ./r.txt","-e ./src","./d/*.whl"]"#));
    assert!(job("tasks").contains(r#""libraries":[{"requirements":"./r.txt"},{"whl":"./d/*.whl"}]"#));
}

#[test]
fn the_tags_of_a_warehouse_are_written_as_its_cloud_takes_them() {
    let text = "bundle: {name: y}\npresets: {tags: {team: '<ü>'}}\nresources: {sql_warehouses: {w: {name: w}}, clusters: \
                {c: {cluster_name: c, spark_version: x, num_workers: 1}}, jobs: {j: {name: j}}}\n\
                targets: {dev: {mode: development}}\n";
    let source = InMemory::new().with("databricks.yml", text);
    for (host, wanted) in [
        ("https://x.cloud.databricks.com", r#"[{"key":"dev","value":"jurgen"},{"key":"team","value":"_u_"}]"#),
        ("https://adb-1.2.azuredatabricks.net", r#"[{"key":"dev","value":"jürgen"},{"key":"team","value":"<ü>"}]"#),
    ] {
        let resolved = resolve(&source, &Options::default(), &on(host)).unwrap();
        let path = ["resources", "sql_warehouses", "w", "tags", "custom_tags"];
        let plain = |path: &[&str]| text_at(&resolved, path).replace("\\u003c", "<").replace("\\u003e", ">");
        assert_eq!(plain(&path), wanted, "{host}");
        let team = plain(&["resources", "clusters", "c", "custom_tags", "team"]);
        assert!(wanted.contains(&team), "{host}: {team}");
        // A job's own tags go no further.
        assert_eq!(plain(&["resources", "jobs", "j", "tags", "team"]), "\"<ü>\"");
    }
}

#[test]
fn a_tag_that_says_nothing_takes_the_one_of_the_presets() {
    let resolved =
        of("bundle: {name: y}\npresets: {tags: {team: ml}}\nresources: {jobs: {j: {name: j, tags: {team: ''}}}}\n");
    assert_eq!(text_at(&resolved, &["resources", "jobs", "j", "tags"]), r#"{"team":"ml"}"#);
}

#[test]
fn a_cluster_that_names_its_clients_is_for_those_it_does_not_exclude() {
    let resolved =
        of("bundle: {name: y}\nresources:\n  clusters: {c: {cluster_name: c, spark_version: x, workload_type: \
         {clients: {}}}}\n  jobs: {j: {name: j, job_clusters: [{job_cluster_key: k, new_cluster: {spark_version: x, \
         workload_type: {clients: {notebooks: false}}}}]}}\n");
    let cluster = text_at(&resolved, &["resources", "clusters", "c", "workload_type"]);
    assert_eq!(cluster, r#"{"clients":{"jobs":true,"notebooks":true}}"#);
    let job = text_at(&resolved, &["resources", "jobs", "j", "job_clusters"]);
    assert!(job.contains(r#"{"clients":{"jobs":true,"notebooks":false}}"#), "{job}");
}
