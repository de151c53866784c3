//! What stands before the stand-ins: the faults that either is told to meet, on the connection
//! where they happen in the world, and for a plain router the record of every exchange.
//!
//! A stand-in knows nothing of faults but a token that ends too soon. A reset is a real RST, a
//! lost reply a request that was applied and never answered.

mod breaking;
mod damage;
mod faults;
mod record;
mod serve;

pub(crate) use breaking::{Breakables, Breaking, TokenEnds, Unanswered, Wire};
pub use faults::{Fault, Faults, Rule};
pub use record::{Caller, Content, Exchange, Log, Moment};
pub use serve::{Front, Serving};

/// A path with its percent signs resolved.
pub(crate) fn decoded(path: &str) -> String {
    let mut out = Vec::with_capacity(path.len());
    let bytes = path.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        let hex = (bytes[i] == b'%').then(|| path.get(i + 1..i + 3)).flatten();
        match hex.and_then(|h| u8::from_str_radix(h, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                i += 3;
            }
            None => {
                out.push(bytes[i]);
                i += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
