//! What the engine knows about each kind of resource: data, one file per kind.
//!
//! The planner and the applier read these tables and know no kind by name, so that a new kind
//! is a file here and a line in `ALL`. A rule that does not fit the tables becomes a new table
//! entry, not an `if kind == …` elsewhere.

mod alerts;
mod apps;
mod catalogs;
mod clusters;
mod dashboards;
mod database_catalogs;
mod database_instances;
mod experiments;
mod external_locations;
mod grants;
mod instance_pools;
mod jobs;
mod model_serving_endpoints;
mod models;
mod permissions;
mod pipelines;
mod plain;
mod quality_monitors;
mod registered_models;
pub mod review;
mod rules;
mod schemas;
mod secret_acls;
mod secret_scopes;
mod sql_warehouses;
mod synced_database_tables;
mod vector_search_endpoints;
mod vector_search_indexes;
mod volumes;

/// Every kind, sorted by name.
pub static ALL: &[&Kind] = &[
    &alerts::KIND,
    &apps::KIND,
    &catalogs::KIND,
    &clusters::KIND,
    &dashboards::KIND,
    &database_catalogs::KIND,
    &database_instances::KIND,
    &experiments::KIND,
    &external_locations::KIND,
    &instance_pools::KIND,
    &jobs::KIND,
    &model_serving_endpoints::KIND,
    &models::KIND,
    &pipelines::KIND,
    &quality_monitors::KIND,
    &registered_models::KIND,
    &schemas::KIND,
    &secret_scopes::KIND,
    &sql_warehouses::KIND,
    &synced_database_tables::KIND,
    &vector_search_endpoints::KIND,
    &vector_search_indexes::KIND,
    &volumes::KIND,
];

/// The kind that is called `name` under `resources`, if this engine knows it.
pub fn by_name(name: &str) -> Option<&'static Kind> {
    ALL.iter().copied().find(|kind| kind.name == name)
}

/// The names of the kinds that privileges are granted on.
pub fn with_grants() -> impl Iterator<Item = &'static str> {
    ALL.iter().filter(|kind| kind.child.is_some_and(|child| child.field == "grants")).map(|kind| kind.name)
}

/// The kind of a node such as `resources.jobs.train` or `resources.jobs.train.permissions`.
pub fn of_node(node: &str) -> Option<&'static Kind> {
    let key = crate::bundle::planning::node::NodeKey::parse(node)?;
    let parent = by_name(&key.kind)?;
    match key.child.as_deref() {
        None => Some(parent),
        Some(child) => parent.child.filter(|c| c.field == child).map(|c| c.kind),
    }
}

/// Whether a resolved configuration has something that lies in a folder of the workspace.
pub fn needs_folder(config: &crate::domain::Tree) -> bool {
    let has = |kind: &Kind| {
        let group = config.find(&["resources", kind.name]).and_then(crate::domain::Tree::as_map);
        group.is_some_and(|group| !group.is_empty())
    };
    ALL.iter().any(|kind| kind.api.folder.is_some() && has(kind))
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
    /// Fields that are sent, saved and compared under another name than they are written and answered.
    pub renamed: &'static [(&'static str, &'static str)],
    /// Fields that are asked for, and told under another name: as what they are told, and how to ask for that again when
    /// a change is taken back.
    pub told: &'static [(&'static str, &'static str)],
    /// How the name is prefixed by a mode or preset.
    pub prefix: Prefix,
    pub name_field: &'static str,
    pub api: Api,
    /// What a difference in a field means. The first rule that matches decides.
    pub rules: &'static [Rule],
    /// Fields that identify the element of a list: `("tasks", "task_key")`.
    pub keyed: &'static [(&'static str, &'static str)],
    /// Long texts of the state that a later release keeps as a hash.
    pub hashed: &'static [&'static str],
    /// Values of the state that no configuration has.
    pub added: &'static [(&'static str, bool)],
    /// How to see that one of these is at work right now.
    pub active: Option<Active>,
    /// What others may have put into it, which keeps it from being taken back.
    pub holds: Holds,
    /// What cannot be brought back when the resource is deleted or recreated.
    pub loses: Loses,
    /// The warning before a delete or recreate; `None` where nobody is asked.
    pub destroys: Option<Destroys>,
    /// What a reviewer reads of a new one.
    pub facts: &'static [review::Fact],
    /// Path of the page in the workspace; `{id}` is the id, `{name}` a field of the configuration; of `{id/}` each
    /// part is a folder, and `{name/3}` has three of them or else no page.
    pub page: Option<&'static str>,
}

