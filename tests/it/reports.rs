//! What a person sees of a run: comment, summary, annotations, outputs, last words.

use mlops_deploy::domain::fact::{self, About, Deployed, Deployment, Engine, Files, Target};
use mlops_deploy::domain::{Diagnostic, Origin, RunOutcome};
use mlops_deploy::report::annotations::Level;
use mlops_deploy::report::{self, RunView, Written, comment, outputs, summary, terminal};
use mlops_deploy::saga::{Entry, Event, Outcome, Spec};
use serde_json::{Value, json};

use super::plans::view;

/// A journal told event by event, a second apart.
struct Told(Vec<Entry>);

impl Told {
    fn stage(stage: &str) -> Self {
        let about = About {
            stage: stage.to_owned(),
            bundle: "churn".to_owned(),
            target: "dev".to_owned(),
            environment: "dev".to_owned(),
            host: "https://dbc-dev.cloud.databricks.com".to_owned(),
            commit: "5ba9f3c2d1e0a7b8c9d0e1f2a3b4c5d6e7f80910".to_owned(),
            run_url: "https://github.com/acme/churn/actions/runs/4711/attempts/1".to_owned(),
            version: "0.1.0".to_owned(),
            ..About::default()
        };
        Self(Vec::new()).then(Event::RunStarted { run: json!(about) })
    }

    fn then(mut self, event: Event) -> Self {
        let at = format!("2026-11-21T10:00:{:02}Z", self.0.len() % 60);
        self.0.push(Entry { v: 1, at, event });
        self
    }

    fn fact(self, name: &str, value: impl serde::Serialize) -> Self {
        self.then(Event::Fact { name: name.to_owned(), value: json!(value) })
    }

    fn phase(self, name: &str) -> Self {
        self.then(Event::PhaseStarted { phase: name.to_owned() })
            .then(Event::PhaseFinished { phase: name.to_owned(), seconds: 0.25 })
    }

    fn done(self, verb: &str, subject: &str, title: &str, outcome: Value) -> Self {
        let outcome = Outcome(outcome);
        self.then(Event::Done { change: spec(verb, subject), title: title.to_owned(), outcome, seconds: 1.5 })
    }

    fn ended(self, outcome: RunOutcome) -> Self {
        self.then(Event::RunFinished { outcome, reason: None, message: None, hint: None })
    }

    fn failed(self, outcome: RunOutcome, reason: &str, message: &str, hint: &str) -> Self {
        self.then(Event::RunFinished {
            outcome,
            reason: Some(reason.to_owned()),
            message: Some(message.to_owned()),
            hint: Some(hint.to_owned()),
        })
    }

    fn view(&self) -> RunView {
        RunView::of(&self.0)
    }
}

fn spec(verb: &str, subject: &str) -> Spec {
    Spec { verb: verb.to_owned(), subject: subject.to_owned(), args: Value::Null }
}

fn plan() -> Value {
    json!({"plan": {
        "resources.jobs.train": {"action": "update", "remote_state": {}, "changes": {
            "max_concurrent_runs": {"action": "update", "old": 1, "new": 4, "remote": 9},
            "tags['team']": {"action": "update", "remote": "by hand"},
            "description": {"action": "update", "old": "hunter1", "new": "hunter2", "remote": "hunter1"},
            "tasks[task_key='a'].libraries[0].whl": {"action": "update", "old": "0.1.0.whl", "new": "0.2.0.whl", "remote": "0.1.0.whl"},
            "tasks[task_key='b'].libraries[0].whl": {"action": "update", "old": "0.1.0.whl", "new": "0.2.0.whl", "remote": "0.1.0.whl"},
            "deployment": {"action": "update", "old": {"kind": "BUNDLE"}, "new": {"kind": "BUNDLE"}},
        }},
        "resources.registered_models.churn": {"action": "recreate", "remote_state": {}, "changes": {
            "schema_name": {"action": "recreate", "reason": "immutable", "old": "a", "new": "b", "remote": "a"}}},
        "resources.jobs.old": {"action": "delete"},
        "resources.jobs.fresh": {"action": "create"},
        "resources.jobs.fresh.permissions": {"action": "create"},
        "resources.jobs.vanished": {"action": "create"},
        "resources.schemas.main": {"action": "skip"},
    }})
}

