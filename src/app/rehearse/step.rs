//! Our own program as a step of a job, as the runner would start it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

use super::account::Account;
use super::scene::wrong;
use crate::domain::Failure;

/// Shows what it says. A killed step has 137.
pub async fn run(
    env: &BTreeMap<String, String>,
    args: &[&str],
    folder: &Path,
    account: &Account,
) -> Result<u8, Failure> {
    let program = std::env::current_exe().map_err(wrong)?;
    let mut command = tokio::process::Command::new(program);
    command.args(args).env_clear().envs(env).current_dir(folder).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(wrong)?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let status = tokio::join!(show(out, account), show(err, account), child.wait()).2.map_err(wrong)?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(137))
}

async fn show(stream: Option<impl AsyncRead + Unpin>, account: &Account) {
    let Some(stream) = stream else { return };
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        account.said(&line);
    }
}
