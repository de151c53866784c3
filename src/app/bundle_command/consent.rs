//! Asks the person at the terminal before something is destroyed.
//!
//! As the official command does it: only where question and answer reach a person, which a
//! terminal without colours is not taken for either; and whatever is not a yes is a no.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};

use super::hand::{Quit, show};
use crate::domain::{Diagnostic, Failure, Reason};

/// Whether there is somebody to ask.
pub fn somebody_is_there(env: &BTreeMap<String, String>) -> bool {
    let set = |name: &str| env.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let plain = set("TERM") == Some("dumb") || set("NO_COLOR").is_some();
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal() && !plain
}

pub async fn proceed() -> Result<bool, Quit> {
    eprint!("Would you like to proceed? [y/N]: ");
    let unread = |e: std::io::Error| Failure::new(Reason::InvalidInput, "read the answer").because(e);
    std::io::stderr().flush().map_err(unread)?;
    let line = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    });
    let line = line.await.map_err(|e| Failure::new(Reason::Internal, format!("read the answer: {e}")))?;
    let line = line.map_err(unread)?;
    if !line.ends_with('\n') {
        show(&[Diagnostic::error("EOF")]);
        return Err(Quit::Failed);
    }
    Ok(matches!(line.trim().to_lowercase().as_str(), "y" | "yes"))
}
