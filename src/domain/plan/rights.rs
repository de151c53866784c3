//! Who becomes mightier by a change of permissions or grants.

use serde_json::Value;

use super::{Danger, Risk};

/// Levels and privileges that let their holder change or hand on the thing.
const STRONG: [&str; 5] = ["CAN_MANAGE", "IS_OWNER", "MANAGE", "ALL_PRIVILEGES", "CAN_MANAGE_PRODUCTION_VERSIONS"];

/// Fields that name who has a right.
const PRINCIPALS: [&str; 4] = ["group_name", "user_name", "service_principal_name", "principal"];

/// Groups that hold everybody.
const EVERYBODY: [&str; 4] = ["users", "account users", "all users", "all account users"];

/// For one difference of a permissions or grants node.
pub(super) fn of_change(path: &str, old: Option<&Value>, new: Option<&Value>) -> Option<Danger> {
    let who = principal(path)?;
    let before = rights(old);
    let gained: Vec<String> = rights(new).into_iter().filter(|right| !before.contains(right)).collect();
    gain(&who, gained, EVERYBODY.contains(&who.to_lowercase().as_str()))
}

/// For a node that is made. The maker of a thing always gets the strongest level: that is no news.
pub(super) fn of_new(state: &Value, deployer: &str) -> Vec<Danger> {
    let entries = ["__embed__", "acls"].into_iter().filter_map(|k| state.get(k)?.as_array()).flatten();
    let gained = entries.filter_map(|entry| {
        let who = PRINCIPALS.iter().find_map(|k| entry.get(*k)?.as_str().filter(|who| !who.is_empty()))?;
        let strong = rights(Some(entry)).into_iter().filter(|r| STRONG.contains(&r.as_str())).collect();
        (who != deployer).then(|| gain(who, strong, false))?
    });
    gained.collect()
}

fn gain(who: &str, gained: Vec<String>, everybody: bool) -> Option<Danger> {
    let strong: Vec<String> = gained.iter().filter(|r| STRONG.contains(&r.as_str())).cloned().collect();
    let told = if strong.is_empty() && everybody { gained } else { strong };
    (!told.is_empty()).then(|| Danger { risk: Risk::Privilege, sentence: format!("`{who}` gets {}", told.join(", ")) })
}

/// The name in `[group_name='ml'].level`.
fn principal(path: &str) -> Option<String> {
    let selector = &path[path.find('[')? + 1..];
    let (key, rest) = selector.split_once("='")?;
    PRINCIPALS.contains(&key).then(|| rest.split("']").next().unwrap_or_default().to_owned())
}

/// Levels and privileges in an entry, a list of them, or one by itself.
fn rights(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(Value::Object(entry)) => {
            let fields = ["level", "permission_level", "permission", "privileges"];
            fields.iter().flat_map(|f| rights(entry.get(*f))).collect()
        }
        _ => Vec::new(),
    }
}
