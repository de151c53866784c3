//! A world that goes back to an earlier moment: what is costly to prepare is prepared once and played many times.

use std::fs;

use mlops_deploy::rehearsal::{github, workspace};

use super::{At, StageWorld};

/// The stand-ins at one moment; what is checked out is not part of it.
pub struct Memory {
    github: github::Memory,
    workspaces: Vec<(At, workspace::Memory)>,
}

impl StageWorld {
    pub fn remember(&self) -> Memory {
        let workspaces = self.tiers().map(|at| (at, self.at(at).remember())).collect();
        Memory { github: self.github.remember(), workspaces }
    }

    /// Nothing that happened since has happened: nothing is in a log, no fault waits, no job has a folder.
    pub fn rewind(&self, to: &Memory) {
        self.github.rewind(&to.github);
        self.github.log().clear();
        self.github.faults().clear();
        for (at, memory) in &to.workspaces {
            self.at(*at).rewind(memory);
            self.at(*at).forget_requests();
            self.at(*at).faults().clear();
        }
        for entry in fs::read_dir(self.folder.path()).unwrap().flatten() {
            if entry.file_name().to_string_lossy().starts_with("job-") {
                fs::remove_dir_all(entry.path()).unwrap();
            }
        }
    }
}
