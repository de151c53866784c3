//! What can befall a request.

use std::fmt;

use mlops_deploy::rehearsal::front::Fault;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    StatusBefore,
    StatusAfter,
    Reset,
    LostReply,
    /// SIGKILL while the request is on its way, or once it is applied.
    Kill {
        applied: bool,
        after: Aftermath,
    },
}

/// What comes after a kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aftermath {
    /// The runner lives: it runs the post step.
    Settled,
    /// The runner is gone with its disk; only the next run can see to it.
    RunnerGone,
}

impl Blow {
    /// For a read before and after are the same: nothing is applied.
    pub fn all(write: bool) -> impl Iterator<Item = Self> {
        let kills = [Aftermath::Settled, Aftermath::RunnerGone]
            .into_iter()
            .flat_map(|after| [false, true].map(|applied| Blow::Kill { applied, after }));
        let blows = [Blow::StatusBefore, Blow::StatusAfter, Blow::Reset, Blow::LostReply];
        blows.into_iter().chain(kills).filter(move |blow| write || !blow.needs_a_write())
    }

    fn needs_a_write(self) -> bool {
        matches!(self, Blow::StatusAfter | Blow::LostReply | Blow::Kill { applied: true, .. })
    }

    pub fn fault(self) -> Fault {
        match self {
            Blow::StatusBefore => Fault::status(500),
            Blow::StatusAfter => Fault::status_after(500),
            Blow::Reset => Fault::Reset,
            Blow::LostReply => Fault::LostReply,
            Blow::Kill { applied: false, .. } => Fault::Hang,
            // Longer than anybody waits here.
            Blow::Kill { applied: true, .. } => Fault::DelayAfter { millis: 3_600_000 },
        }
    }

    pub fn kills(self) -> Option<Aftermath> {
        match self {
            Blow::Kill { after, .. } => Some(after),
            _ => None,
        }
    }
}

impl fmt::Display for Blow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Blow::StatusBefore => "500 before it is applied",
            Blow::StatusAfter => "500 after it is applied",
            Blow::Reset => "reset",
            Blow::LostReply => "lost reply",
            Blow::Kill { applied: false, after: Aftermath::Settled } => "killed before it is applied",
            Blow::Kill { applied: true, after: Aftermath::Settled } => "killed after it is applied",
            Blow::Kill { applied: false, after: Aftermath::RunnerGone } => "runner gone before it is applied",
            Blow::Kill { applied: true, after: Aftermath::RunnerGone } => "runner gone after it is applied",
        })
    }
}
