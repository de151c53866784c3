//! The other ways to a version's files.

use mlops_deploy::ports::transfer::Endpoints;
use mlops_deploy::rehearsal::front::{Fault, Rule};
use mlops_deploy::rehearsal::workspace::{ModelFiles, PutFile};

use super::{MLMODEL, SOURCE, Scene};

#[tokio::test]
async fn default_storage_is_read_and_written_by_links_in_one_piece() {
    let scene = Scene::with(ModelFiles::Presigned, Endpoints::default()).await;
    scene.source(&[("MLmodel", MLMODEL), ("a/b.txt", "b")]).await;
    scene.put(&format!("{SOURCE}/weights.bin"), PutFile::Sparse(12 << 20));
    scene.control().forget_requests();
    // A broken line begins the file anew.
    scene.control().fail(Rule::on("PUT", "/standin-storage/*", Fault::LostReply));
    let ended = scene.copy().await;
    assert!(ended.copied.is_some(), "{}", ended.said);
    scene.assert_only_right_copies("default storage");
    let log = scene.control().requests();
    let big: Vec<_> = log.iter().filter(|r| r.method == "PUT" && r.path.starts_with("/standin-storage")).collect();
    assert_eq!(big.len(), 2, "{big:?}");
}

#[tokio::test]
async fn a_workspace_that_makes_no_links_is_gone_through() {
    let scene = Scene::with_source().await;
    for route in ["create-download-url", "create-upload-part-urls", "create-upload-url"] {
        scene.control().fail(Rule::on("POST", format!("/api/2.0/fs/{route}"), Fault::status(501)).always());
    }
    scene.control().fail(Rule::on("POST", "/api/2.0/fs/files/*", Fault::status(501)).always());
    let ended = scene.copy().await;
    assert!(ended.copied.is_some(), "{}", ended.said);
    scene.assert_only_right_copies("through the workspace");
    assert!(!scene.control().requests().iter().any(|r| r.path.starts_with("/standin-storage")));
}
