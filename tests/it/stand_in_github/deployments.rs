//! Deployments and their statuses, with the defaults that surprise.

use super::*;

#[tokio::test]
async fn a_deployment_goes_through_its_life() {
    let story = Story::new();
    let job = story.job();
    let api = story.api(job.token());
    let sha = story.github.tip("main").unwrap();
    let asked = json!({
        "ref": sha, "environment": "development", "required_contexts": [], "auto_merge": false,
        "payload": {"release": "abc"}, "description": "Release abc",
    });
    let (status, made) = api.post("/deployments", asked).await;
    assert_eq!(status, 201);
    assert_eq!((&made["production_environment"], &made["payload"]["release"]), (&json!(false), &json!("abc")));
    let statuses = format!("/deployments/{}/statuses", made["id"]);
    for state in ["queued", "in_progress", "success"] {
        let said = json!({"state": state, "log_url": "https://example.com/log", "description": "d".repeat(140)});
        assert_eq!(api.post(&statuses, said).await.0, 201);
    }
    let (_, listed) = api.get(&statuses).await;
    assert_eq!(listed[0]["state"], "success");
    assert_eq!(listed[0]["target_url"], "https://example.com/log");
    let (_, found) = api.get("/deployments?environment=development&per_page=1").await;
    assert_eq!(found[0]["id"], made["id"]);
    assert_eq!(api.get("/environments/development").await.0, 200);
    story.judge();
}

#[tokio::test]
async fn deployment_statuses_that_are_refused() {
    let story = Story::new();
    let job = story.job();
    let api = story.api(job.token());
    let asked = json!({"ref": "main", "required_contexts": [], "auto_merge": false});
    let (_, made) = api.post("/deployments", asked).await;
    let statuses = format!("/deployments/{}/statuses", made["id"]);
    for wrong in [
        json!({}),
        json!({"state": "running"}),
        json!({"state": "success", "description": "d".repeat(141)}),
        json!({"state": "success", "environment_url": "ftp://example.com"}),
        json!({"state": "success", "auto_inactive": "yes"}),
        json!({"state": "success", "logUrl": "https://example.com"}),
    ] {
        assert_eq!(api.post(&statuses, wrong.clone()).await.0, 422, "{wrong}");
    }
    assert_eq!(api.get(&statuses).await.1, json!([]));
    story.judge_replies();
}

#[tokio::test]
async fn contexts_are_demanded_unless_the_list_is_empty() {
    let story = Story::new();
    let job = story.job();
    let api = story.api(job.token());
    let head = story.github.tip("feature").unwrap();
    // The asking job itself is a check that has not succeeded.
    let (status, refusal) = api.post("/deployments", json!({"ref": head, "auto_merge": false})).await;
    assert_eq!(status, 409);
    assert_eq!(refusal["errors"][0]["contexts"][0]["context"], "deploy");
    let main = story.github.tip("main").unwrap();
    story.github.set_commit_status(&main, "ci/test", "pending");
    assert_eq!(api.post("/deployments", json!({"ref": "main"})).await.0, 409);
    assert_eq!(api.get(&format!("/commits/{main}/status")).await.1["state"], "pending");
    story.github.set_commit_status(&main, "ci/test", "success");
    assert_eq!(api.post("/deployments", json!({"ref": "main"})).await.0, 201);
    let (status, _) = api.post("/deployments", json!({"ref": "main", "required_contexts": ["ci/other"]})).await;
    assert_eq!(status, 409);
    story.judge();
}

#[tokio::test]
async fn a_branch_that_is_behind_is_merged_in_place_of_being_deployed() {
    let story = Story::new();
    let job = story.job();
    let api = story.api(job.token());
    story.github.push("main", "ana", "Move on").unwrap();
    let before = story.github.tip("feature").unwrap();
    let asked = json!({"ref": "feature", "required_contexts": []});
    let (status, said) = api.post("/deployments", asked.clone()).await;
    assert_eq!((status.as_u16(), &said["message"]), (202, &json!("Auto-merged main into feature on deployment.")));
    assert_ne!(story.github.tip("feature").unwrap(), before);
    assert_eq!(story.github.dump()["deployments"], json!([]));
    assert_eq!(api.post("/deployments", asked).await.0, 201);
    story.judge();
}

#[tokio::test]
async fn a_success_closes_the_earlier_one_except_in_production() {
    let story = Story::new();
    let job = story.job();
    let api = story.api(job.token());
    let mut states = Vec::new();
    for environment in ["development", "production"] {
        let mut first = None;
        for _ in 0..2 {
            let asked = json!({
                "ref": "main", "environment": environment, "required_contexts": [], "auto_merge": false,
            });
            let (_, made) = api.post("/deployments", asked).await;
            first.get_or_insert(made["id"].clone());
            api.post(&format!("/deployments/{}/statuses", made["id"]), json!({"state": "success"})).await;
        }
        let (_, listed) = api.get(&format!("/deployments/{}/statuses", first.unwrap())).await;
        states.push(listed[0]["state"].clone());
    }
    assert_eq!(states, ["inactive", "success"]);
    story.judge();
}

#[tokio::test]
async fn a_job_with_an_environment_has_a_deployment_already() {
    let story = Story::new();
    let spec = JobSpec::on(Event::push("main")).permit(EVERYTHING).unwrap().environment("staging");
    let job = story.github.start_job(spec).unwrap();
    let api = story.api(job.token());
    let (_, listed) = api.get("/deployments?environment=staging").await;
    assert_eq!(listed[0]["id"], job.own_deployment().unwrap());
    let statuses = format!("/deployments/{}/statuses", listed[0]["id"]);
    let (_, said) = api.get(&statuses).await;
    assert_eq!(said[0]["state"], "in_progress");
    assert!(said[0]["log_url"].as_str().unwrap().ends_with(&format!("/actions/runs/{}/job/{}", job.run, job.id)));
    job.finish(Conclusion::Failure);
    assert_eq!(story.github.dump()["deployments"][0]["statuses"][2]["state"], "failure");
    let without = JobSpec::on(Event::push("main")).environment_without_deployment("staging");
    assert_eq!(story.github.start_job(without).unwrap().own_deployment(), None);
    story.judge();
}