fn validated() -> Told {
    Told::stage("validate")
        .fact(
            fact::ENGINE,
            Engine { name: "embedded".into(), because: "it knows every construct of the bundle".into() },
        )
        .fact(
            fact::TARGETS,
            [
                Target { name: "dev".into(), mode: "development".into(), resources: 5, ..Target::default() },
                Target {
                    name: "prod".into(),
                    host: "https://dbc-prod.cloud.databricks.com".into(),
                    mode: "production".into(),
                    resources: 5,
                    warnings: 1,
                    unknown: 2,
                    ..Target::default()
                },
            ],
        )
        .phase("plan")
        .fact(fact::PLAN, view(&plan()))
        .fact(fact::PLAN_DIGEST, "sha256:0123")
        .fact(
            fact::FILES,
            Files { added: vec!["src/new.py".into()], deleted: vec!["src/old.py".into()], ..Files::default() },
        )
        .fact(
            fact::DIAGNOSTICS,
            [Diagnostic::warning("unknown field: nme").at([Origin::new("resources/jobs.yml", 7, 5)])],
        )
}

fn deployed() -> Told {
    Told::stage("deploy-dev")
        .fact(fact::DEPLOYED_COMMIT, "1111111111111111111111111111111111111111")
        .then(Event::Verdict {
            rule: "not-older".into(),
            passed: true,
            message: "5ba9f3c is newer than 1111111".into(),
        })
        .fact(fact::PLAN, view(&plan()))
        .fact(fact::DEPLOYMENT, Deployment { id: 42, environment: "development".into(), of_the_job: true })
        .done("create-resource", "jobs.fresh", "create job `fresh`", json!({}))
        .done("update-resource", "jobs.train", "update job `train`", json!({}))
}

#[test]
fn a_plan_as_a_reviewer_reads_it() {
    let view = validated().ended(RunOutcome::Succeeded).view();
    insta::assert_snapshot!("plan_comment", comment::render(&view));
    insta::assert_snapshot!("plan_summary", summary::render(&view));
    insta::assert_snapshot!("plan_last_words", terminal::last_words(&view));
    let file = report::outputs::plan_file(&view).unwrap();
    assert!(!file.contains("hunter") && file.contains("sha256:0123"));
}

#[test]
fn a_deployment_as_it_is_told() {
    let view = deployed()
        .done(
            "run-job",
            "jobs.smoke_test",
            "run job `smoke_test`",
            json!({"job": "smoke_test", "life_cycle_state": "TERMINATED", "result_state": "SUCCESS", "message": "",
                   "url": "https://dbc-dev.cloud.databricks.com/jobs/1/runs/2"}),
        )
        .fact(
            fact::RESOURCES,
            [Deployed {
                title: "job `train`".into(),
                id: "11".into(),
                url: "https://dbc-dev.cloud.databricks.com/jobs/11".into(),
            }],
        )
        .then(Event::Notice { message: "the comment was not written: GitHub does not answer".into() })
        .ended(RunOutcome::Succeeded)
        .view();
    insta::assert_snapshot!("deployed_comment", comment::render(&view));
    insta::assert_snapshot!("deployed_summary", summary::render(&view));
    insta::assert_snapshot!("deployed_last_words", terminal::last_words(&view));
    let written = Written { journal: Some("/tmp/journal.jsonl".into()), ..Written::default() };
    let pairs: Vec<String> = outputs(&view, &written).iter().map(|(k, v)| format!("{k}={v}")).collect();
    insta::assert_snapshot!("deployed_outputs", pairs.join("\n"));
}

#[test]
fn nothing_to_do_is_said_in_one_line() {
    let same = json!({"plan": {"resources.jobs.a": {"action": "skip"}}});
    let told = Told::stage("deploy-dev").fact(fact::PLAN, view(&same)).ended(RunOutcome::Unchanged);
    insta::assert_snapshot!("unchanged_comment", comment::render(&told.view()));
    assert!(!told.view().is_worth_telling());
    let told = Told::stage("validate").fact(fact::PLAN, view(&same)).ended(RunOutcome::Succeeded);
    assert_eq!(terminal::last_words(&told.view()), "Nothing would change in `dev` (2.0 s)\n");
}

