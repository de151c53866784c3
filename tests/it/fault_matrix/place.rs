//! One request of a reference run: where to strike.

use std::collections::BTreeMap;
use std::fmt;

use mlops_deploy::rehearsal::front::{Fault, Rule};

use super::situation::Scene;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    GitHub,
    Workspace,
}

/// The n-th request of its sort, ids in its path replaced by `*`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub side: Side,
    path: String,
    method: String,
    /// Counted from 0.
    occurrence: u32,
}

impl Place {
    /// Every request that a scene's stand-ins have seen, in order of their names.
    pub fn seen_in(scene: &Scene) -> Vec<Place> {
        let workspace = scene.workspace().requests().into_iter().map(|r| (Side::Workspace, r.method, r.path));
        let github = scene.world().github.log().all().into_iter().map(|r| (Side::GitHub, r.method, r.path));
        let mut counts: BTreeMap<(Side, String, String), u32> = BTreeMap::new();
        for (side, method, path) in workspace.chain(github) {
            *counts.entry((side, normal(&path), method)).or_default() += 1;
        }
        let places = counts.into_iter().flat_map(|((side, path, method), count)| {
            (0..count).map(move |occurrence| Place { side, path: path.clone(), method: method.clone(), occurrence })
        });
        places.collect()
    }

    pub fn is_of_the_sort_of(&self, other: &Place) -> bool {
        (self.side, &self.path, &self.method) == (other.side, &other.path, &other.method)
    }

    /// A token request changes nothing that anybody sees.
    pub fn is_write(&self) -> bool {
        !["GET", "HEAD"].contains(&self.method.as_str()) && !self.path.contains("/oidc/")
    }

    pub fn strike(&self, scene: &Scene, fault: Fault) {
        let rule = Rule::on(&self.method, self.path.as_str(), fault).skip(self.occurrence);
        match self.side {
            Side::GitHub => scene.world().github.fail(rule),
            Side::Workspace => scene.workspace().fail(rule),
        }
    }

    pub async fn delaying(&self, scene: &Scene) {
        match self.side {
            Side::GitHub => scene.world().github.faults().delaying().await,
            Side::Workspace => scene.workspace().faults().delaying().await,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Side::GitHub => "github",
            Side::Workspace => "workspace",
        };
        write!(f, "{side} {} {} #{}", self.method, self.path, self.occurrence + 1)
    }
}

/// Numbers, commits and pairs of commits differ from run to run.
fn normal(path: &str) -> String {
    let is_id = |part: &str| {
        let long_hex = part.len() >= 16 && part.bytes().all(|b| b.is_ascii_hexdigit() || b == b'.' || b == b'-');
        !part.is_empty() && (long_hex || part.bytes().all(|b| b.is_ascii_digit()))
    };
    let parts = path.split('/').map(|part| match part.split_once('.') {
        _ if is_id(part) => "*".to_owned(),
        Some((name, end)) if name.len() >= 16 && is_id(name) => format!("*.{end}"),
        _ => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("/")
}
