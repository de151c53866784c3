//! A stand-in workspace on its own: `mlops-deploy rehearse --serve`.
//!
//! Every bearer token opens a workspace of its own, so that any client can be pointed at it without an identity provider.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::{Config, Leniency, ModelFiles, Tasks, Uploads, serve};

#[derive(Debug, clap::Args)]
pub struct Alone {
    /// Address to listen on; port 0 lets the system choose
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// What clients call it, if not by that address; `{port}` stands for the port
    #[arg(long, value_name = "URL")]
    advertised: Option<String>,
    /// Run Python tasks for real, or let every task succeed; default: for real where the stages
    /// are rehearsed and Python is there
    #[arg(long, value_enum)]
    tasks: Option<TaskMode>,
    /// Where environments and runs are kept with `--tasks local`
    #[arg(long, value_name = "FOLDER")]
    tasks_folder: Option<PathBuf>,
    /// Take multipart uploads, as workspaces do since October 2026
    #[arg(long)]
    multipart: bool,
    /// How clients come to the files of a model version
    #[arg(long, value_enum, default_value_t = ModelRoute::FilesApi)]
    model_files: ModelRoute,
    /// Refuse what the service refuses, also where a corpus of tiny bundles needs it allowed
    #[arg(long)]
    strict: bool,
    /// Milliseconds that every answer takes
    #[arg(long, default_value_t = 0)]
    latency: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum ModelRoute {
    FilesApi,
    /// Default storage
    Presigned,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum TaskMode {
    Scripted,
    Local,
}

impl Alone {
    /// How tasks are to run, where somebody said so.
    pub fn tasks(&self) -> Option<TaskMode> {
        self.tasks
    }

    /// Serves until the process ends.
    pub async fn run(self) -> io::Result<()> {
        let mut config = Config::per_token();
        config.bind = self.listen;
        config.advertised = self.advertised;
        config.latency = Duration::from_millis(self.latency);
        if self.model_files == ModelRoute::Presigned {
            config.model_files = ModelFiles::Presigned;
        }
        if self.strict {
            config.leniency = Leniency::Strict;
        }
        if self.multipart {
            config.uploads = Uploads::Multipart;
        }
        if self.tasks == Some(TaskMode::Local) {
            let folder = self.tasks_folder.unwrap_or_else(|| std::env::temp_dir().join("mlops-deploy-rehearsal"));
            config.tasks = Tasks::local(folder, vec![]);
        }
        let running = serve(config).await?;
        println!("{}", running.url());
        running.forever().await
    }
}
