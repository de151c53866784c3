//! Becomes another program: what follows `bundle run --`, or a script of the bundle.
//!
//! The process is replaced, not watched: the program has our terminal, our signals and our exit code.

use std::convert::Infallible;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::domain::{Failure, Reason, Secret};

/// What the program finds in its environment besides ours.
pub struct Added<'a> {
    pub plain: &'a [(String, String)],
    pub secret: &'a [(&'a str, &'a Secret)],
}

/// Comes back only where the program cannot be started.
pub fn become_program(program: &str, args: &[String], folder: &Path, added: &Added<'_>) -> Result<Infallible, Failure> {
    let missing = || Failure::new(Reason::ToolMissing, format!("looking up {program:?} failed: it is not on PATH"));
    let found = on_path(program, std::env::var_os("PATH")).ok_or_else(missing)?;
    let mut command = Command::new(found);
    command.args(args).current_dir(folder).envs(added.plain.iter().map(|(name, value)| (name, value)));
    command.envs(added.secret.iter().map(|(name, secret)| (name, secret.expose())));
    Err(Failure::new(Reason::ToolMissing, format!("start {program:?}")).because(command.exec()))
}

fn on_path(program: &str, path: Option<OsString>) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(PathBuf::from(program));
    }
    std::env::split_paths(&path?).map(|folder| folder.join(program)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_looked_up_and_a_path_is_taken_as_it_is() {
        assert_eq!(on_path("./tool", None), Some("./tool".into()));
        assert_eq!(on_path("sh", Some("/nowhere:/bin".into())), Some("/bin/sh".into()));
        assert_eq!(on_path("sh", Some("/nowhere".into())), None);
    }
}
