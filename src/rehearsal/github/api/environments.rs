//! Environments, read only: changing one needs an administrator, which no job's token is.

use serde_json::Value;

use crate::rehearsal::github::call::{Answer, Call, Refusal, Reply};
use crate::rehearsal::github::page;
use crate::rehearsal::github::view;

pub(super) fn list(call: &mut Call<'_>) -> Answer {
    let shown: Vec<Value> =
        call.state.environments.iter().map(|(name, found)| view::environment(call.state, name, found)).collect();
    page::reply(call, shown, Some("environments"))
}

pub(super) fn get(call: &mut Call<'_>) -> Answer {
    let name = call.param("environment_name");
    let found = call.state.environments.get(name).ok_or_else(Refusal::not_found)?;
    Reply::ok(view::environment(call.state, name, found))
}
