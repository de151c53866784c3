//! Every request of a copy, each with a bad day: never a READY version with wrong bytes, and the next run finishes.

use std::collections::HashMap;
use std::process::Stdio;
use std::time::Duration;

use mlops_deploy::rehearsal::front::{Fault, Rule};
use mlops_deploy::rehearsal::workspace::Seen;

use super::{Scene, TOKEN};

fn of_writes() -> Vec<Fault> {
    vec![Fault::status(500), Fault::status_after(500), Fault::Reset, Fault::LostReply]
}

/// The requests of a copy that nothing disturbs, each as the rule that hits it alone.
async fn requests() -> Vec<(String, Rule)> {
    let scene = Scene::with_source().await;
    scene.copy().await.copied.unwrap();
    let mut seen: HashMap<(String, String), u32> = HashMap::new();
    let one = |Seen { method, path, .. }: Seen| {
        let count = seen.entry((method.clone(), path.clone())).or_default();
        *count += 1;
        // The log has paths as they were sent, rules have them decoded.
        let path = path.replace("%23", "#").replace("%25", "%").replace("%20", " ").replace("%C3%BC", "\u{fc}");
        (format!("{method} {path} ({count})"), Rule::on(&method, path, Fault::Reset).skip(*count - 1))
    };
    scene.control().requests().into_iter().map(one).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_any_fault_of_any_request_the_next_run_finishes() {
    let all = requests().await;
    assert!(all.len() > 30, "{all:?}");
    let (mut unfinished, mut tried) = (0, 0);
    for (request, rule) in &all {
        // A read has only one way to fail: there is no answer to it.
        let is_read = matches!(rule.method.as_deref(), Some("GET" | "HEAD"));
        let faults = if is_read { vec![Fault::Reset] } else { of_writes() };
        for fault in faults {
            tried += 1;
            let context = format!("{request}: {fault:?}");
            let scene = Scene::with_source().await;
            scene.control().fail(Rule { fault, ..rule.clone() });
            let first = scene.copy().await;
            scene.assert_only_right_copies(&context);
            assert_eq!(scene.ready().len(), usize::from(first.copied.is_some()), "{context}: {}", first.said);
            if first.copied.is_none() {
                unfinished += 1;
                let unwound = first.unwound.unwrap();
                assert!(unwound.complete(), "{context}: {:?}", unwound.failed);
            }
            scene.control().faults().clear();
            let second = scene.copy().await;
            assert!(second.copied.is_some(), "{context}: then {}", second.said);
            scene.assert_only_right_copies(&context);
            assert_eq!(scene.ready().len(), 1, "{context}");
        }
    }
    // Most of them are healed on the way.
    assert!(unfinished * 3 < tried, "{unfinished} of {tried}");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_request_the_next_run_finishes() {
    let count = requests().await.len();
    // Reads that were in flight together are not told apart: every third moment is enough.
    for skip in (0..count as u32).step_by(3) {
        let scene = Scene::with_source().await;
        scene.control().fail(Rule::on("*", "*", Fault::Hang).skip(skip).always());
        let mut child = by_hand(&scene).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // Two that want one link may both ask for it: a run that asks once has a request less, and ends.
        tokio::select! {
            () = scene.control().faults().delaying() => child.start_kill().unwrap(),
            ended = child.wait() => assert!(ended.unwrap().success(), "request {skip}"),
            () = tokio::time::sleep(Duration::from_secs(60)) => panic!("nothing of it came to request {skip}"),
        }
        child.wait().await.unwrap();
        scene.control().faults().clear();
        scene.assert_only_right_copies(&format!("killed at request {skip}"));
        let output = by_hand(&scene).output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "killed at request {skip}: {said}");
        scene.assert_only_right_copies(&format!("killed at request {skip}"));
        assert_eq!((scene.ready().len(), scene.versions().len()), (1, 1), "killed at request {skip}: {said}");
    }
}

#[tokio::test]
async fn expired_links_are_made_anew() {
    let scene = Scene::with_source().await;
    scene.control().fail(Rule::on("PUT", "/standin-storage/*", Fault::Delay { millis: 1 }));
    let later = async {
        scene.control().faults().delaying().await;
        scene.control().advance(Duration::from_secs(3600));
        // The stand-in's time is ahead of ours now: links that we ask for would be expired when they are made.
        scene.control().fail(Rule::on("PUT", "/standin-storage/*", Fault::status(403)));
    };
    let (ended, ()) = tokio::join!(scene.copy(), later);
    // Links for half an hour by our clock stay expired by its; nothing wrong is ready.
    assert!(ended.copied.is_none());
    scene.assert_only_right_copies("links that stay expired");
}

#[tokio::test]
async fn a_link_that_is_refused_is_made_anew() {
    for (method, path) in [("PUT", "/standin-storage/*"), ("GET", "/standin-storage/*")] {
        let scene = Scene::with_source().await;
        scene.control().fail(Rule::on(method, path, Fault::status(403)).times(2));
        let ended = scene.copy().await;
        assert!(ended.copied.is_some(), "{method}: {}", ended.said);
        scene.assert_only_right_copies(method);
    }
}

#[tokio::test]
async fn by_hand_it_says_what_it_made() {
    let scene = Scene::with_source().await;
    let output = by_hand(&scene).output().await.unwrap();
    let (said, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        said.starts_with("prod.models.churn/1 is staging.models.churn/1, byte for byte: 5 files, 5.2 MB, manifest"),
        "{said}{log}"
    );
    assert!(log.contains("read by the Files API, written by the Files API"), "{log}");
    assert!(!said.contains(TOKEN) && !log.contains(TOKEN) && !log.contains("signature="), "{log}");
    let again = by_hand(&scene).args(["-o", "json"]).output().await.unwrap();
    let document: serde_json::Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!((&document["version"], &document["reused"]), (&serde_json::json!(1), &serde_json::json!(true)));
}

pub fn by_hand(scene: &Scene) -> tokio::process::Command {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_mlops-deploy"));
    command.args(["model", "copy", "staging.models.churn/1", "prod.models.churn"]);
    command.env_clear().env("NO_PROXY", "127.0.0.1").env("DATABRICKS_HOST", scene.url()).env("DATABRICKS_TOKEN", TOKEN);
    command.env("DATABRICKS_BUNDLE_RETRY_INTERVAL_MS", "10").kill_on_drop(true);
    command
}
