//! SIGINT and SIGTERM, which the kernel drops for PID 1 unless we ask for them.
//!
//! The runner sends the first, the second 7.5 s later, and kills 2.5 s after that; so the
//! second asks for nothing that the first has not.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Which signal came first, if any.
#[derive(Clone, Debug, Default)]
pub struct Signals(Arc<AtomicU8>);

impl Signals {
    /// Asks running work to stop as soon as a signal comes. Call it inside the runtime.
    pub fn listen(stop: watch::Sender<bool>) -> io::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let heard = Self::default();
        let first = heard.clone();
        tokio::spawn(async move {
            loop {
                let number = tokio::select! {
                    _ = interrupt.recv() => 2,
                    _ = terminate.recv() => 15,
                };
                let _ = first.0.compare_exchange(0, number, Ordering::SeqCst, Ordering::SeqCst);
                stop.send_replace(true);
            }
        });
        Ok(heard)
    }

    /// 130 or 143 once a signal has come.
    pub fn exit_code(&self) -> Option<u8> {
        match self.0.load(Ordering::SeqCst) {
            0 => None,
            number => Some(128 + number),
        }
    }
}
