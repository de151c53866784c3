//! Runs an image as GitHub's runner runs a container action.
//!
//! A double of the runner, not of a workflow: the same mounts, variables passed by name, host paths rewritten to the
//! container's, command files, and the signals of a cancelled job. A tool that runs whole workflows leaves out HOME, the
//! command-file paths and the signals, which are what can go wrong. One thing differs: the container uses the host's
//! network, because the stand-ins listen on its loopback.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use mlops_deploy::rehearsal::github::Runner;

/// Where the image has the action's post step; the main step is the image's own entry point.
pub const SETTLE: &str = "/usr/local/bin/mlops-deploy-settle";

/// What a cancelled step is given: SIGINT, then SIGTERM, then the end of the process tree.
const TO_TERMINATE: Duration = Duration::from_millis(7500);
const TO_KILL: Duration = Duration::from_millis(2500);

/// The image under test: `MLOPS_DEPLOY_IMAGE`, or one made of the binary under test and the libraries that it loads, as
/// one layer. Nothing where no Docker engine answers, which is said.
pub fn image() -> Option<&'static str> {
    static IMAGE: OnceLock<Option<String>> = OnceLock::new();
    let image = IMAGE.get_or_init(|| {
        if !Command::new("docker").arg("version").output().is_ok_and(|output| output.status.success()) {
            return None;
        }
        Some(std::env::var("MLOPS_DEPLOY_IMAGE").unwrap_or_else(|_| import()))
    });
    if image.is_none() {
        eprintln!("no Docker engine here: the image was not run");
    }
    image.as_deref()
}

/// Whether the image has what wheels are built with.
pub fn builds_wheels(image: &str) -> bool {
    Command::new("docker")
        .args(["run", "--rm", "--entrypoint", "uv", image, "--version"])
        .output()
        .unwrap()
        .status
        .success()
}

fn import() -> String {
    let tag = "mlops-deploy-action:test";
    let binary = Path::new(env!("CARGO_BIN_EXE_mlops-deploy"));
    let mut layer = tar::Builder::new(Vec::new());
    layer.sparse(false); // Docker does not read sparse entries
    layer.append_path_with_name(binary, "usr/local/bin/mlops-deploy").unwrap();
    let mut settle = tar::Header::new_gnu();
    settle.set_entry_type(tar::EntryType::Symlink);
    settle.set_size(0);
    layer.append_link(&mut settle, &SETTLE[1..], "mlops-deploy").unwrap();
    let mut temporary = tar::Header::new_gnu();
    temporary.set_entry_type(tar::EntryType::Directory);
    temporary.set_mode(0o1777);
    temporary.set_size(0);
    layer.append_data(&mut temporary, "tmp", std::io::empty()).unwrap();
    // What the loader would load; nothing for a static binary.
    let listed = Command::new("ldd").arg(binary).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let libraries = listed.split_whitespace().filter(|word| word.starts_with('/'));
    for library in libraries.chain(["/etc/ssl/certs/ca-certificates.crt"]) {
        let real = std::fs::canonicalize(library).unwrap();
        layer.append_path_with_name(real, &library[1..]).unwrap();
    }
    let entry = r#"ENTRYPOINT ["/usr/local/bin/mlops-deploy"]"#;
    let mut import = Command::new("docker");
    import.args(["import", "--change", entry, "-", tag]).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut import = import.spawn().unwrap();
    import.stdin.take().unwrap().write_all(&layer.into_inner().unwrap()).unwrap();
    assert!(import.wait().unwrap().success());
    tag.to_owned()
}

/// A running step.
pub struct Step {
    pub name: String,
    process: Child,
    log: PathBuf,
}

pub struct Ended {
    pub code: i32,
    pub log: String,
    pub took: Duration,
}

