//! A model passes when every metric that the gate names is there, is a number, keeps its limits, and is not worse than the
//! champion's on the same data.
//!
//! The rules are those of MLflow's `MetricThreshold`; what MLflow leaves to whoever reads the result is refused here: a
//! metric that is missing, not a number, of two values, or taken on other data proves nothing, and a model that nobody compared with the
//! champion never replaces it. A gate that compares no metric by its own word compares all of them.

use std::collections::BTreeMap;

use super::Verdict;
use crate::domain::fact::GateLine;
use crate::domain::{Failure, Reason};

const RULE: &str = "gate";

/// To be better than nothing is to be better by more than rounding.
const MORE_THAN_ZERO: f64 = 1e-10;

/// What is demanded of one metric.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Demand {
    pub at_least: Option<f64>,
    pub at_most: Option<f64>,
    pub higher_is_better: bool,
    pub champion: Comparison,
    /// Whether the champion's value must be of the same data.
    pub same_dataset: bool,
}

/// How far from the champion, in the metric's own units and relative to the champion's value.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Comparison {
    pub not_worse_by: Option<f64>,
    pub not_worse_by_relative: Option<f64>,
    pub better_by: Option<f64>,
    pub better_by_relative: Option<f64>,
}

impl Comparison {
    pub fn is_demanded(&self) -> bool {
        *self != Self::default()
    }
}

/// A metric as it was logged.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Score {
    pub value: f64,
    /// Another value that was logged of the same moment.
    pub contradicted_by: Option<f64>,
    /// Of the data it was taken on, where that was logged.
    pub dataset: Option<String>,
}

pub type Scores = BTreeMap<String, Score>;

/// Whom the candidate is compared with.
#[derive(Clone, Debug)]
pub enum Champion {
    /// Such as `version 3`, and its metrics.
    Is(String, Scores),
    /// Nothing serves yet, and somebody has said that this is meant to be the first.
    First,
    /// Nothing serves yet.
    Nobody,
}

/// One answer for each demand, and a line of each for people.
pub fn verdicts(
    model: &str,
    demands: &BTreeMap<String, Demand>,
    candidate: &Scores,
    champion: &Champion,
) -> (Vec<Verdict>, Vec<GateLine>) {
    if matches!(champion, Champion::Nobody) {
        let message = format!("judge `{model}`: there is no champion to compare it with");
        let failure = Failure::new(Reason::BootstrapNeeded, message);
        let hint = "if this is to be the model's first version, say so once with `bootstrap: true`";
        return (vec![Verdict::no(RULE, failure.hint(hint))], Vec::new());
    }
    let none_compares = !demands.values().any(|demand| demand.champion.is_demanded());
    let mut verdicts = Vec::new();
    let mut lines = Vec::new();
    for (metric, demand) in demands {
        let mut demand = *demand;
        if none_compares {
            demand.champion.not_worse_by = Some(0.0);
        }
        let judged = judge(metric, &demand, candidate.get(metric), champion);
        lines.push(GateLine {
            model: model.to_owned(),
            metric: metric.clone(),
            value: candidate.get(metric).map(|score| number(score.value)).unwrap_or_default(),
            limit: limit(&demand),
            champion: champion_value(metric, champion).map(|score| number(score.value)).unwrap_or_default(),
            passed: judged.is_ok(),
            why: judged.as_ref().err().map(|(_, why)| why.clone()).unwrap_or_default(),
        });
        verdicts.push(match judged {
            Ok(told) => Verdict::yes(RULE, format!("`{model}` {metric}: {told}")),
            Err((reason, why)) => {
                let failure = Failure::new(reason, format!("let `{model}` pass its gate: {metric} {why}"));
                Verdict::no(RULE, failure.hint(hint(reason)))
            }
        });
    }
    (verdicts, lines)
}

