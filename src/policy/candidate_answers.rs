//! A candidate may get traffic when it answers every test request in the champion's shape, fast enough, and, where a
//! tolerance is given, with nearly the champion's numbers. Whether an answer has something for each row is what the
//! champion shows: a forecast or a chat has not.
//!
//! Messages name the request by its number: rows and predictions are nobody's business.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::Verdict;
use crate::domain::{Failure, Reason};

const RULE: &str = "candidate-answers";

/// One request and what came back.
#[derive(Clone, Debug)]
pub struct Trial {
    pub candidate: Result<Value, String>,
    pub candidate_took: Duration,
    /// Absent where nothing serves yet.
    pub champion: Option<Result<Value, String>>,
    /// How many rows were asked about, where that shows.
    pub rows: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Limits {
    pub tolerance: Option<f64>,
    pub latency: Option<Duration>,
    /// A list of predictions need not have one for each row, as long as no champion shows that it has.
    pub any_count: bool,
    /// Whether a candidate may get traffic that nothing could be asked.
    pub go_on_untried: bool,
}

/// `percent` is the traffic that the candidate gets already.
pub fn verdict(candidate: &str, percent: u64, trials: &[Trial], limits: Limits) -> Verdict {
    if trials.is_empty() {
        return untried(candidate, limits);
    }
    for (i, trial) in trials.iter().enumerate() {
        if let Some(why) = objection(trial, limits) {
            let (when, so) = match percent {
                0 => ("before it gets traffic".to_owned(), "serves on"),
                percent => (format!("at {percent} %"), "gets everything back"),
            };
            let message = format!("try `{candidate}` {when}: request {} {why}", i + 1);
            let hint = format!("what served before {so}; the candidate's logs are on the endpoint's page");
            return Verdict::no(RULE, Failure::new(Reason::CandidateFailed, message).hint(hint));
        }
    }
    let slowest = trials.iter().map(|t| t.candidate_took).max().unwrap_or_default();
    let count = trials.len();
    let requests = if count == 1 { "1 request".to_owned() } else { format!("{count} requests") };
    let at = if percent == 0 { String::new() } else { format!(" at {percent} %") };
    Verdict::yes(RULE, format!("`{candidate}`{at} answered {requests}, the slowest in {} ms", slowest.as_millis()))
}

fn untried(candidate: &str, limits: Limits) -> Verdict {
    let why = "its version brings no input example, and `serve.requests` names none";
    if limits.go_on_untried {
        return Verdict::yes(RULE, format!("`{candidate}` was not tried: {why} (going on is configured)"));
    }
    let message = format!("try `{candidate}` before it gets traffic: {why}");
    Verdict::no(
        RULE,
        Failure::new(Reason::CandidateUntried, message).hint(
            "log the model with an `input_example`, or write a body under `serve.requests`; `on_no_requests: go-on` gives \
             it traffic untried",
        ),
    )
}

fn objection(trial: &Trial, limits: Limits) -> Option<String> {
    let answer = match &trial.candidate {
        Ok(answer) => answer,
        Err(why) => return Some(format!("failed ({why})")),
    };
    if let Some(limit) = limits.latency.filter(|limit| trial.candidate_took > *limit) {
        return Some(format!(
            "took {} ms; at most {} ms are allowed",
            trial.candidate_took.as_millis(),
            limit.as_millis()
        ));
    }
    let by_row = |answer: &Value| answer.as_array().map(Vec::len) == trial.rows;
    let other_count = |answer: &Value| {
        let (rows, count) = (trial.rows?, answer.as_array()?.len());
        (rows != count).then(|| format!("asked about {rows} rows and was answered with {count} predictions"))
    };
    let nothing = || Some("was answered with nothing, or with something that is no number".to_owned());
    // A champion that fails on a test request says nothing about the candidate.
    let Some(Ok(champion)) = &trial.champion else {
        return match other_count(answer).filter(|_| !limits.any_count) {
            None if says_nothing(answer) => nothing(),
            objection => objection,
        };
    };
    if let Some(other) = other_count(answer).filter(|_| by_row(champion)) {
        return Some(other);
    }
    match likeness(answer, champion) {
        Likeness::Alike => {}
        Likeness::Lacking => return nothing(),
        Likeness::Other => return Some("was answered in another shape than the champion's".to_owned()),
    }
    let tolerance = limits.tolerance?;
    let furthest = numbers(answer).iter().zip(numbers(champion)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    // Written so that a NaN is refused too.
    let close = furthest <= tolerance;
    (!close).then(|| format!("differs from the champion by {furthest:.6}; at most {tolerance} is allowed"))
}

/// A null where a prediction should be is how a NaN arrives; a field of a prediction may be optional.
fn says_nothing(answer: &Value) -> bool {
    match answer {
        Value::Null => true,
        Value::Array(items) => items.is_empty() || items.iter().any(says_nothing),
        Value::Object(fields) => fields.values().all(says_nothing),
        Value::String(text) => is_no_number(text),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn is_no_number(text: &str) -> bool {
    matches!(text, "NaN" | "Infinity" | "-Infinity")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Likeness {
    Alike,
    /// A number is not there.
    Lacking,
    Other,
}

/// The same things stand in the same places, whatever their values. What is optional may be missing on either side; a
/// number that the champion has may not.
fn likeness(answer: &Value, champion: &Value) -> Likeness {
    let worst = |all: &mut dyn Iterator<Item = Likeness>| all.max().unwrap_or(Likeness::Alike);
    match (answer, champion) {
        (Value::Null, Value::Number(_)) => Likeness::Lacking,
        (Value::String(text), Value::Number(_)) if is_no_number(text) => Likeness::Lacking,
        (Value::Null, _) | (_, Value::Null) => Likeness::Alike,
        (Value::Array(ours), Value::Array(theirs)) if ours.len() == theirs.len() => {
            worst(&mut ours.iter().zip(theirs).map(|(a, b)| likeness(a, b)))
        }
        (Value::Object(ours), Value::Object(theirs))
            if ours.len() == theirs.len() && ours.keys().all(|field| theirs.contains_key(field)) =>
        {
            worst(&mut ours.iter().filter_map(|(field, a)| Some(likeness(a, theirs.get(field)?))))
        }
        (Value::Number(_), Value::Number(_))
        | (Value::String(_), Value::String(_))
        | (Value::Bool(_), Value::Bool(_)) => Likeness::Alike,
        _ => Likeness::Other,
    }
}

fn numbers(answer: &Value) -> Vec<f64> {
    match answer {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        Value::Object(fields) => fields.values().flat_map(numbers).collect(),
        Value::Number(number) => number.as_f64().into_iter().collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(candidate: Result<Value, String>, champion: Option<Value>, limits: Limits) -> String {
        let took = Duration::from_millis(40);
        let trial = Trial { candidate, candidate_took: took, champion: champion.map(Ok), rows: Some(2) };
        verdict("churn-4", 0, &[trial], limits).message()
    }

    const NONE: Limits = Limits { tolerance: None, latency: None, any_count: false, go_on_untried: false };

    #[test]
    fn every_bad_answer_has_its_own_sentence() {
        let close = Limits { tolerance: Some(0.01), ..NONE };
        let quick = Limits { latency: Some(Duration::from_millis(30)), ..NONE };
        let cases = [
            (Err("500 INTERNAL_ERROR".to_owned()), None, NONE, "request 1 failed (500 INTERNAL_ERROR)"),
            (Ok(json!([0.1])), None, NONE, "about 2 rows and was answered with 1"),
            (Ok(json!([0.1])), Some(json!([0.1, 0.2])), NONE, "about 2 rows and was answered with 1"),
            (Ok(json!(null)), None, NONE, "no number"),
            (Ok(json!([0.1, null])), None, NONE, "no number"),
            (Ok(json!([0.1, "NaN"])), None, NONE, "no number"),
            (Ok(json!([0.1, null])), Some(json!([0.1, 0.2])), NONE, "no number"),
            (Ok(json!([{"score": "NaN"}, {"score": 1}])), Some(json!([{"score": 1}, {"score": 1}])), NONE, "no number"),
            (Ok(json!([0.1, 0.2])), None, quick, "took 40 ms; at most 30 ms"),
            (Ok(json!([[0.1], [0.2]])), Some(json!([0.1, 0.2])), NONE, "another shape"),
            (Ok(json!([1, 2, 3, 4])), Some(json!([1, 2, 3])), NONE, "another shape"),
            (Ok(json!([0.1, 0.25])), Some(json!([0.1, 0.2])), close, "differs from the champion by 0.050000"),
        ];
        for (candidate, champion, limits, expected) in cases {
            let message = told(candidate, champion, limits);
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn a_good_answer_passes_and_another_number_is_no_fault_without_a_tolerance() {
        let message = told(Ok(json!([0.9, 0.8])), Some(json!([0.1, 0.2])), NONE);
        assert_eq!(message, "`churn-4` answered 1 request, the slowest in 40 ms");
    }

    #[test]
    fn what_is_no_answer_row_by_row_is_held_against_the_champions() {
        let optional = |why: Value| json!([{"score": 0.1, "why": why}, {"score": 0.2, "why": "age"}]);
        for (candidate, champion) in [
            (json!(0.3), Some(json!(0.4))),
            (json!("a summary"), None),
            (json!([1, 2, 3]), Some(json!([4, 5, 6]))),
            (json!([{"message": {"content": "yes"}}]), Some(json!([{"message": {"content": "no"}}]))),
            (optional(json!(null)), Some(optional(json!("tenure")))),
            (optional(json!(null)), None),
        ] {
            let message = told(Ok(candidate), champion, NONE);
            assert!(message.starts_with("`churn-4` answered"), "{message}");
        }
        let any = Limits { any_count: true, ..NONE };
        assert!(told(Ok(json!([1, 2, 3])), None, any).starts_with("`churn-4` answered"));
    }
}
