//! A model may be promoted when nothing that is known beforehand can stop it half way, or start what nobody asked for.
//!
//! Everything that is missing is said at once: whoever grants rights is asked once, not five times.

use std::collections::BTreeMap;

use super::Verdict;
use crate::domain::fact::Rival;
use crate::domain::rights::Right;
use crate::domain::{Alias, Failure, ModelName, ModelVersion, Reason};

const RULE: &str = "may-promote";

/// Both models must lie in one metastore: only then can prod read staging's bytes.
pub fn same_metastore(source: (&ModelName, &str), destination: (&ModelName, &str)) -> Verdict {
    if source.1 == destination.1 && !source.1.is_empty() {
        return Verdict::yes(RULE, format!("{} and {} lie in one metastore", source.0, destination.0));
    }
    let failure = Failure::new(
        Reason::OtherMetastore,
        format!(
            "promote {} to {}: they lie in different metastores, {} and {}",
            source.0, destination.0, source.1, destination.1
        ),
    );
    Verdict::no(
        RULE,
        failure.hint("a promotion reads and writes through one workspace; both catalogs must be in its metastore"),
    )
}

/// Environments that share a model have no copy of a version, and none can differ from another.
pub fn is_one_model(model: &ModelName) -> Verdict {
    Verdict::yes(RULE, format!("{model} is the model of both environments: its alias moves, and nothing is copied"))
}

/// Who lacks which rights: the principal that deploys, and the endpoint's creator.
pub fn granted(missing: &[(String, Vec<Right>)], not_owner_of: &[(String, ModelName)]) -> Verdict {
    let lacks: Vec<&(String, Vec<Right>)> = missing.iter().filter(|(_, rights)| !rights.is_empty()).collect();
    if lacks.is_empty() && not_owner_of.is_empty() {
        return Verdict::yes(RULE, "every right that the promotion needs is there");
    }
    let mut message = "promote the model: rights are missing".to_owned();
    let mut hint = "let an owner of these things run".to_owned();
    for (principal, rights) in lacks {
        for right in rights {
            message.push_str(&format!("\n  {principal} lacks {right}"));
            hint.push_str(&format!("\n  {};", right.grant_to(principal)));
        }
    }
    for (principal, model) in not_owner_of {
        message.push_str(&format!("\n  {principal} does not own {model}, and only an owner moves an alias"));
        hint.push_str(&format!("\n  ALTER FUNCTION {model} OWNER TO `{principal}`;"));
    }
    Verdict::no(RULE, Failure::new(Reason::GrantMissing, message).hint(hint))
}

/// Jobs that a new version, or a moved alias, starts by itself: said, because nobody should wonder who started them, and
/// refused where one of them trains.
pub fn starts_no_training(model: &ModelName, started: &[String], training: &[String]) -> Verdict {
    let trains: Vec<&str> = started.iter().filter(|job| training.contains(job)).map(String::as_str).collect();
    if !trains.is_empty() {
        let message = format!("promote to {model}: a new version or a moved alias would start {}", named(&trains));
        let failure = Failure::new(Reason::TrainsInProd, message);
        return Verdict::no(
            RULE,
            failure.hint("take the trigger off: the model that was tested is the one that serves"),
        );
    }
    let started: Vec<&str> = started.iter().map(String::as_str).collect();
    if started.is_empty() {
        return Verdict::yes(RULE, format!("no job starts by itself with a new version of {model}"));
    }
    Verdict::yes(RULE, format!("a new version of {model}, or its alias, starts {} by itself", named(&started)))
}

fn named(jobs: &[&str]) -> String {
    jobs.iter().map(|job| format!("job `{job}`")).collect::<Vec<_>>().join(", ")
}

/// Jobs of this stage that train, and would run by themselves in prod.
pub fn nothing_trains(jobs: &[&str]) -> Verdict {
    if jobs.is_empty() {
        return Verdict::yes(RULE, "no training job runs by itself here");
    }
    let failure = Failure::new(
        Reason::TrainsInProd,
        format!("promote the model: {} would train in this environment", named(jobs)),
    );
    Verdict::no(RULE, failure.hint("the model that was tested is the one that serves: pause these jobs in this target, or leave them out of it"))
}

/// No training job was started while the promotion went on: job and page of each run that was.
pub fn nothing_trained(jobs: usize, runs: &[(String, String)]) -> Verdict {
    const RULE: &str = "nothing-trained";
    if runs.is_empty() {
        return Verdict::yes(RULE, format!("none of {jobs} training jobs was started here"));
    }
    let runs: Vec<String> = runs.iter().map(|(job, url)| format!("\n  job `{job}`: {url}")).collect();
    let message = format!("promote without training: somebody trained here meanwhile{}", runs.concat());
    Verdict::no(
        RULE,
        Failure::new(Reason::TrainsInProd, message).hint("find out who started it; promote again when that is settled"),
    )
}

