//! The memory of a copy: one budget for all bytes in flight, whatever file they are of.
//!
//! A buffer goes back when the last holder of its bytes lets go, and serves the next part. Made anew
//! for each part, buffers of this size are scattered by an allocator over the arenas of its threads,
//! and a copy needs twice of what it holds.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const KIB: u64 = 1024;

/// Shared by its clones.
#[derive(Clone)]
pub struct Memory {
    budget: u64,
    left: Arc<Semaphore>,
    /// Buffers from this length on are kept.
    kept_from: usize,
    spare: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// A right to so many bytes, and the buffer for them.
pub struct Loan {
    buffer: Vec<u8>,
    length: usize,
    kept: bool,
    spare: Arc<Mutex<Vec<Vec<u8>>>>,
    _right: OwnedSemaphorePermit,
}

impl Memory {
    pub fn new(budget: u64, kept_from: u64) -> Self {
        let permits = usize::try_from(budget / KIB).unwrap_or(Semaphore::MAX_PERMITS);
        let kept_from = usize::try_from(kept_from).unwrap_or(usize::MAX);
        Self { budget, left: Arc::new(Semaphore::new(permits)), kept_from, spare: Arc::default() }
    }

    /// Waits until there is so much left. What is longer than the budget takes all of it.
    pub async fn take(&self, length: u64) -> Loan {
        let wanted = u32::try_from(length.clamp(1, self.budget).div_ceil(KIB)).expect("no more than the budget");
        let right = Arc::clone(&self.left).acquire_many_owned(wanted).await.expect("the semaphore is never closed");
        let length = usize::try_from(length).expect("a part fits into memory");
        let kept = length >= self.kept_from;
        let spare = if kept { locked(&self.spare).pop() } else { None };
        Loan { buffer: spare.unwrap_or_default(), length, kept, spare: Arc::clone(&self.spare), _right: right }
    }
}

impl Loan {
    /// Empty, for a first try or another.
    pub fn clear(&mut self) {
        self.buffer.clear();
    }

    /// Whether all of it has room in what was asked for.
    #[must_use]
    pub fn push(&mut self, bytes: &[u8]) -> bool {
        if self.buffer.len() + bytes.len() > self.length {
            return false;
        }
        // Once, and not doubled again and again.
        self.buffer.reserve_exact(self.length - self.buffer.len());
        self.buffer.extend_from_slice(bytes);
        true
    }

    pub fn is_full(&self) -> bool {
        self.buffer.len() == self.length
    }

    /// Bytes that can be held in several places; the last one to let go gives the buffer back.
    pub fn bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Loan {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        if self.kept {
            let mut buffer = std::mem::take(&mut self.buffer);
            buffer.clear();
            locked(&self.spare).push(buffer);
        }
    }
}

fn locked(spare: &Mutex<Vec<Vec<u8>>>) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
    spare.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[test]
    fn a_buffer_serves_again_when_the_last_holder_lets_go() {
        let memory = Memory::new(8 * KIB, 4 * KIB);
        let mut first = memory.take(4 * KIB).now_or_never().unwrap();
        assert!(first.push(&[1; 4096]) && first.is_full() && !first.push(&[1]));
        let (bytes, second) = (first.bytes(), memory.take(4 * KIB).now_or_never().unwrap());
        let (held, at) = (bytes.clone(), bytes.as_ptr());
        drop(bytes);
        assert!(memory.take(1).now_or_never().is_none(), "the budget is spent");
        drop(held);
        let mut third = memory.take(4 * KIB).now_or_never().unwrap();
        assert!(third.as_ref().is_empty() && third.push(&[2; 4096]));
        assert_eq!(third.as_ref().as_ptr(), at);
        drop((second, third));
        assert!(memory.take(100 * KIB).now_or_never().is_some(), "more than the budget is all of it");
    }
}
