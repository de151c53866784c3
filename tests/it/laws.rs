//! What holds for every bundle, and not only for those that somebody thought of.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use mlops_deploy::adapters::databricks::{PersonalToken, Settings, Workspace};
use mlops_deploy::adapters::host::{LocalFiles, LocalProcess, Masker, SystemClock};
use mlops_deploy::adapters::http;
use mlops_deploy::bundle::load::merge;
use mlops_deploy::bundle::planning::planner::{self, Answers};
use mlops_deploy::bundle::state::State;
use mlops_deploy::bundle::{Facts, InMemory, Options, Resolved, User, resolve};
use mlops_deploy::domain::{Map, Node, Origin, Path, Secret, Tree};
use mlops_deploy::ports::World;
use mlops_deploy::rehearsal::workspace::{self, Config};
use mlops_deploy::saga::{Ending, Graph, Journal, OnFailure, Options as Manner, Stop, execute};
use mlops_deploy::steps::bundle::applier::Applier;
use mlops_deploy::steps::bundle::book::Book;
use mlops_deploy::steps::bundle::read;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Who the stand-in says we are.
const USER: &str = "tester@databricks.com";

fn resolved(source: &InMemory) -> Resolved {
    let mut profile = Tree::map();
    profile.set(&["userName"], USER);
    let facts = Facts { user: Some(User::from_profile(profile)), ..Facts::default() };
    resolve(source, &Options { root: "/src/b".to_owned(), ..Options::default() }, &facts).unwrap()
}

fn errors(resolved: &Resolved) -> Vec<&str> {
    resolved.diagnostics.iter().filter(|d| d.is_error()).map(|d| d.summary.as_str()).collect()
}

// --- merging ---

/// Values in which a name always stands for the same sort of value, as a field does.
fn values() -> impl Strategy<Value = Tree> {
    let scalar = prop_oneof![Just(Tree::null()), (0..3i64).prop_map(Tree::from), "[xy]".prop_map(Tree::from)];
    let list = prop::collection::vec(0..3i64, 0..3)
        .prop_map(|l| Tree::from(l.into_iter().map(Tree::from).collect::<Vec<_>>()));
    let field = prop_oneof![("s[ab]", scalar), ("l[ab]", list)];
    let flat = prop::collection::vec(field.boxed(), 0..4).prop_map(|f| Tree::from(f.into_iter().collect::<Map>()));
    flat.prop_recursive(3, 24, 3, |inner| {
        let entries = prop::collection::vec(("m[ab]", inner.clone()), 0..3);
        (inner, entries).prop_map(|(mut tree, entries)| {
            tree.as_map_mut().unwrap().extend(entries);
            tree
        })
    })
}

/// Says of every value that it was written in `file`.
fn written_in(file: &str, mut tree: Tree) -> Tree {
    fn mark(tree: &mut Tree, origin: &Origin) {
        tree.origins = vec![origin.clone()];
        match &mut tree.node {
            Node::List(list) => list.iter_mut().for_each(|item| mark(item, origin)),
            Node::Map(map) => map.values_mut().for_each(|value| mark(value, origin)),
            _ => {}
        }
    }
    mark(&mut tree, &Origin::new(file, 1, 1));
    tree
}

fn over(mut base: Tree, over: Tree) -> Tree {
    merge::merge(&mut base, over);
    base
}

fn files_of(tree: &Tree) -> BTreeSet<&str> {
    tree.origins.iter().map(|origin| &*origin.file).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_does_not_matter_which_of_three_files_are_merged_first(a in values(), b in values(), c in values()) {
        prop_assert_eq!(over(over(a.clone(), b.clone()), c.clone()), over(a, over(b, c)));
    }

    #[test]
    fn a_merged_value_knows_everybody_who_wrote_it(a in values(), b in values()) {
        let (a, b) = (written_in("a", a), written_in("b", b));
        let both = over(a.clone(), b.clone());
        let mut wrong = Vec::new();
        both.visit(&mut Path::root(), &mut |path, tree| {
            // An item of a list has one writer; what lies at its place in another list is another item.
            if path.steps().iter().any(|step| matches!(step, mlops_deploy::domain::Step::Index(_))) {
                if tree.origins.len() != 1 {
                    wrong.push(format!("{path}: {:?}", tree.origins));
                }
                return;
            }
            let expected: BTreeSet<&str> = [&a, &b].into_iter().filter_map(|t| t.at(path)).flat_map(files_of).collect();
            let wins_by_b = b.at(path).is_some_and(|v| !v.is_null() && v.as_map().is_none() && v.as_list().is_none());
            if files_of(tree) != expected || wins_by_b && &*tree.origins[0].file != "b" {
                wrong.push(format!("{path}: {:?}", tree.origins));
            }
        });
        prop_assert!(wrong.is_empty(), "{wrong:?}");
    }
}

