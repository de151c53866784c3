//! What the engine knows about each kind of resource: data, one file per kind.
//!
//! The planner and the applier read these tables and know no kind by name, so that a new kind
//! is a file here and a line in `ALL`. A rule that does not fit the tables becomes a new table
//! entry, not an `if kind == …` elsewhere.

mod experiments;
mod grants;
mod jobs;
mod permissions;
mod pipelines;
mod registered_models;
mod rules;
mod schemas;
mod volumes;

/// Every kind, sorted by name.
pub static ALL: &[&Kind] =
    &[&experiments::KIND, &jobs::KIND, &pipelines::KIND, &registered_models::KIND, &schemas::KIND, &volumes::KIND];

/// The kind that is called `name` under `resources`, if this engine knows it.
pub fn by_name(name: &str) -> Option<&'static Kind> {
    ALL.iter().copied().find(|kind| kind.name == name)
}

/// The kind of a node such as `resources.jobs.train` or `resources.jobs.train.permissions`.
pub fn of_node(node: &str) -> Option<&'static Kind> {
    let key = crate::bundle::node::NodeKey::parse(node)?;
    let parent = by_name(&key.kind)?;
    match key.child.as_deref() {
        None => Some(parent),
        Some(child) => parent.child.filter(|c| c.field == child).map(|c| c.kind),
    }
}

/// A kind of resource, as data.
#[derive(Debug)]
pub struct Kind {
    /// The key under `resources`, or `permissions`/`grants` for a child node.
    pub name: &'static str,
    /// What a person calls one of these: `job`.
    pub title: &'static str,
    /// The message in the field tables that types the configuration.
    pub message: &'static str,
    /// The message of what is sent and saved: the configuration without the bundle's own fields.
    pub state: &'static str,
    /// The message that types `remote_state`; fields it does not have are dropped from answers.
    pub remote: &'static str,
    /// `permissions` or `grants` below the resource, planned as a node of its own.
    pub child: Option<&'static Child>,
    /// How the name is prefixed by a mode or preset.
    pub prefix: Prefix,
    pub name_field: &'static str,
    pub api: Api,
    /// What a difference in a field means. The first rule that matches decides.
    pub rules: &'static [Rule],
    /// Fields that identify the element of a list: `("tasks", "task_key")`.
    pub keyed: &'static [(&'static str, &'static str)],
    /// Values that the configuration gets when nobody wrote one.
    pub defaults: &'static [(&'static str, Default)],
    /// What cannot be brought back when the resource is deleted or recreated.
    pub loses: Loses,
    /// The warning before a delete or recreate; `None` where nobody is asked.
    pub destroys: Option<Destroys>,
    /// Path of the page in the workspace; `{id}` is the id, `{name}` a field of the configuration.
    pub page: Option<&'static str>,
}

/// `permissions` or `grants` of a resource.
#[derive(Debug)]
pub struct Child {
    pub field: &'static str,
    pub kind: &'static Kind,
    /// What the node is made of, beside its list: field of the child's state, and how it is
    /// made from the parent: `("object_id", "/jobs/{id}")`.
    pub about: &'static [(&'static str, &'static str)],
    /// Permission levels of the object type that the configuration may name; empty for grants.
    pub levels: &'static [&'static str],
    /// The level that the deployer gets when no entry is of the owner's level.
    pub owner: Option<&'static str>,
}

/// How a kind is made, read, changed and deleted over REST.
#[derive(Debug)]
pub struct Api {
    pub create: Route,
    /// How a create whose reply was lost is looked for.
    pub find: Find,
    /// Where in the answer of `create` (or of a rename) the new id lies, as a dotted path.
    pub id: Id,
    pub read: Route,
    /// How the answer of `read` becomes the remote state.
    pub lift: &'static [Lift],
    pub list: Option<List>,
    /// `None`: nothing of this kind can be changed.
    pub update: Option<Route>,
    /// Changes the id: sent when a field with `Then::UpdateId` differs.
    pub rename: Option<Route>,
    pub delete: Option<Route>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Method {
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        }
    }
}

