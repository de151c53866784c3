//! What a journal names and does not tell: values that undoing needs and nobody else may read.
//!
//! A receipt holds whatever the world held, and the journal leaves the machine: a change says
//! which fields of its receipts and outcomes may be told (`Change::told`), the rest lies in a
//! file of its own, a line each. The journal names a line by its digest, so that it can be
//! missing but not exchanged; salt keeps a short value from being guessed from its name.

use std::collections::HashMap;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// Where an entry, or each of its steps, may hold what is not told.
const RECORDS: [&str; 2] = ["receipt", "outcome"];
const STEPS: &str = "steps";

/// The field that names the line in which the rest of a record lies.
const NAME: &str = "kept";

/// Takes out of an entry what is not told; the lines that it goes to.
pub(super) fn set_apart(entry: &mut Value, told: &[&str]) -> Option<String> {
    let lines: Vec<String> = records(entry).into_iter().filter_map(|record| split(record, told)).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// Of an entry and of its steps.
fn records(entry: &mut Value) -> Vec<&mut Value> {
    let mut records = Vec::new();
    for (name, value) in entry.as_object_mut().into_iter().flatten() {
        match value {
            Value::Object(_) if RECORDS.contains(&name.as_str()) => records.push(value),
            Value::Array(steps) if name == STEPS => records.extend(steps.iter_mut().flat_map(self::records)),
            _ => {}
        }
    }
    records
}

fn split(record: &mut Value, told: &[&str]) -> Option<String> {
    let whole = std::mem::take(record.as_object_mut()?);
    let (mut shown, rest): (Map<_, _>, Map<_, _>) =
        whole.into_iter().partition(|(name, _)| told.contains(&name.as_str()));
    let line = (!rest.is_empty()).then(|| json!({"salt": uuid::Uuid::new_v4().to_string(), "kept": rest}).to_string());
    if let Some(line) = &line {
        shown.insert(NAME.to_owned(), name(line).into());
    }
    *record = Value::Object(shown);
    line
}

/// The lines of a file of kept values, by their names.
pub(super) fn lines(text: &str) -> HashMap<String, Value> {
    let value = |line: &str| serde_json::from_str::<Value>(line).ok()?.get("kept").cloned();
    text.lines().filter_map(|line| Some((name(line), value(line)?))).collect()
}

/// Puts back what was taken out; the name that is missing where it is.
pub(super) fn put_back(entry: &mut Value, lines: &HashMap<String, Value>) -> Result<(), String> {
    for record in records(entry).into_iter().filter_map(Value::as_object_mut) {
        let Some(Value::String(name)) = record.get(NAME) else { continue };
        let Some(Value::Object(rest)) = lines.get(name) else { return Err(name.clone()) };
        record.remove(NAME);
        record.extend(rest.clone());
    }
    Ok(())
}

fn name(line: &str) -> String {
    let hex: String = Sha256::digest(line).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_told_is_found_again_by_its_name_alone() {
        let whole = json!({"event": "done", "outcome": {"id": "7", "made": {"description": "words"}}});
        let mut told = whole.clone();
        let line = set_apart(&mut told, &["id"]).unwrap();
        assert_eq!(told["outcome"]["id"], "7");
        assert!(!told.to_string().contains("words"), "{told}");
        let mut again = told.clone();
        put_back(&mut again, &lines(&line)).unwrap();
        assert_eq!(again, whole);
        let exchanged = line.replace("words", "other");
        assert!(put_back(&mut told, &lines(&exchanged)).is_err());
    }

    #[test]
    fn every_step_that_is_taken_over_keeps_its_own() {
        let step = |n: u64| json!({"change": {"verb": "put"}, "receipt": {"was": n}, "outcome": {"now": n}});
        let whole = json!({"event": "taken-over", "steps": [step(1), step(2)]});
        let mut told = whole.clone();
        let kept = set_apart(&mut told, &[]).unwrap();
        assert_eq!(kept.lines().count(), 4);
        assert_eq!(told["steps"][0]["receipt"].as_object().unwrap().len(), 1, "{told}");
        put_back(&mut told, &lines(&kept)).unwrap();
        assert_eq!(told, whole);
    }

    #[test]
    fn the_same_value_has_another_name_each_time() {
        let entry = json!({"receipt": {"before": "1234"}});
        let named = || {
            let mut entry = entry.clone();
            set_apart(&mut entry, &[]);
            entry
        };
        assert_ne!(named(), named());
    }

    #[test]
    fn a_record_that_tells_everything_needs_no_line() {
        let mut entry = json!({"receipt": {"was": null}});
        assert_eq!(set_apart(&mut entry, &["was"]), None);
        assert_eq!(entry, json!({"receipt": {"was": null}}));
        assert_eq!(set_apart(&mut json!({"receipt": null}), &[]), None);
    }
}
