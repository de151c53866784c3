//! An interrupted promotion may be carried on where the same is meant, and nothing that it relies on has changed since.
//!
//! It is a question of how, not of whether: what may not be carried on is taken back, and the answer says why.

use super::Verdict;
use crate::domain::endpoint::Serving;
use crate::domain::fact::{About, Intent};
use crate::domain::{Alias, ModelName, ModelVersion, VersionStatus};

const RULE: &str = "may-carry-on";

/// What both runs are asked to do.
pub fn means_the_same(then: (&About, Option<&Intent>), now: (&About, &Intent)) -> Result<(), String> {
    let (was, is) = (then.0, now.0);
    if (&was.stage, &was.target, &was.version) != (&is.stage, &is.target, &is.version) {
        let words = |run: &About| format!("`{}` to `{}` by version {}", run.stage, run.target, run.version);
        return Err(format!("it was {}, and this is {}", words(was), words(is)));
    }
    let Some(was) = then.1 else { return Err("its journal does not say what it meant to do".to_owned()) };
    let is = now.1;
    if was.release != is.release {
        return Err(format!("it promoted release {}, and this run promotes {}", was.release, is.release));
    }
    let words =
        |i: &Intent| format!("version {} of {} to {} under alias `{}`", i.version, i.source, i.destination, i.alias);
    if words(was) != words(is) {
        return Err(format!("it promoted {}, and this run promotes {}", words(was), words(is)));
    }
    if was.serving != is.serving {
        return Err("how the version is to be served was changed since".to_owned());
    }
    Ok(())
}

/// What an interrupted run left: of each pair, as it is and as its journal says.
#[derive(Clone, Copy)]
pub struct Left<'a> {
    pub endpoint: &'a str,
    /// Nothing where it is gone, or an update of it goes on.
    pub serves: Option<&'a Serving>,
    pub meant: &'a Serving,
    /// What was asked for last, and is not there.
    pub asked: Option<&'a Serving>,
    pub model: &'a ModelName,
    pub version: ModelVersion,
    pub status: Option<&'a VersionStatus>,
    /// The digest in the copy's tag, and that of the bytes that were copied; neither where nothing is copied.
    pub digest: [Option<&'a str>; 2],
    pub alias: &'a Alias,
    pub stands_for: [Option<ModelVersion>; 2],
}

