//! What kind of workspace to stand in for.

use std::net::SocketAddr;
use std::time::Duration;

use super::identity::Federation;
use super::metastore::Metastore;
use super::tasks::Tasks;

pub struct Config {
    pub identity: Identity,
    pub uploads: Uploads,
    pub leniency: Leniency,
    pub tasks: Tasks,
    pub model_files: ModelFiles,
    /// Catalogs that exist from the start, each with the schema `default`.
    pub catalogs: Vec<String>,
    /// Principals who were granted the use of those catalogs by whoever owns the metastore.
    pub catalog_users: Vec<String>,
    /// Volumes that exist from the start, by full name, each with its schema: where operations keep what no bundle makes.
    pub volumes: Vec<String>,
    /// Principals who were granted to read and write those volumes.
    pub volume_writers: Vec<String>,
    /// The Unity Catalog that this workspace shares with others. Only for a federated one: a workspace per token is alone.
    pub metastore: Option<Metastore>,
    /// What its ids are made from: two workspaces of one metastore must not give the same id to different things.
    pub seed: String,
    /// Waited before every answer: a loopback answers so fast that it hides how many requests a client makes.
    pub latency: Duration,
    /// Port 0 lets the system choose.
    pub bind: SocketAddr,
    /// What clients call it, when that is not the bound address: a container sees another host. `{port}` becomes the port.
    pub advertised: Option<String>,
}

pub enum Identity {
    /// Tokens come only from the token endpoint, in exchange for an ID token that a policy trusts.
    Federated(Federation),
    /// Every bearer token is a workspace of its own: what a test suite with many parallel cases wants.
    PerToken,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Uploads {
    /// `workspace/import` takes `multipart/form-data`, and the older route works too.
    Multipart,
    /// A workspace from before that: multipart is refused as a malformed request, clients must fall back.
    ImportFileOnly,
}

/// How a workspace lets clients at the files of a model version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelFiles {
    /// Under `/Models` of the Files API; credentials for the store below are refused.
    FilesApi,
    /// Default storage: by links that are made for one file each. There are no uploads in parts.
    Presigned,
    /// In a bucket of the customer's; the workspace hands out credentials for one version's folder.
    S3(Bucket),
    /// In a container of Azure's, for which a signature is handed out.
    Azure { signature: String },
    /// In a bucket of Google's, for which a token is handed out.
    Google { token: String },
}

impl ModelFiles {
    /// Where the metastore's storage lies.
    pub(crate) fn root(&self) -> &'static str {
        match self {
            ModelFiles::Azure { .. } => "abfss://standin-metastore@standin.dfs.core.windows.net",
            ModelFiles::Google { .. } => "gs://standin-metastore",
            _ => "s3://standin-metastore",
        }
    }
}

/// Keys for the bucket that storage locations name; where it is served is for clients to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    pub access_key: String,
    pub secret_key: String,
    /// Seconds that handed-out keys are said to be good for.
    pub seconds: u64,
    /// Said to encrypt with this key, and wanting clients to send it along.
    pub kms_key: Option<String>,
}

/// Checks of the real service that a corpus of tiny bundles cannot satisfy.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Leniency {
    /// Parents must exist, tasks must have a type, principals must be known.
    Strict,
    /// Any catalog and schema is taken to exist, and so is any principal.
    Corpus,
}

impl Config {
    /// One workspace for everybody whose ID token is trusted.
    pub fn federated(federation: Federation) -> Self {
        Self {
            identity: Identity::Federated(federation),
            uploads: Uploads::Multipart,
            leniency: Leniency::Strict,
            ..Self::per_token()
        }
    }

    /// A workspace for each bearer token: `dbapi1...` is a service principal, anything else a user.
    pub fn per_token() -> Self {
        Self {
            identity: Identity::PerToken,
            uploads: Uploads::ImportFileOnly,
            leniency: Leniency::Corpus,
            tasks: Tasks::scripted(),
            model_files: ModelFiles::FilesApi,
            catalogs: vec!["main".into()],
            catalog_users: vec![],
            volumes: vec![],
            volume_writers: vec![],
            metastore: None,
            seed: "workspace".into(),
            latency: Duration::ZERO,
            bind: SocketAddr::from(([127, 0, 0, 1], 0)),
            advertised: None,
        }
    }
}
