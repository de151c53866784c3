//! How change happens: observe, write the receipt, act; and how to take it back.
//!
//! Knows neither Databricks nor GitHub. A change is generic over the world it acts on;
//! its receipt and its outcome are plain data in the journal, so that undo in the same run
//! and rollback next week in another container are one code path.

pub mod change;
pub mod decorators;
pub mod execute;
pub mod graph;
pub mod journal;
mod kept;
pub mod resume;
pub mod take_over;
pub mod unwind;

pub use change::{Change, Found, Kept, Nature, Outcome, Outcomes, Receipt, Spec, StepError, StepErrorKind, Undone};
pub use execute::{Ending, Execution, OnFailure, Options, Stop, execute};
pub use graph::Graph;
pub use journal::{Entry, Event, Journal, JournalError, Line, Sink, Step};
pub use resume::{Begun, Registry, Unfinished};
pub use take_over::TakenOver;
pub use unwind::{KEPT, Unwound, unwind};
