//! A release means here what it meant where it was packed.
//!
//! The files are the same; but a variable of the job (`BUNDLE_VAR_…`), or another version of
//! this program, could make another configuration of them, which nobody has reviewed.

use serde_json::Value;

use super::Verdict;
use crate::domain::{Failure, Reason};

const RULE: &str = "as-packed";
const SHOWN: usize = 5;

pub fn verdict(target: &str, packed: &Value, here: &Value) -> Verdict {
    let mut found = Vec::new();
    differences(packed, here, &mut String::new(), &mut found);
    if found.is_empty() {
        return Verdict::yes(RULE, format!("target `{target}` resolves to what was packed"));
    }
    // The values may not be printable: only their places are told.
    let mut message = format!("resolve target `{target}` of the release: it is not what was packed");
    for path in found.iter().take(SHOWN) {
        message.push_str(&format!("\n  {path} differs"));
    }
    if found.len() > SHOWN {
        message.push_str(&format!("\n  and {} more", found.len() - SHOWN));
    }
    let hint = "give the jobs of all stages the same `BUNDLE_VAR_…` and the same version of the action; \
                what differs between environments belongs under `targets`";
    Verdict::no(RULE, Failure::new(Reason::ReleaseDiffers, message).hint(hint))
}

fn differences(one: &Value, other: &Value, path: &mut String, found: &mut Vec<String>) {
    match (one, other) {
        (Value::Object(a), Value::Object(b)) => {
            let keys = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key)));
            for key in keys {
                let length = path.len();
                if length > 0 {
                    path.push('.');
                }
                path.push_str(key);
                differences(a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null), path, found);
                path.truncate(length);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (i, (a, b)) in a.iter().zip(b).enumerate() {
                let length = path.len();
                path.push_str(&format!("[{i}]"));
                differences(a, b, path, found);
                path.truncate(length);
            }
        }
        (a, b) if a == b => {}
        _ => found.push(path.clone()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_differs_is_named_without_its_value() {
        let packed = json!({"resources": {"jobs": {"a": {"name": "x", "tags": [1, 2], "same": true}}}, "gone": 1});
        let here = json!({"resources": {"jobs": {"a": {"name": "secret", "tags": [1, 3], "same": true}}}, "new": 1});
        let failure = verdict("dev", &packed, &here).answer.unwrap_err();
        assert_eq!(failure.reason, Reason::ReleaseDiffers);
        for part in ["resources.jobs.a.name differs", "resources.jobs.a.tags[1] differs", "gone differs", "new differs"]
        {
            assert!(failure.message.contains(part), "{}", failure.message);
        }
        assert!(!failure.message.contains("secret"));
        assert!(verdict("dev", &packed, &packed.clone()).passed());
    }
}