/// Says what is relied on, or what has changed.
pub fn as_left(left: &Left<'_>) -> Result<Verdict, String> {
    let Left { endpoint, meant, model, version, alias, .. } = left;
    let Some(serves) = left.serves else {
        return Err(format!("endpoint `{endpoint}` is gone, or somebody updates it"));
    };
    if !serves.is(meant) {
        return Err(match serves.words() == meant.words() {
            true => format!("somebody has changed endpoint `{endpoint}` since"),
            false => {
                let then = left.asked.map_or(String::new(), |asked| format!(", and then {}", asked.words()));
                let (now, meant) = (serves.words(), meant.words());
                format!("endpoint `{endpoint}` serves {now}, where its journal says {meant}{then}")
            }
        });
    }
    match left.status {
        Some(VersionStatus::Ready) => {}
        Some(status) => return Err(format!("version {version} of {model} is {status} and not READY")),
        None => return Err(format!("version {version} of {model} is gone")),
    }
    if left.digest[0] != left.digest[1] {
        return Err(format!("version {version} of {model} has not the digest of what was copied"));
    }
    let words = |version: Option<ModelVersion>| version.map_or("no version".to_owned(), |v| format!("version {v}"));
    if left.stands_for[0] != left.stands_for[1] {
        let [now, then] = left.stands_for.map(words);
        return Err(format!("alias `{alias}` stands for {now} and stood for {then}"));
    }
    let serves = serves.words();
    let stands_for = words(left.stands_for[0]);
    Ok(Verdict::yes(
        RULE,
        format!(
            "endpoint `{endpoint}` serves {serves}, version {version} of {model} is READY, and alias `{alias}` stands \
             for {stands_for}: all as the interrupted run left it"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::Digest;

    fn model() -> ModelName {
        ModelName::parse("prod.models.churn").unwrap()
    }

    fn version(number: u64) -> ModelVersion {
        ModelVersion::new(number).unwrap()
    }

    fn intent() -> Intent {
        Intent {
            release: "sha256:1".into(),
            source: ModelName::parse("staging.models.churn").unwrap(),
            version: version(7),
            destination: model(),
            alias: Alias::parse("champion").unwrap(),
            stands_for: Some(version(1)),
            serving: Some(Digest::of(b"half")),
        }
    }

    #[test]
    fn whatever_is_meant_otherwise_is_named() {
        let about = About { stage: "promote-prod".into(), target: "prod".into(), ..About::default() };
        let now = intent();
        let with = |edit: fn(&mut Intent)| {
            let mut then = intent();
            edit(&mut then);
            means_the_same((&about, Some(&then)), (&about, &now)).err().unwrap_or_default()
        };
        assert_eq!(with(|_| {}), "");
        // That is asked of the alias itself.
        assert_eq!(with(|then| then.stands_for = None), "");
        assert!(with(|then| then.release = "sha256:0".into()).starts_with("it promoted release sha256:0"));
        assert!(with(|then| then.version = version(6)).starts_with("it promoted version 6 of staging.models.churn"));
        assert!(with(|then| then.alias = Alias::parse("other").unwrap()).contains("under alias `other`, and"));
        assert!(with(|then| then.serving = None).contains("to be served"));
        let none = means_the_same((&about, None), (&about, &now)).unwrap_err();
        assert!(none.contains("does not say"), "{none}");
        let older = About { version: "0.0.1".into(), ..about.clone() };
        let other = means_the_same((&older, Some(&now)), (&about, &now)).unwrap_err();
        assert!(other.contains("by version 0.0.1"), "{other}");
    }

    #[test]
    fn whatever_has_changed_since_is_named() {
        let serving = |percent: u64, size: &str| {
            let entity = |name: &str| json!({"name": name, "entity_name": model(), "workload_size": size});
            let routes = [("a", 100 - percent), ("b", percent)]
                .map(|(name, share)| json!({"served_model_name": name, "traffic_percentage": share}));
            Serving::read(&json!({"served_entities": [entity("a"), entity("b")], "traffic_config": {"routes": routes}}))
        };
        let (meant, alias, model) = (serving(10, "Small"), Alias::parse("champion").unwrap(), model());
        let left = Left {
            endpoint: "churn",
            serves: Some(&meant),
            meant: &meant,
            asked: None,
            model: &model,
            version: version(2),
            status: Some(&VersionStatus::Ready),
            digest: [Some("d"); 2],
            alias: &alias,
            stands_for: [Some(version(1)); 2],
        };
        let why = |left: Left<'_>| as_left(&left).map(|_| ()).err().unwrap_or_default();
        assert!(as_left(&left).is_ok_and(|verdict| verdict.passed()));
        let (half, large) = (serving(50, "Small"), serving(10, "Large"));
        assert_eq!(
            why(Left { serves: Some(&half), asked: Some(&serving(100, "Small")), ..left }),
            "endpoint `churn` serves `a` 50 %, `b` 50 %, where its journal says `a` 90 %, `b` 10 %, and then `a` 0 %, \
             `b` 100 %"
        );
        assert!(why(Left { serves: Some(&large), ..left }).contains("changed endpoint `churn` since"));
        assert!(why(Left { serves: None, ..left }).contains("is gone"));
        assert!(why(Left { status: Some(&VersionStatus::Pending), ..left }).contains("and not READY"));
        assert!(why(Left { status: None, ..left }).ends_with("is gone"));
        assert!(why(Left { digest: [None, Some("d")], ..left }).contains("digest"));
        assert_eq!(
            why(Left { stands_for: [None, Some(version(1))], ..left }),
            "alias `champion` stands for no version and stood for version 1"
        );
    }
}
