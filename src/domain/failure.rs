//! Why a run ended badly: a stable reason, what to do next, and the exit code.
//!
//! One `Reason` for everything a caller may branch on; its kebab-case name is the
//! `failure-reason` output. Adding one here makes the README and the snapshot of messages
//! incomplete until both are written: tests compare them.

use std::error::Error;
use std::fmt;

use super::diagnostic::Diagnostic;

/// The five ways to fail, each with its exit code, and being told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Input,
    Refused,
    Outside,
    Unsupported,
    Bug,
    Cancelled,
}

impl Class {
    /// A cancelled run exits with 130 or 143, after the signal; see `app`.
    pub fn exit_code(self) -> u8 {
        match self {
            Class::Input => 2,
            Class::Refused => 3,
            Class::Outside => 4,
            Class::Unsupported => 64,
            Class::Bug => 70,
            Class::Cancelled => 130,
        }
    }
}

macro_rules! reasons {
    ($($variant:ident $name:literal $class:ident $meaning:literal,)*) => {
        /// The stable `failure-reason`s.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason { $(#[doc = $meaning] $variant,)* }

        impl Reason {
            pub const ALL: &'static [Reason] = &[$(Reason::$variant,)*];

            pub fn name(self) -> &'static str {
                match self { $(Reason::$variant => $name,)* }
            }

            pub fn class(self) -> Class {
                match self { $(Reason::$variant => Class::$class,)* }
            }

            /// One line for the table in the README.
            pub fn meaning(self) -> &'static str {
                match self { $(Reason::$variant => $meaning,)* }
            }
        }
    };
}

