//! What a stand-in's faults look like from the other end of the connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use mlops_deploy::rehearsal::front::{Content, Fault, Moment, Rule, Serving};
use serde_json::{Value, json};

struct Counter {
    serving: Serving,
    made: Arc<AtomicUsize>,
}

/// A service that counts what is made.
fn counter() -> Counter {
    let made = Arc::new(AtomicUsize::new(0));
    let count = made.clone();
    let make = async move || {
        let n = count.fetch_add(1, Ordering::SeqCst) + 1;
        axum::Json(json!({"made": n}))
    };
    let dumped = made.clone();
    let serving = Serving::start(
        SocketAddr::from(([127, 0, 0, 1], 0)),
        |_| Router::new().route("/things", post(make)).route("/hello", get(async || "hello")),
        move || json!({"made": dumped.load(Ordering::SeqCst)}),
    )
    .unwrap();
    Counter { serving, made }
}

impl Counter {
    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.serving.address())
    }

    async fn make(&self) -> reqwest::Result<reqwest::Response> {
        reqwest::Client::new().post(self.url("/things")).json(&json!({"name": "a"})).send().await
    }

    fn made(&self) -> usize {
        self.made.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn a_reset_request_was_not_applied_and_a_lost_reply_was() {
    let world = counter();
    world.serving.faults().add(Rule::on("POST", "/things", Fault::Reset));
    assert!(world.make().await.is_err());
    assert_eq!(world.made(), 0);

    world.serving.faults().add(Rule::on("POST", "/things", Fault::LostReply));
    assert!(world.make().await.is_err());
    assert_eq!(world.made(), 1);

    assert_eq!(world.make().await.unwrap().json::<Value>().await.unwrap(), json!({"made": 2}));
    let log = world.serving.log().all();
    assert_eq!(
        log.iter().map(|e| (e.applied, e.status)).collect::<Vec<_>>(),
        [(false, None), (true, None), (true, Some(200))]
    );
    assert_eq!(log[2].body, Content::Json(json!({"name": "a"})));
    assert_eq!(log[2].reply, Content::Json(json!({"made": 2})));
}

#[tokio::test]
async fn a_status_comes_before_or_after_the_work() {
    let world = counter();
    world.serving.faults().add(Rule::on("*", "/things", Fault::status(503)));
    world.serving.faults().add(Rule::on("*", "/things", Fault::status_after(500)));
    world.serving.faults().add(Rule::on("*", "/things", Fault::TooManyRequests { retry_after: 7 }));
    assert_eq!(world.make().await.unwrap().status(), 503);
    assert_eq!(world.made(), 0);
    assert_eq!(world.make().await.unwrap().status(), 500);
    assert_eq!(world.made(), 1);
    let limited = world.make().await.unwrap();
    assert_eq!((limited.status().as_u16(), &limited.headers()["retry-after"]), (429, &"7".parse().unwrap()));
    assert_eq!(world.made(), 1);
    assert!(world.serving.faults().pending().is_empty());
}

#[tokio::test]
async fn a_malformed_body_is_a_success_that_cannot_be_read() {
    let world = counter();
    world.serving.faults().add(Rule::on("POST", "*", Fault::MalformedBody));
    let reply = world.make().await.unwrap();
    assert_eq!(reply.status(), 200);
    assert!(reply.json::<Value>().await.is_err());
    assert_eq!(world.made(), 1);
}

#[tokio::test]
async fn a_hung_request_is_seen_but_never_answered() {
    let world = counter();
    world.serving.faults().add(Rule::on("GET", "/hello", Fault::Hang));
    let client = reqwest::Client::builder().timeout(Duration::from_millis(200)).build().unwrap();
    assert!(client.get(world.url("/hello")).send().await.unwrap_err().is_timeout());
    assert_eq!(world.serving.log().lines(), ["GET /hello"]);
}

#[tokio::test]
async fn knobs_record_and_state_are_reached_over_http_too() {
    let world = counter();
    let client = reqwest::Client::new();
    let rule = json!({"method": "POST", "path": "/things", "fault": {"kind": "status-before", "status": 418}});
    assert_eq!(client.post(world.url("/_rehearsal/faults")).json(&rule).send().await.unwrap().status(), 204);
    let asked = client.post(world.url("/things")).bearer_auth("very-secret").send().await.unwrap();
    assert_eq!(asked.status(), 418);
    assert_eq!(world.make().await.unwrap().status(), 200);
    let log: Value = client.get(world.url("/_rehearsal/log")).send().await.unwrap().json().await.unwrap();
    assert_eq!(log[0]["fault"]["kind"], "status-before");
    assert_eq!(log[0]["headers"]["authorization"], "***");
    assert_eq!(log.as_array().unwrap().len(), 2);
    let dump: Value = client.get(world.url("/_rehearsal/dump")).send().await.unwrap().json().await.unwrap();
    assert_eq!(dump, json!({"made": 1}));
}

#[tokio::test]
async fn a_test_can_act_between_the_work_and_the_reply() {
    let world = counter();
    let seen = Arc::new(AtomicUsize::new(usize::MAX));
    let (made, noted) = (world.made.clone(), seen.clone());
    world.serving.log().watch(move |moment, _| {
        if moment == Moment::Applied {
            noted.store(made.load(Ordering::SeqCst), Ordering::SeqCst);
        }
    });
    world.make().await.unwrap();
    assert_eq!(seen.load(Ordering::SeqCst), 1);
}
