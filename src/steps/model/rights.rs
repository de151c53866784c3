//! Asks Unity Catalog which privileges a principal lacks, so that every missing grant is said at once.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde_json::Value;

use crate::domain::rights::{Access, Right, Securable, VolumeName};
use crate::domain::{Failure, Reason};
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

    /// Nothing is known of its groups.
    fn named(principal: &str) -> Self {
        Self::called(principal, &Value::Null)
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
        let mut seen: BTreeMap<(&str, &str), Vec<Assigned>> = BTreeMap::new();
        let mut missing = Vec::new();
        for right in wanted {
            let at = (right.securable.name(), right.name.as_str());
            let has = match seen.entry(at) {
                Entry::Occupied(seen) => seen.into_mut(),
                Entry::Vacant(new) => new.insert(assignments(world, at, None).await?),
            };
            if !self.is_granted(right, has) && !self.owns(world, right).await? {
                missing.push(right.clone());
            }
        }
        Ok(missing)
    }

    fn is_granted(&self, right: &Right, assigned: &[Assigned]) -> bool {
        let ours = assigned.iter().filter(|(principal, _)| self.goes_by(principal));
        let is = |privilege: &str, wanted: &str| privilege.eq_ignore_ascii_case(wanted);
        let gives = |p: &str| is(p, right.privilege) || (right.privilege != "MANAGE" && is(p, "ALL_PRIVILEGES"));
        ours.into_iter().any(|(_, privilege)| gives(privilege))
    }

    async fn owns(&self, world: &World, right: &Right) -> Result<bool, Failure> {
        Ok(owner(world, right).await?.is_some_and(|owner| self.goes_by(&owner)))
    }
}

/// Whether a principal may write the files of a volume. One question where it was granted that by its own name; its groups
/// and the owner are asked for only where that leaves a doubt.
pub async fn may_write(world: &World, principal: &str, volume: &VolumeName) -> Result<Access, Failure> {
    let name = volume.to_string();
    let right = Right::on(Securable::Volume, &name, "WRITE_VOLUME");
    let by_name = assignments(world, (right.securable.name(), &name), Some(principal)).await;
    let lacks = match by_name.map(|assigned| Holder::named(principal).is_granted(&right, &assigned)) {
        Ok(true) => return Ok(Access::Given),
        Ok(false) => Holder::of(world, principal).await.lacks(world, std::slice::from_ref(&right)).await,
        Err(failure) => Err(failure),
    };
    match lacks {
        Ok(lacks) if lacks.is_empty() => Ok(Access::Given),
        Ok(_) => Ok(Access::Lacking),
        Err(failure) if failure.reason == Reason::NotFound => Ok(Access::Unseen),
        // Grants are told to some alone; the volume itself to whoever may use it.
        Err(failure) if failure.reason == Reason::PermissionDenied => {
            Ok(if owner(world, &right).await?.is_some() { Access::Untold } else { Access::Unseen })
        }
        Err(failure) => Err(failure),
    }
}

/// A principal and a privilege of it.
type Assigned = (String, String);

/// With what the parents give, of all principals or of one. A page may be empty and still not be the last.
async fn assignments(world: &World, (kind, name): (&str, &str), only: Option<&str>) -> Result<Vec<Assigned>, Failure> {
    let path = format!("/api/2.1/unity-catalog/effective-permissions/{kind}/{}", escape(name));
    let mut found = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let mut request = Request::get(&path).query("max_results", "0");
        if let Some(principal) = only {
            request = request.query("principal", principal);
        }
        if let Some(token) = &token {
            request = request.query("page_token", token);
        }
        let answer = world.workspace.call(request).await.and_then(|r| r.json());
        let answer = answer.map_err(|e| e.into_failure(format!("read who may do what with {name}")))?;
        for assignment in answer["privilege_assignments"].as_array().into_iter().flatten() {
            let principal = assignment["principal"].as_str().unwrap_or_default();
            let privileges = assignment["privileges"].as_array().into_iter().flatten();
            // Older answers list the names alone.
            let name = |p: &Value| p["privilege"].as_str().or(p.as_str()).map(|p| p.replace(' ', "_"));
            found.extend(privileges.filter_map(name).map(|privilege| (principal.to_owned(), privilege)));
        }
        match answer["next_page_token"].as_str().filter(|next| !next.is_empty()) {
            Some(next) if token.as_deref() != Some(next) => token = Some(next.to_owned()),
            _ => return Ok(found),
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
        Securable::Volume => "volumes",
    };
    let request = Request::get(format!("/api/2.1/unity-catalog/{collection}/{}", escape(&right.name)));
    match world.workspace.call(request).await.and_then(|r| r.json()) {
        Ok(answer) => Ok(answer["owner"].as_str().map(str::to_owned)),
        Err(error) if error.is_not_found() || error.status() == Some(403) => Ok(None),
        Err(error) => Err(error.into_failure(format!("read who owns {}", right.name))),
    }
}
