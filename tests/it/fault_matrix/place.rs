//! One request of a reference run: where to strike.

use std::collections::BTreeMap;
use std::fmt;

use mlops_deploy::rehearsal::front::{Fault, Rule};

use crate::stage_world::StageWorld;

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
    /// Every request that a world's stand-ins have seen, in order of their names.
    pub fn seen_in(world: &StageWorld) -> Vec<Place> {
        let workspace = world.workspace().requests().into_iter().map(|r| (Side::Workspace, r.method, r.path));
        let github = world.github.log().all().into_iter().map(|r| (Side::GitHub, r.method, r.path));
        let mut counts: BTreeMap<(Side, String, String), u32> = BTreeMap::new();
        for (side, method, path) in workspace.chain(github) {
            *counts.entry((side, normal(&path), method)).or_default() += 1;
        }
        let places = counts.into_iter().flat_map(|((side, path, method), count)| {
            (0..count).map(move |occurrence| Place { side, path: path.clone(), method: method.clone(), occurrence })
        });
        places.collect()
    }

    /// A token request changes nothing that anybody sees.
    pub fn is_write(&self) -> bool {
        self.method != "GET" && !self.path.contains("/oidc/")
    }

    pub fn strike(&self, world: &StageWorld, fault: Fault) {
        let rule = Rule::on(&self.method, self.path.as_str(), fault).skip(self.occurrence);
        match self.side {
            Side::GitHub => world.github.fail(rule),
            Side::Workspace => world.workspace().fail(rule),
        }
    }

    pub async fn delaying(&self, world: &StageWorld) {
        match self.side {
            Side::GitHub => world.github.faults().delaying().await,
            Side::Workspace => world.workspace().faults().delaying().await,
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
    path.split('/').map(|part| if is_id(part) { "*" } else { part }).collect::<Vec<_>>().join("/")
}
