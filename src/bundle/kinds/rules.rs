//! Short names for the rules that the kinds' tables are made of.

use super::{Rule, Then, When};

/// The workspace fills the field in where nobody wrote one.
pub(super) const fn backend_default(field: &'static str) -> Rule {
    Rule { field, when: When::RemoteOnly, then: Then::Skip, reason: "backend_default" }
}

/// The workspace fills in exactly this value.
pub(super) const fn backend_default_is(field: &'static str, value: &'static str) -> Rule {
    Rule { field, when: When::RemoteIs(value), then: Then::Skip, reason: "backend_default" }
}

/// Whatever the workspace says about the field does not count; a change of ours does.
pub(super) const fn ignore_remote(field: &'static str, reason: &'static str) -> Rule {
    Rule { field, when: When::Drift, then: Then::Skip, reason }
}

/// A field that only the workspace writes.
pub(super) const fn output_only(field: &'static str) -> Rule {
    ignore_remote(field, "spec:output_only")
}

/// A field that is asked for, and told under another name if at all.
pub(super) const fn input_only(field: &'static str) -> Rule {
    ignore_remote(field, "spec:input_only")
}

/// The field is never compared.
pub(super) const fn ignore(field: &'static str, reason: &'static str) -> Rule {
    Rule { field, when: When::Any, then: Then::Skip, reason }
}

pub(super) const fn recreate(field: &'static str, reason: &'static str) -> Rule {
    Rule { field, when: When::Any, then: Then::Recreate, reason }
}

pub(super) const fn update_id(field: &'static str, reason: &'static str) -> Rule {
    Rule { field, when: When::Any, then: Then::UpdateId, reason }
}

/// The workspace decides where nobody wrote anything; a value that somebody wrote counts.
pub(super) const fn remote_only(field: &'static str, reason: &'static str) -> Rule {
    Rule { field, when: When::RemoteOnly, then: Then::Skip, reason }
}

/// As long as the thing has no such part in the workspace, the field is not compared.
pub(super) const fn without(part: &'static str, field: &'static str, reason: &'static str) -> Rule {
    Rule { field, when: When::Without(part), then: Then::Skip, reason }
}

/// What runs takes the change without a stop.
pub(super) const fn resize_running(field: &'static str) -> Rule {
    Rule { field, when: When::Running, then: Then::Resize, reason: "custom" }
}

/// A part of the name that it is found by: another one is another thing.
pub(super) const fn named(field: &'static str, reason: &'static str) -> Rule {
    Rule { field, when: When::Named, then: Then::Recreate, reason }
}

/// The same, where the workspace can give it another name.
pub(super) const fn renamed(field: &'static str, reason: &'static str) -> Rule {
    Rule { field, when: When::Named, then: Then::UpdateId, reason }
}

/// A place in the workspace, that it tells by another of its names.
pub(super) const fn place(field: &'static str) -> Rule {
    Rule { field, when: When::Alias, then: Then::Skip, reason: "alias" }
}

/// A place in a cloud's storage, that the workspace tells without the slashes at its end.
pub(super) const fn stored(field: &'static str) -> Rule {
    Rule { field, when: When::Slashes, then: Then::Skip, reason: "uc_strips_trailing_slash" }
}

/// The workspace's own id of what it hangs on: another one makes it anew.
pub(super) const fn bound(field: &'static str, same: &'static str, other: &'static str) -> Rule {
    Rule { field, when: When::Bound(other), then: Then::Recreate, reason: same }
}

/// The workspace's own mark of a version.
pub(super) const fn mark(field: &'static str, reason: &'static str) -> Rule {
    Rule { field, when: When::Mark, then: Then::Skip, reason }
}
