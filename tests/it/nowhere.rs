//! A world in which there is nothing: for stories in which nobody should ask it anything.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mlops_deploy::ports::files::FileEntry;
use mlops_deploy::ports::*;

struct Nowhere;

pub fn world() -> World {
    World {
        workspace: Arc::new(Nowhere),
        transfer: Arc::new(Nowhere),
        files: Arc::new(Nowhere),
        process: Arc::new(Nowhere),
        clock: Arc::new(Nowhere),
        github: None,
        history: None,
    }
}

#[async_trait]
impl Rest for Nowhere {
    fn host(&self) -> &str {
        "https://nowhere.example"
    }

    async fn call(&self, request: Request) -> Result<Reply, RestError> {
        panic!("asked for {} {}", request.method.name(), request.path)
    }

    async fn download(&self, request: Request, _: &Path) -> Result<Reply, RestError> {
        panic!("asked for {} {}", request.method.name(), request.path)
    }
}

#[async_trait]
impl Transfer for Nowhere {
    async fn send(&self, request: transfer::Outgoing) -> Result<transfer::Incoming, transfer::TransferError> {
        panic!("transferred {:?}", request.place)
    }

    fn endpoints(&self) -> &transfer::Endpoints {
        panic!("asked for the clouds' addresses")
    }
}

#[async_trait]
impl Files for Nowhere {
    async fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        panic!("read {}", path.display())
    }

    async fn stat(&self, path: &Path) -> io::Result<Option<FileEntry>> {
        panic!("look at {}", path.display())
    }

    async fn write(&self, path: &Path, _: &[u8]) -> io::Result<()> {
        panic!("write {}", path.display())
    }

    async fn append(&self, path: &Path, _: &[u8]) -> io::Result<()> {
        panic!("append to {}", path.display())
    }

    async fn remove(&self, path: &Path) -> io::Result<()> {
        panic!("remove {}", path.display())
    }

    async fn walk(&self, folder: &Path) -> io::Result<Vec<FileEntry>> {
        panic!("walk {}", folder.display())
    }
}

#[async_trait]
impl Process for Nowhere {
    async fn run(&self, command: Command, _: process::Tell<'_>) -> Result<Finished, ProcessError> {
        panic!("run {}", command.program)
    }
}

#[async_trait]
impl Clock for Nowhere {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::UNIX_EPOCH
    }

    async fn sleep(&self, _: Duration) {}
}
