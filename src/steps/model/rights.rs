//! Asks Unity Catalog which privileges a principal lacks, so that every missing grant is said at once.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde_json::Value;

use crate::domain::Failure;
use crate::domain::rights::{Right, Securable};
use crate::ports::{Request, World};
use crate::steps::bundle::workspace_files::escape;

/// A principal, and the names that its rights may be written under: its own, and those of its groups.
pub struct Holder {
    pub principal: String,
    names: Vec<String>,
}

const ME: &str = "/api/2.0/preview/scim/v2/Me";

impl Holder {
    /// The groups of whoever asks are its own to know; those of another are told to some alone. Who may not ask is told of no
    /// group.
    pub async fn of(world: &World, principal: &str) -> Self {
        let me = read(world, Request::get(ME)).await;
        let is_me = ["userName", "applicationId"].iter().any(|field| me[*field] == principal);
        let who = if is_me { me } else { listed(world, principal).await };
        Self::called(principal, &who)
    }

    /// Whoever runs this.
    pub async fn me(world: &World) -> Result<Self, Failure> {
        let answer = world.workspace.call(Request::get(ME)).await.and_then(|r| r.json());
        let me = answer.map_err(|e| e.into_failure("read who we are"))?;
        Ok(Self::called(me["userName"].as_str().unwrap_or_default(), &me))
    }

    fn called(principal: &str, who: &Value) -> Self {
        let groups = who["groups"].as_array().into_iter().flatten();
        let groups = groups.filter_map(|group| group["display"].as_str().map(str::to_owned));
        let names = [principal.to_owned(), "account users".to_owned()].into_iter().chain(groups).collect();
        Self { principal: principal.to_owned(), names }
    }

    /// Whether this is its name, or that of a group it is in.
    pub fn goes_by(&self, name: &str) -> bool {
        self.names.iter().any(|own| own == name)
    }

    /// Which of these rights it does not have. What the owner of a thing may do, it may do without a grant. All privileges
    /// are all but `MANAGE`, and whoever may manage a thing may give itself the others, and does not have them.
    pub async fn lacks(&self, world: &World, wanted: &[Right]) -> Result<Vec<Right>, Failure> {
        let mut seen: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
        let mut missing = Vec::new();
        for right in wanted {
            let at = (right.securable.name(), right.name.as_str());
            let has = match seen.entry(at) {
                Entry::Occupied(seen) => seen.into_mut(),
                Entry::Vacant(new) => new.insert(self.effective(world, at).await?),
            };
            let is = |privilege: &str| has.iter().any(|p| p.eq_ignore_ascii_case(privilege));
            let granted = is(right.privilege) || (right.privilege != "MANAGE" && is("ALL_PRIVILEGES"));
            if !granted && !owner(world, right).await?.is_some_and(|owner| self.goes_by(&owner)) {
                missing.push(right.clone());
            }
        }
        Ok(missing)
    }

    /// A page may be empty and still not be the last.
    async fn effective(&self, world: &World, (kind, name): (&str, &str)) -> Result<Vec<String>, Failure> {
        let path = format!("/api/2.1/unity-catalog/effective-permissions/{kind}/{}", escape(name));
        let mut found = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let mut request = Request::get(&path).query("max_results", "0");
            if let Some(token) = &token {
                request = request.query("page_token", token);
            }
            let answer = world.workspace.call(request).await.and_then(|r| r.json());
            let answer = answer.map_err(|e| e.into_failure(format!("read who may do what with {name}")))?;
            let assignments = answer["privilege_assignments"].as_array().into_iter().flatten();
            let ours = assignments.filter(|a| a["principal"].as_str().is_some_and(|p| self.goes_by(p)));
            let privileges = ours.flat_map(|a| a["privileges"].as_array().into_iter().flatten());
            // Older answers list the names alone.
            let name = |p: &Value| p["privilege"].as_str().or(p.as_str()).map(|p| p.replace(' ', "_"));
            found.extend(privileges.filter_map(name));
            match answer["next_page_token"].as_str().filter(|next| !next.is_empty()) {
                Some(next) if token.as_deref() != Some(next) => token = Some(next.to_owned()),
                _ => return Ok(found),
            }
        }
    }
}

/// Another principal as the directory has it.
async fn listed(world: &World, principal: &str) -> Value {
    let (collection, field) =
        if principal.contains('@') { ("Users", "userName") } else { ("ServicePrincipals", "applicationId") };
    let request = Request::get(format!("/api/2.0/preview/scim/v2/{collection}"))
        .query("filter", format!("{field} eq \"{principal}\""))
        .query("attributes", "groups");
    read(world, request).await["Resources"][0].clone()
}

async fn read(world: &World, request: Request) -> Value {
    world.workspace.call(request).await.and_then(|r| r.json()).unwrap_or_default()
}

/// Who owns the thing that a right is on; nobody where we may not see it.
async fn owner(world: &World, right: &Right) -> Result<Option<String>, Failure> {
    let collection = match right.securable {
        Securable::Catalog => "catalogs",
        Securable::Schema => "schemas",
        Securable::Model => "models",
    };
    let request = Request::get(format!("/api/2.1/unity-catalog/{collection}/{}", escape(&right.name)));
    match world.workspace.call(request).await.and_then(|r| r.json()) {
        Ok(answer) => Ok(answer["owner"].as_str().map(str::to_owned)),
        Err(error) if error.is_not_found() || error.status() == Some(403) => Ok(None),
        Err(error) => Err(error.into_failure(format!("read who owns {}", right.name))),
    }
}
