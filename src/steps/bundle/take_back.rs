//! How a change of a resource is taken back: what was made goes unless somebody has filled it, what was changed becomes what it was.

use serde_json::Value;

use super::change_resource::{ChangeResource, step_error};
use super::{ask, send_resource, what_was};
use crate::bundle::kinds::Holds;
use crate::bundle::planning::plan::short;
use crate::bundle::planning::planner;
use crate::bundle::planning::requests::{self, Difference};
use crate::ports::{Rest, RestError};
use crate::saga::{Change, Outcome, Receipt, StepError, Undone};

impl ChangeResource {
    pub(super) async fn undo_create(
        &self,
        rest: &dyn Rest,
        receipt: &Receipt,
        outcome: &Outcome,
    ) -> Result<Undone, StepError> {
        let Some(id) = outcome.0["id"].as_str() else { return Ok(Undone::NothingToDo) };
        let Some(now) = self.now(rest, id).await? else { return Ok(Undone::NothingToDo) };
        let Some(route) = &self.about.kind.api.delete else {
            return self.put_back(rest, id, receipt, outcome, &now).await;
        };
        if outcome.0["made"].is_object() && !what_was::is(self.about.kind, &outcome.0["made"], &now) {
            return Err(self.drift());
        }
        let route = match &self.about.kind.holds {
            Holds::Nothing => route,
            Holds::Refused(unless_empty) => unless_empty,
            Holds::Listed(..) if self.holds_something(rest, id, &now).await? => return Ok(Undone::Kept),
            Holds::Listed(..) => route,
        };
        let mut request = ask::ready(&requests::request(route, id, &now));
        request.repeatable = true;
        match rest.call(request).await {
            Ok(_) => Ok(Undone::TakenBack),
            Err(error) if error.is_not_found() => Ok(Undone::TakenBack),
            Err(error) if says_not_empty(&error) => Ok(Undone::Kept),
            Err(error) => Err(step_error(error, format!("take back: {}", self.title()))),
        }
    }

    async fn holds_something(&self, rest: &dyn Rest, id: &str, now: &Value) -> Result<bool, StepError> {
        let Holds::Listed(route, items) = &self.about.kind.holds else { return Ok(false) };
        let doing = || format!("look whether {} is empty", short(&self.about.node));
        let answer = ask::maybe(rest, &requests::request(route, id, now)).await;
        let answer = answer.map_err(|error| error.into_failure(doing()))?;
        let list = answer.as_ref().and_then(|answer| answer.get(*items)).and_then(Value::as_array);
        Ok(list.is_some_and(|list| !list.is_empty()))
    }

    /// Sends what was there before.
    pub(super) async fn put_back(
        &self,
        rest: &dyn Rest,
        id: &str,
        receipt: &Receipt,
        outcome: &Outcome,
        now: &Value,
    ) -> Result<Undone, StepError> {
        let made = &outcome.0["made"];
        if !receipt.0["before"].is_object() {
            return Ok(Undone::LeftInPlace);
        }
        let before = &what_was::of_what_is(self.about.kind, &receipt.0["before"], now);
        if what_was::is(self.about.kind, before, now) {
            return Ok(Undone::NothingToDo);
        }
        if made.is_object() && !what_was::is(self.about.kind, made, now) {
            return Err(self.drift());
        }
        let paths = planner::paths(self.about.kind, before, now);
        let change = Difference { paths: &paths, before: Some(if made.is_object() { made } else { now }) };
        let how = (self.about.kind, self.about.action);
        let sent = send_resource::change(rest, how, id, before, change).await;
        sent.map_err(|error| {
            step_error(self.discreet(error, &[before, made]), format!("take back: {}", self.title()))
        })?;
        Ok(Undone::TakenBack)
    }

    fn drift(&self) -> StepError {
        StepError::drift(short(&self.about.node), "what this run deployed", "other values")
    }
}

/// How the workspace words it differs from kind to kind; that is all it ever means with a delete.
fn says_not_empty(error: &RestError) -> bool {
    matches!(error, RestError::Status { status: 400 | 409, message, .. } if message.contains("not empty"))
}
