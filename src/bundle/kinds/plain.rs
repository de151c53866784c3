//! What most kinds have none of: a kind names what it has, and stands on this for the rest.
//!
//! So that a new sort of entry is no line in every file. That a kind names what each must have, a test sees.

use super::{Api, Find, Holds, Id, Kind, Loses, Method, Part, Prefix, Route};

impl Kind {
    pub(super) const PLAIN: Self = Self {
        name: "",
        title: "",
        message: "",
        state: "",
        remote: "",
        child: None,
        renamed: &[],
        told: &[],
        prefix: Prefix::None,
        name_field: "",
        api: Api::PLAIN,
        rules: &[],
        keyed: &[],
        hashed: &[],
        added: &[],
        active: None,
        holds: Holds::Nothing,
        loses: Loses { identity: false, data: "" },
        destroys: None,
        facts: &[],
        page: None,
    };
}

impl Api {
    pub(super) const PLAIN: Self = Self {
        create: Route::NOWHERE,
        after_create: &[],
        folder: None,
        kept: &[],
        kept_of_read: &[],
        lingers: None,
        wait: None,
        find: Find::Again,
        id: Id::Reply(""),
        read: Route::NOWHERE,
        read_also: None,
        lift: &[],
        list: None,
        update: &[],
        resize: None,
        rename: None,
        delete: None,
    };
}

impl Route {
    const NOWHERE: Self = Self { method: Method::Get, path: "", query: &[], body: &[] };

    /// A request that says all by its path.
    pub(super) const fn bare(path: &'static str) -> Self {
        Self { method: Method::Post, path, query: &[], body: &[Part::Nothing] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::kinds::ALL;

    #[test]
    fn every_kind_names_what_a_kind_must_have() {
        let children = ALL.iter().filter_map(|kind| kind.child).map(|child| child.kind);
        for kind in ALL.iter().copied().chain(children) {
            let words = [kind.name, kind.title, kind.message, kind.state, kind.remote, kind.name_field];
            assert!(words.iter().all(|word| !word.is_empty()), "{kind:?}");
            assert!(!kind.api.create.path.is_empty() && !kind.api.read.path.is_empty(), "{}", kind.name);
            assert!(!kind.api.lift.is_empty() && !matches!(kind.api.id, Id::Reply("")), "{}", kind.name);
        }
    }
}
