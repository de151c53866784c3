//! Where releases and records are kept, and what no such place may be.

use super::Config;

/// Where the archives of releases are kept between the stages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Releases {
    /// Nowhere: the archive is a file, and the workflow takes it along.
    File,
    /// A folder in a Unity Catalog volume.
    Volume(String),
    /// A folder of the machine.
    Folder(String),
}

impl Releases {
    pub(super) fn read(text: Option<&str>) -> Self {
        match text.map(str::trim) {
            None => Self::File,
            Some(path) if path.starts_with("/Volumes/") => Self::Volume(path.trim_end_matches('/').to_owned()),
            Some(path) => Self::Folder(path.to_owned()),
        }
    }

    /// As it is written; nothing for the default.
    pub fn written(&self) -> Option<&str> {
        match self {
            Self::File => None,
            Self::Volume(path) | Self::Folder(path) => Some(path),
        }
    }
}

/// `/Volumes/<catalog>/<schema>/<volume>`, with or without folders below.
fn is_in_a_volume(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    let down = parts.iter().skip(1).all(|part| !matches!(*part, "" | "." | ".."));
    parts.len() >= 5 && parts[0].is_empty() && parts[1] == "Volumes" && down
}

const EXAMPLE: &str = "e.g. `/Volumes/dev/ops/deployments`";

pub(super) fn contradictions(config: &Config, refuse: &mut impl FnMut(&str, String)) {
    for (i, (name, environment)) in config.environments.iter().enumerate() {
        let Some(records) = &environment.records else { continue };
        let at = format!("environments.{name}.records");
        if !is_in_a_volume(records) {
            refuse(&at, format!("`{at}`: `{records}` is no folder of a Unity Catalog volume, {EXAMPLE}"));
        }
        // Whoever could write both could write a record for a tier that it never deployed to.
        let mut earlier = config.environments.values().take(i);
        if let Some(other) = earlier.find(|other| other.records.as_ref() == Some(records)) {
            let why = format!("`{name}` and `{}` have the same `records`; each needs its own volume", other.name);
            refuse(&at, why);
        }
    }
    match &config.releases {
        Releases::Volume(path) if !is_in_a_volume(path) => {
            refuse("releases", format!("`releases`: `{path}` is no folder of a Unity Catalog volume, {EXAMPLE}"));
        }
        // One inside the checkout would be packed into the next release.
        Releases::Folder(path) if !path.starts_with('/') => {
            let why =
                "is neither a folder of a volume nor an absolute one of the machine, e.g. `/Volumes/dev/ops/releases`";
            refuse("releases", format!("`releases`: `{path}` {why}"));
        }
        _ => {}
    }
}
