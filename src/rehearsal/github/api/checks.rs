//! Check runs, with the limits that GitHub's description gives: fifty annotations a request, appended by updates.

use serde_json::{Value, json};

use crate::rehearsal::github::call::{Answer, Call, Refusal, Reply};
use crate::rehearsal::github::page;
use crate::rehearsal::github::state::CheckRun;
use crate::rehearsal::github::strict::{Fields, longer_than};
use crate::rehearsal::github::view;

const CONCLUSIONS: &[&str] =
    &["action_required", "cancelled", "failure", "neutral", "success", "skipped", "stale", "timed_out"];
const MOST_ANNOTATIONS: usize = 50;
const LONGEST_TEXT: usize = 65_535;
const LONGEST_TITLE: usize = 255;
const MOST_BYTES: usize = 64 * 1024;

/// What a request says about a check run.
#[derive(Default)]
struct Said {
    name: Option<String>,
    external_id: Option<String>,
    details_url: Option<String>,
    status: Option<String>,
    conclusion: Option<String>,
    started: Option<i64>,
    completed: Option<i64>,
    title: Option<String>,
    summary: Option<String>,
    text: Option<String>,
    annotations: Vec<Value>,
}

pub(super) fn create(call: &mut Call<'_>) -> Answer {
    let mut fields = Fields::of(call)?;
    let sha = fields.required("head_sha")?;
    if !fields.has("name") {
        return Err(Refusal::shape("\"name\" wasn't supplied."));
    }
    let said = read(fields, true)?;
    if call.state.history.get(&sha).is_none() {
        return Err(Refusal::new(422, format!("No commit found for SHA: {sha}")));
    }
    let mut check = CheckRun {
        id: call.state.counters.next("job"),
        name: String::new(),
        sha,
        external_id: None,
        details_url: None,
        status: "queued".to_owned(),
        conclusion: None,
        started: None,
        completed: None,
        title: None,
        summary: None,
        text: None,
        annotations: Vec::new(),
    };
    apply(&mut check, said, call.state.now());
    let written = view::check_run(call.state, &check);
    call.state.check_runs.insert(check.id, check);
    Reply::created(written)
}

pub(super) fn update(call: &mut Call<'_>) -> Answer {
    let id = call.id("check_run_id")?;
    let said = read(Fields::of(call)?, false)?;
    let now = call.state.now();
    let check = call.state.check_runs.get_mut(&id).ok_or_else(Refusal::not_found)?;
    apply(check, said, now);
    let check = check.clone();
    Reply::ok(view::check_run(call.state, &check))
}

pub(super) fn get(call: &mut Call<'_>) -> Answer {
    let check = call.state.check_runs.get(&call.id("check_run_id")?).ok_or_else(Refusal::not_found)?;
    Reply::ok(view::check_run(call.state, check))
}

pub(super) fn annotations(call: &mut Call<'_>) -> Answer {
    let check = call.state.check_runs.get(&call.id("check_run_id")?).ok_or_else(Refusal::not_found)?;
    let shown = check.annotations.iter().map(|sent| view::annotation(call.state, check, sent)).collect();
    page::reply(call, shown, None)
}

pub(super) fn of_commit(call: &mut Call<'_>) -> Answer {
    let name = call.param("ref");
    let commit = call.state.history.resolve(name).ok_or_else(|| Refusal::new(422, "No commit found for SHA"))?;
    let wanted = call.query("check_name");
    let shown = call
        .state
        .check_runs
        .values()
        .filter(|check| check.sha == commit.sha && wanted.is_none_or(|wanted| wanted == check.name))
        .map(|check| view::check_run(call.state, check))
        .collect();
    page::reply(call, shown, Some("check_runs"))
}

fn apply(check: &mut CheckRun, said: Said, now: i64) {
    let keep = |place: &mut Option<String>, given: Option<String>| {
        if given.is_some() {
            *place = given;
        }
    };
    if let Some(name) = said.name {
        check.name = name;
    }
    keep(&mut check.external_id, said.external_id);
    keep(&mut check.details_url, said.details_url);
    keep(&mut check.title, said.title);
    keep(&mut check.summary, said.summary);
    keep(&mut check.text, said.text);
    check.annotations.extend(said.annotations);
    if let Some(status) = said.status {
        check.status = status;
    }
    if said.conclusion.is_some() {
        check.conclusion = said.conclusion;
        check.status = "completed".to_owned();
    }
    if check.status != "queued" {
        check.started = said.started.or(check.started).or(Some(now));
    }
    if check.status == "completed" {
        check.completed = said.completed.or(check.completed).or(Some(now));
    }
}

