//! How far a copy has come, for whoever waits: bytes, speed, time left.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

/// Hears of a moment now and then, and of the last one.
pub type Hear = Box<dyn Fn(&Moment) + Send + Sync>;

/// Where one piece of work is; as text a line for a log.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    /// Such as `copying`.
    pub doing: String,
    pub done: u64,
    pub total: u64,
    pub took: Duration,
    /// Nothing of this work follows.
    pub is_last: bool,
}

impl Moment {
    pub fn percent(&self) -> u64 {
        self.done.min(self.total) * 100 / self.total.max(1)
    }

    /// A bar for a terminal, of so many characters between its ends.
    pub fn bar(&self, width: usize) -> String {
        let full = usize::try_from(self.percent()).unwrap_or(100) * width / 100;
        format!("{:<13} [{}{}] {}", self.doing, "#".repeat(full), ".".repeat(width - full), self.numbers())
    }

    fn numbers(&self) -> String {
        let speed = self.done as f64 / self.took.as_secs_f64().max(0.001) / 1e6;
        if self.is_last {
            return format!("{} in {}, {speed:.0} MB/s", size(self.total), seconds(self.took));
        }
        let rest = self.total.saturating_sub(self.done) as f64 / self.done.max(1) as f64;
        let left = seconds(Duration::from_secs_f64((self.took.as_secs_f64() * rest).min(1e6)));
        format!("{} % of {}, {speed:.0} MB/s, {left} left", self.percent(), size(self.total))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.doing, self.numbers())
    }
}

/// One piece of work of known size.
pub struct Progress {
    doing: String,
    total: u64,
    done: AtomicU64,
    begun: Timestamp,
    said: Mutex<Timestamp>,
    every: Duration,
    hear: Hear,
}

impl Progress {
    pub fn new(doing: &str, total: u64, now: Timestamp, every: Duration, hear: Hear) -> Self {
        let done = AtomicU64::new(0);
        Self { doing: doing.to_owned(), total, done, begun: now, said: Mutex::new(now), every, hear }
    }

    /// Some bytes are through; bytes that had to be sent again count once.
    pub fn passed(&self, bytes: u64, now: Timestamp) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let mut said = self.said.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if now.duration_since(*said).unsigned_abs() >= self.every && done < self.total {
            *said = now;
            (self.hear)(&self.moment(done, now, false));
        }
    }

    pub fn finished(&self, now: Timestamp) {
        (self.hear)(&self.moment(self.total, now, true));
    }

    fn moment(&self, done: u64, now: Timestamp, is_last: bool) -> Moment {
        let took = now.duration_since(self.begun).unsigned_abs();
        Moment { doing: self.doing.clone(), done, total: self.total, took, is_last }
    }
}

fn seconds(took: Duration) -> String {
    match took.as_secs() {
        s @ 90.. => format!("{} min {} s", s / 60, s % 60),
        _ => format!("{:.1} s", took.as_secs_f64()),
    }
}

pub fn size(bytes: u64) -> String {
    match bytes {
        b @ 1_000_000_000.. => format!("{:.2} GB", b as f64 / 1e9),
        b @ 1_000_000.. => format!("{:.1} MB", b as f64 / 1e6),
        b @ 1000.. => format!("{:.1} kB", b as f64 / 1e3),
        b => format!("{b} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_line_every_few_seconds_and_one_at_the_end() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&heard);
        let hear: Hear = Box::new(move |moment| into.lock().unwrap().push(format!("{moment}\n{}", moment.bar(10))));
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let progress = Progress::new("copying", 1_000_000_000, at(0), Duration::from_secs(5), hear);
        for second in 1..=10 {
            progress.passed(100_000_000, at(second));
        }
        progress.finished(at(10));
        let heard = heard.lock().unwrap();
        assert_eq!(
            *heard,
            [
                "copying: 50 % of 1.00 GB, 100 MB/s, 5.0 s left\n\
                 copying       [#####.....] 50 % of 1.00 GB, 100 MB/s, 5.0 s left",
                "copying: 1.00 GB in 10.0 s, 100 MB/s\n\
                 copying       [##########] 1.00 GB in 10.0 s, 100 MB/s"
            ]
        );
    }
}
