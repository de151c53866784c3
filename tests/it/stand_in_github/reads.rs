//! Comparisons, runs, approvals, and check runs.

use super::*;

#[tokio::test]
async fn commits_are_compared_and_lead_to_their_pull_requests() {
    let story = Story::new();
    let job = story.job();
    let api = story.api(job.token());
    let old = story.github.tip("main").unwrap();
    let merged = story.github.merge(story.number, "cleo").unwrap();
    let (_, compared) = api.get(&format!("/compare/{old}...{merged}")).await;
    assert_eq!((&compared["status"], &compared["ahead_by"]), (&json!("ahead"), &json!(2)));
    assert_eq!(compared["commits"].as_array().unwrap().len(), 2);
    assert_eq!(api.get(&format!("/compare/{merged}...{old}")).await.1["status"], "behind");
    assert_eq!(api.get(&format!("/compare/{merged}...main")).await.1["status"], "identical");
    story.github.push("other", "ben", "Another way").unwrap();
    story.github.push("main", "ana", "Go on").unwrap();
    assert_eq!(api.get("/compare/main...other").await.1["status"], "diverged");
    assert_eq!(api.get("/compare/main...nothing").await.0, 404);
    let (_, brought) = api.get(&format!("/commits/{merged}/pulls")).await;
    assert_eq!((&brought[0]["number"], &brought[0]["state"]), (&json!(story.number), &json!("closed")));
    let (_, pull) = api.get(&format!("/pulls/{}", story.number)).await;
    assert_eq!((&pull["merged"], &pull["merged_by"]["login"]), (&json!(true), &json!("cleo")));
    assert_eq!(api.get(&format!("/commits/{old}/pulls")).await.1, json!([]));
    assert_eq!(api.get(&format!("/commits/{}/pulls", "0".repeat(40))).await.0, 422);
    story.judge();
}

#[tokio::test]
async fn a_run_tells_who_approved_it_and_what_it_left() {
    let story = Story::new();
    story.github.protect_environment("production", &["cleo"], true);
    let base = || JobSpec::on(Event::push("main")).permit(EVERYTHING).unwrap().environment("production");
    assert!(story.github.start_job(base()).is_err());
    assert!(story.github.start_job(base().approved_by("ana")).is_err());
    let job = story.github.start_job(base().approved_by("cleo")).unwrap();
    story.github.add_artifact(job.run, "release", 1234);
    story.github.review(story.number, "cleo", "APPROVED").unwrap();
    let api = story.api(job.token());
    let run = format!("/actions/runs/{}", job.run);
    let (_, told) = api.get(&run).await;
    assert_eq!((&told["event"], &told["actor"]["login"]), (&json!("push"), &json!("ana")));
    let (_, approvals) = api.get(&format!("{run}/approvals")).await;
    assert_eq!(approvals[0]["user"]["login"], "cleo");
    assert_eq!(approvals[0]["environments"][0]["name"], "production");
    assert_eq!(api.get(&format!("{run}/pending_deployments")).await.1, json!([]));
    let (_, jobs) = api.get(&format!("{run}/jobs")).await;
    assert_eq!((&jobs["total_count"], &jobs["jobs"][0]["id"]), (&json!(1), &json!(job.id)));
    let (_, environment) = api.get("/environments/production").await;
    assert_eq!(environment["protection_rules"][0]["prevent_self_review"], true);
    assert_eq!(api.get(&format!("{run}/artifacts")).await.1["artifacts"][0]["name"], "release");
    assert_eq!(api.get(&format!("/actions/jobs/{}", job.id)).await.1["status"], "in_progress");
    assert_eq!(api.get(&format!("/pulls/{}/reviews", story.number)).await.1[0]["state"], "APPROVED");
    for path in ["", "/environments", "/pulls?state=all", "/actions/artifacts?name=release", "/commits/main"] {
        assert_eq!(api.get(path).await.0, 200, "{path}");
    }
    assert_eq!(api.get(&format!("{run}/attempts/1/jobs")).await.0, 200);
    assert_eq!(api.get(&format!("/pulls/{}/commits", story.number)).await.1.as_array().unwrap().len(), 1);
    job.finish(Conclusion::Success);
    let again = JobSpec::on(Event::push("main")).rerun_by(job.run, "ben").permit(EVERYTHING).unwrap();
    let again = story.github.start_job(again).unwrap();
    let (_, told) = story.api(again.token()).get(&run).await;
    assert_eq!((&told["run_attempt"], &told["triggering_actor"]["login"]), (&json!(2), &json!("ben")));
    story.judge();
}

#[tokio::test]
async fn a_check_run_collects_annotations() {
    let story = Story::new();
    let job = story.job();
    let api = story.api(job.token());
    let sha = story.github.tip("feature").unwrap();
    let note = |line: usize| json!({"path": "databricks.yml", "start_line": line, "end_line": line, "annotation_level": "warning", "message": "m"});
    let output =
        |count: usize| json!({"title": "t", "summary": "s", "annotations": (1..=count).map(note).collect::<Vec<_>>()});
    let ask = |output: Value| json!({"name": "plan", "head_sha": sha, "status": "in_progress", "output": output});
    assert_eq!(api.post("/check-runs", ask(output(51))).await.0, 422);
    let (status, made) = api.post("/check-runs", ask(output(50))).await;
    assert_eq!(status, 201);
    let one = format!("/check-runs/{}", made["id"]);
    assert_eq!(api.patch(&one, json!({"status": "completed"})).await.0, 422);
    let last = json!({"conclusion": "success", "output": output(10)});
    let (_, done) = api.patch(&one, last).await;
    assert_eq!((&done["status"], &done["output"]["annotations_count"]), (&json!("completed"), &json!(60)));
    assert_eq!(api.get(&format!("{one}/annotations?per_page=100")).await.1.as_array().unwrap().len(), 60);
    assert_eq!(api.get(&one).await.0, 200);
    let long = json!({"title": "t", "summary": "s".repeat(65_536)});
    assert_eq!(api.patch(&one, json!({"output": long})).await.0, 422);
    let (_, listed) = api.get(&format!("/commits/{sha}/check-runs?check_name=plan")).await;
    assert_eq!(listed["total_count"], 1);
    story.judge_replies();
}
