//! What stands before both stand-ins: it records every exchange and breaks the ones it is told to.
//!
//! A stand-in is a plain `Router` that knows nothing of faults; `Serving::start` puts the front
//! before it. Faults happen where they do in the world, on the connection: a reset is a real
//! RST, a lost reply a request that was applied and never answered.

mod faults;
mod record;
mod serve;

pub use faults::{Fault, Faults, Rule};
pub use record::{Caller, Content, Exchange, Log, Moment};
pub use serve::{Front, Serving};
