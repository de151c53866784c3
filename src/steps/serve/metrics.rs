//! How the entities of an endpoint have answered, from its metrics.
//!
//! Every sample is a gauge of one whole minute, whatever came before, though its name ends like a counter's: minutes are
//! collected and summed, each once. Nothing is known of a minute that has not ended, and nobody guesses it.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::time::Duration;

use super::endpoint::path;
use crate::domain::Failure;
use crate::ports::{Request, World};

/// How often somebody was asked, and how that went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    pub requests: u64,
    pub client_errors: u64,
    pub server_errors: u64,
    /// Surely longer than what is allowed; 0 where the endpoint exports no latency.
    pub slow: u64,
}

impl AddAssign for Counted {
    fn add_assign(&mut self, more: Self) {
        self.requests += more.requests;
        self.client_errors += more.client_errors;
        self.server_errors += more.server_errors;
        self.slow += more.slow;
    }
}

const MINUTE: Duration = Duration::from_secs(60);

/// Minutes by their number, and in each the value of every series.
type Minutes = BTreeMap<i64, BTreeMap<String, f64>>;

/// Collects the minutes of an endpoint from a first look on.
pub struct Tally {
    endpoint: String,
    entities: Vec<String>,
    latency: Option<Duration>,
    /// What the first look saw: it belongs to the time before.
    before: Minutes,
    since: Minutes,
    /// When samples that do not say their minute were counted last; none before the first look.
    counted: Option<Duration>,
}

impl Tally {
    /// `entities` are all that the endpoint has: where none of them is named by any sample, they are not told apart.
    pub fn new(endpoint: &str, entities: Vec<String>, latency: Option<Duration>) -> Self {
        let (before, since) = (Minutes::new(), Minutes::new());
        Self { endpoint: endpoint.to_owned(), entities, latency, before, since, counted: None }
    }

    /// `waited` is the time since the first look.
    pub async fn look(&mut self, world: &World, waited: Duration) -> Result<(), Failure> {
        let reply = world.workspace.call(Request::get(format!("{}/metrics", path(&self.endpoint)))).await;
        let reply = reply.map_err(|e| e.into_failure(format!("read the metrics of endpoint `{}`", self.endpoint)))?;
        self.take(&String::from_utf8_lossy(&reply.body), waited);
        Ok(())
    }

    fn take(&mut self, text: &str, waited: Duration) {
        let first = self.counted.is_none();
        let due = self.counted.is_none_or(|last| waited >= last + MINUTE);
        if due {
            self.counted = Some(waited);
        }
        let known = self.before.keys().next_back().copied();
        for Sample { series, value, minute } in text.lines().filter_map(sample) {
            match minute {
                _ if first => put(&mut self.before, minute.unwrap_or(i64::MIN), series, value),
                Some(minute) if known.is_none_or(|known| minute > known) => {
                    put(&mut self.since, minute, series, value);
                }
                None if due => {
                    let minute = i64::try_from(waited.as_secs()).unwrap_or(i64::MAX);
                    put(&mut self.since, minute, series, value);
                }
                _ => {}
            }
        }
    }

    /// Whether an entity's requests can be told from its neighbours'. One that nobody asks may have no sample at all.
    pub fn tells_apart(&self) -> bool {
        let mut series = self.before.values().chain(self.since.values()).flat_map(BTreeMap::keys);
        series.any(|series| self.entities.iter().any(|entity| labels(series).any(|(_, value)| value == entity)))
    }

    /// Since the first look: of one entity, or of the whole endpoint.
    pub fn since(&self, entity: Option<&str>) -> Counted {
        self.sum(&self.since, entity)
    }

    /// In the minute that the first look saw.
    pub fn before(&self, entity: Option<&str>) -> Counted {
        self.sum(&self.before, entity)
    }

    /// In that minute and since.
    pub fn throughout(&self, entity: &str) -> Counted {
        let mut counted = self.before(Some(entity));
        counted += self.since(Some(entity));
        counted
    }

    fn sum(&self, minutes: &Minutes, entity: Option<&str>) -> Counted {
        let mut counted = Counted::default();
        for minute in minutes.values() {
            let of = |name: &str| {
                let ours = move |series: &str| entity.is_none_or(|entity| labels(series).any(|(_, v)| v == entity));
                let named = name.to_owned();
                let found = minute.iter().filter(move |(s, _)| s.split('{').next() == Some(&named) && ours(s));
                found.map(|(series, value)| (series.as_str(), *value))
            };
            let total = |name: &str| whole(of(name).map(|(_, value)| value).sum());
            counted += Counted {
                requests: total("request_count_total"),
                client_errors: total("request_4xx_count_total"),
                server_errors: total("request_5xx_count_total"),
                slow: self.latency.map_or(0, |limit| slow(of("request_latency_ms_bucket"), limit)),
            };
        }
        counted
    }
}

fn put(minutes: &mut Minutes, minute: i64, series: &str, value: f64) {
    minutes.entry(minute).or_default().insert(series.to_owned(), value);
}

