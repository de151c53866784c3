//! The fault matrix: every request of whole stages, each with everything that can go wrong.
//!
//! A reference run without faults tells which requests a stage sends, to the workspace and to
//! GitHub, and which changes its journal holds; both lists lie in snapshots, so that neither can
//! shrink unnoticed. Then the real program runs once for each request and each fault in a world
//! of its own, its post step follows, and what it left is judged: a clear end, nothing doubled,
//! nothing open, and a workspace as before or as after, or made so by the next run.
//!
//! `make faults` plays every cell. `make test` plays a part that is always the same: two blows for
//! each write, another two for the next one, and one blow for every seventh read.

mod blow;
mod case;
mod judge;
mod place;
mod situation;

use std::collections::BTreeSet;

use futures::StreamExt;

use blow::Blow;
use case::Case;
use place::Place;
use situation::{Reference, Situation};

/// Set by `make faults`.
const EVERYTHING: &str = "MLOPS_DEPLOY_ALL_FAULTS";
/// Plays every blow, but only where the request's line contains this: to follow one complaint.
const ONLY_AT: &str = "MLOPS_DEPLOY_FAULTS_AT";
/// Of the reads, one in so many is broken in `make test`.
const READS: usize = 7;
/// How many worlds at once: they mostly wait.
const AT_ONCE: usize = 6;

async fn all_of(situation: Situation) {
    let reference = Reference::of(situation).await;
    let name = situation.name();
    insta::assert_snapshot!(format!("requests of {name}"), lines(&reference.places));
    insta::assert_snapshot!(format!("changes of {name}"), lines(&reference.changes));
    let cases = cases(&reference.places);
    let reference = std::sync::Arc::new(reference);
    let runs = cases.into_iter().map(|case| {
        let reference = std::sync::Arc::clone(&reference);
        async move {
            let told = case.to_string();
            let ended = tokio::spawn(async move { case.play(&reference).await }).await;
            (told, ended)
        }
    });
    let ended: Vec<_> = futures::stream::iter(runs).buffer_unordered(AT_ONCE).collect().await;
    let count = ended.len();
    let mut complaints: Vec<String> = Vec::new();
    for (told, ended) in ended {
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(complaint)) => complaints.push(format!("{told}: {complaint}")),
            Err(panicked) => complaints.push(format!("{told}: {panicked}")),
        }
    }
    complaints.sort();
    assert!(complaints.is_empty(), "{} of {count} cases:\n\n{}", complaints.len(), complaints.join("\n\n"));
}

fn cases(places: &[Place]) -> Vec<Case> {
    let only = std::env::var(ONLY_AT).ok();
    let everything = only.is_some() || std::env::var_os(EVERYTHING).is_some();
    let (writes, reads): (Vec<&Place>, Vec<&Place>) = places.iter().partition(|place| place.is_write());
    let chosen = |place: &Place| only.as_ref().is_none_or(|only| place.to_string().contains(only.as_str()));
    let all = |places: Vec<&Place>, write| -> Vec<Case> {
        let places = places.into_iter().filter(|place| chosen(place));
        places.flat_map(|place| Blow::all(write).map(|blow| Case { place: place.clone(), blow })).collect()
    };
    if everything {
        return all(writes, true).into_iter().chain(all(reads, false)).collect();
    }
    let turn = |place: &Place, n: usize, write: bool| {
        let blows: Vec<Blow> = Blow::all(write).collect();
        Case { place: place.clone(), blow: blows[n % blows.len()] }
    };
    let some_writes = writes.iter().enumerate().flat_map(|(i, place)| [turn(place, i, true), turn(place, i + 4, true)]);
    let some_reads = reads.iter().step_by(READS).enumerate().map(|(i, place)| turn(place, i, false));
    some_writes.chain(some_reads).collect()
}

fn lines<T: ToString>(items: &[T]) -> String {
    items.iter().map(|item| item.to_string() + "\n").collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_breaks_in_a_first_deployment() {
    all_of(Situation::First).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_breaks_in_an_update() {
    all_of(Situation::Update).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_breaks_in_an_update_that_destroys() {
    all_of(Situation::Destroying).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_breaks_in_a_validation() {
    all_of(Situation::Validate).await;
}

#[test]
fn every_kind_of_blow_is_dealt() {
    let names = |write| Blow::all(write).map(|b| b.to_string()).collect::<BTreeSet<_>>();
    let writes = names(true);
    assert_eq!(writes.len(), 8, "{writes:?}");
    assert!(names(false).is_subset(&writes));
}