// --- references ---

/// Variables of which each refers to some that come before it, declared in any order.
fn variables() -> impl Strategy<Value = (Vec<Vec<usize>>, Vec<usize>)> {
    (2..40usize).prop_flat_map(|count| {
        let refers = (0..count).map(|i| prop::collection::vec(0..i.max(1), 0..3.min(i + 1))).collect::<Vec<_>>();
        (refers, Just((0..count).collect::<Vec<_>>()).prop_shuffle())
    })
}

fn declared(refers: &[Vec<usize>], order: &[usize]) -> InMemory {
    let mut text = "bundle: {name: r}\nvariables:\n".to_owned();
    for &i in order {
        let before: String = refers[i].iter().filter(|on| **on != i).map(|on| format!("${{var.v{on}}}")).collect();
        text.push_str(&format!("  v{i}: {{default: '<{before}>'}}\n"));
    }
    InMemory::new().with("databricks.yml", text)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_value_is_the_same_in_whatever_order_variables_are_declared((refers, order) in variables()) {
        let resolved = resolved(&declared(&refers, &order));
        prop_assert_eq!(errors(&resolved), [""; 0]);
        let mut expected: Vec<String> = Vec::new();
        for (i, before) in refers.iter().enumerate() {
            let text: String = before.iter().filter(|on| **on != i).map(|on| expected[*on].as_str()).collect();
            expected.push(format!("<{text}>"));
            let name = format!("v{i}");
            prop_assert_eq!(resolved.config.text(&["variables", &name, "value"]), Some(expected[i].as_str()));
        }
    }

    #[test]
    fn a_circle_is_found_wherever_it_begins((mut refers, order) in variables(), from in any::<prop::sample::Index>()) {
        let last = refers.len() - 1;
        let first = from.index(last.max(1));
        // The last refers to one before it, and that one to the last.
        refers[last].push(first);
        refers[first].push(last);
        let resolved = resolved(&declared(&refers, &order));
        prop_assert!(errors(&resolved).iter().any(|e| e.starts_with("cycle detected in field resolution: ")), "{:?}", errors(&resolved));
    }
}

#[test]
fn ten_thousand_variables_that_each_name_two_before_them_cost_no_more_than_their_number() {
    // Followed anew each time they would be more steps than there are atoms.
    let mut text =
        "bundle: {name: r}\nvariables:\n  v0: {type: complex, default: [x]}\n  v1: {type: complex, default: [x]}\n"
            .to_owned();
    for i in 2..10_000 {
        text.push_str(&format!(
            "  v{i}: {{type: complex, default: {{a: '${{var.v{}[0]}}', b: '${{var.v{}[0]}}'}}}}\n",
            i % 2,
            (i + 1) % 2
        ));
        if i > 300 {
            continue;
        }
        text.push_str(&format!("  w{i}: {{default: '${{var.v{i}.a}}'}}\n"));
    }
    let resolved = resolved(&InMemory::new().with("databricks.yml", text));
    assert_eq!(errors(&resolved), [""; 0]);
    assert_eq!(resolved.config.text(&["variables", "w300", "value"]), Some("x"));
}