fn read(mut fields: Fields, new: bool) -> Result<Said, Refusal> {
    // GitHub Actions itself sets the other three; a job's token may only update to them.
    let known: &[&str] = &["queued", "in_progress", "completed", "waiting", "requested", "pending"];
    let mut said = Said {
        name: fields.text("name")?,
        external_id: fields.text("external_id")?,
        details_url: fields.text("details_url")?,
        status: fields.one_of("status", if new { &known[..3] } else { known })?,
        conclusion: fields.one_of("conclusion", CONCLUSIONS)?,
        started: time(&mut fields, "started_at")?,
        completed: time(&mut fields, "completed_at")?,
        ..Said::default()
    };
    if let Some(output) = fields.object("output")? {
        read_output(output, new, &mut said)?;
    }
    for mut action in fields.objects("actions")? {
        for name in ["label", "description", "identifier"] {
            action.required(name)?;
        }
        action.finish()?;
    }
    fields.finish()?;
    if said.conclusion.is_none() && (said.status.as_deref() == Some("completed") || said.completed.is_some()) {
        return Err(Refusal::shape("\"conclusion\" wasn't supplied."));
    }
    Ok(said)
}

fn read_output(mut output: Fields, new: bool, said: &mut Said) -> Result<(), Refusal> {
    said.title = if new { Some(output.required("title")?) } else { output.text("title")? };
    said.summary = Some(output.required("summary")?);
    said.text = output.text("text")?;
    for (name, text) in [("summary", &said.summary), ("text", &said.text)] {
        if text.as_deref().is_some_and(|text| longer_than(text, LONGEST_TEXT)) {
            let message = format!("{name} exceeds a maximum length of {LONGEST_TEXT}");
            return Err(Refusal::custom("CheckRun", name, message));
        }
    }
    let annotations = output.objects("annotations")?;
    if annotations.len() > MOST_ANNOTATIONS {
        return Err(Refusal::shape(format!(
            "No more than {MOST_ANNOTATIONS} items are allowed; {} were supplied.",
            annotations.len()
        )));
    }
    said.annotations = annotations.into_iter().map(annotation).collect::<Result<_, _>>()?;
    for mut image in output.objects("images")? {
        image.required("alt")?;
        image.required("image_url")?;
        image.text("caption")?;
        image.finish()?;
    }
    output.finish()
}

fn annotation(mut fields: Fields) -> Result<Value, Refusal> {
    let missing = |name: &str| Refusal::shape(format!("\"{name}\" wasn't supplied."));
    let path = fields.required("path")?;
    let start = fields.line("start_line")?.ok_or_else(|| missing("start_line"))?;
    let end = fields.line("end_line")?.ok_or_else(|| missing("end_line"))?;
    let columns = (fields.line("start_column")?, fields.line("end_column")?);
    let level = fields.one_of("annotation_level", &["notice", "warning", "failure"])?;
    let level = level.ok_or_else(|| missing("annotation_level"))?;
    let message = fields.required("message")?;
    let title = fields.text("title")?;
    let raw = fields.text("raw_details")?;
    fields.finish()?;
    let wrong = |message: &str| Err(Refusal::custom("CheckAnnotation", "annotations", message));
    if start == 0 || end < start {
        return wrong("lines start at 1 and end_line is not before start_line");
    }
    if start != end && columns != (None, None) {
        return wrong("columns are only allowed on one line");
    }
    if message.len() > MOST_BYTES || raw.as_ref().is_some_and(|raw| raw.len() > MOST_BYTES) {
        return wrong("message and raw_details are at most 64 KB");
    }
    if title.as_deref().is_some_and(|title| longer_than(title, LONGEST_TITLE)) {
        return wrong("title is at most 255 characters");
    }
    Ok(json!({
        "path": path, "start_line": start, "end_line": end, "start_column": columns.0, "end_column": columns.1,
        "annotation_level": level, "message": message, "title": title, "raw_details": raw,
    }))
}

fn time(fields: &mut Fields, name: &str) -> Result<Option<i64>, Refusal> {
    let Some(text) = fields.text(name)? else { return Ok(None) };
    let parsed: Result<jiff::Timestamp, _> = text.parse();
    match parsed {
        Ok(time) => Ok(Some(time.as_second())),
        Err(_) => Err(Refusal::shape(format!("For 'properties/{name}', {text} is not a valid date-time."))),
    }
}
