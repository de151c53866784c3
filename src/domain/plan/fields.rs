//! Which change of a field makes a thing dearer, stops it, or makes somebody mightier: by the
//! field's name and its two values, for every kind alike.

use serde_json::Value;

use super::value::last_name;
use super::{Danger, Risk, Shown, new};

/// More of these costs more.
const AMOUNTS: [&str; 10] = [
    "num_workers",
    "min_workers",
    "max_workers",
    "max_num_workers",
    "min_num_workers",
    "max_concurrent_runs",
    "max_retries",
    "max_provisioned_throughput",
    "min_provisioned_throughput",
    "target_qps",
];

/// Another of these may cost more.
const SIZES: [&str; 7] = [
    "node_type_id",
    "driver_node_type_id",
    "cluster_size",
    "workload_size",
    "workload_type",
    "edition",
    "instance_pool_id",
];

pub(super) fn of_field(
    path: &str,
    old: Option<&Value>,
    wanted: Option<&Value>,
    shown: (&Shown, &Shown),
) -> Option<Danger> {
    let name = last_name(path);
    let text = |v: Option<&Value>| v.and_then(Value::as_str).unwrap_or_default().to_owned();
    let danger = |risk, sentence: String| Some(Danger { risk, sentence });
    if AMOUNTS.contains(&name) {
        let (old, wanted) = (old.and_then(Value::as_f64), wanted.and_then(Value::as_f64));
        return match (old, wanted) {
            (Some(old), Some(wanted)) if wanted > old => {
                danger(Risk::Cost, format!("`{path}` grows{}", from_to(shown)))
            }
            _ => None,
        };
    }
    if SIZES.contains(&name) && old.is_some() && wanted.is_some() {
        return danger(Risk::Cost, format!("`{path}` changes{}", from_to(shown)));
    }
    let on = |v: Option<&Value>| v.and_then(Value::as_bool).unwrap_or(false);
    let never = |v: Option<&Value>| v.and_then(Value::as_f64) == Some(0.0);
    match name {
        "pause_status" if text(wanted) == "PAUSED" && old.is_some() => {
            danger(Risk::Outage, "it no longer runs by itself: paused".into())
        }
        "pause_status" if text(wanted) == "UNPAUSED" && text(old) == "PAUSED" => {
            danger(Risk::Cost, "it begins to run by itself: no longer paused".into())
        }
        _ if new::is_clock(path) && wanted.is_some_and(new::runs) && !old.is_some_and(new::runs) => {
            danger(Risk::Cost, "it begins to run by itself".into())
        }
        "continuous" if on(wanted) && !on(old) => danger(Risk::Cost, "it runs all the time".into()),
        "photon" if on(wanted) && !on(old) => danger(Risk::Cost, "Photon is switched on".into()),
        "scale_to_zero_enabled" if on(old) && !on(wanted) => danger(Risk::Cost, "it no longer scales to zero".into()),
        name if new::STOPS.contains(&name) && never(wanted) && !never(old) => {
            danger(Risk::Cost, "it never stops by itself".into())
        }
        "embed_credentials" if on(wanted) && !on(old) => danger(Risk::Privilege, new::SHARES_ITS_RIGHTS.into()),
        _ if in_run_as(path) => danger(Risk::Privilege, format!("it runs as somebody else{}", from_to(shown))),
        _ => None,
    }
}

fn in_run_as(path: &str) -> bool {
    path == "run_as" || path.starts_with("run_as.") || path == "run_as_user_name"
}

fn from_to(shown: (&Shown, &Shown)) -> String {
    match shown {
        (Shown::Text(old), Shown::Text(new)) => format!(": `{old}` -> `{new}`"),
        (Shown::Absent, Shown::Text(new)) => format!(": `{new}`"),
        _ => String::new(),
    }
}
