//! The machine we run on: files, processes, clock, the runner's file commands, `.git`.

pub mod archive;
mod become_program;
pub mod checkout;
pub mod clock;
pub mod commands;
pub mod console;
pub mod descendants;
pub mod files;
pub mod folder_store;
pub mod git;
pub mod launcher;
pub mod log;
pub mod mask;
mod output;
pub mod process;
pub mod runner_files;
pub mod sandbox;
pub mod signals;
pub mod stream;
mod within_reach;

pub use become_program::{Added, become_program};
pub use clock::SystemClock;
pub use console::{Console, Level, Place};
pub use files::LocalFiles;
pub use git::{Head, Repository};
pub use mask::{Masker, Redacting};
pub use process::LocalProcess;
pub use runner_files::RunnerFiles;
pub use sandbox::Sandbox;
pub use signals::Signals;
pub use stream::Stream;