/// Starts a container for a step that `runner` prepared below `folder`.
pub fn start(image: &str, runner: &Runner, folder: &Path, entrypoint: Option<&str>) -> Step {
    let name = format!("step_{}", uuid::Uuid::new_v4().simple());
    let mut docker = Command::new("docker");
    docker.args(["run", "--name", &name, "--label", "runner-double", "--workdir", "/github/workspace", "--rm"]);
    if let Some(entrypoint) = entrypoint {
        docker.args(["--entrypoint", entrypoint]);
    }
    docker.env_clear();
    for (name, value) in &runner.vars {
        docker.args(["-e", name]).env(name, inside(value, folder));
    }
    docker.args(["-e", "HOME"]).env("HOME", "/github/home");
    // The client's own; the container gets those named by `-e` and no other.
    for name in ["PATH", "DOCKER_HOST"] {
        if let Some(value) = std::env::var_os(name) {
            docker.env(name, value);
        }
    }
    if Path::new("/var/run/docker.sock").exists() {
        docker.args(["-v", "/var/run/docker.sock:/var/run/docker.sock"]);
    }
    for part in ["home", "workflow", "file_commands", "runner_temp", "workspace"] {
        docker.args(["-v", &format!("{}:/github/{part}", folder.join(part).display())]);
    }
    let log = folder.join(format!("{name}.log"));
    let out = std::fs::File::create(&log).unwrap();
    docker.args(["--network", "host", image]).stdin(Stdio::null());
    docker.stderr(out.try_clone().unwrap()).stdout(out);
    Step { name, process: docker.spawn().unwrap(), log }
}

/// A value that is or begins with a mounted folder; one in the middle of a value stays as it is.
fn inside(value: &str, folder: &Path) -> String {
    match Path::new(value).strip_prefix(folder) {
        Ok(rest) => Path::new("/github").join(rest).to_string_lossy().into_owned(),
        Err(_) => value.to_owned(),
    }
}

impl Step {
    pub fn wait(self) -> Ended {
        self.wait_for(Duration::from_secs(300)).unwrap_or_else(|step| {
            step.signal("KILL");
            panic!("the step does not end:\n{}", step.said())
        })
    }

    pub fn is_running(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }

    /// What the runner does to a step of a cancelled job.
    pub fn cancel(self) -> Ended {
        let began = Instant::now();
        self.signal("INT");
        let ended = self.wait_for(TO_TERMINATE).or_else(|step| {
            step.signal("TERM");
            step.wait_for(TO_KILL)
        });
        let ended = ended.unwrap_or_else(|step| {
            step.signal("KILL");
            panic!("the step outlived its grace:\n{}", step.said())
        });
        Ended { took: began.elapsed(), ..ended }
    }

    fn wait_for(mut self, patience: Duration) -> Result<Ended, Self> {
        let began = Instant::now();
        while began.elapsed() < patience {
            if let Some(status) = self.process.try_wait().unwrap() {
                return Ok(Ended { code: status.code().unwrap_or(-1), log: self.said(), took: began.elapsed() });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(self)
    }

    fn signal(&self, name: &str) {
        Command::new("kill").args([&format!("-{name}"), &self.process.id().to_string()]).status().unwrap();
    }

    fn said(&self) -> String {
        let mut said = String::new();
        std::fs::File::open(&self.log).unwrap().read_to_string(&mut said).unwrap();
        said
    }
}

/// Whether a container of that name is left.
pub fn is_left(name: &str) -> bool {
    let Output { stdout, .. } =
        Command::new("docker").args(["ps", "--all", "--quiet", "--filter", &format!("name={name}")]).output().unwrap();
    !stdout.is_empty()
}

#[test]
fn only_a_value_that_begins_with_a_mounted_folder_is_rewritten() {
    let folder = Path::new("/runner/1");
    assert_eq!(inside("/runner/1/workspace/a", folder), "/github/workspace/a");
    assert_eq!(inside("/runner/1/workspace", folder), "/github/workspace");
    assert_eq!(inside("/runner/10/workspace", folder), "/runner/10/workspace");
    assert_eq!(inside("file:///runner/1/workspace", folder), "file:///runner/1/workspace");
}
