//! Verification: the measured tail beside the predicted one.

use std::sync::Arc;
use std::time::Duration;

use super::Desk;
use crate::domain::{Clean, Counterfactual, Timestamp};
use crate::remedy::journal::Record;
use crate::remedy::operation::{Phase, Verification};
use crate::remedy::reading::{Readings, SloReading};
use crate::remedy::talk::Told;

/// Windows with a value that it takes.
pub const MIN_WINDOWS: usize = 3;
/// Windows that count at most: later ones tell of other things.
const MAX_WINDOWS: usize = 10;
/// Given up after so many windows' time.
const PATIENCE: u32 = 15;

/// The median of the windows that began after `since`, held against `forecast` and the objective.
pub fn verification(
    reading: &SloReading,
    length: Duration,
    since: Timestamp,
    forecast: Option<&Counterfactual>,
) -> Verification {
    let began_after = |end: &Timestamp| end.checked_sub(length).is_ok_and(|start| start >= since);
    let counted = reading.windows.iter().filter(|(end, _)| began_after(end));
    let mut values: Vec<f64> =
        counted.filter_map(|(_, value)| *value).filter(|value| value.is_finite()).take(MAX_WINDOWS).collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let measured = match values.len() {
        0 => None,
        n if n % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    };
    let enough = measured.filter(|_| values.len() >= MIN_WINDOWS);
    Verification {
        windows: values.len(),
        measured_ms: measured,
        hit: enough.zip(forecast).map(|(ms, tail)| (tail.low_ms..=tail.high_ms).contains(&ms)),
        met: enough.map(|ms| ms <= reading.objective_ms),
    }
}

impl Desk {
    /// New windows came.
    pub(super) async fn measured(&mut self, readings: Readings) {
        self.readings = Some((readings.clone(), self.clock.since_boot()));
        self.verify(&readings).await;
    }

    /// Looks at the operations whose effect is there.
    pub(super) async fn verify(&mut self, readings: &Readings) {
        let mut ended = Vec::new();
        let mut told = Vec::new();
        for kept in self.operations.values_mut() {
            let operation = &mut kept.operation;
            let (Phase::Verifying, Some(since)) = (&operation.phase, kept.effective) else { continue };
            let Some(reading) = readings.of(operation.slo.as_str()) else { continue };
            let seen = verification(reading, readings.length, since, operation.forecast.as_ref());
            let given_up = readings.until.is_some_and(|until| {
                until.duration_since(since).unsigned_abs() > readings.length * PATIENCE && until > since
            });
            let is_new = operation.verification.as_ref() != Some(&seen);
            if seen.met.is_some() || given_up {
                operation.phase = Phase::Done;
                ended.push(Record::Verify { op: operation.id.clone(), verification: seen.clone() });
                if seen.met.is_none() {
                    operation
                        .notes
                        .push(Clean::new("too few windows had data: whether it helped is not known"));
                }
            } else if !is_new {
                continue;
            }
            operation.verification = Some(seen);
            told.push(operation.clone());
        }
        for operation in told {
            self.tell(Told::Operation(Arc::new(operation)));
        }
        for record in ended {
            self.record(record).await;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_windows_that_began_afterwards_count() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let windows = vec![
            (at(60), Some(900.0)),
            // Began before the effect.
            (at(120), Some(700.0)),
            (at(180), Some(100.0)),
            (at(240), None),
            (at(300), Some(120.0)),
            (at(360), Some(110.0)),
        ];
        let reading = SloReading { slo: "s".into(), objective_ms: 115.0, observed_ms: None, windows };
        let tail = Counterfactual { quantile_ms: 100.0, low_ms: 90.0, high_ms: 105.0, p_slo_met: 0.9 };
        let length = Duration::from_secs(60);
        let seen = verification(&reading, length, at(61), Some(&tail));
        assert_eq!(
            seen,
            Verification { windows: 3, measured_ms: Some(110.0), hit: Some(false), met: Some(true) }
        );
        let early = verification(&reading, length, at(181), None);
        assert_eq!(early, Verification { windows: 2, measured_ms: Some(115.0), hit: None, met: None });
    }
}