/// The question whether a resource is at work, and how the answer says so.
#[derive(Debug)]
pub struct Active {
    pub route: Route,
    pub seen: Seen,
}

#[derive(Clone, Copy, Debug)]
pub enum Seen {
    /// The list is not empty.
    Items(&'static str),
    /// The field has a value, and it is none of these.
    StateBeside(&'static str, &'static [&'static str]),
}

/// How to see that a resource which a run made holds something by now: a version that a job trained, a table, a file, a
/// run that goes on. Taking back the making of it would destroy that, and so it stays.
#[derive(Debug)]
pub enum Holds {
    Nothing,
    /// The workspace refuses this delete unless it is empty.
    Refused(Route),
    /// The workspace deletes all of it: the question what is in it, and the list in the answer.
    Listed(Route, &'static str),
}

/// `permissions` or `grants` of a resource.
#[derive(Debug)]
pub struct Child {
    pub field: &'static str,
    pub kind: &'static Kind,
    /// What the node is made of, beside its list: field of the child's state, and how it is
    /// made from the parent: `("object_id", "/jobs/{id}")`.
    pub about: &'static [(&'static str, &'static str)],
    pub entries: Entries,
    pub levels: Levels,
}

/// What becomes of the list that the configuration has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entries {
    /// It is the node, as it is written; an empty one makes no node.
    Written,
    /// Level and principal become an access list of a secret scope. Whoever deploys manages
    /// it, and so the node is there even when nobody wrote a list.
    Acls,
}

/// What the bundle's own permission levels are called for a kind.
#[derive(Clone, Copy, Debug)]
pub enum Levels {
    /// The bundle's permissions do not reach it.
    None,
    Of {
        manage: &'static str,
        view: Option<&'static str>,
        run: Option<&'static str>,
        owner: bool,
    },
}

/// How a kind is made, read, changed and deleted over REST.
#[derive(Debug)]
pub struct Api {
    pub create: Route,
    /// What is sent once it is there.
    pub after_create: &'static [Call],
    /// The field with the workspace folder that it lies in: made too, where there is none.
    pub folder: Option<&'static str>,
    /// Fields of the answer to a create or update that are saved with the state.
    pub kept: &'static [&'static str],
    /// Fields of the remote state that are saved with the state, as a read tells them once it is made.
    pub kept_of_read: &'static [&'static str],
    /// It is there for a while after a delete, which is waited for. What the workspace says when one of that name is
    /// made and the name is not free yet.
    pub lingers: Option<&'static str>,
    /// What the answer of `read` must say before a create or an update counts as done.
    pub wait: Option<Wait>,
    /// How a create whose reply was lost is looked for.
    pub find: Find,
    /// Where in the answer of `create` (or of a rename) the new id lies, as a dotted path.
    pub id: Id,
    pub read: Route,
    /// A second read, whose answer lies in the first one's under this name; absent where there
    /// is none. `{field}` in it is a field of the first answer.
    pub read_also: Option<(&'static str, Route)>,
    /// How the answer of `read` becomes the remote state.
    pub lift: &'static [Lift],
    pub list: Option<List>,
    /// In their order. None: nothing of this kind can be changed.
    pub update: &'static [Call],
    /// For `Then::Resize`.
    pub resize: Option<Route>,
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

/// One of the requests that bring a resource to another state.
#[derive(Debug)]
pub struct Call {
    pub route: Route,
    pub when: Sent,
}

/// When a request of several is sent.
#[derive(Clone, Copy, Debug)]
pub enum Sent {
    Always,
    /// Something at or below this field differs.
    On(&'static str),
    /// Something else differs than these paths, each as a whole.
    Beside(&'static [&'static str]),
    /// The flag `lifecycle.started` has this value now and did not have it before.
    Started(bool),
    /// The flag `lifecycle.started` has this value, whatever it was: the calls before undo it.
    StartedIs(bool),
    /// Once for each element of the list that differs; its fields fill the holes too.
    EachChanged(&'static str),
    /// Once for each element that the list has lost; named by its `principal`.
    EachGone(&'static str),
}

/// Work that goes on after the answer, seen in a field of what a read answers.
#[derive(Debug)]
pub struct Wait {
    pub field: &'static str,
    /// As long as it is one of these; a flag is `true` or `false`.
    pub during: &'static [&'static str],
    /// The work ended badly.
    pub failed: &'static [&'static str],
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
    /// One field of the state, where it has a value that is not zero.
    NonZero(&'static str),
    /// One field of the state under another name.
    FieldAs(&'static str, &'static str),
    /// The id as text, or as a number.
    Id(&'static str),
    IdNumber(&'static str),
    /// A list with nothing but the id.
    Ids(&'static str),
    /// The fields of an object, as the fields of the request.
    Spread(&'static str),
    /// A zero where neither of two fields has a value.
    ZeroWithout(&'static str, &'static str),
    /// An empty text where a field has no value.
    EmptyText(&'static str),
    /// The whole state, but for some fields, under a key.
    StateWithoutAs(&'static str, &'static [&'static str]),
    /// One field of the state as a text: what is no text is written as JSON.
    Text(&'static str),
    /// A fixed text.
    Fixed(&'static str, &'static str),
    /// No field at all: an empty object.
    Nothing,
    /// The tags of an endpoint as changes: what to set, and which keys to delete.
    TagChanges,
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
    /// The whole answer under a name.
    Whole(&'static str),
    /// A field that is there even when the answer has none: an empty list.
    EmptyList(&'static str, &'static str),
    /// The one of a list whose key is the id; where there is none, the thing is gone.
    Item {
        list: &'static str,
        key: &'static str,
    },
    /// A dashboard's draft with what the publication says.
    Dashboard,
    /// An app with where the code of its active deployment is, and how that is run.
    Deployment,
    /// `lifecycle.started`: a field of the answer is one of these.
    Started(&'static str, &'static [&'static str]),
    /// `lifecycle.started`: this object of the answer has a `state` that is none of these.
    StartedUnless(&'static str, &'static [&'static str]),
    AccessControlList,
    PrivilegeAssignments,
    /// An empty text, a zero or a `false` at the top is compared, but no plan shows it.
    ZerosUnshown,
    /// The access list of a secret scope; the answer does not say which scope.
    ScopeAcls,
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
    /// As a plan tells it; empty where none is told.
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
    /// The workspace has nothing in this field of the thing, whatever the configuration says.
    Without(&'static str),
    /// The workspace calls the same place by another name: without `/Workspace` in front.
    Alias,
    /// The same place in a cloud's storage, with slashes at the end or without.
    Slashes,
    /// It is read by this name, so that whatever the workspace tells of it is no drift: the catalog knows no capital
    /// letters. A change of ours counts.
    Named,
    /// What there is runs, so that the change can be made without a stop.
    Running,
    /// The value is the workspace's own mark of a version: it is compared with the one that
    /// was answered to the last deployment.
    Mark,
    /// The value is the workspace's own id of what it hangs on. It is compared with the one that was saved, where one
    /// was; the reason of another one.
    Bound(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    Skip,
    Resize,
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