/// A request with holes: `{id}` in path and query is the id, `{field}` a field of the state.
#[derive(Debug)]
pub struct Route {
    pub method: Method,
    pub path: &'static str,
    pub query: &'static [(&'static str, &'static str)],
    pub body: &'static [Part],
}

/// A piece of a request body.
#[derive(Debug)]
pub enum Part {
    /// The whole state.
    State,
    /// The whole state, but for fields that the request does not know.
    StateWithout(&'static [&'static str]),
    /// The whole state under a key.
    StateAs(&'static str),
    /// One field of the state, under the same name, where it has a value.
    Field(&'static str),
    /// One field of the state under another name.
    FieldAs(&'static str, &'static str),
    /// The id as text, or as a number.
    Id(&'static str),
    IdNumber(&'static str),
    /// A fixed text.
    Fixed(&'static str, &'static str),
    /// The list of a permissions node, as the permissions API wants it.
    AccessControlList,
    /// The list of a grants node as changes: who gets what, and who loses everything.
    GrantChanges,
}

/// Where something that may have been created is looked for.
#[derive(Debug)]
pub enum Find {
    /// There is one of that name or none: a read by this id, made from the state.
    ById(&'static str),
    /// There is one of that name or none, found by a request of its own.
    ByName { route: Route, id: &'static str },
    /// Many may have the name: list them, and take those whose `matches.0` in the answer is
    /// the state's `matches.1`; the list answers without it, so each candidate is read.
    ByList { list: List, matches: (&'static str, &'static str) },
    /// Sending it again does no harm.
    Again,
}

#[derive(Debug)]
pub enum Id {
    /// A field of the answer; numbers become text.
    Reply(&'static str),
    /// Made from the state, such as `{securable_type}/{full_name}`.
    State(&'static str),
}

/// One step from an answer to the remote state.
#[derive(Debug)]
pub enum Lift {
    /// Every field of the answer.
    All,
    /// Every field of this object in the answer.
    Object(&'static str),
    /// One field of the answer.
    Field(&'static str),
    /// A field of the answer under another name.
    FieldAs(&'static str, &'static str),
    AccessControlList,
    PrivilegeAssignments,
}

/// A call that answers for many resources at once. Where it is a kind's `api.list` it says of
/// each the same as a read does.
#[derive(Debug)]
pub struct List {
    pub path: &'static str,
    pub query: &'static [(&'static str, &'static str)],
    /// The field of the answer with the resources, and in each of them the id.
    pub items: &'static str,
    pub id: &'static str,
    /// Name of the query parameter, and of the answer's field, for the next page.
    pub page: (&'static str, &'static str),
}

/// What a difference in a field means. Fields are dotted paths; `*` stands for one element.
#[derive(Debug)]
pub struct Rule {
    pub field: &'static str,
    pub when: When,
    pub then: Then,
    pub reason: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// The configuration or the saved state or the remote differ, whichever.
    Any,
    /// Only the remote has a value: nobody ever wrote one.
    RemoteOnly,
    /// Only the remote has a value, and it is this one.
    RemoteIs(&'static str),
    /// The configuration did not change since the last deployment, but the remote did.
    Drift,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    Skip,
    Update,
    /// The resource keeps its content and gets a new id.
    UpdateId,
    Recreate,
}

/// What a mode's or preset's prefix does to the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    /// `[dev user] name`.
    Verbatim,
    /// The last part of the workspace path gets the prefix: `/Users/u/[dev user] name`.
    LastSegment,
    /// `dev_user_name`: letters, digits and underscores.
    Normalised,
    None,
}

#[derive(Clone, Copy, Debug)]
pub enum Default {
    Text(&'static str),
    Int(i64),
    /// An object of one boolean field.
    Flag(&'static str, bool),
    /// The resource's `deployment`: `BUNDLE` and the path of `metadata.json`.
    Deployment,
}

/// What a person reads before data is deleted.
#[derive(Clone, Copy, Debug)]
pub struct Destroys {
    /// Which kind is named first by a deployment.
    pub rank: u8,
    pub deploy: &'static str,
    pub destroy: &'static str,
}

/// What is gone for good after a delete, even when the same thing is made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loses {
    pub identity: bool,
    /// In words, for the README and the receipt; empty where nothing is lost.
    pub data: &'static str,
}
