//! Texts to types, once, at the door. Every mistake is found before any is reported.

use std::path::{Component, Path, PathBuf};

use super::mistake::{Mistake, shown};
use super::period::Period;
use super::raw::{INPUTS, Raw};
use crate::domain::nearest::nearest;
use crate::domain::{Failure, Reason, ReleaseId, Secret, Stage};

/// The name of the configuration file where `config` does not say otherwise.
pub const CONFIG_FILE: &str = "mlops-deploy.yml";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineChoice {
    Auto,
    Embedded,
    Cli,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommentPolicy {
    Always,
    /// Only when something would change or is wrong; a comment that is there is kept current.
    Changes,
    Never,
}

/// What the person or the workflow asked for. Paths are absolute.
#[derive(Clone, Debug)]
pub struct Inputs {
    pub stage: Stage,
    /// The workspace of the job, or the working folder on a laptop.
    pub root: PathBuf,
    pub bundle_path: PathBuf,
    pub config: PathBuf,
    pub target: Option<String>,
    pub github_token: Option<Secret>,
    pub databricks_token: Option<Secret>,
    pub commit: Option<String>,
    pub release: Option<ReleaseId>,
    pub release_file: Option<PathBuf>,
    pub model: Option<String>,
    pub engine: EngineChoice,
    pub dry_run: bool,
    pub comment: CommentPolicy,
    pub cross_check: bool,
    pub offline: bool,
    pub lock_timeout: Period,
    pub deadline: Option<Period>,
    pub allow_older: bool,
    pub bootstrap: bool,
}

/// Where relative paths begin, and whether they may leave it.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Absolute.
    pub root: PathBuf,
    /// In a job the checkout is all there is; on a laptop `../other` is fine.
    pub confined: bool,
}

/// All mistakes as one failure.
fn refuse(mistakes: &[Mistake]) -> Failure {
    let mut message = match mistakes.len() {
        1 => "read the inputs: 1 needs attention".to_owned(),
        n => format!("read the inputs: {n} need attention"),
    };
    for mistake in mistakes {
        message.push_str(&format!("\n  {mistake}"));
    }
    Failure::new(Reason::InvalidInput, message)
}

impl Inputs {
    pub fn parse(raw: Raw, at: &Surroundings) -> Result<Self, Failure> {
        let mut door = Door { mistakes: raw.mistakes.clone() };
        let stage = door.stage(raw.stage.as_deref());
        let bundle_path = door.path("bundle-path", given(&raw.bundle_path).unwrap_or("."), at);
        let config = match given(&raw.config) {
            Some(path) => door.path("config", path, at),
            None => bundle_path.join(CONFIG_FILE),
        };
        let inputs = Self {
            stage: stage.unwrap_or(Stage::Validate),
            root: at.root.clone(),
            config,
            bundle_path,
            target: door.target(given(&raw.target)),
            commit: door.commit(given(&raw.commit)),
            release: door.release(given(&raw.release)),
            model: given(&raw.model).map(str::to_owned),
            release_file: given(&raw.release_file).map(|path| door.anywhere("release-file", path, at)),
            engine: door.word("engine", given(&raw.engine), &ENGINES),
            dry_run: door.switch("dry-run", given(&raw.dry_run)),
            comment: door.word("comment", given(&raw.comment), &COMMENTS),
            cross_check: door.switch("cross-check", given(&raw.cross_check)),
            offline: door.switch("offline", given(&raw.offline)),
            lock_timeout: door.period("lock-timeout", given(&raw.lock_timeout)).unwrap_or(Period::minutes(15)),
            deadline: door.deadline(given(&raw.deadline)),
            allow_older: door.switch("allow-older", given(&raw.allow_older)),
            bootstrap: door.switch("bootstrap", given(&raw.bootstrap)),
            github_token: door.token("github-token", raw.github_token),
            databricks_token: door.token("databricks-token", raw.databricks_token),
        };
        if let Some(stage) = stage {
            door.together(&inputs, stage);
        }
        if door.mistakes.is_empty() { Ok(inputs) } else { Err(refuse(&door.in_order())) }
    }
}

const ENGINES: [(&str, EngineChoice); 3] =
    [("auto", EngineChoice::Auto), ("embedded", EngineChoice::Embedded), ("cli", EngineChoice::Cli)];
const COMMENTS: [(&str, CommentPolicy); 3] =
    [("always", CommentPolicy::Always), ("changes", CommentPolicy::Changes), ("never", CommentPolicy::Never)];

fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().map(str::trim).filter(|t| !t.is_empty())
}

struct Door {
    mistakes: Vec<Mistake>,
}

impl Door {
    fn refuse(&mut self, input: &str, message: impl Into<String>) {
        self.mistakes.push(Mistake::of(input.to_owned(), message));
    }

