//! A small shop for tests: `web` calls `mid`, which calls `db`; two hours of minutes, then an incident.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::StandardNormal;

use super::method::{Blamed, Labelled, Question};
use crate::causal::{CallGraph, EdgeOrigin};
use crate::diagnosis::FeatureKinds;
use crate::domain::{
    Clean, Column, Entity, LatencyUnit, Party, Pool, Quantile, Rpc, ServiceName, Side, Slo, SloSource, Stat,
    Timestamp,
};
use crate::telemetry::Catalogue;
use crate::windows::Frame;

/// Windows before the incident, and of it.
const BEFORE: usize = 120;
const NOW: usize = 5;

/// What happens in the last windows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Incident {
    /// Nothing.
    None,
    /// A service's CPU is used up to this share of its limit, and it is slow.
    Cpu(&'static str, f64),
    /// Calls to a service are late.
    Network(&'static str),
    /// Three times the requests.
    Load,
}

/// The shop with its windows.
pub struct Shop {
    frame: Frame,
    graph: CallGraph,
    kinds: FeatureKinds,
    slo: Slo,
}

/// From the entry to the back end, with the milliseconds that each takes itself.
const SERVICES: [(&str, f64); 3] = [("web", 4.0), ("mid", 6.0), ("db", 3.0)];

impl Shop {
    /// The same for the same seed.
    pub fn new(incident: Incident, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let mut frame = Frame { length: Duration::from_secs(60), ..Frame::default() };
        let minute = |row: usize| Timestamp::from_second(60 * row as i64 + 60).unwrap_or(Timestamp::MIN);
        frame.ends = (0..BEFORE + NOW).map(minute).collect();
        frame.sources = vec![Default::default(); BEFORE + NOW];
        for row in 0..BEFORE + NOW {
            let strikes = row >= BEFORE;
            let day = 100.0 + 30.0 * (row as f64 / 20.0).sin();
            let calls = if strikes && incident == Incident::Load { 3.0 * day } else { day };
            let mut noisy =
                |value: f64, share: f64| value * (share * random.sample::<f64, _>(StandardNormal)).exp();
            let mut below = 0.0;
            for (at, (name, own)) in SERVICES.iter().enumerate().rev() {
                let cpu = match incident {
                    Incident::Cpu(service, share) if strikes && service == *name => share,
                    _ => noisy(0.2 * calls / 100.0, 0.05),
                };
                let starved = strikes && matches!(incident, Incident::Cpu(service, _) if service == *name);
                let late = strikes && incident == Incident::Network(name);
                let own = noisy(if starved { 20.0 * own } else { *own }, 0.1);
                let server = own + below;
                let client = server + if late { 80.0 } else { noisy(0.2, 0.1) };
                let pressure = if starved { 0.5 } else { noisy(0.01, 0.3) };
                let service = ServiceName::new(name);
                for (feature, value) in
                    [("cpu_of_limit", cpu), ("cpu_pressure", pressure), ("requests", noisy(calls, 0.02))]
                {
                    let column = Column::Metric {
                        entity: Entity::Service(service.clone()),
                        feature: Clean::new(feature),
                        pool: Pool::Mean,
                    };
                    frame.columns.entry(column).or_default().push(value as f32);
                }
                let caller = at.checked_sub(1).map(|above| ServiceName::new(SERVICES[above].0));
                let mut sides = vec![(Rpc::served_by(&service), Side::Server, server)];
                let edge = caller.map_or(Rpc::entry(&service, None), |caller| Rpc::edge(&caller, &service));
                if edge.caller != Party::User {
                    sides.push((edge.clone(), Side::Server, server));
                }
                sides.push((edge.clone(), Side::Client, client));
                for (rpc, side, ms) in sides {
                    for (stat, value) in [(Quantile(500), 0.5 * ms), (Quantile(990), ms)]
                        .map(|(q, ms)| (Stat::Quantile(q), ms))
                    {
                        let column = Column::Latency { rpc: rpc.clone(), side, stat };
                        frame.columns.entry(column).or_default().push(value as f32);
                    }
                }
                let count = Column::Latency { rpc: edge, side: Side::Client, stat: Stat::Count };
                frame.columns.entry(count).or_default().push((60.0 * calls) as f32);
                below = client;
            }
        }
        let mut graph = CallGraph::default();
        for pair in SERVICES.windows(2) {
            graph.add_edge(&ServiceName::new(pair[0].0), &ServiceName::new(pair[1].0), EdgeOrigin::Spans, 1);
        }
        let source = SloSource::Quantile { query: String::new(), unit: LatencyUnit::Seconds };
        let slo = Slo {
            name: Clean::new("web p99"),
            service: ServiceName::new("web"),
            operation: None,
            quantile: Quantile(990),
            objective_ms: 40.0,
            window: Duration::from_secs(300),
            target: 0.99,
            period: Duration::from_secs(2_419_200),
            source,
        };
        let kinds = FeatureKinds::of(&Catalogue::standard().unwrap_or_default());
        Self { frame, graph, kinds, slo }
    }

    /// Why the incident.
    pub fn question(&self) -> Question<'_> {
        Question {
            frame: &self.frame,
            diagnosed: NOW,
            graph: &self.graph,
            kinds: &self.kinds,
            slo: &self.slo,
        }
    }

    /// With its answer.
    pub fn labelled(&self, culprits: &[&str]) -> Labelled<'_> {
        let culprits = culprits.iter().map(|name| ServiceName::new(name));
        Labelled { question: self.question(), truth: Blamed::Services(culprits.collect()) }
    }

    /// The windows, to change them.
    pub fn frame(&mut self) -> &mut Frame {
        &mut self.frame
    }
}

/// Whom an answer ranks first; empty if nobody.
pub fn first(answer: &super::Answer) -> &str {
    answer.ranking.first().map_or("", |ranked| ranked.service.as_str())
}

/// Whom an answer blames.
pub fn blamed(answer: &super::Answer) -> Option<Vec<&str>> {
    match answer.blamed.as_ref()? {
        Blamed::Services(services) => Some(services.iter().map(ServiceName::as_str).collect()),
        Blamed::Load => Some(vec!["load"]),
    }
}
