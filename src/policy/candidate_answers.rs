//! A candidate may get traffic when it answers every test request in the champion's shape, fast enough, and, where a
//! tolerance is given, with nearly the champion's numbers.
//!
//! Messages name the request by its number: rows and predictions are nobody's business.

use std::time::Duration;

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
    /// How many rows were asked about.
    pub rows: usize,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    pub tolerance: Option<f64>,
    pub latency: Option<Duration>,
}

/// `percent` is the traffic that the candidate gets already.
pub fn verdict(candidate: &str, percent: u64, trials: &[Trial], limits: Limits) -> Verdict {
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

fn objection(trial: &Trial, limits: Limits) -> Option<String> {
    let answer = match &trial.candidate {
        Ok(answer) => answer,
        Err(why) => return Some(format!("failed ({why})")),
    };
    let Some(count) = answer.as_array().map(Vec::len).or(answer.as_object().map(|_| trial.rows)) else {
        return Some("was not answered with predictions".to_owned());
    };
    if count != trial.rows {
        return Some(format!("asked about {} rows and was answered with {count} predictions", trial.rows));
    }
    if holds_no_number(answer) {
        return Some("was answered with nothing, or with something that is no number".to_owned());
    }
    if let Some(limit) = limits.latency.filter(|limit| trial.candidate_took > *limit) {
        return Some(format!(
            "took {} ms; at most {} ms are allowed",
            trial.candidate_took.as_millis(),
            limit.as_millis()
        ));
    }
    // A champion that fails on a test request says nothing about the candidate.
    let Some(Ok(champion)) = &trial.champion else { return None };
    if shape(answer) != shape(champion) {
        return Some("was answered in another shape than the champion's".to_owned());
    }
    let tolerance = limits.tolerance?;
    let furthest = numbers(answer).iter().zip(numbers(champion)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    // Written so that a NaN is refused too.
    let close = furthest <= tolerance;
    (!close).then(|| format!("differs from the champion by {furthest:.6}; at most {tolerance} is allowed"))
}

/// A null where a prediction should be is how a NaN arrives.
fn holds_no_number(answer: &Value) -> bool {
    match answer {
        Value::Null => true,
        Value::Array(items) => items.is_empty() || items.iter().any(holds_no_number),
        Value::Object(fields) => fields.is_empty() || fields.values().any(holds_no_number),
        Value::String(text) => matches!(text.as_str(), "NaN" | "Infinity" | "-Infinity"),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// What stands where, but for the values.
fn shape(answer: &Value) -> Value {
    match answer {
        Value::Array(items) => Value::Array(items.iter().map(shape).collect()),
        Value::Object(fields) => Value::Object(fields.iter().map(|(k, v)| (k.clone(), shape(v))).collect()),
        Value::Number(_) => "number".into(),
        Value::String(_) => "text".into(),
        Value::Bool(_) => "truth".into(),
        Value::Null => Value::Null,
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
        let trial = Trial { candidate, candidate_took: Duration::from_millis(40), champion: champion.map(Ok), rows: 2 };
        verdict("churn-4", 0, &[trial], limits).message()
    }

    #[test]
    fn every_bad_answer_has_its_own_sentence() {
        let none = Limits::default();
        let close = Limits { tolerance: Some(0.01), latency: None };
        let quick = Limits { tolerance: None, latency: Some(Duration::from_millis(30)) };
        let cases = [
            (Err("500 INTERNAL_ERROR".to_owned()), None, none, "request 1 failed (500 INTERNAL_ERROR)"),
            (Ok(json!("x")), None, none, "not answered with predictions"),
            (Ok(json!([0.1])), None, none, "about 2 rows and was answered with 1"),
            (Ok(json!([0.1, null])), None, none, "no number"),
            (Ok(json!([0.1, "NaN"])), None, none, "no number"),
            (Ok(json!([0.1, 0.2])), None, quick, "took 40 ms; at most 30 ms"),
            (Ok(json!([[0.1], [0.2]])), Some(json!([0.1, 0.2])), none, "another shape"),
            (Ok(json!([0.1, 0.25])), Some(json!([0.1, 0.2])), close, "differs from the champion by 0.050000"),
        ];
        for (candidate, champion, limits, expected) in cases {
            let message = told(candidate, champion, limits);
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn a_good_answer_passes_and_another_number_is_no_fault_without_a_tolerance() {
        let message = told(Ok(json!([0.9, 0.8])), Some(json!([0.1, 0.2])), Limits::default());
        assert_eq!(message, "`churn-4` answered 1 request, the slowest in 40 ms");
    }
}