reasons! {
    // Your input.
    InvalidInput "invalid-input" Input "an input is missing or cannot be read; every mistake is listed",
    InvalidConfig "invalid-config" Input "`mlops-deploy.yml` has a mistake; the line and the nearest known key are named",
    ConfigNotFound "config-not-found" Input "there is no `mlops-deploy.yml` where the input `config` points",
    BundleNotFound "bundle-not-found" Input "there is no `databricks.yml` in `bundle-path`",
    InvalidBundle "invalid-bundle" Input "the bundle does not load, merge or resolve; each mistake is annotated on its line",
    UnknownTarget "unknown-target" Input "the bundle has no such target",
    UnknownEnvironment "unknown-environment" Input "`mlops-deploy.yml` has no such environment",
    UnknownModel "unknown-model" Input "`mlops-deploy.yml` or the bundle has no such model, or several and none was named",
    MissingJob "missing-job" Input "a job named in `mlops-deploy.yml` is not in the bundle",
    BuildFailed "build-failed" Input "an artifact's build command failed; its last lines are shown",
    ArtifactMissing "artifact-missing" Input "a build ended well but left no file where the bundle says",
    CommitMismatch "commit-mismatch" Input "the input `commit` is not what is checked out",
    // Refused by a gate.
    HostNotAllowed "host-not-allowed" Refused "the bundle names a host that `mlops-deploy.yml` does not list; no token was minted",
    UntrustedEvent "untrusted-event" Refused "the event carries somebody else's code; only the offline part may run",
    PlanPrincipalMissing "plan-principal-missing" Refused "a pull request may not use the deploy principal; name a `plan` principal or write `plan: same`",
    OlderThanDeployed "older-than-deployed" Refused "a newer commit is deployed; `allow-older` overrides",
    ReleaseMissing "release-missing" Refused "the archive of the release is not where releases are kept",
    ReleaseChanged "release-changed" Refused "archive, manifest or a file of the release is not what its id says",
    ReleaseDiffers "release-differs" Refused "the release resolves to another configuration here than where it was packed",
    ReleaseOlder "release-older" Refused "the previous environment had this release before the one that is deployed; `allow-older` overrides",
    UnsafeArchive "unsafe-archive" Refused "the archive holds what no release of ours does: links, other names, too much",
    NotDeployedBefore "not-deployed-before" Refused "the ledger of the previous environment does not say that the release was deployed there",
    LedgerBroken "ledger-broken" Refused "a record was changed, removed, moved or inserted; which one is named",
    LockHeld "lock-held" Refused "another deployment holds the lock; who, and since when, is said",
    LockLost "lock-lost" Refused "somebody took the lock while we worked; nothing was written after that",
    PreventDestroy "prevent-destroy" Refused "the plan deletes or recreates a resource under `lifecycle.prevent_destroy`",
    EnginesDisagree "engines-disagree" Refused "with `cross-check`: the official command plans something else; each difference is named",
    VerifyFailed "verify-failed" Refused "what lies in the workspace after the deployment is not what the plan promised",
    SmokeFailed "smoke-failed" Refused "the smoke job ended badly; its state, message and link are shown",
    SmokeTimedOut "smoke-timed-out" Refused "the smoke job did not end in time; it goes on and can be followed by its link",
    TrainingFailed "training-failed" Refused "the training job ended badly; its state, message and link are shown",
    TrainingSkipped "training-skipped" Refused "the training job was skipped: another run of it was active",
    TrainingCancelled "training-cancelled" Refused "somebody cancelled the training job in the workspace",
    TrainingTimedOut "training-timed-out" Refused "the training job did not end in time; it goes on, and the next run attaches to it",
    ValidationFailed "validation-failed" Refused "a validation job ended badly; its state, message and link are shown",
    ValidationTimedOut "validation-timed-out" Refused "a validation job did not end in time; it goes on, and the next run attaches to it",
    NoModelVersion "no-model-version" Refused "the training job registered no version of the model",
    TwoModelVersions "two-model-versions" Refused "the training job registered more than one version; each is named, none is guessed",
    VersionNotReady "version-not-ready" Refused "the registered version did not become READY; its status is named",
    OtherCommit "other-commit" Refused "the model's run was not made from the released commit, or does not say from which",
    ModelNotPortable "model-not-portable" Refused "the model version cannot be promoted by copying its files; why, and what to do, is said",
    CopyDiffers "copy-differs" Refused "what was read back from a copied model version is not the original; it was not finalized",
    MetricMissing "metric-missing" Refused "a metric that the gate names was not logged",
    MetricNotANumber "metric-not-a-number" Refused "a metric is NaN or infinite: it proves nothing",
    MetricAmbiguous "metric-ambiguous" Refused "a metric was logged with two values of one moment; both are named, none is guessed",
    BelowThreshold "below-threshold" Refused "a metric misses the limit that the gate sets",
    WorseThanChampion "worse-than-champion" Refused "the candidate is worse than the version that serves",
    Incomparable "incomparable" Refused "the champion has no such metric: the candidate cannot be compared",
    OtherDataset "other-dataset" Refused "candidate and champion were measured on different data, or nobody knows on which",
    BootstrapNeeded "bootstrap-needed" Refused "there is no champion yet; `bootstrap` says that a first version is meant",
    ChampionChanged "champion-changed" Refused "another version serves by now than the one that the tested version was compared with; `allow-older` overrides",
    AliasMoved "alias-moved" Refused "somebody moved the model's alias while the promotion went on",
    OtherMetastore "other-metastore" Refused "source and destination lie in different metastores: no workspace can copy between them",
    GrantMissing "grant-missing" Refused "rights that the promotion needs are missing; each is shown with its GRANT",
    VolumeUnwritable "volume-unwritable" Refused "the volume of `records` or `releases` is missing, or may not be written; the statements that mend it are shown",
    TrainsInProd "trains-in-prod" Refused "a training job would run by itself in the environment that is promoted to",
    NotTested "not-tested" Refused "the earlier stage has no record that this version passed its gate with this release",
    EndpointFull "endpoint-full" Refused "the serving endpoint has no place for another entity",
    EndpointUnfit "endpoint-unfit" Refused "the serving endpoint holds what cannot be read back, so it could not be restored",
    CandidateFailed "candidate-failed" Refused "the candidate answered a test request badly, before it got any traffic or at a step of it",
    CandidateUntried "candidate-untried" Refused "there is nothing to try the candidate with: no input example, and no `serve.requests`",
    CanaryFailed "canary-failed" Refused "too many requests of the candidate's share of the traffic failed, were late, or were refused where the champion's were not",
    CanaryInconclusive "canary-inconclusive" Refused "too few requests came to judge the candidate",
    EndpointChanged "endpoint-changed" Refused "the endpoint does not serve what this run gave it: somebody else updates it",
    UnwindIncomplete "unwind-incomplete" Refused "a change could not be taken back; what is left is named",
    Ambiguous "ambiguous" Refused "two things match what we made; both are named, nothing is guessed",
    // The outside world.
    OidcUnavailable "oidc-unavailable" Outside "the job has no ID token; it needs `id-token: write`",
    TokenRefused "token-refused" Outside "the workspace refused the exchange; the claims are shown beside what the policy must match",
    Unauthorized "unauthorized" Outside "the workspace does not accept the credential",
    PermissionDenied "permission-denied" Outside "the principal lacks a grant; which one is named",
    NotFound "not-found" Outside "the workspace does not know a thing the plan relies on",
    NoSuchModel "no-such-model" Outside "the registry has no such model, or the principal may not see it",
    Conflict "conflict" Outside "somebody changed the same thing at the same moment, or has one of that name already",
    RateLimited "rate-limited" Outside "the workspace kept answering 429 until the deadline",
    WorkspaceError "workspace-error" Outside "the workspace answered with an error",
    WorkspaceUnreachable "workspace-unreachable" Outside "the workspace does not answer",
    MalformedReply "malformed-reply" Outside "an answer is not what the API documents",
    EndpointBusy "endpoint-busy" Outside "another update of the serving endpoint goes on",
    EndpointFailed "endpoint-failed" Outside "the workspace could not build the endpoint's new configuration; the old one serves on",
    StateUnreadable "state-unreadable" Outside "the deployment state cannot be read; nothing was written",
    StateFeature "state-feature" Unsupported "the deployment state uses a feature this version does not know",
    LedgerUnreadable "ledger-unreadable" Outside "the ledger of an environment cannot be read; the missing grant is named",
    GitHubError "github-error" Outside "GitHub refused a call that the stage cannot do without",
    DeadlineExceeded "deadline-exceeded" Outside "the run did not end before its `deadline`",
    DiskError "disk-error" Outside "a file cannot be written: the disk is full or the folder is not ours",
    ToolMissing "tool-missing" Outside "the image lacks a program the bundle needs; the image that has it is named",
    // The others.
    Unsupported "unsupported" Unsupported "the bundle uses a construct this engine does not know, and there is no other engine",
    Cancelled "cancelled" Cancelled "the job was cancelled; what was done and what is left is in the summary",
    Internal "internal" Bug "a defect of ours; the message has the link to report it",
}

/// A run's end, with the chain of causes below it.
#[derive(Debug)]
pub struct Failure {
    pub reason: Reason,
    /// Lowercase, no full stop, readable after "failed to".
    pub message: String,
    pub hint: Option<String>,
    pub diagnostics: Vec<Diagnostic>,
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), hint: None, diagnostics: Vec::new(), source: None }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    pub fn about(mut self, diagnostics: Vec<Diagnostic>) -> Self {
        self.diagnostics = diagnostics;
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|e| e.as_ref() as &(dyn Error + 'static))
    }
}