// --- paths ---

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_path_is_relative_to_its_file_and_stays_below_the_bundle(
        folder in prop::collection::vec("[a-c]", 0..4),
        steps in prop::collection::vec(prop_oneof!["[a-c]", Just("..".to_owned()), Just(".".to_owned())], 0..6),
    ) {
        let mut place: Vec<&str> = folder.iter().map(String::as_str).collect();
        let mut leads_out = false;
        for step in &steps {
            match step.as_str() {
                "." => {}
                ".." => leads_out |= place.pop().is_none(),
                name => place.push(name),
            }
        }
        let written = steps.iter().map(|step| format!("{step}/")).collect::<String>();
        let yml = folder.iter().map(|name| format!("{name}/")).collect::<String>() + "job.yml";
        let job = format!("resources: {{jobs: {{j: {{name: j, tasks: [{{task_key: t, existing_cluster_id: c, \
                           notebook_task: {{notebook_path: '{written}nb.py'}}}}]}}}}}}");
        let nb = place.iter().map(|name| format!("{name}/")).collect::<String>() + "nb";
        let source = InMemory::new()
            .with("databricks.yml", format!("bundle: {{name: p}}\ninclude: ['{yml}']\n"))
            .with(&yml, job)
            .with(&format!("{nb}.py"), "# Databricks notebook source\n");
        let resolved = resolved(&source);
        let task = &resolved.config.find(&["resources", "jobs", "j", "tasks"]).unwrap().as_list().unwrap()[0];
        let path = task.text(&["notebook_task", "notebook_path"]).unwrap();
        if leads_out {
            // Out of the bundle and back by another name: it is there or it is not, but it is never above the root.
            prop_assert!(!errors(&resolved).is_empty() || path.starts_with("/Workspace/Users/tester@databricks.com/.bundle/p/default/files/"));
        } else {
            prop_assert_eq!(errors(&resolved), [""; 0]);
            prop_assert_eq!(path, format!("/Workspace/Users/tester@databricks.com/.bundle/p/default/files/{nb}"));
        }
    }
}

// --- planning and applying ---

/// Resources of every kind that needs nothing of the workspace but a catalog, with references
/// between them. A comment is changed and never emptied: the official command sends no empty
/// one, so that the next plan wants it again, and neither do we.
fn resources() -> impl Strategy<Value = Value> {
    let text = prop::sample::select(vec!["a", "b", "c d", "${resources.schemas.s.id}", "${resources.jobs.z.id}"]);
    let job = (text.clone(), 0..3i64, 0..3usize, any::<bool>()).prop_map(|(description, timeout, tasks, shared)| {
        let task = |at: usize| json!({"task_key": format!("t{at}"), "existing_cluster_id": "c1", "notebook_task": {"notebook_path": "/Shared/n"}});
        let mut job = json!({"name": "j", "description": description, "timeout_seconds": timeout,
            "tasks": (0..tasks).map(task).collect::<Vec<_>>(), "parameters": [{"name": "p", "default": description}]});
        if shared {
            job["permissions"] = json!([{"level": "CAN_VIEW", "group_name": "users"}]);
        }
        job
    });
    let jobs = prop::collection::btree_map("[a-c]", job, 0..3);
    let others = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), prop::sample::select(vec!["x", "y"]));
    (jobs, others).prop_map(|(mut jobs, (volume, model, experiment, pipeline, comment))| {
        jobs.insert("z".to_owned(), json!({"name": "z"}));
        let mut all = json!({"jobs": jobs, "schemas": {"s": {"catalog_name": "main", "name": "s", "comment": comment}}});
        let inside = |name: &str| json!({"catalog_name": "main", "schema_name": "${resources.schemas.s.name}", "name": name, "comment": comment});
        if volume {
            all["volumes"] = json!({"v": inside("v")});
            all["volumes"]["v"]["volume_type"] = "MANAGED".into();
        }
        if model {
            all["registered_models"] = json!({"m": inside("m")});
        }
        if experiment {
            all["experiments"] = json!({"e": {"name": "/Shared/e"}});
        }
        if pipeline {
            all["pipelines"] = json!({"p": {"name": "p", "catalog": "main", "schema": "${resources.schemas.s.name}", "serverless": true,
                "configuration": {"job": "${resources.jobs.z.id}"}}});
        }
        all
    })
}

/// A workspace over real HTTP, and what is deployed in it.
struct Place {
    world: World,
    _running: workspace::Running,
}

impl Place {
    async fn new() -> Self {
        let running = workspace::serve(Config::per_token()).await.unwrap();
        let host = running.url();
        let masker = Arc::new(Masker::new());
        let identity = PersonalToken::new(host, Secret::new("dapi-laws"), &masker).unwrap();
        let client = http::client("laws").unwrap();
        let rest =
            Workspace::new(Settings::new(host), client, Arc::new(identity), Arc::new(SystemClock), Arc::clone(&masker));
        let world = World {
            workspace: Arc::new(rest.unwrap()),
            files: Arc::new(LocalFiles),
            process: Arc::new(LocalProcess::new(String::new(), masker)),
            clock: Arc::new(SystemClock),
            ..crate::nowhere::world()
        };
        Self { world, _running: running }
    }

