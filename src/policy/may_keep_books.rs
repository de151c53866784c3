//! A stage that writes down what it did may begin when it can: asked only at its end, a missing
//! volume would take back a deployment, a training and a smoke run that were good.

use super::Verdict;
use crate::domain::rights::{Access, Right, VolumeName};
use crate::domain::{Failure, Reason};

const RULE: &str = "may-keep-books";

/// A volume that is written in the end.
pub struct Book {
    /// The key of the configuration: `records`, `releases`.
    pub key: &'static str,
    pub volume: VolumeName,
    pub access: Access,
}

/// All of them at once: whoever grants rights is asked once.
pub fn verdict(principal: &str, books: &[Book]) -> Verdict {
    let mut message = "write down what is deployed".to_owned();
    let mut statements: Vec<String> = Vec::new();
    let mut untold = Vec::new();
    for Book { key, volume, access } in books {
        match access {
            Access::Given => {}
            Access::Untold => untold.push(format!("who may write {volume} is not told to {principal}")),
            Access::Lacking => {
                message.push_str(&format!("\n  {principal} may not write volume {volume} of `{key}`"));
                statements.extend(Right::to_write(volume).map(|right| right.grant_to(principal)));
            }
            Access::Unseen => {
                message.push_str(&format!("\n  there is no volume {volume} of `{key}` that {principal} may see"));
                statements.extend(volume.create());
                statements.extend(Right::to_write(volume).map(|right| right.grant_to(principal)));
            }
        }
    }
    if statements.is_empty() {
        let all: Vec<String> = books.iter().map(|book| format!("`{}` in {}", book.key, book.volume)).collect();
        let found = if untold.is_empty() { format!("{} can be written", all.join(" and ")) } else { untold.join("; ") };
        return Verdict::yes(RULE, found);
    }
    let mut seen = Vec::new();
    statements.retain(|statement| !seen.contains(statement) && (seen.push(statement.clone()), true).1);
    let hint = format!("let an owner of the catalog run\n  {};", statements.join(";\n  "));
    Verdict::no(RULE, Failure::new(Reason::VolumeUnwritable, message).hint(hint))
}
