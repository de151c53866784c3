//! What was deployed, environment by environment: the ledgers, for people and for programs.

use serde_json::{Value, json};

use super::headline::plural;
use super::plain::one_line;
use crate::domain::fact;
use crate::domain::ledger::{Chain, Record};

/// An environment's ledger whose chain holds, and what could not be asked about it.
pub struct Kept {
    pub environment: String,
    pub chain: Chain,
    /// Ledgers that could not be read: what they have seen of this one is not compared.
    pub unasked: Vec<String>,
}

/// A line for each record, the newest last.
pub fn text(ledgers: &[Kept]) -> String {
    let mut page = String::new();
    for (i, kept) in ledgers.iter().enumerate() {
        if i > 0 {
            page.push('\n');
        }
        page.push_str(&format!("{}: {}\n", kept.environment, verdict(&kept.chain)));
        for record in kept.chain.records() {
            page.push_str(&format!("  {}\n", one_line(&line(record))));
        }
        for why in &kept.unasked {
            page.push_str(&format!("  not compared: {}\n", one_line(why)));
        }
    }
    page
}

fn verdict(chain: &Chain) -> String {
    match (chain.head(), chain.records().len()) {
        (None, _) => "no record yet".to_owned(),
        (Some(head), 1) => format!("1 record; the head is {}", head.digest),
        (Some(head), n) => format!("{n} records, and the chain holds; the head is {}", head.digest),
    }
}

fn line(record: &Record) -> String {
    let at = record.at.get(..19).unwrap_or(&record.at);
    let commit = record.commit.get(..10).unwrap_or(&record.commit);
    let changes: Vec<String> = record
        .changes
        .iter()
        .filter(|(_, n)| **n > 0)
        .map(|(what, n)| format!("{n} {}", if *n == 1 { what.trim_end_matches('s') } else { what }))
        .collect();
    let changes = if changes.is_empty() { "nothing changed".to_owned() } else { changes.join(", ") };
    let older = if record.older { ", older than the one before on purpose" } else { "" };
    let unknown = if record.details.contains_key(fact::ORDER_UNKNOWN) { ", not known to be newer" } else { "" };
    let uncommitted = fact::uncommitted(&record.details);
    let uncommitted =
        uncommitted.map_or(String::new(), |some| format!(", with {} not committed", plural(some.files, "file")));
    let by = if record.by.url.is_empty() { &record.by.principal } else { &record.by.url };
    format!(
        "{} {at}Z {} of {commit}: {changes}{older}{unknown}{uncommitted}; {by}",
        record.sequence,
        record.release.short()
    )
}

/// Every record whole.
pub fn document(ledgers: &[Kept]) -> Value {
    let each = |kept: &Kept| {
        json!({
            "environment": kept.environment,
            "head": kept.chain.head(),
            "records": kept.chain.records(),
            "not_compared": kept.unasked,
        })
    };
    json!({"version": 1, "environments": ledgers.iter().map(each).collect::<Vec<_>>()})
}