    /// In the order of `action.yml`; what is no input of ours comes last.
    fn in_order(mut self) -> Vec<Mistake> {
        let rank = |m: &Mistake| INPUTS.iter().position(|i| i.name == m.input).unwrap_or(INPUTS.len());
        self.mistakes.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| a.input.cmp(&b.input)));
        self.mistakes
    }

    fn stage(&mut self, text: Option<&str>) -> Option<Stage> {
        let names = listed(&Stage::ALL.iter().map(|s| s.name()).collect::<Vec<_>>());
        let Some(text) = text.map(str::trim).filter(|t| !t.is_empty()) else {
            self.refuse("stage", format!("is missing; use {names}"));
            return None;
        };
        let stage = Stage::parse(text);
        if stage.is_none() {
            self.refuse("stage", format!("`{}` is not a stage; use {names}", shown(text)));
        }
        stage
    }

    fn word<T: Copy>(&mut self, input: &str, text: Option<&str>, words: &[(&str, T)]) -> T {
        let Some(text) = text else { return words[0].1 };
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let guess =
                nearest(text, names.iter().copied()).map_or(String::new(), |n| format!("; did you mean `{n}`?"));
            self.refuse(input, format!("`{}` is not one of {}{guess}", shown(text), listed(&names)));
        }
        found.map_or(words[0].1, |(_, value)| *value)
    }

    /// The spellings that GitHub's own toolkit takes.
    fn switch(&mut self, input: &str, text: Option<&str>) -> bool {
        match text {
            None | Some("false" | "False" | "FALSE") => false,
            Some("true" | "True" | "TRUE") => true,
            Some(other) => {
                self.refuse(input, format!("`{}` is neither `true` nor `false`", shown(other)));
                false
            }
        }
    }

    fn period(&mut self, input: &str, text: Option<&str>) -> Option<Period> {
        let text = text?;
        let period = Period::parse(text);
        if period.is_none() {
            self.refuse(input, format!("`{}` is not a length of time, e.g. `15m` or `1h30m`", shown(text)));
        }
        period
    }

    fn deadline(&mut self, text: Option<&str>) -> Option<Period> {
        let period = self.period("deadline", text)?;
        if period.is_zero() {
            self.refuse("deadline", "`0s` leaves no time for anything, e.g. `15m`");
        }
        Some(period)
    }

    fn commit(&mut self, text: Option<&str>) -> Option<String> {
        let text = text?;
        let hex = matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit());
        if !hex {
            let message = format!(
                "`{}` is not a full commit SHA (40 hexadecimal digits), e.g. `${{{{ github.sha }}}}`",
                shown(text)
            );
            self.refuse("commit", message);
        }
        Some(text.to_ascii_lowercase())
    }

    fn release(&mut self, text: Option<&str>) -> Option<ReleaseId> {
        let text = text?;
        let release = ReleaseId::parse(text);
        if release.is_none() {
            let message = format!(
                "`{}` is not the id of a release (`sha256:` and 64 hexadecimal digits), \
                 e.g. `${{{{ needs.deploy-dev.outputs.release }}}}`",
                shown(text)
            );
            self.refuse("release", message);
        }
        release
    }

    fn target(&mut self, text: Option<&str>) -> Option<String> {
        let text = text?;
        if text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '/') {
            self.refuse("target", format!("`{}` cannot be the name of a target, e.g. `dev`", shown(text)));
        }
        Some(text.to_owned())
    }

    /// The value of a token is never repeated.
    fn token(&mut self, input: &str, token: Option<Secret>) -> Option<Secret> {
        let token = token?;
        if token.expose().chars().any(|c| c.is_control() || c.is_whitespace()) {
            self.refuse(input, "holds a blank or a line break; a token has none, so it was cut or pasted wrongly");
        }
        Some(token)
    }

    fn path(&mut self, input: &str, text: &str, at: &Surroundings) -> PathBuf {
        if text.contains('\0') {
            self.refuse(input, format!("`{}` is not a path", shown(text)));
            return at.root.clone();
        }
        let path = lexically_normal(&at.root.join(text));
        if at.confined && !path.starts_with(lexically_normal(&at.root)) {
            self.refuse(input, format!("`{}` is outside the workspace of the job, e.g. `bundles/churn`", shown(text)));
        }
        path
    }

    /// A file that need not lie in the checkout: what earlier steps of the job brought lies
    /// where the runner keeps temporary files.
    fn anywhere(&mut self, input: &str, text: &str, at: &Surroundings) -> PathBuf {
        self.path(input, text, &Surroundings { confined: false, ..at.clone() })
    }

    /// Mistakes that only two inputs together can make.
    fn together(&mut self, inputs: &Inputs, stage: Stage) {
        if inputs.offline && stage.writes() {
            self.refuse("offline", format!("`true` leaves nothing to do for `{stage}`; use it with `validate`"));
        }
        let deploys_a_release = stage.previous_environment().is_some();
        if deploys_a_release && inputs.cross_check {
            let message = format!("was asked where the release was packed; take it out for `{stage}`");
            self.refuse("cross-check", message);
        }
        if deploys_a_release && inputs.release.is_none() && !self.mistakes.iter().any(|m| m.input == "release") {
            let message = format!(
                "is missing; `{stage}` deploys what `deploy-dev` has packed, \
                 e.g. `${{{{ needs.deploy-dev.outputs.release }}}}`"
            );
            self.refuse("release", message);
        }
        for (name, given) in [("release", inputs.release.is_some()), ("release-file", inputs.release_file.is_some())] {
            if given && !deploys_a_release {
                self.refuse(
                    name,
                    format!("`{stage}` works on what is checked out; only stages behind it take a release"),
                );
            }
        }
    }
}

fn listed(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|n| format!("`{n}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, [first])) => format!("{first} or {last}"),
        Some((last, others)) => format!("{}, or {last}", others.join(", ")),
        None => String::new(),
    }
}

/// Resolves `.` and `..` in the text alone: no file is looked at.
fn lexically_normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}
