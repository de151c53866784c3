//! Handed-out keys lead to storage that nobody here wrote; `make clouds` makes it. Whatever goes wrong on the way, a version
//! that can be loaded has the right bytes.

use std::process::Stdio;
use std::time::Duration;

use mlops_deploy::rehearsal::front::{Fault, Rule};

use super::cloud::{ALL, Cloud, KMS, Kind, target};
use super::interruptions::by_hand;
use super::{MLMODEL, Scene};

type Files = Vec<(&'static str, Vec<u8>)>;

/// Small files, an empty one, and one of three parts.
fn files() -> Files {
    let weights: Vec<u8> = (0..11 << 20).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    vec![
        ("MLmodel", MLMODEL.as_bytes().to_vec()),
        ("data/empty", vec![]),
        ("data/weights.bin", weights),
        ("requirements.txt", b"scikit-learn==1.7\n".to_vec()),
    ]
}

/// The same with one of two parts: for many copies.
fn few() -> Files {
    let mut files = files();
    files[2].1.truncate((5 << 20) + 7);
    files
}

#[tokio::test]
async fn keys_are_renewed_and_the_copy_is_the_original() {
    for kind in ALL {
        let Some(cloud) = Cloud::start(kind).await else { continue };
        let scene = cloud.scene(&files()).await;
        let ended = scene.copy().await;
        assert!(ended.copied.is_some(), "{kind:?}: {}", ended.said);
        assert_eq!(scene.ready(), [1], "{kind:?}");
        cloud.assert_only_right_copies(&scene, &files(), &format!("{kind:?}")).await;
        let asked = |r: &&mlops_deploy::rehearsal::workspace::Seen| r.path.contains("temporary-model-version-cred");
        let renewed = scene.control().requests().iter().filter(asked).count();
        assert!(renewed > 4, "{kind:?}: {renewed}");
    }
}

#[tokio::test]
async fn a_buckets_encryption_is_asked_for() {
    let Some(cloud) = Cloud::start(Kind::S3).await else { return };
    let scene = cloud.scene(&few()).await;
    scene.copy().await.copied.unwrap();
    for (path, _) in few() {
        let reply = cloud.get(&format!("{}/{path}", target(&scene, 1))).await;
        assert_eq!(reply.headers()["x-amz-server-side-encryption-aws-kms-key-id"], KMS, "{path}");
    }
}

#[tokio::test]
async fn what_stays_wrong_is_never_ready() {
    let swapped = |fault: Fault| Rule::on("PUT", "*/requirements.txt", fault).always();
    for kind in ALL {
        let Some(cloud) = Cloud::start(kind).await else { continue };
        for (what, rule, named) in [
            ("flipped", swapped(Fault::FlipByte { at: 0 }), "requirements.txt has other bytes"),
            ("truncated", swapped(Fault::CutBody { at: 4 }), "requirements.txt has 4 bytes and not 18"),
            ("missing", swapped(Fault::Swallow), "requirements.txt is missing"),
        ] {
            let scene = cloud.scene(&few()).await;
            cloud.front.faults().add(rule);
            let ended = scene.copy().await;
            assert_eq!(ended.reason, "copy-differs", "{kind:?}, {what}: {}", ended.said);
            assert!(ended.said.contains(named), "{kind:?}, {what}: {}", ended.said);
            assert!(scene.versions().is_empty(), "{kind:?}, {what}: it was not taken back");
            cloud.front.faults().clear();
            scene.copy().await.copied.unwrap();
            cloud.assert_only_right_copies(&scene, &few(), what).await;
        }
        // One that somebody else puts there while the copy is made.
        let scene = cloud.scene(&few()).await;
        cloud.front.faults().add(Rule::on("PUT", "*/requirements.txt", Fault::DelayAfter { millis: 1 }));
        let adding = async {
            cloud.front.faults().delaying().await;
            cloud.put(&format!("{}/stray", target(&scene, 1)), b"x".to_vec()).await;
        };
        let (ended, ()) = tokio::join!(scene.copy(), adding);
        assert_eq!(ended.reason, "copy-differs", "{kind:?}, extra: {}", ended.said);
        assert!(scene.ready().is_empty(), "{kind:?}, extra");
    }
}

#[tokio::test]
async fn what_is_wrong_once_is_put_right() {
    for kind in ALL {
        let Some(cloud) = Cloud::start(kind).await else { continue };
        for (what, rule) in [
            ("a flipped part", Rule::on("PUT", "*/weights.bin", Fault::FlipByte { at: 77 })),
            ("a file that did not arrive", Rule::on("PUT", "*/requirements.txt", Fault::Swallow)),
            ("a source read wrongly", Rule::on("GET", "*/weights.bin", Fault::FlipByte { at: 2 })),
            ("a source cut short", Rule::on("GET", "*/weights.bin", Fault::CutBody { at: 2 })),
            ("keys refused to a reader", Rule::on("GET", "*/weights.bin", Fault::status(403))),
            ("keys refused to a writer", Rule::on("PUT", "*/weights.bin", Fault::status(403))),
        ] {
            let scene = cloud.scene(&few()).await;
            cloud.front.faults().add(rule);
            let ended = scene.copy().await;
            assert!(ended.copied.is_some(), "{kind:?}, {what}: {}", ended.said);
            assert!(cloud.front.faults().pending().is_empty(), "{kind:?}, {what}: it did not happen");
            cloud.assert_only_right_copies(&scene, &few(), what).await;
        }
    }
}

#[tokio::test]
async fn keys_that_stay_refused_leave_nothing() {
    for kind in ALL {
        let Some(cloud) = Cloud::start(kind).await else { continue };
        let scene = cloud.scene(&few()).await;
        cloud.front.faults().add(Rule::on("PUT", "*", Fault::status(403)).always());
        let ended = scene.copy().await;
        assert_eq!(ended.reason, "permission-denied", "{kind:?}: {}", ended.said);
        assert!(scene.versions().is_empty(), "{kind:?}");
    }
}

/// The requests of a copy that nothing disturbs, each as the rule that hits it alone.
async fn requests(cloud: &Cloud) -> Vec<Rule> {
    let scene = cloud.scene(&few()).await;
    cloud.front.log().clear();
    scene.copy().await.copied.unwrap();
    let seen = cloud.front.log().all();
    assert!(seen.len() > 12, "{}", seen.len());
    (0..seen.len() as u32).map(|skip| Rule::on("*", "*", Fault::Reset).skip(skip)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_any_fault_of_any_request_the_next_run_finishes() {
    for kind in ALL {
        let Some(cloud) = Cloud::start(kind).await else { continue };
        for (i, rule) in requests(&cloud).await.into_iter().enumerate() {
            for fault in [Fault::status(500), Fault::Reset, Fault::LostReply] {
                let context = format!("{kind:?}, request {i}: {fault:?}");
                let scene = cloud.scene(&few()).await;
                cloud.front.faults().add(Rule { fault, ..rule.clone() });
                let first = scene.copy().await;
                cloud.front.faults().clear();
                cloud.assert_only_right_copies(&scene, &few(), &context).await;
                assert_eq!(scene.ready().len(), usize::from(first.copied.is_some()), "{context}: {}", first.said);
                let second = scene.copy().await;
                assert!(second.copied.is_some(), "{context}: then {}", second.said);
                cloud.assert_only_right_copies(&scene, &few(), &context).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_request_the_next_run_finishes() {
    for kind in ALL {
        let Some(cloud) = Cloud::start(kind).await else { continue };
        let count = requests(&cloud).await.len() as u32;
        for skip in (0..count).step_by(3) {
            let context = format!("{kind:?}, killed at request {skip}");
            let scene = cloud.scene(&few()).await;
            cloud.front.faults().add(Rule::on("*", "*", Fault::Hang).skip(skip).always());
            let mut child = copying(&cloud, &scene).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            tokio::select! {
                () = cloud.front.faults().delaying() => child.start_kill().unwrap(),
                ended = child.wait() => assert!(ended.unwrap().success(), "{context}"),
                () = tokio::time::sleep(Duration::from_secs(60)) => panic!("{context}: it did not come to it"),
            }
            child.wait().await.unwrap();
            cloud.front.faults().clear();
            cloud.assert_only_right_copies(&scene, &few(), &context).await;
            let output = copying(&cloud, &scene).output().await.unwrap();
            assert!(output.status.success(), "{context}: {}", String::from_utf8_lossy(&output.stderr));
            cloud.assert_only_right_copies(&scene, &few(), &context).await;
            assert_eq!((scene.ready().len(), scene.versions().len()), (1, 1), "{context}");
        }
    }
}

fn copying(cloud: &Cloud, scene: &Scene) -> tokio::process::Command {
    let (name, value) = cloud.variable();
    let mut command = by_hand(scene);
    command.env(name, value);
    command
}
