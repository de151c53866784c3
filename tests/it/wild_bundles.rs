//! What bundles in the wild do, and how the official command takes it: seen side by side.

use std::fs;

use mlops_deploy::rehearsal::front::{Fault, Rule};

use crate::bundle_by_hand::{Hand, said};

fn write(hand: &Hand, path: &str, content: &str) {
    let full = hand.folder.path().join(path);
    fs::create_dir_all(full.parent().unwrap()).unwrap();
    fs::write(full, content).unwrap();
}

const OLD_RUNTIME: &str = "bundle: {name: b}
resources:
  jobs:
    j:
      name: j
      tasks:
        - task_key: old
          new_cluster: {spark_version: 12.2.x-scala2.12, node_type_id: m, num_workers: 1}
          python_wheel_task: {package_name: p, entry_point: run}
          libraries: [{whl: ./dist/*.whl}]
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_local_wheel_on_a_runtime_that_cannot_install_it_is_an_error() {
    let hand = Hand::with(OLD_RUNTIME).await;
    write(&hand, "dist/p-1-py3-none-any.whl", "wheel");
    for command in ["validate", "plan", "deploy", "summary"] {
        let refused = hand.run(&[command]).await;
        assert_eq!(refused.status.code(), Some(1), "{command}");
        let text = said(&refused);
        assert!(
            text.starts_with("Error: task old uses cluster with incompatible DBR version 12.2.x-scala2.12\n"),
            "{text}"
        );
    }
    assert_eq!(hand.jobs().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_is_not_there_is_told_and_stops_nothing() {
    let bundle = OLD_RUNTIME.replace(
        "new_cluster: {spark_version: 12.2.x-scala2.12, node_type_id: m, num_workers: 1}",
        "existing_cluster_id: c1",
    );
    let hand = Hand::with(&bundle).await;
    write(&hand, "dist/p-1-py3-none-any.whl", "wheel");
    let planned = hand.run(&["plan"]).await;
    assert!(planned.status.success(), "{}", said(&planned));
    assert!(
        said(&planned).starts_with("Warn: unable to get spark version for cluster c1, err: "),
        "{}",
        said(&planned)
    );
    assert!(!said(&planned).contains("\n\n"), "{}", said(&planned));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_cluster_that_is_looked_up_by_its_name_is_found_out() {
    let bundle = OLD_RUNTIME
        .replace("bundle: {name: b}", "bundle: {name: b}\nvariables: {c: {lookup: {cluster: shared}}}")
        .replace(
            "new_cluster: {spark_version: 12.2.x-scala2.12, node_type_id: m, num_workers: 1}",
            "existing_cluster_id: \"${var.c}\"",
        );
    let hand = Hand::with(&bundle).await;
    write(&hand, "dist/p-1-py3-none-any.whl", "wheel");
    let cluster = serde_json::json!({"cluster_name": "shared", "spark_version": "11.3.x-scala2.12", "node_type_id": "m", "num_workers": 1});
    hand.post("/api/2.1/clusters/create", cluster).await;
    let refused = hand.run(&["validate"]).await;
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    assert!(
        said(&refused).contains("task old uses cluster with incompatible DBR version 11.3.x-scala2.12"),
        "{}",
        said(&refused)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hooks_run_around_the_steps_of_a_command() {
    let hooks = ["postinit", "prebuild", "postbuild", "predeploy", "postdeploy"];
    let scripts: String =
        hooks.iter().map(|hook| format!("    {hook}: \"echo in {hook} of ${{bundle.name}}\"\n")).collect();
    let bundle =
        format!("bundle: {{name: b}}\nexperimental:\n  scripts:\n    preinit: \"echo in preinit of b\"\n{scripts}");
    let hand = Hand::with(&bundle).await;
    for (command, until) in
        [("validate", "postinit"), ("plan", "postbuild"), ("summary", "postinit"), ("deploy", "postdeploy")]
    {
        let output = hand.run(&[command]).await;
        assert!(output.status.success(), "{}", said(&output));
        let heard: Vec<String> = said(&output).lines().filter(|l| l.starts_with("in ")).map(str::to_owned).collect();
        let last = hooks.iter().position(|hook| *hook == until).unwrap();
        let wanted: Vec<String> =
            ["preinit"].iter().chain(&hooks[..=last]).map(|hook| format!("in {hook} of b")).collect();
        assert_eq!(heard, wanted, "{command}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_hook_may_make_what_is_included_and_a_failing_one_ends_it() {
    let made = "bundle: {name: b}\ninclude: [made/*.yml]\nexperimental: {scripts: {preinit: \"mkdir -p made; \
                echo 'resources: {jobs: {j: {name: j}}}' > made/j.yml\", predeploy: \"echo checking; exit 4\"}}\n";
    let hand = Hand::with(made).await;
    assert!(hand.done(&["plan"]).await.starts_with("create jobs.j\n"));
    let failed = hand.run(&["deploy"]).await;
    assert_eq!(failed.status.code(), Some(1));
    assert!(said(&failed).contains("checking\nError: failed to execute script: exit status 4\n"), "{}", said(&failed));
    assert_eq!(hand.jobs().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn artifacts_go_to_a_volume_that_is_there() {
    let bundle = "bundle: {name: b}\nworkspace: {artifact_path: /Volumes/main/ml/wheels}\nresources: {jobs: {j: {name: j, tasks: \
                  [{task_key: a, environment_key: e, python_wheel_task: {package_name: p, entry_point: run}}], environments: \
                  [{environment_key: e, spec: {client: '1', dependencies: [./dist/*.whl]}}]}}}\n";
    let hand = Hand::with(bundle).await;
    write(&hand, "dist/p-1-py3-none-any.whl", "wheel");
    let refused = hand.run(&["deploy"]).await;
    assert_eq!(refused.status.code(), Some(1));
    let place = "Error: volume main.ml.wheels does not exist\n  at workspace.artifact_path\n  in databricks.yml:2:28\n";
    assert_eq!(said(&refused).trim_end(), place.trim_end());
    let post = |path: &'static str, body| hand.post(path, body);
    post("/api/2.1/unity-catalog/schemas", serde_json::json!({"catalog_name": "main", "name": "ml"})).await;
    let volume =
        serde_json::json!({"catalog_name": "main", "schema_name": "ml", "name": "wheels", "volume_type": "MANAGED"});
    post("/api/2.1/unity-catalog/volumes", volume).await;
    hand.done(&["deploy"]).await;
    let job = &hand.get("/api/2.2/jobs/list?expand_tasks=true").await["jobs"][0]["job_id"];
    let job = hand.get(&format!("/api/2.2/jobs/get?job_id={job}")).await;
    let dependencies = &job["settings"]["environments"][0]["spec"]["dependencies"];
    assert_eq!(dependencies[0], "/Volumes/main/ml/wheels/.internal/p-1-py3-none-any.whl");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_artifact_without_its_folder_is_an_error() {
    let hand = Hand::with("bundle: {name: b}\nartifacts: {a: {type: whl, path: ./package, build: make}}\n").await;
    let refused = hand.run(&["plan"]).await;
    assert_eq!((refused.status.code(), said(&refused).as_str()), (Some(1), "Error: directory package not found\n\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_to_look_up_may_refer_to_the_bundle_and_to_who_deploys() {
    let bundle = "bundle: {name: b}\nvariables:\n  kind: {default: 'small-${bundle.name}'}\n  \
                  c: {lookup: {cluster: '${var.kind}-${bundle.target}-${workspace.current_user.short_name}'}}\n\
                  resources: {jobs: {j: {name: '${var.c}'}}}\n";
    let hand = Hand::with(bundle).await;
    let refused = hand.run(&["validate"]).await;
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    let name = "small-b-default-";
    assert!(said(&refused).starts_with(&format!("Error: failed to resolve cluster: {name}")), "{}", said(&refused));
    let printed = hand.run(&["validate", "-o", "json"]).await;
    let document: serde_json::Value = serde_json::from_slice(&printed.stdout).unwrap();
    let looked_up = document["variables"]["c"]["lookup"]["cluster"].as_str().unwrap();
    assert!(looked_up.starts_with(name), "{looked_up}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_to_look_up_waits_for_no_other_lookup() {
    for (name, why) in [
        ("a ${var.other}", "lookup variables cannot contain references to another lookup variables"),
        ("a ${var.missing}", "reference does not exist: ${var.missing}"),
        ("a ${var.list}", "cannot interpolate non-primitive value of type sequence into string"),
    ] {
        let bundle = format!(
            "bundle: {{name: b}}\nvariables:\n  other: {{lookup: {{warehouse: x}}}}\n  list: {{type: complex, default: [1]}}\n  \
             c: {{lookup: {{cluster: '{name}'}}}}\n"
        );
        let refused = Hand::with(&bundle).await.run(&["validate"]).await;
        assert_eq!((refused.status.code(), said(&refused)), (Some(1), format!("Error: {why}\n\n")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_listed_is_said_of_the_variable_and_the_configuration_printed() {
    let hand = Hand::with("bundle: {name: b}\nvariables: {c: {lookup: {cluster: shared}}}\n").await;
    let forever = Rule::on("GET", "/api/2.1/clusters/list", Fault::status(403)).always();
    hand.workspace.control().fail(forever);
    let refused = hand.run(&["validate", "-o", "json"]).await;
    assert_eq!(refused.status.code(), Some(1));
    let text = said(&refused);
    assert!(text.starts_with("Error: failed to resolve cluster: shared, err: "), "{text}");
    let document: serde_json::Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert_eq!(document["variables"]["c"], serde_json::json!({"lookup": {"cluster": "shared"}}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_is_made_and_deleted_as_it_is_written() {
    let bundle = "bundle: {name: b}\nworkspace: {root_path: /Workspace/Shared/b/, file_path: /Workspace/Shared/f/}\n\
                  resources: {jobs: {j: {name: j}}}\n";
    let hand = Hand::with(bundle).await;
    hand.done(&["deploy"]).await;
    hand.done(&["destroy", "--auto-approve"]).await;
    let seen = hand.workspace.control().requests();
    let of = |path: &str| -> Vec<String> {
        let sent = seen.iter().filter(|request| request.path == path);
        sent.filter_map(|request| request.body["path"].as_str().map(str::to_owned)).collect()
    };
    assert!(of("/api/2.0/workspace/mkdirs").contains(&"/Workspace/Shared/f/".to_owned()));
    assert!(of("/api/2.0/workspace/delete").contains(&"/Workspace/Shared/b/".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dependency_that_can_be_no_package_is_a_file() {
    let bundle = |dependency: &str| {
        format!(
            "bundle: {{name: b}}\nresources: {{jobs: {{j: {{name: j, tasks: [{{task_key: t, environment_key: e, \
             python_wheel_task: {{package_name: p, entry_point: run}}}}], environments: [{{environment_key: e, spec: \
             {{client: '1', dependencies: [\"{dependency}\"]}}}}]}}}}}}\n"
        )
    };
    for (dependency, is_file) in [
        ("pandas", false),
        ("pandas [extra] >=1", false),
        ("pandas; python_version > '3.9'", false),
        ("two words", true),
        (" pandas", true),
        ("naïve", true),
        ("a=1", true),
        ("ruamel.yaml", true),
    ] {
        let hand = Hand::with(&bundle(dependency)).await;
        let planned = hand.run(&["plan"]).await;
        let missing = format!("Error: file doesn't exist ./{dependency}\n");
        assert_eq!(said(&planned).starts_with(&missing), is_file, "{dependency}: {}", said(&planned));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_in_a_resource_leaves_the_rest_resolved() {
    let hand = Hand::with(
        "bundle: {name: b}\nworkspace: {root_path: '/Workspace/${bundle.name}'}\n\
         resources: {jobs: {j: {name: '${var.missing}'}}}\n",
    )
    .await;
    let refused = hand.run(&["validate", "-o", "json"]).await;
    assert_eq!(refused.status.code(), Some(1));
    let document: serde_json::Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert_eq!(document["workspace"]["root_path"], "/Workspace/b");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_level_that_no_secret_scope_has_stops_a_deployment_and_no_validation() {
    let bundle =
        "bundle: {name: b}\nresources:\n  secret_scopes:\n    s: {name: s, permissions: [{group_name: users}]}\n";
    for (level, word) in [("", "``"), (", level: CAN_USE", "`CAN_USE`")] {
        let hand = Hand::with(&bundle.replace("users", &format!("users{level}"))).await;
        let validated = hand.run(&["validate"]).await;
        assert!(validated.status.success() && said(&validated).starts_with("Warning: "), "{}", said(&validated));
        for command in ["plan", "deploy"] {
            let refused = hand.run(&[command]).await;
            assert_eq!(refused.status.code(), Some(1), "{command}");
            let text = said(&refused);
            assert!(text.contains("at resources.secret_scopes.s\n  in databricks.yml:4:8\n"), "{text}");
            assert!(text.contains(&format!("{word} is no level of a secret scope: READ, WRITE or MANAGE")), "{text}");
        }
    }
}
