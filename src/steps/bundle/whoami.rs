//! Who a bundle is resolved as: whoever signs in, or the deploy principal that a reader plans for.
//!
//! A reader cannot ask `Me` for somebody else. What the deployer is called is written in the
//! configuration, or the workspace is asked; it is never guessed, because prefixes and names
//! would come out otherwise than in the deployment.

use crate::bundle::User;
use crate::bundle::syntax::json;
use crate::domain::{Failure, Node, Reason, Tree};
use crate::ports::engine::ActAs;
use crate::ports::{Request, World};

pub async fn whoami(world: &World) -> Result<User, Failure> {
    let doing = "find out who we are";
    let reply = world.workspace.call(Request::get("/api/2.0/preview/scim/v2/Me")).await;
    let reply = reply.map_err(|e| e.into_failure(doing))?;
    let profile = json::read(&"".into(), &reply.body)
        .map_err(|_| Failure::new(Reason::MalformedReply, format!("{doing}: the answer is not JSON")))?;
    Ok(User::from_profile(profile))
}

/// The deploy principal as the workspace would describe it, called `shown`.
pub fn called(principal: &ActAs, shown: &str) -> User {
    let mut profile = Tree::map();
    for (key, value) in [("userName", principal.application_id.as_str()), ("displayName", shown)] {
        profile.set(&[key], Tree { node: Node::String(value.to_owned()), ..Tree::null() });
    }
    User::from_profile(profile)
}

/// What the workspace calls a service principal.
pub async fn display_name(world: &World, principal: &ActAs) -> Result<String, Failure> {
    let id = &principal.application_id;
    let filter = format!("applicationId eq \"{id}\"");
    let request = Request::get("/api/2.0/preview/scim/v2/ServicePrincipals").query("filter", filter);
    let reply = world.workspace.call(request).await.and_then(|reply| reply.json());
    let told = reply.as_ref().ok().and_then(|list| list["Resources"][0]["displayName"].as_str());
    let unknown = || {
        let message = format!("plan as `{id}`: names in the bundle hold what it is called, and that is not known");
        let hint = "write `principal: {application_id: …, display_name: …}` into its environment in mlops-deploy.yml";
        Failure::new(Reason::InvalidConfig, message).hint(hint)
    };
    told.filter(|name| !name.is_empty()).map(str::to_owned).ok_or_else(|| match reply.as_ref().err().cloned() {
        Some(error) => unknown().because(error),
        None => unknown(),
    })
}
