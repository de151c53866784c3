//! The runner's file commands: outputs, state for the post step, the job summary.
//!
//! Everything is written as a heredoc with a random delimiter: in the `key=value` form a
//! line break in a value would write further keys. What the runner refuses (a summary over
//! 1 MiB is dropped whole) is cut here, with a last line that says so.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::console::cut;
use super::mask::Masker;

/// Bytes of a step's summary that the runner still uploads.
const SUMMARY_LIMIT: usize = 1024 * 1024;
const SUMMARY_CUT: &str = "\n\n(The summary was longer than GitHub shows; the rest is in the log.)\n";

/// The variables that name command files; a child never gets one of them.
pub const FILE_VARIABLES: &[&str] =
    &["GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STATE", "GITHUB_STEP_SUMMARY", "GITHUB_ARTIFACTS"];

/// Absent files mean that no runner listens: then nothing is written.
#[derive(Clone)]
pub struct RunnerFiles {
    output: Option<PathBuf>,
    state: Option<PathBuf>,
    summary: Option<PathBuf>,
    all: Vec<PathBuf>,
    masker: Arc<Masker>,
}

impl RunnerFiles {
    pub fn from_env(env: &BTreeMap<String, String>, masker: Arc<Masker>) -> Self {
        let path = |name: &str| env.get(name).filter(|path| !path.is_empty()).map(PathBuf::from);
        Self {
            output: path("GITHUB_OUTPUT"),
            state: path("GITHUB_STATE"),
            summary: path("GITHUB_STEP_SUMMARY"),
            all: FILE_VARIABLES.iter().filter_map(|name| path(name)).collect(),
            masker,
        }
    }

    pub fn outputs(&self, pairs: &[(&str, &str)]) -> io::Result<()> {
        self.pairs(self.output.as_deref(), pairs)
    }

    /// Read back as `STATE_<name>` by the post step.
    pub fn state(&self, pairs: &[(&str, &str)]) -> io::Result<()> {
        self.pairs(self.state.as_deref(), pairs)
    }

    /// Adds to the step's summary, as much as fits.
    pub fn summary(&self, markdown: &str) -> io::Result<()> {
        let Some(path) = &self.summary else { return Ok(()) };
        let there = fs::metadata(path).map_or(0, |m| usize::try_from(m.len()).unwrap_or(usize::MAX));
        let room = SUMMARY_LIMIT.saturating_sub(there);
        let text = self.masker.redact(markdown);
        if text.len() < room {
            return append(path, format!("{text}\n").as_bytes());
        }
        let Some(room) = room.checked_sub(SUMMARY_CUT.len()) else { return Ok(()) };
        let kept = cut(&text, room);
        let kept = kept.rfind('\n').map_or(kept, |end| &kept[..end]);
        append(path, format!("{kept}{SUMMARY_CUT}").as_bytes())
    }

    /// Takes these files away from other users of this machine: a command of the repository
    /// may find their folder although it is not told their names. Their owner, the runner,
    /// keeps its access.
    pub fn close(&self) -> io::Result<()> {
        for path in self.all.iter().filter(|path| path.exists()) {
            fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        }
        Ok(())
    }

    fn pairs(&self, path: Option<&Path>, pairs: &[(&str, &str)]) -> io::Result<()> {
        let Some(path) = path else { return Ok(()) };
        let mut text = String::new();
        for (name, value) in pairs {
            text.push_str(&heredoc(name, &self.masker.redact(value))?);
        }
        append(path, text.as_bytes())
    }
}

fn heredoc(name: &str, value: &str) -> io::Result<String> {
    let delimiter = format!("ghadelimiter_{}", uuid::Uuid::new_v4());
    if name.is_empty() || name.contains(['\n', '\r', '=', '<']) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("`{name}` is no name for an output")));
    }
    if value.contains(&delimiter) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a value repeats the random delimiter"));
    }
    Ok(format!("{name}<<{delimiter}\n{value}\n{delimiter}\n"))
}

fn append(path: &Path, bytes: &[u8]) -> io::Result<()> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)?.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Secret;

    fn files(folder: &Path) -> (RunnerFiles, Arc<Masker>) {
        let masker = Arc::new(Masker::new());
        let env = FILE_VARIABLES.iter().map(|name| ((*name).to_owned(), folder.join(name).display().to_string()));
        (RunnerFiles::from_env(&env.collect(), Arc::clone(&masker)), masker)
    }

    #[test]
    fn a_value_with_line_breaks_writes_no_further_output() {
        let folder = tempfile::tempdir().unwrap();
        let (files, masker) = files(folder.path());
        masker.mask(&Secret::new("s3cr3t-token"));
        files.outputs(&[("outcome", "done\nrelease=evil"), ("who", "s3cr3t-token")]).unwrap();
        let text = fs::read_to_string(folder.path().join("GITHUB_OUTPUT")).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let delimiter = lines[0].strip_prefix("outcome<<").unwrap();
        assert_eq!(lines[1..4], ["done", "release=evil", delimiter]);
        assert_eq!(lines[5], "***");
        assert!(files.outputs(&[("a=b", "c")]).is_err());
    }

    #[test]
    fn a_summary_is_cut_where_github_would_drop_it_whole() {
        let folder = tempfile::tempdir().unwrap();
        let (files, _) = files(folder.path());
        files.summary("# first").unwrap();
        files.summary(&"ä line\n".repeat(200_000)).unwrap();
        files.summary("never seen").unwrap();
        let text = fs::read_to_string(folder.path().join("GITHUB_STEP_SUMMARY")).unwrap();
        assert!(text.len() <= SUMMARY_LIMIT && text.ends_with(SUMMARY_CUT) && text.starts_with("# first\nä line"));
    }
}