fn judge(
    metric: &str,
    demand: &Demand,
    score: Option<&Score>,
    champion: &Champion,
) -> Result<String, (Reason, String)> {
    let Some(score) = score else {
        return Err((Reason::MetricMissing, "was not logged by the candidate's run".to_owned()));
    };
    let value = finite(score, "the candidate's")?;
    if let Some(limit) = demand.at_least.filter(|limit| value < *limit) {
        return Err((
            Reason::BelowThreshold,
            format!("is {}, and at least {} is demanded", number(value), number(limit)),
        ));
    }
    if let Some(limit) = demand.at_most.filter(|limit| value > *limit) {
        return Err((
            Reason::BelowThreshold,
            format!("is {}, and at most {} is allowed", number(value), number(limit)),
        ));
    }
    let Champion::Is(who, scores) = champion else { return Ok(format!("{} (the first version)", number(value))) };
    if !demand.champion.is_demanded() {
        return Ok(number(value));
    }
    let Some(theirs) = scores.get(metric) else {
        return Err((Reason::Incomparable, format!("cannot be compared: the champion, {who}, has none")));
    };
    let baseline = finite(theirs, "the champion's")?;
    if demand.same_dataset {
        same_data(score, theirs, who)?;
    }
    let needed = needed(demand, baseline);
    let short = if demand.higher_is_better { value < needed } else { value > needed };
    if short {
        let than = if demand.higher_is_better { "at least" } else { "at most" };
        let why = format!(
            "is {}, the champion's ({who}) {}: {than} {} is demanded",
            number(value),
            number(baseline),
            number(needed)
        );
        return Err((Reason::WorseThanChampion, why));
    }
    Ok(format!("{} (champion {})", number(value), number(baseline)))
}

/// The value from which on a candidate passes beside this champion.
fn needed(demand: &Demand, baseline: f64) -> f64 {
    let Comparison { not_worse_by, not_worse_by_relative, better_by, better_by_relative } = demand.champion;
    let better_relative = better_by_relative.map(|share| {
        let change = share * baseline.abs();
        if baseline == 0.0 { MORE_THAN_ZERO } else { change }
    });
    let changes = [
        not_worse_by.map(|by| -by),
        not_worse_by_relative.map(|share| -share * baseline.abs()),
        better_by,
        better_relative,
    ];
    // Every demand holds: the strictest decides.
    let change = changes.into_iter().flatten().fold(f64::NEG_INFINITY, f64::max);
    if demand.higher_is_better { baseline + change } else { baseline - change }
}

fn finite(score: &Score, whose: &str) -> Result<f64, (Reason, String)> {
    let value = score.value;
    if let Some(other) = score.contradicted_by {
        let (one, other) = (number(value), number(other));
        let why = format!("proves nothing: {whose} value of one moment is {one} and {other}");
        return Err((Reason::MetricAmbiguous, why));
    }
    if value.is_nan() {
        return Err((Reason::MetricNotANumber, format!("proves nothing: {whose} value is no number (NaN)")));
    }
    if value.is_infinite() {
        return Err((Reason::MetricNotANumber, format!("proves nothing: {whose} value is infinite")));
    }
    Ok(value)
}

fn same_data(ours: &Score, theirs: &Score, who: &str) -> Result<(), (Reason, String)> {
    match (&ours.dataset, &theirs.dataset) {
        (Some(ours), Some(theirs)) if ours == theirs => Ok(()),
        (Some(ours), Some(theirs)) => {
            let why = format!("cannot be compared: it was taken on dataset {ours}, the champion's ({who}) on {theirs}");
            Err((Reason::OtherDataset, why))
        }
        (None, _) => Err((Reason::OtherDataset, "cannot be compared: no dataset was logged with it".to_owned())),
        (_, None) => Err((
            Reason::OtherDataset,
            format!("cannot be compared: the champion's ({who}) has no dataset logged with it"),
        )),
    }
}

fn champion_value<'c>(metric: &str, champion: &'c Champion) -> Option<&'c Score> {
    match champion {
        Champion::Is(_, scores) => scores.get(metric),
        Champion::First | Champion::Nobody => None,
    }
}

