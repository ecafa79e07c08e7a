//! What happened: when objectives were violated, when the application's shape changed, and up to when the
//! models know it.

use super::core::{Engine, Picture};
use crate::causal::Change;
use crate::domain::{Clean, Slo, SloState, Timestamp};
use crate::slo;

/// A stretch of time in which an objective was violated.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    /// The SLO.
    pub slo: Clean,
    /// End of the first window at which it stood as breached.
    pub from: Timestamp,
    /// End of the first window at which it no longer did; `None` while it goes on.
    pub until: Option<Timestamp>,
    /// The highest value over the SLO's window meanwhile, milliseconds.
    pub worst_ms: f64,
    /// Largest latency that meets the objective, milliseconds.
    pub objective_ms: f64,
}

/// What happened, as far back as windows are stored.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// Version of the data it rests on.
    pub version: u64,
    /// End of the first window.
    pub from: Option<Timestamp>,
    /// End of the last window.
    pub until: Option<Timestamp>,
    /// Incidents, oldest first.
    pub incidents: Vec<Incident>,
    /// When services or calls came or went, and which.
    pub changes: Vec<(Timestamp, Clean)>,
    /// Up to when each of the kept models knows the application, oldest first.
    pub cut_offs: Vec<Timestamp>,
}

impl Engine {
    /// What happened in the windows of `picture`. CPU-bound, and reads the names of the models' files.
    pub fn history(&self, picture: &Picture) -> History {
        let frame = &picture.frame;
        let mut incidents: Vec<_> = self
            .slos
            .iter()
            .flat_map(|slo| incidents(slo, &self.samples(slo, frame), frame.length))
            .collect();
        incidents.sort_by(|a, b| a.from.cmp(&b.from).then_with(|| a.slo.cmp(&b.slo)));
        let cut_offs = self.shelf.cut_offs();
        let changed = self.changed_at(frame, picture.at).map(|at| {
            let row = frame.ends.partition_point(|end| *end < at);
            (at, Clean::new(&Change::since(frame, row).to_string()))
        });
        History {
            version: 0,
            from: frame.ends.first().copied(),
            until: frame.ends.last().copied(),
            incidents,
            changes: changed.into_iter().collect(),
            cut_offs,
        }
    }
}

/// The stretches in which `slo` stood as breached, judged at the end of every window. Two that are less
/// than the SLO's window apart are one: the state flapped.
fn incidents(slo: &Slo, samples: &[slo::Sample], length: std::time::Duration) -> Vec<Incident> {
    let mut found: Vec<Incident> = Vec::new();
    let mut lo = 0;
    for (row, (end, ..)) in samples.iter().enumerate() {
        let start = end.checked_sub(slo.window.max(length)).unwrap_or(Timestamp::MIN);
        lo += samples[lo..row].partition_point(|(end, ..)| *end <= start);
        let status = slo::evaluate_alone(slo, &samples[lo..=row], length, *end);
        let near = |until: Timestamp| end.duration_since(until).unsigned_abs() < slo.window;
        match (status.state, status.observed_ms, found.last_mut()) {
            (SloState::Breached, Some(ms), Some(last)) if last.until.is_none_or(near) => {
                last.until = None;
                last.worst_ms = last.worst_ms.max(ms);
            }
            (SloState::Breached, Some(ms), _) => found.push(Incident {
                slo: slo.name.clone(),
                from: *end,
                until: None,
                worst_ms: ms,
                objective_ms: slo.objective_ms,
            }),
            // Without data nobody knows whether it went on: it is over where it is known to be.
            (SloState::Ok | SloState::Burning, _, Some(last)) if last.until.is_none() => {
                last.until = Some(*end);
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;
    use crate::domain::{Quantile, ServiceName, SloSource};

    #[test]
    fn an_incident_lasts_from_breach_to_recovery_and_flapping_is_one() {
        let slo = Slo {
            name: Clean::new("web-p95"),
            service: ServiceName::new("web"),
            operation: None,
            quantile: Quantile(950),
            objective_ms: 300.0,
            window: Duration::from_secs(300),
            target: 0.99,
            period: Duration::from_secs(28 * 86_400),
            source: SloSource::Traces,
        };
        let second = |minute: i64| Timestamp::from_second(60 * minute).unwrap();
        let bad = |minute: i64| matches!(minute, 20..=30 | 33..=38 | 70..);
        let samples: Vec<slo::Sample> = (1..=80)
            .map(|m| (second(m), Some(if bad(m) { 600.0 + m as f64 } else { 100.0 }), Some(10.0)))
            .collect();
        let found = incidents(&slo, &samples, Duration::from_secs(60));
        // Three of five windows have to be bad before the SLO is, and three good before it is not.
        let spans: Vec<_> = found.iter().map(|i| (i.from, i.until)).collect();
        assert_eq!(spans, [(second(22), Some(second(41))), (second(72), None)]);
        assert!(found[0].worst_ms > 600.0 && found[0].objective_ms == 300.0);
    }
}
