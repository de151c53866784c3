//! Wheels with `dynamic_version`: a cluster installs a new build of the same version.

use std::fs;

use crate::bundle_by_hand::{Hand, said};

const BUNDLE: &str = "bundle: {name: dv}
artifacts: {code: {type: whl, build: python3 make.py, dynamic_version: true}}
resources:
  jobs:
    j:
      name: j
      tasks:
        - task_key: t
          new_cluster: {spark_version: 15.4.x-scala2.12, node_type_id: m, num_workers: 1}
          python_wheel_task: {package_name: p, entry_point: run}
          libraries: [{whl: ./dist/*.whl}]
";

/// Makes the wheel only where there is none, as a build that has nothing to do.
const BUILD: &str = "import os, zipfile
os.makedirs('dist', exist_ok=True)
if not os.listdir('dist'):
    with zipfile.ZipFile('dist/p-1.2-py3-none-any.whl', 'w') as wheel:
        wheel.writestr('p/__init__.py', 'def run(): print(1)')
        wheel.writestr('p-1.2.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: p\\nVersion: 1.2\\n')
        wheel.writestr('p-1.2.dist-info/WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
        wheel.writestr('p-1.2.dist-info/RECORD', 'p/__init__.py,,\\np-1.2.dist-info/METADATA,,\\np-1.2.dist-info/RECORD,,\\n')
";

async fn with(bundle: &str) -> Hand {
    let hand = Hand::with(bundle).await;
    fs::write(hand.folder.path().join("make.py"), BUILD).unwrap();
    fs::write(hand.folder.path().join(".gitignore"), "dist\n").unwrap();
    hand
}

/// The file name of the library that the job has in the workspace.
async fn library(hand: &Hand) -> String {
    let jobs = hand.get("/api/2.2/jobs/list?expand_tasks=true").await;
    let path = jobs["jobs"][0]["settings"]["tasks"][0]["libraries"][0]["whl"].as_str().unwrap().to_owned();
    path.rsplit('/').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_build_is_a_version_of_its_own_and_no_build_is_none() {
    let hand = with(BUNDLE).await;
    hand.done(&["deploy"]).await;
    let first = library(&hand).await;
    let stamp = first.strip_prefix("p-1.2+").and_then(|rest| rest.strip_suffix("-py3-none-any.whl"));
    assert!(stamp.is_some_and(|stamp| stamp.len() == 19 && stamp.bytes().all(|b| b.is_ascii_digit())), "{first}");
    assert!(hand.done(&["plan"]).await.contains("0 to change"), "the same file has the same version");

    let uploaded = hand.state_path().await.replace("/state", &format!("/artifacts/.internal/{first}"));
    let folder = tempfile::tempdir().unwrap();
    let wheel = folder.path().join(&first);
    fs::write(&wheel, hand.get_bytes(&uploaded).await).unwrap();
    let listed = std::process::Command::new("python3").args(["-m", "zipfile", "-l"]).arg(&wheel).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains(&format!("p-1.2+{}.dist-info/METADATA", stamp.unwrap())), "{listed}");

    fs::remove_dir_all(hand.folder.path().join("dist")).unwrap();
    hand.done(&["deploy"]).await;
    let second = library(&hand).await;
    assert!(second.starts_with("p-1.2+") && second != first, "{first} {second}");
    let ours = hand.folder.path().join(".databricks/bundle/default/patched_wheels/code_p");
    let kept: Vec<_> = fs::read_dir(ours).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(kept, [second], "what was made of an earlier build goes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_preset_is_for_every_wheel() {
    let bundle = BUNDLE.replace("dynamic_version: true", "dynamic_version: false");
    let hand = with(&bundle).await;
    hand.done(&["deploy"]).await;
    assert_eq!(library(&hand).await, "p-1.2-py3-none-any.whl");
    fs::write(
        hand.folder.path().join("databricks.yml"),
        format!("{bundle}presets: {{artifacts_dynamic_version: true}}\n"),
    )
    .unwrap();
    hand.done(&["deploy"]).await;
    assert!(library(&hand).await.starts_with("p-1.2+"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_wheel_is_uploaded_as_it_is_with_a_warning() {
    let hand =
        with(&BUNDLE.replace("build: python3 make.py", "build: mkdir -p dist; echo x > dist/p-1-py3-none-any.whl"))
            .await;
    let deployed = hand.run(&["deploy"]).await;
    assert!(deployed.status.success(), "{}", said(&deployed));
    assert!(
        said(&deployed).contains("Warning: a wheel keeps its version\n\np-1-py3-none-any.whl: "),
        "{}",
        said(&deployed)
    );
    assert_eq!(library(&hand).await, "p-1-py3-none-any.whl");
}
