//! Bundles and workspaces that mean us harm.
//!
//! The real program, with 256 MiB of memory and seconds of processor time, answers each with an
//! error or with a plain success: never with a panic, an abort or a full stack.

use std::fs;
use std::process::{Output, Stdio};

use mlops_deploy::rehearsal::front::{Fault, Rule};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::bundle_by_hand::{Hand, said};

/// What is limited is the address space: glibc would reserve 64 MiB of it for each thread that allocates, and use little.
const LIMITS: &str = "ulimit -v 262144; ulimit -t 30; ulimit -c 0; export MALLOC_ARENA_MAX=1; exec \"$@\"";

/// Runs a command of the program under the limits.
async fn limited(hand: &Hand, args: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_mlops-deploy");
    let mut command = Command::new("sh");
    command.args(["-c", LIMITS, "sh", program, "bundle"]).args(args);
    hand.surround(&mut command);
    command.stdin(Stdio::null()).kill_on_drop(true).output().await.unwrap()
}

/// What is wrong with an end; every end is with one of our codes and in our words.
fn disorder(output: &Output) -> Option<String> {
    let text = said(output);
    let ours = matches!(output.status.code(), Some(0 | 1 | 64));
    (!ours || text.contains("panicked") || text.contains("RUST_BACKTRACE"))
        .then(|| format!("{:?}: {}", output.status, start(&text)))
}

fn start(text: &str) -> String {
    text.chars().take(300).collect()
}

const HEAD: &str = "bundle: {name: h}\n";

