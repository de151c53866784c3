//! What is not copied, and what is said about it.

use mlops_deploy::rehearsal::front::{Fault, Rule};
use mlops_deploy::rehearsal::workspace::PutFile;

use super::{SOURCE, Scene, TARGET};

#[tokio::test]
async fn a_model_that_no_copy_can_preserve_is_refused_before_anything_is_written() {
    let scene = Scene::new().await;
    scene.source(&[("MLmodel", "flavors: {}\n")]).await;
    let ended = scene.copy().await;
    insta::assert_snapshot!(ended.said);
    assert_eq!(ended.reason, "model-not-portable");
    assert!(scene.versions().is_empty());
}

#[tokio::test]
async fn a_version_that_is_not_ready_is_refused() {
    let scene = Scene::new().await;
    scene.version("staging", "runs:/1/model").await;
    let ended = scene.copy().await;
    insta::assert_snapshot!(ended.said);
    assert_eq!(ended.reason, "model-not-portable");
}

#[tokio::test]
async fn a_copy_that_stays_different_is_never_ready() {
    for (what, rule, named) in [
        (
            "a flipped part",
            Rule::on("PUT", "/standin-storage/*", Fault::FlipByte { at: 77 }),
            "data/weights.bin has other bytes",
        ),
        (
            "a flipped file",
            Rule::on("PUT", "*/requirements.txt", Fault::FlipByte { at: 0 }),
            "requirements.txt has other bytes",
        ),
        (
            "a truncated file",
            Rule::on("PUT", "*/requirements.txt", Fault::CutBody { at: 4 }),
            "requirements.txt has 4 bytes and not 18",
        ),
        ("a missing file", Rule::on("PUT", "*/requirements.txt", Fault::Swallow), "requirements.txt is missing"),
    ] {
        let scene = Scene::with_source().await;
        scene.control().fail(rule.always());
        let ended = scene.copy().await;
        assert_eq!(ended.reason, "copy-differs", "{what}: {}", ended.said);
        assert!(ended.said.contains(named), "{what}: {}", ended.said);
        assert!(scene.versions().is_empty(), "{what}: it was not taken back");
        scene.control().faults().clear();
        scene.copy().await.copied.unwrap();
        scene.assert_only_right_copies(what);
    }
}

#[tokio::test]
async fn a_copy_that_differs_once_is_put_right() {
    for (what, rule) in [
        ("a flipped part", Rule::on("PUT", "/standin-storage/*", Fault::FlipByte { at: 77 })),
        ("a missing file", Rule::on("PUT", "*/requirements.txt", Fault::Swallow)),
        ("a truncated file", Rule::on("PUT", "*/requirements.txt", Fault::CutBody { at: 4 })),
        ("a source read wrongly", Rule::on("GET", "*/staging/*/requirements.txt", Fault::FlipByte { at: 2 })),
        ("a big source read wrongly", Rule::on("GET", "*/staging/*/weights.bin", Fault::FlipByte { at: 2 })),
        ("a source cut short", Rule::on("GET", "*/staging/*/weights.bin", Fault::CutBody { at: 2 })),
        ("a copy read wrongly", Rule::on("GET", "*/prod/*/weights.bin", Fault::FlipByte { at: 2 })),
    ] {
        let scene = Scene::with_source().await;
        scene.control().fail(rule);
        let ended = scene.copy().await;
        assert!(ended.copied.is_some(), "{what}: {}", ended.said);
        assert!(scene.control().faults().pending().is_empty(), "{what} did not happen");
        assert_eq!(scene.ready(), [1], "{what}");
        scene.assert_only_right_copies(what);
    }
}

#[tokio::test]
async fn a_file_that_somebody_adds_meanwhile_keeps_the_copy_from_being_loaded() {
    let scene = Scene::with_source().await;
    scene.control().fail(Rule::on("POST", "*/prod/*/weights.bin", Fault::DelayAfter { millis: 1 }).skip(1));
    let adding = async {
        scene.control().faults().delaying().await;
        scene.put(&format!("{TARGET}/1/registered_model_meta"), PutFile::Text("model_name: x\n".into()));
    };
    let (ended, ()) = tokio::join!(scene.copy(), adding);
    assert_eq!(ended.reason, "copy-differs");
    insta::assert_snapshot!(ended.said);
    assert!(scene.ready().is_empty());
}

#[tokio::test]
async fn an_original_that_is_not_what_was_tested_is_refused() {
    let scene = Scene::with_source().await;
    scene.tag(1, "manifest_sha256", &"0".repeat(64)).await;
    let ended = scene.copy().await;
    assert_eq!(ended.reason, "copy-differs");
    assert!(ended.said.contains("manifest_sha256"), "{}", ended.said);
    assert!(scene.versions().is_empty());
}

#[tokio::test]
async fn an_original_with_the_digest_of_its_test_is_read_once() {
    let scene = Scene::with_source().await;
    let copied = scene.copy().await.copied.unwrap();
    let reads = |scene: &Scene| {
        let log = scene.control().requests();
        log.iter().filter(|r| r.method == "GET" && r.path.contains(&format!("{SOURCE}/data/weights.bin"))).count()
    };
    let twice = reads(&scene);
    let scene = Scene::with_source().await;
    scene.tag(1, "manifest_sha256", &copied.manifest_sha256).await;
    scene.copy().await.copied.unwrap();
    assert_eq!(reads(&scene) * 2, twice);
}
