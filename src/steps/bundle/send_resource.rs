//! The requests that make a resource and change it, and the wait until the workspace is done.
//!
//! A kind's table says which requests these are; some resources need several.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{ask, read};
use crate::bundle::kinds::{Id, Kind, Sent};
use crate::bundle::planning::plan::Action;
use crate::bundle::planning::requests::{self, Difference};
use crate::bundle::planning::{answers, typed};
use crate::domain::{Failure, Reason};
use crate::ports::{Request, Rest, RestError, World};

/// How long to wait between two looks at work of the workspace.
const FIRST_LOOK: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Makes it, as soon as its name is free.
pub async fn create(world: &World, kind: &'static Kind, value: &Value) -> Result<Value, RestError> {
    let mut pause = FIRST_LOOK;
    loop {
        match create_now(world.workspace.as_ref(), kind, value).await {
            Err(error) if kind.api.lingers.is_some_and(|words| says(&error, words)) => {
                world.clock.sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            sent => return sent,
        }
    }
}

fn says(error: &RestError, words: &str) -> bool {
    matches!(error, RestError::Status { status: 400 | 409, message, .. } if message.contains(words))
}

/// A node that is a list is made by a request for each of its elements; most are made by one.
async fn create_now(rest: &dyn Rest, kind: &'static Kind, value: &Value) -> Result<Value, RestError> {
    let api = &kind.api;
    if let [first, ..] = api.update
        && matches!(first.when, Sent::EachChanged(_))
    {
        let before = made_with_the_parent(rest, kind, value).await?;
        for request in requests::calls(api.update, "", value, Difference { paths: &[], before: before.as_ref() }) {
            rest.call(ask::ready(&request)).await?;
        }
        return Ok(Value::Null);
    }
    let request = ask::ready(&requests::request(&api.create, "", value));
    let folder = api.folder.and_then(|field| value.get(field)).and_then(Value::as_str);
    match (rest.call(request.clone()).await, folder) {
        (Err(error), Some(folder)) if error.is_not_found() => {
            rest.call(Request::post("/api/2.0/workspace/mkdirs", json!({"path": folder}))).await?;
            rest.call(request).await?.json()
        }
        (sent, _) => sent?.json(),
    }
}

/// Whoever makes a parent may have got an entry of the list with it.
async fn made_with_the_parent(rest: &dyn Rest, kind: &'static Kind, value: &Value) -> Result<Option<Value>, RestError> {
    let Some(id) = requests::id(kind, value, &Value::Null) else { return Ok(None) };
    let answer = ask::maybe(rest, &requests::read("", kind, &id).request).await?;
    Ok(answer.map(|answer| answers::configured(kind, &answers::remote(kind, &id, &answer))))
}

/// Sends what comes after a create.
pub async fn after_create(rest: &dyn Rest, kind: &'static Kind, id: &str, value: &Value) -> Result<(), RestError> {
    for request in requests::calls(kind.api.after_create, id, value, Difference::default()) {
        rest.call(ask::ready(&request)).await?;
    }
    Ok(())
}

/// Sends an update, a resize or a rename: the id that the node has afterwards, and what of
/// the answers is saved.
pub async fn change(
    rest: &dyn Rest,
    (kind, action): (&'static Kind, Action),
    id: &str,
    value: &Value,
    change: Difference<'_>,
) -> Result<(String, Map<String, Value>), RestError> {
    let api = &kind.api;
    let renames = action == Action::UpdateId;
    let one = match action {
        Action::UpdateId => api.rename.as_ref(),
        Action::Resize => api.resize.as_ref(),
        _ => None,
    };
    let sent = match one {
        Some(route) => vec![requests::changing(route, id, value, change.before)],
        // What it belongs to is another one by now, which has nothing of the list yet.
        None if renames => {
            let before = made_with_the_parent(rest, kind, value).await?;
            requests::calls(api.update, id, value, Difference { before: before.as_ref(), ..change })
        }
        None => requests::calls(api.update, id, value, change),
    };
    // What is named after something else is named anew when that was made anew.
    let moves = renames || matches!(api.id, Id::State(_));
    let mut new_id = requests::id(kind, value, &Value::Null).filter(|_| moves);
    let mut kept = Map::new();
    for request in sent {
        let mut request = ask::ready(&request);
        // Setting what is set already does no more.
        request.repeatable = !renames;
        let answer = rest.call(request).await?.json()?;
        keep(&mut kept, kind, &answer);
        if renames {
            new_id = new_id.or_else(|| requests::id(kind, value, &answer));
        }
    }
    Ok((new_id.unwrap_or_else(|| id.to_owned()), kept))
}

/// The fields of an answer that are saved with the state.
pub fn keep(kept: &mut Map<String, Value>, kind: &Kind, answer: &Value) {
    for field in kind.api.kept {
        if let Some(value) = answer.get(*field) {
            kept.insert((*field).to_owned(), value.clone());
        }
    }
}

/// What a read tells of what was just made, and is saved with its state.
pub async fn kept_of_read(rest: &dyn Rest, kind: &'static Kind, id: &str) -> Result<Map<String, Value>, Failure> {
    let mut kept = Map::new();
    if kind.api.kept_of_read.is_empty() {
        return Ok(kept);
    }
    let answer = read::one(rest, &requests::read("", kind, id)).await?.unwrap_or(Value::Null);
    let remote = answers::remote(kind, id, &answer);
    for field in kind.api.kept_of_read {
        if let Some(value) = remote.get(*field) {
            kept.insert((*field).to_owned(), value.clone());
        }
    }
    Ok(kept)
}

/// Waits until what was deleted is gone, where that takes a while.
pub async fn gone(world: &World, kind: &'static Kind, node: &str, id: &str) -> Result<(), Failure> {
    let mut pause = FIRST_LOOK;
    while kind.api.lingers.is_some() {
        if read::one(world.workspace.as_ref(), &requests::read(node, kind, id)).await?.is_none() {
            break;
        }
        world.clock.sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    Ok(())
}

/// Waits until the workspace has done what it was told to.
pub async fn settle(world: &World, kind: &'static Kind, node: &str, id: &str) -> Result<(), Failure> {
    let Some(wait) = &kind.api.wait else { return Ok(()) };
    let mut pause = FIRST_LOOK;
    loop {
        let read = requests::read(node, kind, id);
        let Some(answer) = read::one(world.workspace.as_ref(), &read).await? else { return Ok(()) };
        let field = wait.field.split('.').try_fold(&answer, |value, key| value.get(key));
        let now = field.and_then(typed::scalar_text).unwrap_or_default();
        if wait.failed.contains(&now.as_str()) {
            let message = format!("wait for {node}: the workspace says `{}: {now}`", wait.field);
            return Err(Failure::new(Reason::WorkspaceError, message)
                .hint("its page in the workspace says more; the next deployment tries again"));
        }
        if !wait.during.contains(&now.as_str()) {
            return Ok(());
        }
        world.clock.sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