fn limit(demand: &Demand) -> String {
    let mut parts = Vec::new();
    parts.extend(demand.at_least.map(|limit| format!("at least {}", number(limit))));
    parts.extend(demand.at_most.map(|limit| format!("at most {}", number(limit))));
    let Comparison { not_worse_by, not_worse_by_relative, better_by, better_by_relative } = demand.champion;
    let percent = |share: f64| format!("{} %", number(share * 100.0));
    parts.extend(not_worse_by.map(|by| match by {
        0.0 => "not worse than the champion".to_owned(),
        by => format!("at most {} worse than the champion", number(by)),
    }));
    parts.extend(not_worse_by_relative.map(|share| format!("at most {} worse than the champion", percent(share))));
    parts.extend(better_by.map(|by| format!("at least {} better than the champion", number(by))));
    parts.extend(better_by_relative.map(|share| format!("at least {} better than the champion", percent(share))));
    parts.join(", ")
}

/// Six digits: more is noise to a person.
fn number(value: f64) -> String {
    let text = format!("{value:.6}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

fn hint(reason: Reason) -> &'static str {
    match reason {
        Reason::MetricMissing => {
            "log it in the training or the validation job, under this name, on the run that makes the version"
        }
        Reason::MetricNotANumber => "look at the run: it divided by nothing, or its data were empty",
        Reason::MetricAmbiguous => "log each metric under a name of its own, and what replaces a value later than it",
        Reason::Incomparable => {
            "score the champion in the validation job too, and log its metric on the champion's run"
        }
        Reason::OtherDataset => {
            "score both on one set in the validation job, and log it with `mlflow.log_input`; or set `dataset: any`"
        }
        Reason::WorseThanChampion => {
            "nothing was promoted and the champion stays; train a better one, or change the rule in a change of its own"
        }
        _ => "nothing was promoted; train a better one, or change the rule in a change of its own",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn score(value: f64) -> Score {
        Score { value, dataset: Some("d1".into()), ..Score::default() }
    }

    fn told(demand: Demand, candidate: Option<Score>, champion: &Champion) -> Result<String, (Reason, String)> {
        let demands = BTreeMap::from([("auc".to_owned(), demand)]);
        let scores: Scores = candidate.into_iter().map(|score| ("auc".to_owned(), score)).collect();
        let (verdicts, lines) = verdicts("churn", &demands, &scores, champion);
        let passed = verdicts.iter().all(Verdict::passed);
        assert!(lines.iter().all(|line| line.passed == passed), "{lines:?}");
        let verdict = verdicts.into_iter().next().unwrap();
        verdict.answer.map_err(|failure| (failure.reason, failure.message))
    }

    fn champion(value: f64) -> Champion {
        Champion::Is("version 3".into(), BTreeMap::from([("auc".to_owned(), score(value))]))
    }

    fn higher() -> Demand {
        Demand { higher_is_better: true, same_dataset: true, ..Demand::default() }
    }

    fn with(champion: Comparison) -> Demand {
        Demand { champion, ..higher() }
    }

    #[test]
    fn every_way_to_prove_nothing_has_its_own_reason_and_sentence() {
        let any = higher();
        let empty = Champion::Is("version 3".into(), Scores::new());
        let other = Score { dataset: Some("d2".into()), ..score(0.9) };
        let bare = Score { dataset: None, ..score(0.9) };
        let twice = Score { contradicted_by: Some(0.7), ..score(0.9) };
        let cases = [
            (None, champion(0.8), Reason::MetricMissing, "was not logged"),
            (Some(score(f64::NAN)), champion(0.8), Reason::MetricNotANumber, "the candidate's value is no number"),
            (Some(score(f64::INFINITY)), champion(0.8), Reason::MetricNotANumber, "the candidate's value is infinite"),
            (Some(score(f64::NEG_INFINITY)), champion(0.8), Reason::MetricNotANumber, "infinite"),
            (Some(twice), champion(0.8), Reason::MetricAmbiguous, "the candidate's value of one moment is 0.9 and 0.7"),
            (Some(score(0.9)), champion(f64::NAN), Reason::MetricNotANumber, "the champion's value is no number"),
            (Some(score(0.9)), empty, Reason::Incomparable, "the champion, version 3, has none"),
            (Some(other), champion(0.8), Reason::OtherDataset, "on dataset d2, the champion's (version 3) on d1"),
            (Some(bare), champion(0.8), Reason::OtherDataset, "no dataset was logged"),
            (Some(score(0.9)), Champion::Nobody, Reason::BootstrapNeeded, "no champion"),
        ];
        for (candidate, champion, reason, words) in cases {
            let (found, message) = told(any, candidate, &champion).unwrap_err();
            assert_eq!(found, reason, "{message}");
            assert!(message.contains(words), "{message}");
        }
    }

    #[test]
    fn thresholds_hold_for_a_first_version_too() {
        let demand = Demand { at_least: Some(0.8), ..higher() };
        assert_eq!(told(demand, Some(score(0.8)), &Champion::First).unwrap(), "`churn` auc: 0.8 (the first version)");
        assert_eq!(told(demand, Some(score(0.79)), &Champion::First).unwrap_err().0, Reason::BelowThreshold);
        let demand = Demand { at_most: Some(0.1), ..Demand::default() };
        assert!(told(demand, Some(score(0.1)), &Champion::First).is_ok());
        assert_eq!(told(demand, Some(score(0.11)), &Champion::First).unwrap_err().0, Reason::BelowThreshold);
    }

    #[test]
    fn beside_a_champion_improved_equal_and_worse_are_told_apart() {
        let c = |edit: fn(&mut Comparison)| {
            let mut comparison = Comparison::default();
            edit(&mut comparison);
            with(comparison)
        };
        let cases = [
            (c(|c| c.not_worse_by = Some(0.01)), 0.80, 0.79, true),
            (c(|c| c.not_worse_by = Some(0.01)), 0.80, 0.7899, false),
            (c(|c| c.not_worse_by_relative = Some(0.1)), 0.80, 0.72, true),
            (c(|c| c.not_worse_by_relative = Some(0.1)), 0.80, 0.719, false),
            (c(|c| c.better_by = Some(0.05)), 0.80, 0.86, true),
            (c(|c| c.better_by = Some(0.05)), 0.80, 0.80, false),
            (c(|c| c.better_by_relative = Some(0.1)), 0.80, 0.89, true),
            (c(|c| c.better_by_relative = Some(0.1)), 0.80, 0.87, false),
            (c(|c| c.better_by_relative = Some(0.1)), 0.0, 0.0, false),
            (c(|c| c.better_by_relative = Some(0.1)), 0.0, 0.001, true),
            (c(|c| c.better_by_relative = Some(0.1)), -0.80, -0.71, true),
            (c(|c| c.better_by_relative = Some(0.1)), -0.80, -0.75, false),
            // A gate that compares nothing compares everything.
            (higher(), 0.80, 0.80, true),
            (higher(), 0.80, 0.7999, false),
        ];
        for (demand, theirs, ours, passes) in cases {
            let answer = told(demand, Some(score(ours)), &champion(theirs));
            assert_eq!(answer.is_ok(), passes, "{ours} beside {theirs}: {answer:?}");
            if let Err((reason, _)) = answer {
                assert_eq!(reason, Reason::WorseThanChampion);
            }
        }
        let lower = Demand { higher_is_better: false, ..c(|c| c.not_worse_by = Some(0.01)) };
        assert!(told(lower, Some(score(0.21)), &champion(0.20)).is_ok());
        assert!(told(lower, Some(score(0.22)), &champion(0.20)).is_err());
    }

    #[test]
    fn other_data_may_be_allowed_on_purpose() {
        let demand = Demand { same_dataset: false, ..higher() };
        let other = Score { dataset: None, ..score(0.9) };
        assert!(told(demand, Some(other), &champion(0.8)).is_ok());
    }

    proptest! {
        #[test]
        fn a_worse_model_never_gets_through(theirs in -10.0..10.0f64, worse in 1e-6..5.0f64, higher in any::<bool>()) {
            let demand = Demand { higher_is_better: higher, same_dataset: true, ..Demand::default() };
            let ours = if higher { theirs - worse } else { theirs + worse };
            prop_assert!(told(demand, Some(score(ours)), &champion(theirs)).is_err());
            let ours = if higher { theirs + worse } else { theirs - worse };
            prop_assert!(told(demand, Some(score(ours)), &champion(theirs)).is_ok());
        }
    }
}