/// What a bundle is answered with.
enum Answer {
    Fine,
    /// An error that says this.
    Refused(&'static str),
}

use Answer::{Fine, Refused};

struct Case {
    name: &'static str,
    answer: Answer,
    root: Vec<u8>,
    beside: Vec<(&'static str, Vec<u8>)>,
}

fn case(name: &'static str, answer: Answer, rest: impl AsRef<[u8]>) -> Case {
    Case { name, answer, root: [HEAD.as_bytes(), rest.as_ref()].concat(), beside: Vec::new() }
}

impl Case {
    fn beside(mut self, file: &'static str, content: impl Into<Vec<u8>>) -> Self {
        self.beside.push((file, content.into()));
        self
    }
}

fn each(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

fn multiplied(levels: usize, line: impl Fn(usize, usize) -> String) -> String {
    each(levels, |i| line(i + 1, i))
}

fn variable(default: &str) -> String {
    format!("variables: {{v: {{default: '{default}'}}}}\n")
}

fn bundles() -> Vec<Case> {
    let ten = "x, x, x, x, x, x, x, x, x, x";
    let list_bomb = format!("a0: &a0 [{ten}]\n")
        + &multiplied(12, |i, below| format!("a{i}: &a{i} [{}]\n", vec![format!("*a{below}"); 10].join(", ")));
    let map_bomb = "m0: &m0 {x: y}\n".to_owned()
        + &multiplied(30, |i, below| format!("m{i}: &m{i} {{a: *m{below}, b: *m{below}}}\n"));
    let merge_bomb = "m0: &m0 {a: 1}\n".to_owned()
        + &multiplied(30, |i, below| format!("m{i}: &m{i} {{<<: [*m{below}, *m{below}], k{i}: 1}}\n"));
    let text_bomb = format!("t: &t '{}'\nmany: [{}]\n", "x".repeat(100_000), vec!["*t"; 1000].join(", "));
    let reference_bomb = "variables:\n  v0: {default: xxxxxxxxxx}\n".to_owned()
        + &multiplied(60, |i, below| format!("  v{i}: {{default: '${{var.v{below}}}${{var.v{below}}}'}}\n"));
    let complex = |i: usize, items: &str| format!("  v{i}: {{type: complex, default: [{items}]}}\n");
    let complex_bomb = format!("variables:\n{}", complex(0, ten))
        + &multiplied(12, |i, below| complex(i, &vec![format!("'${{var.v{below}}}'"); 10].join(", ")));
    let tower = "variables:\n  v0: {type: complex, default: [end]}\n".to_owned()
        + &multiplied(3000, |i, below| complex(i, &format!("[[['${{var.v{below}}}']]]")));
    let chain = |next: fn(usize) -> usize| {
        "variables:\n".to_owned() + &each(3000, |i| format!("  v{i}: {{default: '${{var.v{}}}'}}\n", next(i)))
    };
    let jobs = |count: usize| {
        let job = |i: usize| format!("j{i}: {{name: '${{resources.jobs.j{}.id}}'}}, ", (i + 1) % count);
        format!("resources: {{jobs: {{{}}}}}\n", each(count, job))
    };
    let loops = "include: ['*.yml', a.yml, b.yml]\n";
    vec![
        case("aliases that multiply", Refused("excessive aliasing"), list_bomb),
        case("mappings that multiply", Refused("excessive aliasing"), map_bomb),
        case("one long text many times", Refused("excessive aliasing"), text_bomb),
        case("merge keys that multiply", Fine, merge_bomb),
        case("an anchor in itself", Refused("cyclic reference"), "x: &a [*a]\n"),
        case("an anchor merged into itself", Refused("cyclic reference"), "x: &a {<<: *a}\n"),
        case("lists in lists", Refused("recursion limit"), format!("x: {}{}", "[".repeat(10_000), "]".repeat(10_000))),
        case("mappings in mappings", Refused("nested too deeply"), format!("x: {}", "{a: ".repeat(10_000))),
        case("items in items", Refused("recursion limit"), format!("x:\n  {}", "- ".repeat(10_000))),
        case("deeper and deeper", Refused("recursion limit"), each(3_000, |i| format!("{}a:\n", " ".repeat(i)))),
        case("brackets without an end", Refused("recursion limit"), "x: ".to_owned() + &"[".repeat(1_000_000)),
        case("keys of keys", Refused("key is not a scalar"), "? ".repeat(10_000) + "a"),
        case("bytes that are no text", Refused("invalid UTF-8"), b"x: \"\xff\xfe\xc3\x28\"\n"),
        case("a NUL in a text", Refused("failed to load"), b"x: \"a\x00b\"\n"),
        case(
            "a giant text",
            Refused("excessive aliasing"),
            variable(&"x".repeat(7_900_000)).replace("v:", "v: &a") + "x: [*a]",
        ),
        case("a giant file", Refused("longer than 8 MiB"), variable(&"x".repeat(9 << 20))),
        case("a giant key", Refused("could not find expected ':'"), "x".repeat(2_000_000) + ": 1\n"),
        case(
            "a million keys",
            Refused("longer than 8 MiB"),
            format!("variables:\n{}", each(1_000_000, |i| format!("  k{i}: 1\n"))),
        ),
        case("more keys than a bundle has", Refused("values in one file"), each(260_000, |i| format!("k{i}: 1\n"))),
        case(
            "keys that nobody knows",
            Fine,
            format!("x: &x 1\ntargets: {{d: {{{}}}}}\n", each(20_000, |i| format!("k{i}: *x, "))),
        ),
        case("a chain of variables", Fine, chain(|i| i.saturating_sub(1)).replacen("${var.v0}", "end", 1)),
        case("a chain from behind", Refused("lead through more than"), chain(|i| i + 1)),
        case("a circle of variables", Refused("lead through more than"), chain(|i| (i + 1) % 3000)),
        case("texts that double", Refused("references bring more than"), reference_bomb),
        case("lists that multiply by reference", Refused("references bring more than"), complex_bomb),
        case("lists that grow upwards by reference", Refused("references nest values"), tower),
        case(
            "references in references",
            Refused("cycle detected"),
            variable(&format!("{}v{}", "${var.".repeat(3000), "}".repeat(3000))),
        ),
        case("references without an end", Fine, variable(&"${".repeat(500_000))),
        case(
            "a reference to the depths",
            Refused("reference does not exist"),
            variable(&format!("${{var.{}b}}", "a.".repeat(10_000))),
        ),
        case("a circle of a thousand jobs", Fine, jobs(1000)),
        case("files that include each other", Fine, loops)
            .beside("a.yml", "include: [b.yml]\n")
            .beside("b.yml", "include: [a.yml, databricks.yml]\n"),
        case("a pattern of stars", Fine, format!("include: ['{}b.yml']\n", "*a".repeat(60)))
            .beside("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.yml", "{}"),
        case("a long pattern of stars", Fine, format!("include: ['{}x.yml']\n", "*".repeat(100_000)))
            .beside("aaaaaaaaaaaa.yml", "{}"),
        case(
            "patterns without number",
            Refused("more than 10000 patterns"),
            format!("include: [{}]\n", each(20_000, |i| format!("a{i}*.yml, "))),
        ),
        case("braces that multiply", Fine, format!("sync: {{exclude: ['{}']}}\n", "{a,b}".repeat(40))),
        case("braces in braces", Fine, format!("sync: {{exclude: ['{}{}']}}\n", "{a,".repeat(2000), "}".repeat(2000))),
        case("rules that cost", Fine, "")
            .beside(".gitignore", "*a".repeat(30) + "b\n" + &"[!".repeat(1000) + "\n" + &"{a,b}".repeat(100)),
        case("rules without number", Refused("longer than 64 KiB"), "")
            .beside(".gitignore", each(100_000, |i| format!("x{i}*y\n"))),
        case("JSON in JSON", Refused("nested too deeply"), "include: [a.json]\n")
            .beside("a.json", "[".repeat(1_000_000)),
        case("JSON that breaks off", Refused("unexpected end"), "include: [a.json]\n")
            .beside("a.json", "{\"resources\": {\"jobs\": {\"a\": \"\\u12"),
        case("a tag of another language", Refused("unknown tag"), "x: !!python/name:os.system ''\n"),
        case(
            "numbers without an end",
            Fine,
            format!("resources: {{jobs: {{j: {{max_concurrent_runs: {}}}}}}}\n", "9".repeat(100_000)),
        ),
        case("documents without number", Fine, "---\n{}\n".repeat(100_000)),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hostile_bundle_is_answered_and_not_suffered() {
    let hand = Hand::with("").await;
    let mut wrong = Vec::new();
    for Case { name, answer, root, beside } in bundles() {
        fs::write(hand.folder.path().join("databricks.yml"), root).unwrap();
        for (file, content) in &beside {
            fs::write(hand.folder.path().join(file), content).unwrap();
        }
        let output = limited(&hand, &["validate"]).await;
        let text = said(&output);
        let as_expected = match answer {
            Fine => output.status.success(),
            Refused(why) => !output.status.success() && text.contains(why),
        };
        let not_expected = (!as_expected).then(|| start(&text));
        wrong.extend(disorder(&output).or(not_expected).map(|what| format!("{name}: {what}")));
        for (file, _) in &beside {
            fs::remove_file(hand.folder.path().join(file)).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_that_is_none_stops_the_command_and_changes_nothing() {
    let hand = Hand::with("bundle: {name: h}\nresources: {jobs: {j: {name: j}}}\n").await;
    let state = hand.state_path().await;
    hand.post("/api/2.0/workspace/mkdirs", json!({"path": state})).await;
    let one = |id: &str| {
        format!(r#"{{"state_version": 2, "lineage": "l", "serial": 1, "state": {{"resources.jobs.j": {id}}}}}"#)
    };
    let hostile = [
        ("resources.json", "[".repeat(1_000_000)),
        ("resources.json", "{\"a\":".repeat(100_000)),
        ("resources.json", one("{\"__id__\": \"1\", \"state\": {}}")[..60].to_owned()),
        ("resources.json", "\0".repeat(1000)),
        ("resources.json", "[]".to_owned()),
        ("resources.json", one("7")),
        ("resources.json", one("{\"__id__\": {\"a\": 1}}")),
        ("resources.json", one("{}")),
        ("resources.json", r#"{"state_version": 99, "state": {}}"#.to_owned()),
        ("deployment.json", "[".repeat(1_000_000)),
        ("deployment.json", r#"{"version": 1, "seq": "x", "files": 5}"#.to_owned()),
        ("deploy.lock", "[".repeat(1_000_000)),
    ];
    for (file, content) in hostile {
        let what = format!("{file} = {}", &content[..content.len().min(60)]);
        let path = format!("/api/2.0/workspace-files/import-file{state}/{file}?overwrite=true");
        hand.post_bytes(&path, content).await;
        let output = limited(&hand, &["deploy", "--auto-approve"]).await;
        assert_eq!(disorder(&output), None, "{what}");
        assert!(!output.status.success(), "{what}");
        assert_eq!(hand.jobs().await, 0, "{what}");
        hand.post("/api/2.0/workspace/delete", json!({"path": format!("{state}/{file}")})).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_of_any_shape_do_no_more_than_fail_the_command() {
    let hand = Hand::with("bundle: {name: h}\nresources: {jobs: {j: {name: j, tags: {a: b}}}}\n").await;
    hand.done(&["deploy"]).await;
    let mut deep = json!(1);
    for _ in 0..100 {
        deep = json!([deep]);
    }
    let answers = [
        Value::Null,
        json!([]),
        json!("text"),
        json!({"settings": 5}),
        json!({"settings": {"tasks": {"a": 1}, "tags": ["x"], "name": {"a": "b"}}}),
        json!({"settings": {"tasks": [null, 5, "x", [], {"task_key": 7}]}, "job_id": "x", "next_page_token": 5}),
        json!({"settings": {"tags": deep}}),
    ];
    for path in ["/api/2.2/jobs/get", "/api/2.0/preview/scim/v2/Me", "/api/2.0/workspace/get-status"] {
        for answer in &answers {
            let told = Fault::StatusBefore { status: 200, headers: Default::default(), body: Some(answer.clone()) };
            hand.workspace.control().fail(Rule::on("GET", path, told).always());
            let output = limited(&hand, &["plan", "-o", "json"]).await;
            hand.workspace.control().faults().clear();
            assert_eq!(disorder(&output), None, "{path} answers {answer}");
        }
        hand.workspace.control().fail(Rule::on("GET", path, Fault::MalformedBody).always());
        assert_eq!(disorder(&limited(&hand, &["plan"]).await), None, "{path}");
        hand.workspace.control().faults().clear();
    }
    assert_eq!(hand.done(&["plan"]).await, "Plan: 0 to add, 0 to change, 0 to delete, 1 unchanged\n");
}
