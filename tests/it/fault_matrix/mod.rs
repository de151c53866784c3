//! The fault matrix: every request of whole stages, each with everything that can go wrong.
//!
//! A reference run without faults tells which requests a stage sends, to the workspace and to
//! GitHub, and which changes its journal holds; both lists lie in snapshots, so that neither can
//! shrink unnoticed. Then the real program runs once for each request and each fault in a world
//! that is its own, its post step follows, and what it left is judged: a clear end, nothing doubled,
//! nothing open, and a workspace as before or as after, or made so by the next run.
//!
//! `make faults` plays every cell. `make test` plays a part that is always the same (`Part`).

mod blow;
mod case;
mod dev;
mod judge;
mod leftovers;
mod place;
mod sight;
mod situation;
mod tiers;

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::StreamExt;
use tokio::sync::Mutex;

use blow::Blow;
use case::Case;
use place::Place;
use situation::{Part, Reference, Scene, Situation, Writes};

/// Set by `make faults`.
const EVERYTHING: &str = "MLOPS_DEPLOY_ALL_FAULTS";
/// Plays every blow, but only where the request's line contains this: to follow one complaint.
const ONLY_AT: &str = "MLOPS_DEPLOY_FAULTS_AT";
/// How many worlds at once where every cell is played.
const WORLDS: usize = 6;

async fn all_of(situation: &'static Situation) {
    let (everything, worlds) = match plays_everything() {
        true => (true, WORLDS),
        false => (false, situation.part.worlds),
    };
    let scenes = futures::future::join_all((0..worlds).map(|_| Scene::of(situation))).await;
    let reference = Reference::of(&scenes[0]).await;
    insta::assert_snapshot!(format!("requests of {}", situation.name), lines(&reference.places));
    insta::assert_snapshot!(format!("changes of {}", situation.name), lines(&reference.changes));
    let cases = if everything { every_case(&reference.places) } else { some_cases(&reference.places, situation.part) };
    let free = Arc::new(Mutex::new(scenes));
    let runs = cases.into_iter().map(|case| {
        let (reference, free) = (Arc::clone(&reference), Arc::clone(&free));
        async move {
            let told = case.to_string();
            let scene = free.lock().await.pop().expect("as many are played at once as there are worlds");
            let played = tokio::spawn(async move {
                let ended = case.play(&scene, &reference).await;
                (scene, ended)
            });
            match played.await {
                Ok((scene, ended)) => {
                    free.lock().await.push(scene);
                    ended.err().map(|complaint| format!("{told}: {complaint}"))
                }
                Err(panicked) => {
                    free.lock().await.push(Scene::of(situation).await);
                    Some(format!("{told}: {panicked}"))
                }
            }
        }
    });
    let ended: Vec<Option<String>> = futures::stream::iter(runs).buffer_unordered(worlds).collect().await;
    let count = ended.len();
    let mut complaints: Vec<String> = ended.into_iter().flatten().collect();
    complaints.sort();
    println!("{}: {count} cases", situation.name);
    assert!(complaints.is_empty(), "{} of {count} cases:\n\n{}", complaints.len(), complaints.join("\n\n"));
}

fn plays_everything() -> bool {
    [EVERYTHING, ONLY_AT].iter().any(|name| std::env::var_os(name).is_some())
}

fn every_case(places: &[Place]) -> Vec<Case> {
    let only = std::env::var(ONLY_AT).unwrap_or_default();
    let chosen = places.iter().filter(|place| place.to_string().contains(&only));
    let (writes, reads): (Vec<&Place>, Vec<&Place>) = chosen.partition(|place| place.is_write());
    let places = writes.into_iter().chain(reads);
    let blows = places.flat_map(|place| Blow::all(place.is_write()).map(move |blow| (place, blow)));
    blows.map(|(place, blow)| Case { place: place.clone(), blow }).collect()
}

/// The same ones each time.
fn some_cases(places: &[Place], part: Part) -> Vec<Case> {
    let (writes, reads): (Vec<&Place>, Vec<&Place>) = places.iter().partition(|place| place.is_write());
    let turn = |place: &Place, n: usize| {
        let blows: Vec<Blow> = Blow::all(place.is_write()).collect();
        Case { place: place.clone(), blow: blows[n % blows.len()] }
    };
    let some_writes: Vec<Case> = match part.writes {
        Writes::Each => writes.iter().enumerate().flat_map(|(i, place)| [turn(place, i), turn(place, i + 4)]).collect(),
        Writes::OneOfASort => {
            let sorts = writes.chunk_by(|one, other| one.is_of_the_sort_of(other));
            sorts.enumerate().map(|(i, sort)| turn(sort[sort.len() - 1], i)).collect()
        }
    };
    let some_reads = reads.iter().step_by(part.reads).enumerate().map(|(i, place)| turn(place, i));
    some_writes.into_iter().chain(some_reads).collect()
}

fn lines<T: ToString>(items: &[T]) -> String {
    items.iter().map(|item| item.to_string() + "\n").collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_breaks_in_a_first_deployment() {
    all_of(&dev::FIRST).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_breaks_in_an_update() {
    all_of(&dev::UPDATE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_breaks_in_an_update_that_destroys() {
    all_of(&dev::DESTROYING).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_breaks_in_a_validation() {
    all_of(&dev::VALIDATE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_breaks_in_a_first_training() {
    all_of(&tiers::FIRST_TRAINING).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_breaks_in_a_training_beside_a_champion() {
    all_of(&tiers::NEXT_TRAINING).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_breaks_in_a_first_promotion() {
    all_of(&tiers::FIRST_PROMOTION).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_breaks_in_a_promotion_step_by_step() {
    all_of(&tiers::NEXT_PROMOTION).await;
}

#[test]
fn every_kind_of_blow_is_dealt() {
    let names = |write| Blow::all(write).map(|b| b.to_string()).collect::<BTreeSet<_>>();
    let writes = names(true);
    assert_eq!(writes.len(), 8, "{writes:?}");
    assert!(names(false).is_subset(&writes));
}
