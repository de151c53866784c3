//! Two stand-in workspaces of one metastore: what one makes in a catalog the other sees, and nothing else of it.

use mlops_deploy::rehearsal::workspace::{self, Federation, Metastore, Principal, Running};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const WHO: &str = "6f1c0d52-2f0b-4c36-9a55-1b1f3d0a7e01";

async fn attached(metastore: &Metastore, name: &str) -> Running {
    let federation = Federation {
        jwks_url: String::new(),
        account_id: "acc".to_owned(),
        principals: vec![(Principal::deployer(WHO, "deploys"), Vec::new())],
        token_seconds: 300,
    };
    let mut config = workspace::Config::federated(federation);
    config.metastore = Some(metastore.clone());
    config.seed = name.to_owned();
    config.catalogs = vec![name.to_owned()];
    workspace::serve(config).await.unwrap()
}

async fn ask(at: &Running, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
    let token = at.control().token_for(WHO).unwrap();
    let request = reqwest::Client::new().request(method, format!("{}{path}", at.url())).bearer_auth(token);
    let reply = match body {
        Some(body) => request.json(&body).send().await.unwrap(),
        None => request.send().await.unwrap(),
    };
    (reply.status(), reply.json().await.unwrap_or_default())
}

#[tokio::test]
async fn a_schema_made_through_one_workspace_is_seen_through_the_other() {
    let metastore = Metastore::default();
    let (staging, prod) = (attached(&metastore, "staging").await, attached(&metastore, "prod").await);
    let schemas = "/api/2.1/unity-catalog/schemas";
    let (status, made) =
        ask(&staging, Method::POST, schemas, Some(json!({"name": "churn", "catalog_name": "staging"}))).await;
    assert_eq!(status, StatusCode::OK, "{made}");
    let (_, seen) = ask(&prod, Method::GET, &format!("{schemas}/staging.churn"), None).await;
    assert_eq!(seen["schema_id"], made["schema_id"]);
    let (_, metastore) = ask(&prod, Method::GET, "/api/2.1/unity-catalog/metastore_summary", None).await;
    assert_eq!(metastore["metastore_id"], made["metastore_id"]);
    assert!(prod.control().dump().to_string().contains("staging.churn"));
}

#[tokio::test]
async fn jobs_stay_in_their_workspace() {
    let metastore = Metastore::default();
    let (staging, prod) = (attached(&metastore, "staging").await, attached(&metastore, "prod").await);
    let task = json!({"task_key": "t", "spark_python_task": {"python_file": "/Workspace/t.py"}});
    let (status, made) =
        ask(&staging, Method::POST, "/api/2.2/jobs/create", Some(json!({"name": "train", "tasks": [task]}))).await;
    assert_eq!(status, StatusCode::OK, "{made}");
    let (_, listed) = ask(&prod, Method::GET, "/api/2.2/jobs/list", None).await;
    assert_eq!(listed.get("jobs"), None, "{listed}");
}
