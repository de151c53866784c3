//! Pull requests, read only: what a job may change about one is its comments.

use serde_json::Value;

use crate::rehearsal::github::call::{Answer, Call, Refusal, Reply};
use crate::rehearsal::github::page;
use crate::rehearsal::github::state::Pull;
use crate::rehearsal::github::view;

fn named<'a>(call: &'a Call<'_>) -> Result<&'a Pull, Refusal> {
    let number = call.id("number")?;
    call.state.pulls.get(&number).ok_or_else(Refusal::not_found)
}

/// Newest first, open ones unless asked otherwise.
pub(super) fn list(call: &mut Call<'_>) -> Answer {
    let state = call.query("state").unwrap_or("open").to_owned();
    let head = call.query("head").map(str::to_owned);
    let base = call.query("base").map(str::to_owned);
    let owner_and_branch =
        |pull: &Pull| format!("{}:{}", pull.head_repository.split('/').next().unwrap_or_default(), pull.branch);
    let shown: Vec<Value> = call
        .state
        .pulls
        .values()
        .rev()
        .filter(|pull| state == "all" || (state == "closed") == pull.closed)
        .filter(|pull| base.as_deref().is_none_or(|base| base == pull.base))
        .filter(|pull| head.as_deref().is_none_or(|head| head == owner_and_branch(pull)))
        .map(|pull| view::pull_in_list(call.state, pull))
        .collect();
    page::reply(call, shown, None)
}

pub(super) fn get(call: &mut Call<'_>) -> Answer {
    let pull = named(call)?;
    Reply::ok(view::pull(call.state, pull))
}

/// Every submission of every user in the order they came; which one counts is for the reader to work out.
pub(super) fn reviews(call: &mut Call<'_>) -> Answer {
    let pull = named(call)?;
    let shown = pull.reviews.iter().map(|review| view::review(call.state, pull, review)).collect();
    page::reply(call, shown, None)
}

pub(super) fn commits(call: &mut Call<'_>) -> Answer {
    let pull = named(call)?;
    let history = &call.state.history;
    let base = history.branch(&pull.base).unwrap_or_default();
    let ahead = history.compare(base, &pull.head).map(|compared| compared.ahead).unwrap_or_default();
    let shown =
        ahead.iter().filter_map(|sha| history.get(sha)).map(|commit| view::commit(call.state, commit)).collect();
    page::reply(call, shown, None)
}
