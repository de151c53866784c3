//! Everything a step may touch, as one value.

use std::sync::Arc;

use super::{Clock, Files, GitHub, History, Process, Rest, Transfer};

#[derive(Clone)]
pub struct World {
    pub workspace: Arc<dyn Rest>,
    /// The same workspace, and its storage, for what is too big for memory.
    pub transfer: Arc<dyn Transfer>,
    pub files: Arc<dyn Files>,
    pub process: Arc<dyn Process>,
    pub clock: Arc<dyn Clock>,
    /// Absent on a laptop, and where the job has no token.
    pub github: Option<Arc<dyn GitHub>>,
    /// Absent where nothing is checked out.
    pub history: Option<Arc<dyn History>>,
}
