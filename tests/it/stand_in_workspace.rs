//! The stand-in workspace over real HTTP: what it keeps, what it refuses, and how it fails when told to.

use std::time::Duration;

use mlops_deploy::rehearsal::front::{Fault, Rule};
use mlops_deploy::rehearsal::workspace::{self, Config, Leniency, Outcome, Running, Uploads};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

struct Client {
    workspace: Running,
    http: reqwest::Client,
    token: String,
}

impl Client {
    async fn strict() -> Self {
        let mut config = Config::per_token();
        config.leniency = Leniency::Strict;
        config.uploads = Uploads::Multipart;
        Self::of(config).await
    }

    async fn of(config: Config) -> Self {
        let workspace = workspace::serve(config).await.unwrap();
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().unwrap();
        Self { workspace, http, token: "dbapi0story".into() }
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.workspace.url())).bearer_auth(&self.token)
    }

    async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        seen(self.request(Method::POST, path).json(&body).send().await.unwrap()).await
    }

    async fn put(&self, path: &str, body: Value) -> (StatusCode, Value) {
        seen(self.request(Method::PUT, path).json(&body).send().await.unwrap()).await
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        seen(self.request(Method::GET, path).send().await.unwrap()).await
    }

    async fn upload(&self, path: &str, content: &str, overwrite: bool) -> (StatusCode, Value) {
        let mut form = reqwest::multipart::Form::new()
            .text("path", path.to_owned())
            .part("content", reqwest::multipart::Part::text(content.to_owned()).file_name("content"))
            .text("format", "AUTO");
        if overwrite {
            form = form.text("overwrite", "true");
        }
        let sent = self.request(Method::POST, "/api/2.0/workspace/import").multipart(form).send().await;
        seen(sent.unwrap()).await
    }

    fn control(&self) -> &workspace::Control {
        self.workspace.control()
    }

    async fn job(&self, name: &str) -> u64 {
        let task = json!({"task_key": "main", "notebook_task": {"notebook_path": "/Shared/n"}});
        let (_, made) = self.post("/api/2.2/jobs/create", json!({"name": name, "tasks": [task]})).await;
        made["job_id"].as_u64().unwrap()
    }

    async fn names_of_jobs(&self) -> Vec<String> {
        let (_, list) = self.get("/api/2.2/jobs/list").await;
        let jobs = list["jobs"].as_array().cloned().unwrap_or_default();
        jobs.iter().map(|j| j["settings"]["name"].as_str().unwrap().to_owned()).collect()
    }
}

async fn seen(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    (status, serde_json::from_str(&response.text().await.unwrap()).unwrap_or(Value::Null))
}

const HOME: &str = "/Workspace/Users/tester@databricks.com";

#[tokio::test]
async fn the_four_ways_to_say_exists_are_kept_apart() {
    let client = Client::strict().await;
    let (lock, notebook) = (format!("{HOME}/deploy.lock"), format!("{HOME}/train.py"));
    assert_eq!(client.upload(&lock, "{}", false).await.0, 200);
    let (status, refusal) = client.upload(&lock, "{}", false).await;
    assert_eq!((status.as_u16(), refusal["error_code"].as_str()), (400, Some("RESOURCE_ALREADY_EXISTS")));

    let source = "# Databricks notebook source\nprint(1)\n";
    assert_eq!(client.upload(&notebook, source, false).await.0, 200);
    let (status, refusal) = client.upload(&notebook, source, false).await;
    assert_eq!((status.as_u16(), &refusal["error_code"]), (400, &Value::Null));
    assert!(refusal["message"].as_str().unwrap().ends_with("already exists."), "{refusal}");

    let (status, refusal) = client.upload(&format!("{HOME}/train"), "not a notebook", true).await;
    assert_eq!((status.as_u16(), refusal["error_code"].as_str()), (400, Some("INVALID_PARAMETER_VALUE")));
    assert_eq!(refusal["details"][0]["reason"], "WORKSPACE_OBJECT_TYPE_MISMATCH");

    let older = format!("/api/2.0/workspace-files/import-file{lock}?overwrite=false");
    let (status, refusal) = seen(client.request(Method::POST, &older).body("{}").send().await.unwrap()).await;
    assert_eq!((status.as_u16(), refusal["error_code"].as_str()), (409, Some("ALREADY_EXISTS")));
}

