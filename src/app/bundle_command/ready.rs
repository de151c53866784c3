//! A bundle made ready: loaded, signed in, its target resolved in the workspace.

use std::sync::Arc;

use super::hand::{Done, Found, Hand, Quit, Unready, show, tell};
use super::hooks::Hook;
use super::lists;
use super::python::Code;
use crate::adapters::databricks::{PersonalToken, Settings, Workspace};
use crate::adapters::host::Masker;
use crate::adapters::http;
use crate::adapters::retry::Pace;
use crate::adapters::transfer::{self, HttpTransfer};
use crate::app::{credentials, git};
use crate::bundle::load::{self, Loaded};
use crate::bundle::resolve::resolve_loaded;
use crate::bundle::syntax::json;
use crate::bundle::{Facts, Resolved, User};
use crate::domain::{Diagnostic, Failure, Node, Reason, Secret, Tree};
use crate::ports::{Clock, Identity, Request, Rest, Transfer};
use crate::steps::bundle::look_up::{self, Unlisted};
use crate::steps::bundle::{UploadRoute, WorkspaceFiles};

/// A bundle whose target is resolved in its workspace.
pub struct Ready {
    pub hand: Hand,
    pub rest: Arc<dyn Rest>,
    /// For a program that takes our place; requests of our own go through `rest`.
    pub token: Secret,
    pub transfer: Arc<dyn Transfer>,
    pub files: WorkspaceFiles,
    pub user: User,
    pub workspace_id: String,
    pub resolved: Resolved,
}

/// The workspace, and what leads there.
struct SignedIn {
    rest: Arc<dyn Rest>,
    transfer: Arc<dyn Transfer>,
    token: Secret,
}

impl Hand {
    /// Loads, signs in, resolves. Diagnostics are shown by the caller, who may have more.
    pub async fn ready(mut self) -> Result<Ready, Quit> {
        self.check_engine()?;
        let variables = lists::variables(&self.global.variables);
        if let Ok(variables) = &variables {
            self.options.variables.clone_from(variables);
        }
        self.preinit().await?;
        let mut loaded = load::load(&self.source, &self.options)?;
        if let Err(wrong) = variables
            && !loaded.failed()
        {
            loaded.diagnostics.push(Diagnostic::error(wrong));
        }
        if loaded.failed() {
            show(&loaded.diagnostics);
            if loaded.files.is_empty() {
                return Err(Quit::Failed);
            }
            let found = Found::of(&loaded.diagnostics);
            return Err(Quit::Loading(Box::new(Unready { config: loaded.config, found })));
        }
        refuse_reference_in_host(&loaded)?;
        refuse_other_ways_in(&loaded)?;
        if let Some(named) = self.profile(&loaded).map(str::to_owned) {
            loaded.config.set(&["workspace", "profile"], named);
        }
        let SignedIn { rest, transfer, token } = self.sign_in(&loaded)?;
        let reply = rest.call(Request::get("/api/2.0/preview/scim/v2/Me")).await;
        let reply = reply.map_err(|e| e.into_failure("find out who we are"))?;
        let workspace_id = reply.header("x-databricks-org-id").unwrap_or_default().to_owned();
        let profile = json::read(&"".into(), &reply.body)
            .map_err(|_| Failure::new(Reason::MalformedReply, "find out who we are: the answer is not JSON"))?;
        let user = User::from_profile(profile);
        let facts = Facts {
            user: Some(user.clone()),
            host: Some(rest.host().to_owned()),
            git: git::around(&self.root)?,
            ..Facts::default()
        };
        let resolve = |facts: &Facts| Ok(resolve_loaded(loaded.clone(), &self.source, &self.options, facts));
        let code = Code::of(&self, &loaded, rest.host(), &token)?;
        let interpreter = code.as_ref().map(Code::interpreter);
        let resolved =
            look_up::completely(rest.as_ref(), facts, Unlisted::IsSaid, interpreter.as_ref(), resolve).await?;
        drop(code);
        if !resolved.failed() && resolved.unsupported.is_empty() {
            let ran = self.hook(&resolved.config, Hook::Postinit).await;
            ran.map_err(|quit| quit.showing(&resolved.config))?;
        }
        // By hand the older route comes first, as in the release whose behaviour we keep.
        let files = WorkspaceFiles::new(Arc::clone(&rest), UploadRoute::ImportFile);
        Ok(Ready { hand: self, rest, transfer, token, files, user, workspace_id, resolved })
    }

