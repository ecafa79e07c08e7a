//! What else could have been asked, on the same windows: the control without a model, and naive rules.
//!
//! They rank services and blame nobody. To compare, they get their best chance: the first services are
//! blamed, at most so many, whose score reaches a share of the first one's, and both numbers are those
//! that are right most often on the very cases they are judged on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::score::Named;
use crate::baselines::control;
use crate::diagnosis::FeatureKinds;
use crate::domain::{Column, Entity, Party, Pool, Quantile, ServiceName, Side, Stat};
use crate::eval::observe::{CPU, SERVER, Table};
use crate::eval::rules::Rule;
use crate::telemetry::Catalogue;
use crate::windows::Frame;

/// Services with their scores, most suspect first.
pub type Ranking = Vec<(String, f64)>;

/// Windows diagnosed, and healthy ones before them.
const DIAGNOSED: usize = 5;
const BEFORE: usize = 11;
/// Median latencies stand for mean ones.
const MEDIAN: Quantile = Quantile(500);

/// The rankings of all other methods for the last windows of `frame`.
pub fn rankings(
    frame: &Frame,
    catalogue: &Catalogue,
    entry: &str,
    unusual: f64,
) -> BTreeMap<String, Ranking> {
    let kinds = FeatureKinds::of(catalogue);
    let (services, _) = control(&kinds, frame, DIAGNOSED, unusual);
    let services = services.into_iter().map(|ranked| (ranked.service.as_str().to_owned(), ranked.score));
    let mut all = BTreeMap::from([("control".to_owned(), services.collect())]);
    let table = table(frame);
    let life = frame.len().saturating_sub(DIAGNOSED + BEFORE);
    let (history, life) = (rows(&table, 0..life), rows(&table, life..frame.len()));
    let incident = BEFORE.min(frame.len())..frame.len().min(BEFORE + DIAGNOSED);
    for rule in Rule::ALL {
        all.insert(rule.word().to_owned(), rule.rank(&history, &life, incident.clone(), entry));
    }
    all
}

/// The windows as the rules want them.
fn table(frame: &Frame) -> Table {
    let mut table = Table::default();
    for (column, values) in &frame.columns {
        let (service, signal): (&ServiceName, String) = match column {
            Column::Metric { entity: Entity::Service(service), feature, pool: Pool::Mean } => {
                let name = feature.as_str();
                (service, if name == "cpu_usage" { CPU.to_owned() } else { name.to_owned() })
            }
            Column::Metric { entity: Entity::Channel { caller, callee }, feature, .. } => {
                (callee, format!("{feature} from {caller}"))
            }
            Column::Latency { rpc, side: Side::Server, stat: Stat::Quantile(MEDIAN) } => {
                let Some(service) = rpc.callee.service() else { continue };
                (service, SERVER.to_owned())
            }
            Column::Latency { rpc, side: Side::Client, stat: Stat::Quantile(MEDIAN) } => match &rpc.caller {
                Party::Service(caller) => {
                    let Some(service) = rpc.callee.service() else { continue };
                    (service, format!("client latency of {caller}"))
                }
                // The users' latency is the entry's own.
                Party::User => {
                    let Some(service) = rpc.callee.service() else { continue };
                    (service, SERVER.to_owned())
                }
                Party::Any => continue,
            },
            _ => continue,
        };
        let values = values.iter().map(|value| f64::from(*value));
        // Of several callers' views the first one counts.
        table.columns.entry((service.as_str().to_owned(), signal.into())).or_insert_with(|| values.collect());
    }
    table
}

fn rows(table: &Table, range: std::ops::Range<usize>) -> Table {
    let cut = |values: &Vec<f64>| values.get(range.clone()).unwrap_or_default().to_vec();
    Table { columns: table.columns.iter().map(|(signal, values)| (signal.clone(), cut(values))).collect() }
}

/// From a ranking to blame.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cut {
    /// At most so many.
    pub most: usize,
    /// Those whose score is at least this share of the first one's.
    pub share: f64,
}

impl Cut {
    /// All that are tried.
    pub fn all() -> impl Iterator<Item = Self> {
        (1..=3).flat_map(|most| (1..20).map(move |step| Self { most, share: f64::from(step) / 20.0 }))
    }

    /// Whom it blames.
    pub fn blamed(self, ranking: &Ranking) -> Vec<Named> {
        let least = ranking.first().map_or(0.0, |(_, first)| first * self.share);
        let first = ranking.iter().take(self.most).filter(|(_, score)| *score >= least);
        first.map(|(service, _)| Named { service: service.clone(), node: None, resource: None }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_blames_those_near_the_first() {
        let ranking = vec![("a".to_owned(), 10.0), ("b".to_owned(), 6.0), ("c".to_owned(), 1.0)];
        let names = |most, share| {
            let blamed = Cut { most, share }.blamed(&ranking);
            blamed.into_iter().map(|named| named.service).collect::<Vec<_>>().concat()
        };
        assert_eq!((names(1, 0.05), names(3, 0.5), names(3, 0.05)), ("a".into(), "ab".into(), "abc".into()));
        assert!(Cut { most: 2, share: 0.5 }.blamed(&Vec::new()).is_empty());
    }
}