    async fn answers(&self, state: &State) -> Answers {
        read::all(self.world.workspace.as_ref(), state, &planner::reads(state).unwrap()).await.unwrap()
    }

    /// Plans twice, applies in an order of `seed`'s choice, and plans again.
    async fn bring(&self, wanted: &Value, state: &State, seed: u64) -> State {
        let source = InMemory::new()
            .with("databricks.yml", "bundle: {name: laws}\ninclude: [wanted.json]\n")
            .with("wanted.json", json!({"resources": wanted}).to_string());
        let resolved = resolved(&source);
        assert_eq!(errors(&resolved), [""; 0]);
        let config = resolved.config;
        let answers = self.answers(state).await;
        let plan = planner::plan(&config, state, &answers, "1.14.0").unwrap();
        let again = planner::plan(&config, state, &answers, "1.14.0").unwrap();
        assert_eq!(plan.document(), again.document());
        let applier = Applier::new(plan, Book::new(state.next(|| "lineage".to_owned(), "1.14.0"), None), false);
        let graph = another_order(&applier.graph(), seed);
        let (_sender, stop) = Stop::new();
        let manner = Manner { parallelism: 1 + seed as usize % 4, on_failure: OnFailure::KeepGoing, stop };
        let journal = Journal::new(|| "now".to_owned(), Vec::new());
        let done = execute(&graph, &self.world, &journal, &manner).await.unwrap();
        let said: Vec<String> = done.errors.iter().map(|(title, error)| format!("{title}: {error}")).collect();
        assert!(done.ending == Ending::Finished, "{said:?}");
        let state = applier.book.state();
        let settled = planner::plan(&config, &state, &self.answers(&state).await, "1.14.0").unwrap();
        assert!(settled.is_empty(), "{}\n{:#}", settled.text(), settled.document());
        state
    }
}

/// The same changes, each after those it waits for, else in an order of `seed`'s choice.
fn another_order(graph: &Graph<World>, seed: u64) -> Graph<World> {
    let nodes = graph.nodes();
    let id = |i: usize| nodes[i].change.spec().id();
    let mut left: Vec<usize> = (0..nodes.len()).collect();
    let mut added = BTreeSet::new();
    let mut other = Graph::new();
    let mut number = seed | 1;
    while !left.is_empty() {
        let free: Vec<usize> =
            left.iter().copied().filter(|&i| nodes[i].after.iter().all(|on| added.contains(on))).collect();
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let next = free[(number >> 33) as usize % free.len()];
        let after: Vec<String> = nodes[next].after.iter().map(|&on| id(on)).collect();
        other.add(Arc::clone(&nodes[next].change), &after);
        added.insert(next);
        left.retain(|&i| i != next);
    }
    other
}

/// A state in which ids that a workspace made up are called by their node.
fn nameless(state: &State) -> Value {
    let ids: HashMap<&str, &str> =
        state.resources.iter().map(|(node, entry)| (entry.id.as_str(), node.as_str())).collect();
    let made_up = ids.iter().filter(|(id, _)| id.len() > 8 && !id.contains(['.', '/']));
    let entries: BTreeMap<&str, Value> =
        state.resources.iter().map(|(node, entry)| (node.as_str(), json!([entry.id, entry.state]))).collect();
    let text = made_up.fold(json!(entries).to_string(), |text, (id, node)| text.replace(id, node));
    serde_json::from_str(&text).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_order_of_changes_the_state_is_one_and_leaves_nothing_to_plan(
        first in resources(), second in resources(), seeds in prop::array::uniform2(any::<u64>()),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let mut ends = Vec::new();
            for seed in seeds {
                let place = Place::new().await;
                let state = place.bring(&first, &State::new(), seed).await;
                let state = place.bring(&second, &state, !seed).await;
                ends.push(nameless(&state));
                let nothing = place.bring(&json!({}), &state, seed).await;
                assert!(nothing.resources.is_empty(), "{:?}", nothing.resources.keys());
            }
            assert_eq!(ends[0], ends[1]);
        });
    }
}
