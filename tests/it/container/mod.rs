//! The action's image, run as the runner runs it.

mod act;
mod runner;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use mlops_deploy::rehearsal::front::{Fault, Rule};
use mlops_deploy::rehearsal::github::{Conclusion, Config, Event, GitHub, JobSpec, Runner, RunningJob};
use mlops_deploy::rehearsal::workspace::{self, Control, Federation, Policy, Principal, Running};

use self::runner::{SETTLE, builds_wheels, image, is_left, start};

const CLIENT_ID: &str = "6f1c0d52-2f0b-4c36-9a55-1b1f3d0a7e01";
const SUBJECT: &str = "repo:acme/churn:environment:development";

const CONFIG: &str = "\
environments:
  dev:
    host: HOST
    profile: ref-dev
    client_id: CLIENT_ID
    plan: same
    audience: acme-dev
    github_environment: development
smoke:
  - job: smoke_test
";

/// Needs nothing built, so that it deploys from the image that holds the binary alone.
const BUNDLE: &str = "\
bundle: {name: small, engine: direct}
targets:
  dev:
    workspace: {profile: ref-dev}
resources:
  schemas:
    ml: {name: ml, catalog_name: main}
  jobs:
    smoke_test:
      name: smoke
      tasks:
        - task_key: ask
          environment_key: default
          spark_python_task: {python_file: ask.py}
      environments:
        - {environment_key: default, spec: {environment_version: '4'}}
";

const WHEEL: &str = "\
artifacts:
  churn: {type: whl, path: ., build: uv build --wheel}
";

/// One job on a push to main, with a checkout, and a workspace that trusts it.
struct Scene {
    github: GitHub,
    workspace: Running,
    job: RunningJob,
    runner: Runner,
    folder: tempfile::TempDir,
}

impl Scene {
    async fn new(lay_out: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let github = GitHub::start(Config::default()).unwrap();
        let policy =
            Policy { issuer: github.issuer(), audiences: vec!["acme-dev".to_owned()], subject: SUBJECT.to_owned() };
        let federation = Federation {
            jwks_url: github.jwks_url(),
            account_id: "acc".to_owned(),
            principals: vec![(Principal::deployer(CLIENT_ID, "deploy-dev"), vec![policy])],
            token_seconds: 300,
        };
        let workspace = workspace::serve(workspace::Config {
            catalogs: vec!["main".to_owned(), "dev".to_owned()],
            ..workspace::Config::federated(federation)
        });
        let workspace = workspace.await.unwrap();
        let checkout = folder.path().join("workspace");
        std::fs::create_dir(&checkout).unwrap();
        lay_out(&checkout);
        let config = CONFIG.replace("HOST", workspace.url()).replace("CLIENT_ID", CLIENT_ID);
        std::fs::write(checkout.join("mlops-deploy.yml"), config).unwrap();
        github.push_commit("main", Some(&commit(&checkout)), "ana", "Begin").unwrap();
        let spec = JobSpec::on(Event::push("main"))
            .permit("contents: read, id-token: write, pull-requests: write, deployments: write, actions: read")
            .unwrap()
            .environment("development")
            .named("deploy-dev");
        let job = github.start_job(spec).unwrap();
        let mut runner = job.runner(folder.path()).unwrap();
        runner.set("INPUT_STAGE", "deploy-dev");
        runner.set("INPUT_GITHUB-TOKEN", job.token());
        Self { github, workspace, job, runner, folder }
    }

    async fn small() -> Self {
        Self::new(|checkout| {
            std::fs::write(checkout.join("databricks.yml"), BUNDLE).unwrap();
            std::fs::write(checkout.join("ask.py"), "print('fine')\n").unwrap();
        })
        .await
    }

    fn control(&self) -> &Control {
        self.workspace.control()
    }

    fn start(&self, image: &str, entrypoint: Option<&str>) -> runner::Step {
        start(image, &self.runner, self.folder.path(), entrypoint)
    }

    /// The post step: the next container of the same job, with what the step before saved as `STATE_*`.
    fn settle(&mut self, image: &str) -> runner::Ended {
        let state = self.runner.state().unwrap();
        self.runner.next_step().unwrap();
        state.into_iter().for_each(|(name, value)| self.runner.set(&format!("STATE_{name}"), value));
        self.start(image, Some(SETTLE)).wait()
    }

    /// Whether the file that locks the deployment lies in the workspace.
    fn is_locked(&self) -> bool {
        self.control().dump().to_string().contains("state/deploy.lock\"")
    }

    fn deployment_state(&self) -> String {
        let deployment = self.job.own_deployment().unwrap();
        let dump = self.github.dump();
        let deployments = dump["deployments"].as_array().cloned().unwrap_or_default();
        let ours = deployments.into_iter().find(|d| d["id"] == deployment).unwrap_or_default();
        ours["statuses"].as_array().and_then(|s| s.last()).map(|s| s["state"].to_string()).unwrap_or_default()
    }
}