/// Of a histogram: each bucket counts what took at most `le`, so only what lies above the first bucket that holds the
/// limit is surely slower.
fn slow<'a>(buckets: impl Iterator<Item = (&'a str, f64)>, limit: Duration) -> u64 {
    let limit = limit.as_secs_f64() * 1000.0;
    let le = |series: &str| labels(series).find(|(label, _)| *label == "le")?.1.parse::<f64>().ok();
    let known: Vec<(f64, f64)> = buckets.filter_map(|(series, value)| Some((le(series)?, value))).collect();
    let at = |bound: f64| known.iter().filter(|(le, _)| *le == bound).map(|(_, value)| *value).sum::<f64>();
    let holds = known.iter().map(|(le, _)| *le).filter(|le| *le >= limit).fold(f64::INFINITY, f64::min);
    whole(at(f64::INFINITY) - at(holds))
}

fn whole(number: f64) -> u64 {
    if number.is_finite() && number > 0.0 { number as u64 } else { 0 }
}

struct Sample<'a> {
    /// Name and labels, as they stand.
    series: &'a str,
    value: f64,
    minute: Option<i64>,
}

/// `name{labels} value [timestamp]`, of the Prometheus text format; the timestamp is in milliseconds.
fn sample(line: &str) -> Option<Sample<'_>> {
    let line = line.trim();
    if line.starts_with('#') {
        return None;
    }
    let end = line.rfind('}').map(|at| at + 1).or_else(|| line.find(char::is_whitespace))?;
    let (series, rest) = line.split_at(end);
    let mut rest = rest.split_whitespace();
    let value = rest.next()?.parse().ok()?;
    let minute = rest.next().and_then(|at| at.parse::<f64>().ok()).map(|at| (at / 60_000.0).floor() as i64);
    Some(Sample { series, value, minute })
}

fn labels(series: &str) -> impl Iterator<Item = (&str, &str)> {
    let inside = series.split_once('{').map_or("", |(_, labels)| labels.trim_end_matches('}'));
    let mut parts = inside.split('"');
    std::iter::from_fn(move || {
        let label = parts.next()?.trim_matches([',', ' ', '=']);
        Some((label, parts.next()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally() -> Tally {
        Tally::new("churn", vec!["churn-v1".into(), "churn-v2".into()], Some(Duration::from_millis(100)))
    }

    fn text(minute: Option<i64>, samples: &[(&str, u64, u64)]) -> String {
        let at = minute.map_or(String::new(), |minute| format!(" {}", minute * 60_000));
        let line = |(entity, requests, failed): &(&str, u64, u64)| {
            let labels = format!("{{endpoint_name=\"churn\",served_entity_name=\"{entity}\"}}");
            format!("request_count_total{labels} {requests}{at}\nrequest_5xx_count_total{labels} {failed}.0{at}\n")
        };
        format!("# TYPE request_count_total gauge\n{}", samples.iter().map(line).collect::<String>())
    }

    fn look(tally: &mut Tally, seconds: u64, text: &str) {
        tally.take(text, Duration::from_secs(seconds));
    }

    #[test]
    fn every_minute_is_counted_once_and_what_was_before_is_not() {
        let mut tally = tally();
        for (seconds, minute, failed) in [(0, 7, 9), (20, 7, 9), (40, 8, 1), (60, 8, 1), (100, 9, 2)] {
            look(&mut tally, seconds, &text(Some(minute), &[("churn-v2", 50, failed)]));
        }
        let counted = tally.since(Some("churn-v2"));
        assert_eq!((counted.requests, counted.server_errors), (100, 3));
        assert_eq!(tally.before(Some("churn-v2")).server_errors, 9);
    }

    #[test]
    fn samples_without_a_minute_are_taken_once_a_minute() {
        let mut tally = tally();
        for seconds in [0, 20, 40, 59] {
            look(&mut tally, seconds, &text(None, &[("churn-v2", 50, 0)]));
        }
        assert_eq!(tally.since(Some("churn-v2")).requests, 0, "no minute has ended");
        for seconds in [60, 80, 100, 120] {
            look(&mut tally, seconds, &text(None, &[("churn-v2", 50, 0)]));
        }
        assert_eq!(tally.since(Some("churn-v2")).requests, 100);
    }

    #[test]
    fn an_entity_that_nobody_asked_has_no_part_in_its_neighbours_requests() {
        let mut tally = tally();
        look(&mut tally, 0, "");
        look(&mut tally, 60, &text(Some(8), &[("churn-v1", 90, 4)]));
        assert!(tally.tells_apart());
        assert_eq!(tally.since(Some("churn-v2")), Counted::default());
        assert_eq!(tally.since(None).requests, 90);
        let mut tally = self::tally();
        look(&mut tally, 0, "request_count_total 3 60000\n");
        look(&mut tally, 60, "request_count_total{replica=\"churn-v2-x\"} 5 120000\n");
        assert!(!tally.tells_apart());
        assert_eq!(tally.since(None).requests, 5);
    }

    #[test]
    fn only_what_surely_took_longer_is_slow() {
        let mut tally = tally();
        look(&mut tally, 0, "");
        let buckets = [("50", 3), ("250", 7), ("1000", 9), ("+Inf", 10)];
        let line = |(le, n): &(&str, u64)| {
            format!("request_latency_ms_bucket{{served_entity_name=\"churn-v2\",le=\"{le}\"}} {n} 480000\n")
        };
        look(&mut tally, 60, &buckets.iter().map(line).collect::<String>());
        assert_eq!(tally.since(Some("churn-v2")).slow, 3);
    }
}
