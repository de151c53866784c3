//! How many requests are in flight: more while all goes well, half after a 429.
//!
//! A workspace does not say what it can bear; it answers 429 when that is too much. So the
//! limit halves then and grows by one for each full round of good answers. After a 429 with
//! `Retry-After` nobody asks before that time, or the crowd would be told off one by one.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::ports::Clock;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub start: usize,
    pub most: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { start: 16, most: 32 }
    }
}

pub struct Limiter {
    places: Arc<Semaphore>,
    state: Mutex<State>,
    most: usize,
}

struct State {
    limit: usize,
    /// Places to take away when they come free.
    owed: usize,
    good: usize,
    closed_until: Option<Timestamp>,
    /// The limit is halved once per crowd, not once per answer.
    shrunk_at: Option<Timestamp>,
}

impl Limiter {
    pub fn new(bounds: Bounds) -> Self {
        let limit = bounds.start.clamp(1, bounds.most.max(1));
        let state = State { limit, owed: 0, good: 0, closed_until: None, shrunk_at: None };
        Self { places: Arc::new(Semaphore::new(limit)), state: Mutex::new(state), most: bounds.most.max(1) }
    }

    /// Waits for a place, first come first served. Give it back with `release`.
    pub async fn enter(&self, clock: &dyn Clock) -> OwnedSemaphorePermit {
        let place = Arc::clone(&self.places).acquire_owned().await.expect("the semaphore is never closed");
        loop {
            let closed_until = self.lock().closed_until;
            let now = clock.now();
            match closed_until.filter(|until| *until > now) {
                Some(until) => clock.sleep(until.duration_since(now).try_into().unwrap_or(Duration::ZERO)).await,
                None => return place,
            }
        }
    }

    pub fn release(&self, place: OwnedSemaphorePermit) {
        let mut state = self.lock();
        if state.owed > 0 {
            state.owed -= 1;
            place.forget();
        }
    }

    /// An answer that is no complaint.
    pub fn went_well(&self) {
        let mut state = self.lock();
        state.good += 1;
        if state.good >= state.limit && state.limit < self.most {
            state.good = 0;
            state.limit += 1;
            if state.owed > 0 {
                state.owed -= 1;
            } else {
                self.places.add_permits(1);
            }
        }
    }

    /// 429: half as many at a time, and nobody before `wait` is over.
    pub fn too_many(&self, now: Timestamp, wait: Option<Duration>) {
        let mut state = self.lock();
        state.good = 0;
        let crowd = jiff::SignedDuration::from_millis(500);
        if state.shrunk_at.is_none_or(|at| now.duration_since(at) > crowd) {
            state.shrunk_at = Some(now);
            let fewer = (state.limit / 2).max(1);
            state.owed += state.limit - fewer;
            state.limit = fewer;
            let idle = self.places.forget_permits(state.owed);
            state.owed -= idle;
        }
        if let Some(wait) = wait.and_then(|wait| jiff::SignedDuration::try_from(wait).ok()) {
            let until = now.saturating_add(wait).expect("a span of seconds");
            state.closed_until = state.closed_until.max(Some(until));
        }
    }

    pub fn limit(&self) -> usize {
        self.lock().limit
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_once_per_crowd_and_grows_back_slowly() {
        let limiter = Limiter::new(Bounds { start: 8, most: 9 });
        let now = Timestamp::UNIX_EPOCH;
        for _ in 0..8 {
            limiter.too_many(now, None);
        }
        assert_eq!((limiter.limit(), limiter.places.available_permits()), (4, 4));
        for _ in 0..4 {
            limiter.went_well();
        }
        assert_eq!((limiter.limit(), limiter.places.available_permits()), (5, 5));
        for _ in 0..100 {
            limiter.went_well();
        }
        assert_eq!((limiter.limit(), limiter.places.available_permits()), (9, 9));
    }

    #[tokio::test]
    async fn places_in_use_are_taken_away_when_they_come_free() {
        let limiter = Limiter::new(Bounds { start: 4, most: 4 });
        let clock = crate::adapters::host::SystemClock;
        let mut places = Vec::new();
        for _ in 0..4 {
            places.push(limiter.enter(&clock).await);
        }
        limiter.too_many(clock.now(), None);
        places.drain(..).for_each(|place| limiter.release(place));
        assert_eq!((limiter.limit(), limiter.places.available_permits()), (2, 2));
    }
}
