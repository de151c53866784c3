//! The repository itself, and how its jobs' subjects are built.

use serde_json::json;

use crate::rehearsal::github::call::{Answer, Call, Reply};
use crate::rehearsal::github::config::Subjects;
use crate::rehearsal::github::identity;
use crate::rehearsal::github::view;

pub(super) fn get(call: &mut Call<'_>) -> Answer {
    Reply::ok(view::repository(call.state, &call.state.repository.full_name()))
}

/// `sub_claim_prefix` is what counts: a new repository answers `use_immutable_subject: false` with an immutable prefix.
pub(super) fn subject(call: &mut Call<'_>) -> Answer {
    let repository = &call.state.repository;
    let mut body = json!({
        "use_default": repository.subject_claims.is_none(),
        "use_immutable_subject": false,
        "sub_claim_prefix": identity::prefix(repository, repository.subjects == Subjects::Immutable),
    });
    if let Some(claims) = &repository.subject_claims {
        body["include_claim_keys"] = json!(claims);
    }
    Reply::ok(body)
}