    fn check_engine(&self) -> Result<(), Quit> {
        match self.var("DATABRICKS_BUNDLE_ENGINE") {
            None | Some("direct") => Ok(()),
            Some("terraform") => {
                tell("unsupported: DATABRICKS_BUNDLE_ENGINE=terraform (environment)");
                Err(Quit::Unsupported)
            }
            Some(other) => {
                let message = format!("DATABRICKS_BUNDLE_ENGINE is `{other}`, and only `direct` is an engine");
                Err(Failure::new(Reason::InvalidInput, message).into())
            }
        }
    }

    fn profile<'a>(&'a self, loaded: &'a Loaded) -> Option<&'a str> {
        self.global.profile.as_deref().or(loaded.profile()).or(self.var("DATABRICKS_CONFIG_PROFILE"))
    }

    fn sign_in(&self, loaded: &Loaded) -> Result<SignedIn, Quit> {
        let (host, token) = credentials::find(&self.env, self.profile(loaded), loaded.host())?;
        let masker = Arc::new(Masker::new());
        let identity: Arc<dyn Identity> = Arc::new(PersonalToken::new(&host, token.clone(), &masker)?);
        let user_agent = http::user_agent(self.var("GITHUB_ACTIONS").is_some());
        let client = http::client(&user_agent)?;
        let transfer = HttpTransfer::new(user_agent, Arc::clone(&identity), transfer::endpoints(&self.env));
        let mut settings = Settings::new(host);
        settings.workspace_id = self.var("DATABRICKS_WORKSPACE_ID").map(str::to_owned);
        settings.pace = Pace::from_env(self.var("DATABRICKS_BUNDLE_RETRY_INTERVAL_MS"));
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as Arc<_>;
        let workspace = Workspace::new(settings, client, identity, clock, masker)?;
        Ok(SignedIn { rest: Arc::new(workspace), transfer: Arc::new(transfer), token })
    }
}

/// The official command takes the reference for a host, and then says what it can.
fn refuse_reference_in_host(loaded: &Loaded) -> Done {
    for key in ["host", "profile"] {
        let Some(tree) = loaded.config.find(&["workspace", key]) else { continue };
        if tree.as_str().is_some_and(|text| text.contains("${")) {
            let place = tree.origin().map_or(String::new(), |o| format!(" ({}:{})", o.file, o.line));
            tell(&format!("unsupported: workspace.{key}{place}"));
            return Err(Quit::Unsupported);
        }
    }
    Ok(())
}

/// A bundle may ask for another way to sign in than the token that is all we take by hand.
fn refuse_other_ways_in(loaded: &Loaded) -> Done {
    const OTHER_WAYS: [&str; 7] = [
        "azure_client_id",
        "azure_login_app_id",
        "azure_tenant_id",
        "azure_use_msi",
        "azure_workspace_resource_id",
        "client_id",
        "google_service_account",
    ];
    let auth_type = loaded.config.text(&["workspace", "auth_type"]).unwrap_or_default();
    let asked = |key: &&&str| match loaded.config.find(&["workspace", key]).map(|tree| &tree.node) {
        None | Some(Node::Null | Node::Bool(false)) => false,
        Some(Node::String(text)) => !text.is_empty(),
        Some(_) => true,
    };
    let other = match auth_type {
        "pat" => None,
        "" => OTHER_WAYS.iter().find(asked).copied(),
        _ => Some("auth_type"),
    };
    let Some(key) = other else { return Ok(()) };
    let place = loaded.config.find(&["workspace", key]).and_then(Tree::origin);
    let place = place.map_or(String::new(), |o| format!(" ({}:{})", o.file, o.line));
    tell(&format!("unsupported: workspace.{key}{place}"));
    Err(Quit::Unsupported)
}

impl Ready {
    pub fn config(&self) -> &Tree {
        &self.resolved.config
    }

    /// Shows what there is to say; quits where the engine does not know the bundle, or where
    /// there is an error in it.
    pub fn accept(&self) -> Done {
        self.refuse()?;
        show(&self.resolved.diagnostics);
        if self.resolved.failed() { Err(Quit::Failed) } else { Ok(()) }
    }

    /// The same for what is deployed, or would be.
    pub fn accept_for_deploying(&self) -> Done {
        self.accept()?;
        let found = [self.resolved.checks.as_slice(), &self.resolved.deploy_checks].concat();
        show(&found);
        if found.iter().any(Diagnostic::is_error) { Err(Quit::Failed) } else { Ok(()) }
    }

    pub fn refuse(&self) -> Done {
        if self.resolved.unsupported.is_empty() {
            return Ok(());
        }
        for construct in &self.resolved.unsupported {
            tell(&construct.to_string());
        }
        Err(Quit::Unsupported)
    }
}
