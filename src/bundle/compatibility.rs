//! Where releases of the official command differ, and which behaviour is ours.
//!
//! The command moves weekly. Its behaviour here is that of one release, and each point where
//! another release does otherwise is a setting with a name, not a condition somewhere.

/// The release whose behaviour this is.
pub const RELEASE: (u64, u64, u64) = (1, 14, 0);

/// The same, as documents name it.
pub const CLI_VERSION: &str = "1.14.0";

/// The version of a state that is new: the newest that every release of the command reads.
pub const NEW_STATE_VERSION: u64 = 2;

/// The newest version of a state that is read; what is found is kept.
pub const NEWEST_STATE_VERSION: u64 = 3;

/// In front of a hash that a state keeps in the place of a long text (since 1.17).
pub const HASH: &str = "sha256:";

/// One point where releases differ.
#[derive(Debug)]
pub struct Setting {
    pub name: &'static str,
    /// The first release that does otherwise.
    pub since: &'static str,
    pub there: &'static str,
    pub here: &'static str,
}

/// All of them, as the README lists them.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "state version",
        since: "1.17",
        there: "a new state is version 3",
        here: "a new state is version 2; 2 and 3 are read, and kept",
    },
    Setting {
        name: "state features",
        since: "1.17",
        there: "`features` in the state, such as the deployment history",
        here: "refused before anything is planned or locked",
    },
    Setting {
        name: "dashboards in the state",
        since: "1.17",
        there: "the content is kept as its hash",
        here: "kept as it is; a hash is read and compared as one",
    },
    Setting {
        name: "uploads",
        since: "1.21",
        there: "multipart `workspace/import`",
        here: "by hand the older route first, in stages the multipart one; each falls back to the other",
    },
    Setting {
        name: "escaped references",
        since: "1.15",
        there: "`$${…}` is a literal `${…}`",
        here: "`$` and the value, as before",
    },
    Setting {
        name: "packages of an environment",
        since: "1.16",
        there: "`numpy==2.5.*` is a package",
        here: "the same; before it was taken for a local file, as `a >=1.0, <2` and `a; python_version<'3.9'` still are there, and `a @ https:…` an error",
    },
    Setting {
        name: "keys that end in `_`",
        since: "1.18",
        there: "a reference to one resolves",
        here: "it stays text, as before",
    },
    Setting {
        name: "removed permissions and grants",
        since: "1.17",
        there: "not listed as deletions",
        here: "listed, as before; nothing is revoked either way",
    },
    Setting {
        name: "the Terraform engine",
        since: "1.19",
        there: "gone; its states are converted",
        here: "refused, as is its state",
    },
];
