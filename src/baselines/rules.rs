//! Naive rules: what an engineer in a hurry goes by, and what sagetop has to beat.

use std::collections::BTreeMap;
use std::ops::Range;

use super::method::{Answer, Method, MethodError, Question};
use super::stats::{correlation, known, mean};
use super::table::{CPU, SERVER, Table};
use crate::domain::{Ranked, ServiceName};

/// A signal that never moves counts as moving by this share of its largest value.
const STILL: f64 = 0.01;
/// Windows before those that are asked about that a correlation looks at as well.
const BEFORE: usize = 11;

/// A rule that names one service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// The most unusual signal of all.
    HighestZ,
    /// The latency that goes best with the entry's.
    LatencyCorrelation,
    /// The most unusual CPU usage.
    CpuZ,
    /// The CPU usage that goes best with the entry's latency.
    CpuCorrelation,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::HighestZ, Self::LatencyCorrelation, Self::CpuZ, Self::CpuCorrelation];

    /// A few words.
    pub fn word(self) -> &'static str {
        match self {
            Self::HighestZ => "highest z",
            Self::LatencyCorrelation => "latency corr.",
            Self::CpuZ => "CPU z",
            Self::CpuCorrelation => "CPU corr.",
        }
    }

    /// The service that the rule blames for the last `incident` rows of `life`, in which the incident
    /// struck; `history` is healthy. None if the signals it needs are not there.
    pub fn blame(self, history: &Table, life: &Table, incident: Range<usize>, entry: &str) -> Option<String> {
        self.rank(history, life, incident, entry).into_iter().next().map(|(service, _)| service)
    }

    /// The same with all services, most suspect first, each with its highest score.
    pub fn rank(
        self,
        history: &Table,
        life: &Table,
        incident: Range<usize>,
        entry: &str,
    ) -> Vec<(String, f64)> {
        let score = |service: &str, signal: &str, values: &[f64]| match self {
            Self::HighestZ => z(history.column(service, signal)?, values.get(incident.clone())?),
            Self::CpuZ if signal == CPU => z(history.column(service, signal)?, values.get(incident.clone())?),
            // The entry's latency goes best with itself.
            Self::LatencyCorrelation if signal == SERVER && service != entry => {
                correlation(values, life.column(entry, SERVER)?)
            }
            Self::CpuCorrelation if signal == CPU => correlation(values, life.column(entry, SERVER)?),
            _ => None,
        };
        let mut best: BTreeMap<&str, f64> = BTreeMap::new();
        for ((service, signal), values) in &life.columns {
            if let Some(score) = score(service, signal, values) {
                let known = best.entry(service).or_insert(score);
                *known = known.max(score);
            }
        }
        let mut ranked = Vec::from_iter(best.into_iter().map(|(service, score)| (service.to_owned(), score)));
        // As ever: of equals the last.
        ranked.reverse();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
        ranked
    }
}

/// How many standard deviations of `normal` the mean of `now` lies off its mean.
fn z(normal: &[f64], now: &[f64]) -> Option<f64> {
    let (usual, today) = (mean(known(normal))?, mean(known(now))?);
    let deviation = mean(known(normal).map(|value| (value - usual).powi(2)))?.sqrt();
    let largest = known(normal).chain(known(now)).map(f64::abs).fold(0.0, f64::max);
    let deviation = deviation.max(STILL * largest);
    (deviation > 0.0).then(|| (today - usual).abs() / deviation)
}

impl Method for Rule {
    fn name(&self) -> &'static str {
        self.word()
    }

    fn settings(&self) -> String {
        match self {
            Self::HighestZ | Self::CpuZ => format!("a still signal moves by {STILL} of its largest value"),
            Self::LatencyCorrelation | Self::CpuCorrelation => {
                format!("over the windows asked about and the {BEFORE} before")
            }
        }
    }

    fn answer(&self, question: &Question<'_>) -> Result<Answer, MethodError> {
        let table = Table::of(question.frame);
        let (rows, now) = (question.frame.len(), question.now());
        let life = now.start.saturating_sub(BEFORE);
        let incident = now.start - life..rows - life;
        let (history, life) = (table.rows(0..life), table.rows(life..rows));
        let ranking = self.rank(&history, &life, incident, question.slo.service.as_str());
        let ranked = |(service, score): (String, f64)| Ranked { service: ServiceName::new(&service), score };
        Ok(Answer { ranking: ranking.into_iter().map(ranked).collect(), blamed: None })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    /// Healthy values 1, 2, 3, … around each service's first, and what follows.
    fn tables(columns: &[(&str, &'static str, [f64; 4])]) -> (Table, Table) {
        let (mut history, mut life) = (Table::default(), Table::default());
        for (service, signal, values) in columns {
            let healthy = (0..9).map(|i| values[0] * (1.0 + 0.01 * f64::from(i % 3)));
            history.columns.insert(((*service).to_owned(), (*signal).into()), healthy.collect());
            life.columns.insert(((*service).to_owned(), (*signal).into()), values.to_vec());
        }
        (history, life)
    }

    #[test]
    fn each_rule_looks_at_its_own_signals() {
        let (history, life) = tables(&[
            ("web", SERVER, [10.0, 10.0, 30.0, 32.0]),
            ("web", CPU, [1.0, 1.0, 1.0, 1.0]),
            ("db", SERVER, [5.0, 5.1, 15.0, 16.0]),
            ("db", CPU, [1.0, 1.0, 1.3, 1.32]),
            ("busy", SERVER, [1.0, 2.0, 1.0, 2.0]),
            ("busy", CPU, [1.0, 3.0, 3.0, 3.0]),
            ("full", "bytes", [1.0, 1.0, 500.0, 500.0]),
        ]);
        let blamed = |rule: Rule| rule.blame(&history, &life, 2..4, "web");
        assert_eq!(blamed(Rule::HighestZ).as_deref(), Some("full"));
        assert_eq!(blamed(Rule::LatencyCorrelation).as_deref(), Some("db"));
        assert_eq!(blamed(Rule::CpuZ).as_deref(), Some("busy"));
        assert_eq!(blamed(Rule::CpuCorrelation).as_deref(), Some("db"));
    }

    #[test]
    fn unknown_values_are_left_out_and_nothing_is_made_of_nothing() {
        assert_eq!(z(&[1.0, f64::NAN, 3.0], &[f64::NAN, 6.0]), Some(4.0));
        assert_eq!(z(&[f64::NAN], &[1.0]), None);
        assert_eq!(z(&[0.0, 0.0], &[0.0]), None);
        assert_eq!(Rule::CpuZ.blame(&Table::default(), &Table::default(), 0..1, "web"), None);
    }
}