#[test]
fn a_failure_says_how_the_workspace_is_left() {
    let cases = [
        deployed()
            .then(Event::Failed {
                change: spec("create-resource", "jobs.x"),
                title: "create job `x`".into(),
                reason: "permission-denied".into(),
                message: "no right to create jobs (403)".into(),
                nothing_made: true,
            })
            .then(Event::Undone { change: spec("update-resource", "jobs.train"), how: "taken-back".into() })
            .then(Event::Undone { change: spec("create-resource", "jobs.fresh"), how: "taken-back".into() })
            .failed(RunOutcome::Failed, "permission-denied", "create job `x`: no right (403)", "grant it"),
        deployed().then(Event::PointOfNoReturn { left: vec![spec("delete-resource", "jobs.old")] }).failed(
            RunOutcome::Resumable,
            "workspace-error",
            "delete job `old`: 500",
            "run again",
        ),
        deployed()
            .then(Event::UndoFailed { change: spec("update-resource", "jobs.train"), message: "found 9, not 4".into() })
            .failed(RunOutcome::Incomplete, "unwind-incomplete", "verify the deployment", "look at it"),
        Told::stage("deploy-dev")
            .then(Event::Verdict { rule: "not-older".into(), passed: false, message: "deploy 1: 2 is newer".into() })
            .failed(RunOutcome::Refused, "older-than-deployed", "deploy 1: 2 is newer", "set `allow-older: true`"),
        Told::stage("validate").failed(RunOutcome::Failed, "invalid-bundle", "load the bundle", "see the lines"),
        deployed()
            .then(Event::Undone { change: spec("update-resource", "jobs.train"), how: "taken-back".into() })
            .failed(RunOutcome::Cancelled, "cancelled", "stopped before 3 of the changes", "run again"),
        deployed()
            .then(Event::Undone { change: spec("change-resource", "resources.jobs.train"), how: "taken-back".into() })
            .then(Event::Undone { change: spec("change-resource", "resources.schemas.scores"), how: "kept".into() })
            .failed(RunOutcome::Refused, "below-threshold", "auc is 0.5", "train again"),
        deployed().then(Event::PhaseStarted { phase: "deploy".into() }),
    ];
    let told: Vec<String> = cases.iter().map(|told| comment::render(&told.view())).collect();
    insta::assert_snapshot!("failed_comments", told.join("\n--------\n\n"));
    let told: Vec<String> = cases.iter().map(|told| terminal::last_words(&told.view())).collect();
    insta::assert_snapshot!("failed_last_words", told.join("\n"));
}

#[test]
fn a_pull_request_that_is_not_trusted_hears_why_there_is_no_plan() {
    let view = Told::stage("validate")
        .fact(fact::TARGETS, [Target { name: "dev".into(), resources: 3, ..Target::default() }])
        .fact(fact::OFFLINE, "the pull request comes from a fork")
        .ended(RunOutcome::Succeeded)
        .view();
    insta::assert_snapshot!("offline_comment", comment::render(&view));
}

#[test]
fn a_comment_is_cut_at_a_line_and_keeps_its_head_and_foot() {
    let mut plan = plan();
    for i in 0..3_000 {
        plan["plan"][format!("resources.jobs.job_{i:04}_{}", "x".repeat(60))] = json!({"action": "delete"});
    }
    let view = validated().fact(fact::PLAN, view(&plan)).ended(RunOutcome::Succeeded).view();
    let text = comment::render(&view);
    assert!(text.len() <= comment::BUDGET, "{}", text.len());
    assert!(text.len() > comment::BUDGET / 2);
    assert!(text.starts_with(&comment::marker(&view.about)));
    assert!(text.trim_end().ends_with("</sub>"), "{}", &text[text.len() - 300..]);
    assert!(text.contains("the job summary has everything") && text.contains("#### How to undo"), "{text}");
    assert!(text.contains("- **delete**, without room for their names: "), "{text}");
    assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
    let long = summary::render(&view);
    assert!(long.len() < 1_000_000 && long.contains("job_2999"));
}

