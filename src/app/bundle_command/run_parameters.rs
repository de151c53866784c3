//! What a run of a job is given: flags and trailing words, as fields of the request that starts it.
//!
//! A job takes parameters of its own or parameters of its tasks, never both. Words without a flag mean what the job
//! takes: names and values where it has named parameters, plain values where all its tasks are Python.

use serde_json::{Map, Value, json};

use super::args::Parameters;
use super::lists::{all_fields, all_pairs};
use crate::domain::Tree;

/// A notebook that wraps a wheel finds the wheel's parameters under this name.
const RESERVED: &str = "__python_params";

/// How a job takes words that no flag names.
enum Words {
    Named(&'static str),
    Plain,
    None,
}

pub fn fields(job: &Tree, flags: &Parameters, words: &[String]) -> Result<Map<String, Value>, String> {
    let mut body = Map::new();
    let pairs = |flag, given: &[String]| all_pairs(flag, given).map(object);
    insert(&mut body, "job_parameters", pairs("params", &flags.params)?.into());
    insert(&mut body, "dbt_commands", all_fields("dbt-commands", &flags.dbt_commands)?.into());
    insert(&mut body, "jar_params", all_fields("jar-params", &flags.jar_params)?.into());
    insert(&mut body, "notebook_params", pairs("notebook-params", &flags.notebook_params)?.into());
    insert(&mut body, "python_named_params", pairs("python-named-params", &flags.python_named_params)?.into());
    insert(&mut body, "python_params", all_fields("python-params", &flags.python_params)?.into());
    insert(&mut body, "spark_submit_params", all_fields("spark-submit-params", &flags.spark_submit_params)?.into());
    insert(&mut body, "sql_params", pairs("sql-params", &flags.sql_params)?.into());
    if let Some(given) = pipeline_params(&flags.pipeline_params)? {
        body.insert("pipeline_params".to_owned(), given);
    }
    let has_own = body.contains_key("job_parameters");
    let has_task = body.keys().any(|name| name != "job_parameters");
    match takes_parameters(job) {
        true if has_task => {
            return Err("the job to run defines job parameters; specifying task parameters is not allowed".to_owned());
        }
        false if has_own => {
            return Err(
                "the job to run does not define job parameters; specifying job parameters is not allowed".to_owned()
            );
        }
        _ => {}
    }
    read_words(&mut body, job, words)?;
    tell_wheel_notebooks(&mut body, job)?;
    Ok(body)
}

fn insert(body: &mut Map<String, Value>, name: &str, value: Value) {
    let empty = value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(Map::is_empty);
    if !empty {
        body.insert(name.to_owned(), value);
    }
}

fn object(pairs: Vec<(String, String)>) -> Map<String, Value> {
    pairs.into_iter().map(|(name, value)| (name, value.into())).collect()
}

fn pipeline_params(given: &[String]) -> Result<Option<Value>, String> {
    let full_refresh = match all_pairs("pipeline-params", given)?.as_slice() {
        [] => return Ok(None),
        [(name, value)] if name == "full_refresh" => value.parse::<bool>().ok(),
        _ => None,
    };
    match full_refresh {
        Some(true) => Ok(Some(json!({"full_refresh": true}))),
        Some(false) => Ok(Some(json!({}))),
        None => Err("job run argument --pipeline-params only supports `full_refresh=<bool>`".to_owned()),
    }
}

fn read_words(body: &mut Map<String, Value>, job: &Tree, words: &[String]) -> Result<(), String> {
    if words.is_empty() {
        return Ok(());
    }
    let unexpected = |some: &[String]| Err(format!("received {} unexpected positional arguments", some.len()));
    match words_of(job) {
        Words::None => unexpected(words),
        Words::Plain => {
            let given = body.entry("python_params").or_insert_with(|| json!([]));
            if let Value::Array(all) = given {
                all.extend(words.iter().map(|word| Value::from(word.as_str())));
            }
            Ok(())
        }
        Words::Named(field) => {
            let (pairs, rest) = named(words);
            if !rest.is_empty() {
                return unexpected(&rest);
            }
            let given = body.entry(field).or_insert_with(|| json!({}));
            if let Value::Object(all) = given {
                all.extend(object(pairs));
            }
            Ok(())
        }
    }
}

/// `--name value` and `--name=value`, up to the first word that is neither; and the words from there.
fn named(words: &[String]) -> (Vec<(String, String)>, Vec<String>) {
    let mut pairs = Vec::new();
    let mut rest = words;
    while let Some(name) = rest.first().and_then(|word| word.strip_prefix("--")) {
        match (name.split_once('='), rest.get(1)) {
            (Some((name, value)), _) => {
                pairs.push((name.to_owned(), value.to_owned()));
                rest = &rest[1..];
            }
            (None, Some(value)) => {
                pairs.push((name.to_owned(), value.clone()));
                rest = &rest[2..];
            }
            (None, None) => break,
        }
    }
    (pairs, rest.to_vec())
}

fn words_of(job: &Tree) -> Words {
    let all = |kind: &str| !tasks(job).is_empty() && tasks(job).iter().all(|task| task.get(kind).is_some());
    if takes_parameters(job) {
        Words::Named("job_parameters")
    } else if all("notebook_task") {
        Words::Named("notebook_params")
    } else if all("spark_python_task") || all("python_wheel_task") {
        Words::Plain
    } else {
        Words::None
    }
}

/// A wheel task may have become a notebook that calls the wheel: it is told the same parameters.
fn tell_wheel_notebooks(body: &mut Map<String, Value>, job: &Tree) -> Result<(), String> {
    let reserved = body.get("notebook_params").is_some_and(|given| given.get(RESERVED).is_some());
    if reserved {
        return Err(format!("can't use {RESERVED} as notebook param, the name is reserved for internal use"));
    }
    let has_wheel = tasks(job).iter().any(|task| task.get("python_wheel_task").is_some());
    if let Some(given) = body.get("python_params").filter(|_| has_wheel).map(Value::to_string) {
        let params = body.entry("notebook_params").or_insert_with(|| json!({}));
        params[RESERVED] = given.into();
    }
    Ok(())
}

/// The keys of `--only`, each of which must be a task's.
pub fn only(job: &Tree, given: &[String]) -> Result<Vec<String>, String> {
    let keys = all_fields("only", given)?;
    let known = |key: &str| tasks(job).iter().any(|task| task.text(&["task_key"]) == Some(key));
    match keys.iter().map(|key| bare(key)).find(|key| !known(key)) {
        Some(unknown) => {
            let name = job.text(&["name"]).unwrap_or_default();
            Err(format!("task {unknown:?} not found in job {name:?}"))
        }
        None => Ok(keys),
    }
}

fn bare(key: &str) -> &str {
    let key = key.strip_prefix('+').unwrap_or(key);
    key.strip_suffix('+').unwrap_or(key)
}

fn takes_parameters(job: &Tree) -> bool {
    job.get("parameters").and_then(Tree::as_list).is_some_and(|list| !list.is_empty())
}

fn tasks(job: &Tree) -> &[Tree] {
    job.get("tasks").and_then(Tree::as_list).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::syntax::json;

    fn given(job: &str, flags: Parameters, words: &str) -> Result<Value, String> {
        let job = json::read(&"".into(), job.as_bytes()).unwrap();
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        fields(&job, &flags, &words).map(Value::from)
    }

    const OWN: &str = r#"{"parameters": [{"name": "a", "default": "1"}], "tasks": [{"task_key": "t"}]}"#;
    const PYTHON: &str = r#"{"tasks": [{"spark_python_task": {}}, {"spark_python_task": {}}]}"#;
    const WHEEL: &str = r#"{"tasks": [{"python_wheel_task": {}}]}"#;
    const NOTEBOOK: &str = r#"{"tasks": [{"notebook_task": {}}]}"#;
    const MIXED: &str = r#"{"tasks": [{"notebook_task": {}}, {"spark_python_task": {}}]}"#;

    #[test]
    fn words_mean_what_the_job_takes() {
        let of = |job, words| given(job, Parameters::default(), words);
        assert_eq!(of(OWN, "--a 5 --b=6 --c=").unwrap(), json!({"job_parameters": {"a": "5", "b": "6", "c": ""}}));
        assert_eq!(of(OWN, "--a --b").unwrap(), json!({"job_parameters": {"a": "--b"}}));
        assert_eq!(of(NOTEBOOK, "--a 5").unwrap(), json!({"notebook_params": {"a": "5"}}));
        assert_eq!(of(PYTHON, "--a 5").unwrap(), json!({"python_params": ["--a", "5"]}));
        let wheel = json!({"python_params": ["x", "y"], "notebook_params": {"__python_params": "[\"x\",\"y\"]"}});
        assert_eq!(of(WHEEL, "x y").unwrap(), wheel);
        assert_eq!(of(MIXED, "").unwrap(), json!({}));
        for (job, words, count) in [(OWN, "7", 1), (OWN, "--a 1 x", 1), (OWN, "--a", 1), (OWN, "x --a 1", 3)]
            .into_iter()
            .chain([(MIXED, "x", 1), ("{}", "--a 1", 2), (NOTEBOOK, "x", 1), (OWN, "-a 1", 2)])
        {
            let message = format!("received {count} unexpected positional arguments");
            assert_eq!(of(job, words), Err(message), "{words}");
        }
    }

    #[test]
    fn a_job_takes_parameters_of_its_own_or_of_its_tasks() {
        let params = |params: &[&str], python: &[&str], notebook: &[&str]| Parameters {
            params: params.iter().map(|&t| t.to_owned()).collect(),
            python_params: python.iter().map(|&t| t.to_owned()).collect(),
            notebook_params: notebook.iter().map(|&t| t.to_owned()).collect(),
            ..Parameters::default()
        };
        assert_eq!(given(OWN, params(&["a=1"], &[], &[]), "--a 2").unwrap(), json!({"job_parameters": {"a": "2"}}));
        assert!(given(OWN, params(&[], &["x"], &[]), "").unwrap_err().contains("specifying task parameters"));
        assert!(given(PYTHON, params(&["a=1"], &[], &[]), "").unwrap_err().contains("specifying job parameters"));
        assert_eq!(given(PYTHON, params(&[], &["a"], &[]), "x").unwrap(), json!({"python_params": ["a", "x"]}));
        let both = given(WHEEL, params(&[], &["z"], &["k=1"]), "").unwrap();
        assert_eq!(both["notebook_params"], json!({"k": "1", "__python_params": "[\"z\"]"}));
        assert!(given(WHEEL, params(&[], &[], &["__python_params=1"]), "").is_err());
    }

    #[test]
    fn a_pipeline_task_takes_one_parameter() {
        let of = |text: &str| {
            given(MIXED, Parameters { pipeline_params: vec![text.to_owned()], ..Parameters::default() }, "")
        };
        assert_eq!(of("full_refresh=true").unwrap(), json!({"pipeline_params": {"full_refresh": true}}));
        assert_eq!(of("full_refresh=false").unwrap(), json!({"pipeline_params": {}}));
        assert!(of("full_refresh=maybe").is_err() && of("x=y").is_err());
    }

    #[test]
    fn only_tasks_of_the_job_can_be_picked() {
        let job = r#"{"name": "j", "tasks": [{"task_key": "t"}, {"task_key": "u"}]}"#;
        let job = json::read(&"".into(), job.as_bytes()).unwrap();
        let of = |text: &str| only(&job, &[text.to_owned()]);
        assert_eq!(of("+t,u+").unwrap(), ["+t", "u+"]);
        assert_eq!(of("").unwrap(), Vec::<String>::new());
        assert_eq!(of("t,zz+").unwrap_err(), "task \"zz\" not found in job \"j\"");
    }
}
