//! The failures of a promotion, made by the rules that make them.

use std::collections::BTreeMap;
use std::time::Duration;

use mlops_deploy::domain::fact::Rival;
use mlops_deploy::domain::rights::Right;
use mlops_deploy::domain::{Alias, Failure, ModelName, ModelVersion, Reason};
use mlops_deploy::policy::canary_is_well::{self, Demands, Seen};
use mlops_deploy::policy::candidate_answers::{self, Limits, Trial};
use mlops_deploy::policy::endpoint_serves::{self, Ended};
use mlops_deploy::policy::gate::{self, Champion, Demand, Score};
use mlops_deploy::policy::may_promote::Successor;
use mlops_deploy::policy::{Verdict, may_promote};
use serde_json::json;

fn refused(verdict: Verdict) -> Failure {
    verdict.answer.unwrap_err()
}

fn ended(update: &str, log: &str) -> Ended {
    Ended {
        endpoint: "churn".into(),
        step: "candidate".into(),
        meant: "`churn-v3` 100 %, `churn-v4` 0 %".into(),
        update: update.into(),
        serves: "`churn-v3` 100 %".into(),
        log: log.into(),
    }
}

/// One refusal for each way in which a metric can fail its gate.
fn gate() -> Vec<Failure> {
    let demand = Demand { at_least: Some(0.8), higher_is_better: true, same_dataset: true, ..Demand::default() };
    let demands = BTreeMap::from([("roc_auc".to_owned(), demand)]);
    let score = |value, dataset: &str| {
        let score = Score { value, dataset: Some(dataset.to_owned()), ..Score::default() };
        BTreeMap::from([("roc_auc".to_owned(), score)])
    };
    let champion = || Champion::Is("version 3".to_owned(), score(0.9, "2026-10"));
    let twice = Score { contradicted_by: Some(0.7), ..score(0.9, "2026-10")["roc_auc"].clone() };
    let nobody_compares = Champion::Is("version 3".to_owned(), BTreeMap::new());
    let cases = [
        (BTreeMap::new(), champion()),
        (score(f64::NAN, "2026-10"), champion()),
        (score(f64::INFINITY, "2026-10"), champion()),
        (BTreeMap::from([("roc_auc".to_owned(), twice)]), champion()),
        (score(0.7, "2026-10"), champion()),
        (score(0.85, "2026-10"), champion()),
        (score(0.95, "2026-11"), champion()),
        (score(0.95, "2026-10"), nobody_compares),
        (score(0.95, "2026-10"), Champion::Nobody),
    ];
    let judged = |(candidate, champion)| gate::verdicts("churn", &demands, &candidate, &champion).0;
    cases.into_iter().flat_map(judged).map(refused).collect()
}

pub fn all() -> Vec<Failure> {
    let mut failures = gate();
    failures.extend(promotion());
    failures
}

fn promotion() -> Vec<Failure> {
    let source = ModelName::parse("staging.models.churn").unwrap();
    let model = ModelName::parse("prod.models.churn").unwrap();
    let version = |number| ModelVersion::new(number).unwrap();
    let lacks = vec![
        ("deploy-prod".to_owned(), vec![Right::on_model(&source, "EXECUTE"), Right::to_reach(&model)[1].clone()]),
        ("ana@acme.example".to_owned(), vec![Right::on_model(&model, "EXECUTE")]),
    ];
    let of_another = [("mlops_gate", "passed"), ("mlops_release", "77aa")];
    let of_another = of_another.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let (alias, compared) =
        (Alias::parse("champion").unwrap(), Rival::Is { model: model.clone(), version: version(3) });
    let successor = Successor {
        alias: &alias,
        destination: &model,
        now: Some(version(2)),
        is_itself: false,
        compared: Some(&compared),
    };
    let trial = Trial {
        candidate: Ok(json!([0.1, 0.25])),
        candidate_took: Duration::from_millis(40),
        champion: Some(Ok(json!([0.1, 0.2]))),
        rows: Some(2),
    };
    let seen = |requests, failed| Seen { percent: 10, seconds: 120, requests, failed, ..Seen::default() };
    let demands = Demands { requests: 50, failed_percent: 1.0, go_on_unproven: false };
    vec![
        refused(may_promote::same_metastore((&source, "m-1"), (&model, "m-2"))),
        refused(may_promote::granted(&lacks, &[("deploy-prod".to_owned(), model.clone())])),
        refused(may_promote::starts_no_training(&model, &["train_churn".to_owned()], &["train_churn".to_owned()])),
        refused(may_promote::nothing_trains(&["train_churn"])),
        refused(may_promote::nothing_trained(
            1,
            &[("train_churn".into(), "https://dbc.example.com/jobs/1/runs/2".into())],
        )),
        refused(may_promote::endpoint_is_free("churn", true, 1, false, "CAN_MANAGE")),
        refused(may_promote::endpoint_is_free("churn", false, 10, false, "CAN_MANAGE")),
        refused(may_promote::endpoint_is_free("churn", false, 1, true, "CAN_MANAGE")),
        refused(may_promote::endpoint_is_free("churn", false, 1, false, "CAN_QUERY")),
        refused(endpoint_serves::verdict(&ended("failed", "ERROR: No matching distribution found for numpy==99"))),
        refused(endpoint_serves::verdict(&ended("goes-on", ""))),
        refused(endpoint_serves::verdict(&ended("otherwise", ""))),
        refused(may_promote::says_it_passed(&source, version(4), &BTreeMap::new(), "9f2c")),
        refused(may_promote::says_it_passed(&source, version(4), &of_another, "9f2c")),
        refused(may_promote::follows_its_champion(&successor, false)),
        refused(candidate_answers::verdict(
            "churn-v4",
            0,
            &[trial],
            Limits { tolerance: Some(0.01), ..Limits::default() },
        )),
        refused(candidate_answers::verdict("churn-v4", 0, &[], Limits::default())),
        refused(canary_is_well::verdict("churn-v4", seen(500, 6), demands)),
        refused(canary_is_well::verdict("churn-v4", Seen { slow: 9, ..seen(500, 0) }, demands)),
        refused(canary_is_well::verdict("churn-v4", Seen { client_errors: 500, ..seen(500, 0) }, demands)),
        refused(canary_is_well::verdict("churn-v4", seen(12, 0), demands)),
    ]
}

#[test]
fn no_message_repeats_a_row_or_a_prediction() {
    let secret = json!([424_242.5, 0.25]);
    let trial = |champion: serde_json::Value| Trial {
        candidate: Ok(secret.clone()),
        candidate_took: Duration::from_millis(40),
        champion: Some(Ok(champion)),
        rows: Some(2),
    };
    let limits = Limits { tolerance: Some(0.01), ..Limits::default() };
    for champion in [json!([[1], [2]]), json!([1.0, 2.0])] {
        let failure = refused(candidate_answers::verdict("churn-v4", 0, &[trial(champion)], limits));
        assert_eq!(failure.reason, Reason::CandidateFailed);
        assert!(!failure.message.contains("424242.5"), "{}", failure.message);
    }
}
