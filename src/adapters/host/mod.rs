//! The machine we run on: files, processes, clock, the runner's file commands, `.git`.

pub mod clock;
pub mod commands;
pub mod console;
pub mod files;
pub mod log;
pub mod mask;
pub mod runner_files;
pub mod signals;
pub mod stream;

pub use clock::SystemClock;
pub use console::{Console, Level, Place};
pub use files::LocalFiles;
pub use mask::{Masker, Redacting};
pub use runner_files::RunnerFiles;
pub use signals::Signals;
pub use stream::Stream;