/// How many entities an endpoint can hold.
pub const MOST_ENTITIES: usize = 10;

pub fn endpoint_is_free(name: &str, busy: bool, entities: usize, hides_a_key: bool, permission: &str) -> Verdict {
    let refuse = |reason, message: String, hint: &str| Verdict::no(RULE, Failure::new(reason, message).hint(hint));
    if busy {
        let message = format!("update endpoint `{name}`: another update of it goes on");
        return refuse(Reason::EndpointBusy, message, "wait until it has ended, then run again");
    }
    if entities >= MOST_ENTITIES {
        let message =
            format!("update endpoint `{name}`: it serves {entities} entities, and {MOST_ENTITIES} are the most");
        return refuse(Reason::EndpointFull, message, "take away entities that get no traffic");
    }
    if hides_a_key {
        let message = format!("update endpoint `{name}`: it serves an external model, whose key cannot be read back");
        return refuse(Reason::EndpointUnfit, message, "serve the promoted model from an endpoint of its own");
    }
    if !permission.is_empty() && permission != "CAN_MANAGE" {
        let message = format!("update endpoint `{name}`: the principal has {permission}, not CAN_MANAGE");
        return refuse(Reason::PermissionDenied, message, "give the principal that deploys CAN_MANAGE on the endpoint");
    }
    Verdict::yes(RULE, format!("endpoint `{name}` can be updated"))
}

/// The version says itself that it passed, as the record of the stage before does: a gate that judges anew takes that off.
pub fn says_it_passed(
    model: &ModelName,
    version: ModelVersion,
    tags: &BTreeMap<String, String>,
    release: &str,
) -> Verdict {
    let why = match (tags.get("mlops_gate").map(String::as_str), tags.get("mlops_release").map(String::as_str)) {
        (Some("passed"), Some(theirs)) if theirs == release => {
            return Verdict::yes(RULE, format!("version {version} of {model} passed its gate with this release"));
        }
        (Some("passed"), theirs) => {
            format!("its tag `mlops_release` says that it passed with {}", theirs.unwrap_or("no release"))
        }
        _ => "it has no tag `mlops_gate` any more: it was judged anew since and did not pass, or somebody took the tag off"
            .to_owned(),
    };
    let message =
        format!("promote version {version} of {model}, which the record says passed with this release: {why}");
    let hint = "run the stage that trains it again with this release";
    Verdict::no(RULE, Failure::new(Reason::NotTested, message).hint(hint))
}

/// Who serves where a version is promoted to, and whom it was compared with.
pub struct Successor<'a> {
    pub alias: &'a Alias,
    pub destination: &'a ModelName,
    /// Under the alias, now.
    pub now: Option<ModelVersion>,
    /// What serves now is this very version, or a copy of it.
    pub is_itself: bool,
    /// None where the record does not say.
    pub compared: Option<&'a Rival>,
}

/// The version that is replaced is the one that the new one was compared with.
pub fn follows_its_champion(successor: &Successor<'_>, allow_older: bool) -> Verdict {
    let Successor { alias, destination, now, is_itself, compared } = successor;
    let Some(compared) = compared else {
        return Verdict::yes(RULE, "the record does not say which version it was compared with");
    };
    // Where nothing served it was compared with what served before it, or with nobody.
    let expected = match compared {
        Rival::Is { model, version } if model == *destination => Some(*version),
        Rival::Is { .. } | Rival::None => None,
    };
    let words = |version: Option<ModelVersion>| version.map_or("no version".to_owned(), |v| format!("version {v}"));
    if *is_itself {
        return Verdict::yes(RULE, format!("`{alias}` of {destination} stands for this version already"));
    }
    if *now == expected {
        return Verdict::yes(RULE, format!("it was compared with what serves: {} of {destination}", words(*now)));
    }
    let objection = format!(
        "promote to {destination}: it was tested while `{alias}` stood for {}, which stands for {} now",
        words(expected),
        words(*now)
    );
    if allow_older {
        return Verdict::yes(RULE, format!("{objection}; `allow-older` lets it pass"));
    }
    let hint = "run the stage that trains it again with this release: it judges the version anew, beside what serves now; or \
                move the alias back; or set `allow-older: true` to replace what serves on purpose";
    Verdict::no(RULE, Failure::new(Reason::ChampionChanged, objection).hint(hint))
}