/// Commits everything below a folder, as a checkout has it.
fn commit(folder: &Path) -> String {
    let git = |arguments: &[&str]| {
        let author = ["-c", "user.name=Ana", "-c", "user.email=ana@example.com"];
        let output = Command::new("git").arg("-C").arg(folder).args(author).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    git(&["init", "--quiet", "--initial-branch=main"]);
    git(&["remote", "add", "origin", "https://github.com/acme/churn"]);
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message=Begin"]);
    git(&["rev-parse", "HEAD"])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hyphenated_inputs_arrive_and_every_mistake_in_them_is_named() {
    let Some(image) = image() else { return };
    let mut scene = Scene::small().await;
    scene.runner.set("INPUT_BUNDLE-PATH", "../elsewhere");
    scene.runner.set("INPUT_LOCK-TIMEOUT", "soon");
    let ended = scene.start(image, None).wait();
    assert_eq!(ended.code, 2, "{}", ended.log);
    for input in ["bundle-path", "lock-timeout"] {
        assert!(ended.log.contains(input), "{input} is not named:\n{}", ended.log);
    }
    assert_eq!(scene.runner.outputs().unwrap()["failure-reason"], "invalid-input");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_signs_in_deploys_smokes_and_leaves_the_checkout_alone() {
    let Some(image) = image() else { return };
    let mut scene = Scene::small().await;
    let checkout = scene.folder.path().join("workspace");
    let ended = scene.start(image, None).wait();
    assert_eq!(ended.code, 0, "{}", ended.log);
    let outputs = scene.runner.outputs().unwrap();
    assert_eq!((outputs["outcome"].as_str(), outputs["changes-created"].as_str()), ("succeeded", "2"), "{outputs:?}");
    assert!(scene.runner.summary().contains("smoke_test"), "{}", scene.runner.summary());
    assert!(!scene.is_locked());
    let changed = Command::new("git").arg("-C").arg(&checkout).args(["status", "--porcelain"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&changed.stdout), "", "the checkout was written to");

    let ended = scene.settle(image);
    assert_eq!(ended.code, 0, "{}", ended.log);
    scene.job.finish(Conclusion::Success);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_deployment_ends_within_its_grace_and_its_post_step_clears_up() {
    let Some(image) = image() else { return };
    let mut scene = Scene::small().await;
    scene.control().fail(Rule::on("POST", "/api/2.2/jobs/create", Fault::Delay { millis: 3000 }));
    let mut step = scene.start(image, None);
    let name = step.name.clone();
    let asked = |seen: &workspace::Seen| seen.path == "/api/2.2/jobs/create";
    while !scene.control().requests().iter().any(asked) {
        assert!(step.is_running(), "the step ended before it changed anything:\n{}", step.wait().log);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let ended = step.cancel();
    assert_eq!(ended.code, 130, "{}", ended.log);
    assert!(ended.took < Duration::from_secs(10), "{:?}", ended.took);
    assert!(!is_left(&name), "the container goes on");
    assert_eq!(scene.runner.outputs().unwrap()["failure-reason"], "cancelled");

    let settled = scene.settle(image);
    assert_eq!(settled.code, 0, "{}", settled.log);
    assert!(!scene.is_locked(), "the lock is left:\n{}", settled.log);
    assert_ne!(scene.deployment_state(), "\"in_progress\"", "the deployment looks as if it went on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_without_the_tools_of_a_build_says_which_image_has_them() {
    let Some(image) = image() else { return };
    let scene = Scene::new(|checkout| {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/churn");
        let mut copy = Command::new("cp");
        copy.arg("-r").args(["src", "pyproject.toml", ".gitignore"].map(|part| example.join(part))).arg(checkout);
        assert!(copy.status().unwrap().success());
        std::fs::write(checkout.join("ask.py"), "print('fine')\n").unwrap();
        std::fs::write(checkout.join("databricks.yml"), BUNDLE.to_owned() + WHEEL).unwrap();
    })
    .await;
    let ended = scene.start(image, None).wait();
    let outputs = scene.runner.outputs().unwrap();
    if builds_wheels(image) {
        assert_eq!(ended.code, 0, "{}", ended.log);
        return;
    }
    assert_eq!((ended.code, outputs["failure-reason"].as_str()), (4, "tool-missing"), "{}", ended.log);
    assert!(ended.log.contains("the action's default image has `sh`, Python and `uv`"), "{}", ended.log);
    let writes = scene.control().requests().into_iter().filter(|seen| seen.is_write() && !seen.path.contains("oidc"));
    assert_eq!(writes.count(), 0, "preflight comes before the first write");
}
