//! A command of the repository tries to steal, to stay, and to fill our memory.
//!
//! Real processes under our own launcher. As root they run as another user; otherwise as
//! ourselves, and then what only another user is kept from is not asked for.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mlops_deploy::adapters::host::{LocalProcess, Masker, Sandbox};
use mlops_deploy::domain::Secret;
use mlops_deploy::ports::process::Trust;
use mlops_deploy::ports::{Command, Finished, Process, ProcessError};

const CANARY: &str = "c4n4ry-of-the-job";

/// A job's folders: a checkout with a stored credential, a home, command files.
struct Job {
    folder: tempfile::TempDir,
    masker: Arc<Masker>,
}

impl Job {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let job = Self { folder, masker: Arc::new(Masker::new()) };
        for (name, text) in [
            ("workspace/.git/HEAD", "ref: refs/heads/main\n".to_owned()),
            ("workspace/.git/config", git_config()),
            ("workspace/.git/hooks/pre-commit", CANARY.to_owned()),
            ("workspace/src/train.py", "print('train')\n".to_owned()),
            ("home/.netrc", format!("machine github.com password {CANARY}\n")),
            ("file_commands/set_output", String::new()),
            ("runner_temp/git-credentials-1.config", CANARY.to_owned()),
        ] {
            let path = job.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        std::os::unix::fs::symlink(job.path("home/.netrc"), job.path("workspace/link")).unwrap();
        job
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn env(&self) -> BTreeMap<String, String> {
        let text = |name: &str| self.path(name).display().to_string();
        let pairs = [
            ("PATH", std::env::var("PATH").unwrap()),
            ("HOME", text("home")),
            ("GITHUB_ACTIONS", "true".to_owned()),
            ("GITHUB_WORKSPACE", text("workspace")),
            ("GITHUB_OUTPUT", text("file_commands/set_output")),
            ("RUNNER_TEMP", text("runner_temp")),
            ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", CANARY.to_owned()),
            ("INPUT_GITHUB-TOKEN", CANARY.to_owned()),
            ("DATABRICKS_TOKEN", CANARY.to_owned()),
        ];
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn sandbox(&self) -> Sandbox {
        let launcher = PathBuf::from(env!("CARGO_BIN_EXE_mlops-deploy"));
        Sandbox::new(launcher, &self.path("workspace"), &self.env())
    }

    fn process(&self) -> LocalProcess {
        self.process_in(self.sandbox())
    }

    fn process_in(&self, sandbox: Sandbox) -> LocalProcess {
        LocalProcess::new(std::env::var("PATH").unwrap(), Arc::clone(&self.masker)).sandboxed(sandbox)
    }

    async fn run(&self, script: &str) -> Finished {
        self.process().run(self.command(script), &|_| {}).await.unwrap()
    }

    fn command(&self, script: &str) -> Command {
        Command {
            program: "sh".to_owned(),
            args: vec!["-c".to_owned(), script.to_owned()],
            folder: self.path("workspace"),
            env: Vec::new(),
            secret_env: Vec::new(),
            trust: Trust::Project,
            timeout: Duration::from_secs(60),
        }
    }
}

fn git_config() -> String {
    format!(
        "[remote \"origin\"]\n\turl = https://x-access-token:{CANARY}@github.com/acme/churn\n\
         [http \"https://github.com/\"]\n\textraheader = AUTHORIZATION: basic {CANARY}\n"
    )
}

fn said(finished: &Finished) -> String {
    String::from_utf8_lossy(&[finished.stdout.as_slice(), &finished.stderr].concat()).into_owned()
}

fn as_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_finds_no_credential_in_its_reach() {
    let job = Job::new();
    let original = job.path("workspace");
    let finished = job
        .run(&format!(
            "env; cat .git/config .git/hooks/* link; ls -la . .git
             cat {original}/.git/config {home}/.netrc {temp}/* {commands}/*
             for pid in 1 $PPID; do cat /proc/$pid/environ /proc/$pid/mem; ls -l /proc/$pid/fd/; done
             for file in /proc/[0-9]*/environ; do tr '\\0' '\\n' < $file; done
             for fd in /proc/self/fd/*; do readlink $fd; done; true",
            original = original.display(),
            home = job.path("home").display(),
            temp = job.path("runner_temp").display(),
            commands = job.path("file_commands").display(),
        ))
        .await;
    let said = said(&finished);
    assert!(finished.succeeded(), "{said}");
    assert!(said.contains("url = https://github.com/acme/churn"), "{said}");
    if as_root() {
        assert!(!said.contains("GITHUB_OUTPUT") && !said.contains("extraheader"), "{said}");
        assert!(!said.contains(CANARY), "{said}");
        assert!(!said.contains("socket:"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_another_user_without_groups_and_cannot_become_more() {
    let job = Job::new();
    let finished = job.run("id -u; id -G; grep -E '^(NoNewPrivs|CapEff|CapPrm)' /proc/self/status").await;
    let said = said(&finished);
    assert!(said.contains("NoNewPrivs:\t1"), "{said}");
    if as_root() {
        assert!(said.starts_with("64532\n64532\n"), "{said}");
        assert!(said.contains("CapEff:\t0000000000000000") && said.contains("CapPrm:\t0000000000000000"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_files_and_the_docker_socket_are_out_of_reach() {
    if !as_root() {
        return;
    }
    let job = Job::new();
    let output = job.path("file_commands/set_output");
    fs::set_permissions(&output, fs::Permissions::from_mode(0o666)).unwrap();
    let socket = job.path("docker.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o660)).unwrap();
    let finished = job
        .run(&format!(
            "echo release=evil >> {output}; test -w {socket} && echo open; test -w /var/run/docker.sock && echo open; true",
            output = output.display(),
            socket = socket.display()
        ))
        .await;
    assert!(!said(&finished).lines().any(|line| line == "open"), "{}", said(&finished));
    assert_eq!(fs::read_to_string(&output).unwrap(), "");

    // One that is open to everybody cannot be kept from the command.
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).unwrap();
    let mut sandbox = job.sandbox();
    sandbox.engines = vec![socket.clone()];
    let process = job.process_in(sandbox);
    let error = process.run(job.command("true"), &|_| {}).await.unwrap_err();
    let why = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(why, format!("{} is open to every user, who could leave any sandbox by it", socket.display()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_command_rewrites_stays_in_its_copy_and_its_wheels_come_back() {
    let job = Job::new();
    let mode = |name: &str| fs::metadata(job.path(name)).unwrap().permissions().mode() & 0o777;
    let before = mode("workspace");
    let process = job.process();
    let script =
        "echo evil > src/train.py; echo evil > src/new.py; mkdir dist; echo wheel > dist/churn-1-py3-none-any.whl
                  ln -s /etc/passwd dist/link.whl";
    let finished = process.run(job.command(script), &|_| {}).await.unwrap();
    assert!(finished.succeeded(), "{}", said(&finished));
    assert_eq!(fs::read_to_string(job.path("workspace/src/train.py")).unwrap(), "print('train')\n");
    assert!(!job.path("workspace/src/new.py").exists() && !job.path("workspace/dist/link.whl").exists());
    assert_eq!(fs::read_to_string(job.path("workspace/dist/churn-1-py3-none-any.whl")).unwrap(), "wheel\n");
    // Closed while commands may run, and what it was before afterwards.
    drop(process);
    assert_eq!(mode("workspace"), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_does_not_outlive_its_command() {
    let job = Job::new();
    let started = Instant::now();
    // One in the background, and one that leaves the process group and the terminal.
    let (near, far) = (Sleeper::new(1), Sleeper::new(2));
    let finished = job.run(&format!("{near} & setsid sh -c '{far} & wait' & sleep 0.2; echo started")).await;
    assert_eq!(said(&finished), "started\n");
    assert!(started.elapsed() < Duration::from_secs(60), "waited for the pipes of a child in the background");
    assert!(!near.is_running() && !far.is_running());
}

/// A command line that nobody else on this machine has.
struct Sleeper(String);

impl Sleeper {
    fn new(number: u32) -> Self {
        Self(format!("{}", 10_000_000 + std::process::id() * 10 + number))
    }

    fn is_running(&self) -> bool {
        let wanted = format!("sleep\0{}\0", self.0);
        let all = fs::read_dir("/proc").unwrap().flatten();
        all.into_iter().any(|entry| fs::read_to_string(entry.path().join("cmdline")).is_ok_and(|line| line == wanted))
    }
}

impl std::fmt::Display for Sleeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "sleep {}", self.0)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_does_not_end_is_killed_with_everything_below_it() {
    let job = Job::new();
    let sleeper = Sleeper::new(3);
    let script = format!("trap '' TERM INT; {sleeper} & wait; {sleeper}");
    let command = Command { timeout: Duration::from_millis(300), ..job.command(&script) };
    let error = job.process().run(command, &|_| {}).await.unwrap_err();
    assert!(matches!(error, ProcessError::TimedOut { .. }), "{error}");
    assert!(!sleeper.is_running());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_nobody_waits_for_any_more_is_ended() {
    let job = Job::new();
    let (near, far) = (Sleeper::new(4), Sleeper::new(5));
    let script = format!("setsid {far} & echo ready; {near}");
    let (process, ready) = (job.process(), tokio::sync::Notify::new());
    let hear = |line: &str| {
        if line == "ready" {
            ready.notify_one();
        }
    };
    tokio::select! {
        ended = process.run(job.command(&script), &hear) => panic!("{ended:?}"),
        () = ready.notified() => {}
    }
    assert!(!near.is_running() && !far.is_running());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_reaches_what_is_running() {
    let job = Job::new();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let process = job.process().stopped_by(stopped);
    let script = "trap 'echo interrupted; exit 7' INT; echo ready; while :; do sleep 0.05; done";
    let hear = |line: &str| {
        if line == "ready" {
            stop.send_replace(true);
        }
    };
    let finished = process.run(job.command(script), &hear).await.unwrap();
    assert_eq!((finished.code, said(&finished).as_str()), (Some(7), "ready\ninterrupted\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_gets_its_secret_by_environment_and_cannot_print_it() {
    let job = Job::new();
    let heard = Mutex::new(Vec::new());
    let command = Command {
        trust: Trust::Tool,
        secret_env: vec![("DATABRICKS_TOKEN".to_owned(), Secret::new("t0ken-of-the-run"))],
        ..job.command("echo \"have $DATABRICKS_TOKEN\"; printf 'half a line'; env | sort >&2")
    };
    let finished = job.process().run(command, &|line| heard.lock().unwrap().push(line.to_owned())).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&finished.stdout), "have ***\nhalf a line");
    let environment = String::from_utf8_lossy(&finished.stderr).into_owned();
    assert!(environment.contains("DATABRICKS_TOKEN=***") && !environment.contains(CANARY), "{environment}");
    let heard = heard.into_inner().unwrap();
    assert!(heard.contains(&"have ***".to_owned()) && heard.contains(&"half a line".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_run_says_why() {
    let job = Job::new();
    let process = job.process();
    let run = async |command: Command| process.run(command, &|_| {}).await.unwrap_err().to_string();
    let missing = run(Command { program: "no-such-program".to_owned(), ..job.command("") }).await;
    assert_eq!(missing, "find `no-such-program` on PATH");
    let secret = vec![("A".to_owned(), Secret::new("b"))];
    let with_secret = process.run(Command { secret_env: secret, ..job.command("") }, &|_| {}).await.unwrap_err();
    let why = std::error::Error::source(&with_secret).unwrap().to_string();
    assert_eq!(why, "a command of the repository gets no credential");
    let outside = Command { folder: Path::new("/etc").to_owned(), ..job.command("") };
    let outside = process.run(outside, &|_| {}).await.unwrap_err();
    assert_eq!(std::error::Error::source(&outside).unwrap().to_string(), "its folder is not in the checkout");
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_output_keeps_its_end_only() {
    let job = Job::new();
    let finished = job.run("head -c 5000000 /dev/zero | tr '\\0' x; echo; echo the end").await;
    assert!(finished.stdout.len() <= 1024 * 1024 && finished.stdout.ends_with(b"the end\n"));
}

/// An installer has put it below root's own home.
#[tokio::test]
async fn uv_is_found_where_only_we_may_look() {
    let job = Job::new();
    let private = job.path("private");
    fs::create_dir_all(private.join("bin")).unwrap();
    fs::write(private.join("bin/uv"), "#!/bin/sh\necho it builds\n").unwrap();
    fs::set_permissions(private.join("bin/uv"), fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(private.join("bin/other"), "#!/bin/sh\necho something else\n").unwrap();
    fs::set_permissions(&private, fs::Permissions::from_mode(0o700)).unwrap();
    let mut env = job.env();
    env.insert("PATH".to_owned(), format!("{}:/usr/bin:/bin", private.join("bin").display()));
    let launcher = PathBuf::from(env!("CARGO_BIN_EXE_mlops-deploy"));
    let process = job.process_in(Sandbox::new(launcher, &job.path("workspace"), &env));
    let finished =
        process.run(job.command("uv && ! other 2>/dev/null && ls $(dirname $(command -v uv))"), &|_| {}).await.unwrap();
    if as_root() {
        assert!(finished.succeeded(), "{}", said(&finished));
        assert!(said(&finished).ends_with("uv\n"), "that alone is lent: {}", said(&finished));
    }
    assert!(said(&finished).starts_with("it builds\n"), "{}", said(&finished));
}