#[tokio::test]
async fn a_file_needs_its_folder_and_comes_back_as_it_was() {
    let client = Client::strict().await;
    let file = format!("{HOME}/.bundle/churn/dev/files/a.txt");
    assert_eq!(client.upload(&file, "a", false).await.0, 404);
    let folder = format!("{HOME}/.bundle/churn/dev/files");
    assert_eq!(client.post("/api/2.0/workspace/mkdirs", json!({"path": folder})).await.0, 200);
    assert_eq!(client.upload(&file, "a", false).await.0, 200);
    let export = format!("/api/2.0/workspace/export?direct_download=true&path={file}");
    let bytes = client.request(Method::GET, &export).send().await.unwrap().text().await.unwrap();
    assert_eq!(bytes, "a");
    let (_, listed) = client.get(&format!("/api/2.0/workspace/list?path={folder}")).await;
    assert_eq!(listed["objects"][0]["path"], file.as_str());
    assert_eq!(listed["objects"][0]["size"], 1);
    let (status, refusal) = client.post("/api/2.0/workspace/delete", json!({"path": folder})).await;
    assert_eq!((status.as_u16(), refusal["error_code"].as_str()), (400, Some("DIRECTORY_NOT_EMPTY")));
}

#[tokio::test]
async fn a_workspace_from_before_multipart_makes_a_client_fall_back() {
    let client = Client::of(Config::per_token()).await;
    let (status, refusal) = client.upload(&format!("{HOME}/a.txt"), "a", false).await;
    assert_eq!((status.as_u16(), refusal["error_code"].as_str()), (400, Some("MALFORMED_REQUEST")));
    let older = format!("/api/2.0/workspace-files/import-file{HOME}/a.txt?overwrite=true");
    assert_eq!(client.request(Method::POST, &older).body("a").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn misspelt_fields_and_unknown_routes_are_refused_plainly() {
    let client = Client::strict().await;
    let (status, refusal) = client.post("/api/2.2/jobs/create", json!({"nmae": "train"})).await;
    assert_eq!((status.as_u16(), refusal["message"].as_str()), (400, Some("Unknown field: nmae")));
    let (status, refusal) = client.get("/api/2.0/quantum/jobs").await;
    assert_eq!((status.as_u16(), refusal["error_code"].as_str()), (501, Some("NOT_IMPLEMENTED")));
}

#[tokio::test]
async fn a_job_keeps_one_owner_and_its_inherited_entries() {
    let client = Client::strict().await;
    let acl = format!("/api/2.0/permissions/jobs/{}", client.job("train").await);
    let (status, refusal) =
        client.put(&acl, json!({"access_control_list": [{"group_name": "ml", "permission_level": "CAN_VIEW"}]})).await;
    assert_eq!((status.as_u16(), refusal["message"].as_str()), (400, Some("The job must have exactly one owner.")));
    let owner = json!({"user_name": "tester@databricks.com", "permission_level": "IS_OWNER"});
    let viewer = json!({"group_name": "ml", "permission_level": "CAN_VIEW"});
    assert_eq!(client.put(&acl, json!({"access_control_list": [owner, viewer]})).await.0, 200);
    let (_, document) = client.get(&acl).await;
    let admins = document["access_control_list"].as_array().unwrap().iter().find(|e| e["group_name"] == "admins");
    assert_eq!(admins.unwrap()["all_permissions"][0]["inherited"], true);
}

#[tokio::test]
async fn a_lost_reply_was_applied_and_a_reset_was_not() {
    let client = Client::strict().await;
    let create = |name: &str| client.request(Method::POST, "/api/2.2/jobs/create").json(&json!({"name": name}));
    client.control().fail(Rule::on("POST", "/api/2.2/jobs/create", Fault::Reset));
    client.control().fail(Rule::on("POST", "/api/2.2/jobs/create", Fault::LostReply));
    assert!(create("reset").send().await.is_err());
    assert!(create("lost").send().await.is_err());
    assert_eq!(create("fine").send().await.unwrap().status(), 200);
    assert_eq!(client.names_of_jobs().await, ["fine", "lost"]);
}

#[tokio::test]
async fn statuses_before_and_after_differ_only_in_what_was_applied() {
    let client = Client::strict().await;
    let at = "/api/2.2/jobs/create";
    client.control().fail(Rule::on("POST", at, Fault::status(500)));
    client.control().fail(Rule::on("POST", at, Fault::status_after(500)));
    client.control().fail(Rule::on("POST", at, Fault::TooManyRequests { retry_after: 7 }));
    client.control().fail(Rule::on("POST", at, Fault::MalformedBody));
    let mut statuses = vec![];
    for name in ["before", "after", "limited"] {
        let reply = client.request(Method::POST, at).json(&json!({"name": name})).send().await.unwrap();
        statuses.push((reply.status().as_u16(), reply.headers().get("retry-after").cloned()));
    }
    assert_eq!(statuses[0], (500, None));
    assert_eq!(statuses[1], (500, None));
    assert_eq!((statuses[2].0, statuses[2].1.as_ref().unwrap().to_str().unwrap()), (429, "7"));
    let cut = client.request(Method::POST, at).json(&json!({"name": "cut"})).send().await.unwrap();
    assert_eq!(cut.status(), 200);
    assert!(cut.json::<Value>().await.is_err());
    assert_eq!(client.names_of_jobs().await, ["cut", "after"]);
}

#[tokio::test]
async fn two_runs_of_the_same_deploy_settle_to_the_same_state() {
    let (once, twice) = (Client::strict().await, Client::strict().await);
    once.job("train").await;
    let gone = twice.job("other").await;
    twice.post("/api/2.2/jobs/delete", json!({"job_id": gone})).await;
    twice.job("train").await;
    assert_ne!(once.control().dump(), twice.control().dump());
    assert_eq!(once.control().settled(), twice.control().settled());
    twice.job("train").await;
    assert_ne!(once.control().settled(), twice.control().settled(), "a doubled job must show");
}

#[tokio::test]
async fn a_scripted_run_is_seen_running_and_then_ends_as_told() {
    let client = Client::strict().await;
    let job = client.job("train").await;
    client.control().script("train", "main", Outcome::Failed { error: "no data".into() });
    let start = json!({"job_id": job, "idempotency_token": "once"});
    let (_, run) = client.post("/api/2.2/jobs/run-now", start.clone()).await;
    assert_eq!(client.post("/api/2.2/jobs/run-now", start).await.1, run);
    let at = format!("/api/2.2/jobs/runs/get?run_id={}", run["run_id"]);
    assert_eq!(client.get(&at).await.1["state"]["life_cycle_state"], "RUNNING");
    let (_, ended) = client.get(&at).await;
    assert_eq!(ended["state"]["result_state"], "FAILED");
    let output = format!("/api/2.2/jobs/runs/get-output?run_id={}", ended["tasks"][0]["run_id"]);
    assert_eq!(client.get(&output).await.1["error"], "no data");
}

#[tokio::test]
async fn the_log_names_who_asked_for_what() {
    let client = Client::strict().await;
    client.job("train").await;
    let log = client.control().requests();
    assert_eq!(log.len(), 1);
    assert!(log[0].is_write());
    assert_eq!((log[0].path.as_str(), log[0].status), ("/api/2.2/jobs/create", 200));
    assert_eq!(log[0].principal.as_deref(), Some("tester@databricks.com"));
    assert_eq!(log[0].body["name"], "train");
}