#[test]
fn many_new_resources_leave_room_for_the_rest_of_the_page() {
    let mut plan = json!({"plan": {"resources.jobs.old": {"action": "delete"}}});
    for i in 0..800 {
        let job = json!({"schedule": {"quartz_cron_expression": "0 0 2 * * ?", "timezone_id": "Europe/Berlin", "pause_status": "UNPAUSED"},
            "run_as": {"service_principal_name": "6f1c0d52-1111-2222-3333-444455556666"}, "tasks": 3});
        plan["plan"][format!("resources.jobs.job_{i:03}")] = json!({"action": "create", "new_state": {"value": job}});
        let access = json!({"__embed__": [{"group_name": "ml", "level": "CAN_MANAGE"}]});
        plan["plan"][format!("resources.jobs.job_{i:03}.permissions")] =
            json!({"action": "create", "new_state": {"value": access}});
    }
    let view = validated().fact(fact::PLAN, view(&plan)).ended(RunOutcome::Succeeded).view();
    let text = comment::render(&view);
    assert!(text.len() <= comment::BUDGET, "{}", text.len());
    assert!(
        text.contains("- **delete** job `old`") && text.contains("- **create** job `job_000` with permissions"),
        "{text}"
    );
    let counted = text.lines().find(|line| line.contains("without room for their names")).unwrap();
    let left_out: usize = counted.split_whitespace().find_map(|word| word.parse().ok()).unwrap();
    assert_eq!(text.matches("- **create** job").count() + left_out, 800, "{counted}");
    for part in [
        "- **cost** (800): it begins to run by itself: ",
        "- **privilege** (800): `ml` gets CAN\\_MANAGE: ",
        "#### How to undo",
        "This run",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let long = summary::render(&view);
    assert!(long.len() < 1_000_000 && long.contains("job `job_799` with permissions") && long.contains("### This run"));
}

#[test]
fn the_marker_survives_what_would_end_a_comment() {
    let about = About { bundle: "a--><b>".into(), target: "d-e".into(), ..About::default() };
    let marker = comment::marker(&about);
    assert_eq!(marker.matches("-->").count(), 1);
    assert_eq!(marker.matches('<').count(), 1);
    let json = marker.trim_start_matches("<!-- mlops-deploy: ").trim_end_matches(" -->");
    assert_eq!(serde_json::from_str::<Value>(json).unwrap(), json!({"bundle": "a--><b>", "target": "d-e"}));
}

#[test]
fn annotations_come_worst_first_and_the_tenth_counts_the_rest() {
    let mut found: Vec<Diagnostic> = (0..25)
        .map(|i| Diagnostic::warning(format!("warning {i:02}")).at([Origin::new("databricks.yml", 100 - i, 3)]))
        .collect();
    found.push(Diagnostic::recommendation("no place"));
    found.push(
        Diagnostic::error("bad\u{202e}")
            .path("resources.jobs.x")
            .detail("::error::x")
            .at([Origin::new("resources/a.yml", 7, 5), Origin::new("/abs/b.yml", 8, 1)]),
    );
    let all = report::annotations(&found, "./bundles/churn/");
    assert_eq!(all.iter().filter(|a| a.level == Level::Warning).count(), 10);
    let told: Vec<String> = [&all[0], &all[1], &all[10], &all[11]]
        .iter()
        .map(|a| format!("{} {:?}:{:?}:{:?} {}\n{}", a.level.name(), a.file, a.line, a.column, a.title, a.message))
        .collect();
    insta::assert_snapshot!("annotations", told.join("\n--\n"));
}

#[test]
fn the_live_account_is_a_line_for_each_thing_that_happens() {
    let told = deployed()
        .phase("deploy")
        .then(Event::Planned { phase: "deploy".into(), changes: vec![spec("a", "b")] })
        .then(Event::PointOfNoReturn { left: vec![spec("a", "b"), spec("a", "c")] })
        .then(Event::Failed {
            change: spec("a", "b"),
            title: "a `b`".into(),
            reason: "x".into(),
            message: "::set-env::".into(),
            nothing_made: true,
        })
        .then(Event::Undone { change: spec("a", "b"), how: "taken-back".into() })
        .then(Event::UndoFailed { change: spec("a", "c"), message: "drift".into() })
        .then(Event::Notice { message: "take ##[group] care".into() });
    let lines: Vec<String> = told.0.iter().filter_map(terminal::line).collect();
    insta::assert_snapshot!("live_account", lines.join("\n"));
}
