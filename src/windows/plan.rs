//! `Plan`: what is asked of which backend, with a stable key for everything that shapes an answer.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::names::NameMap;
use super::settings::WindowSettings;
use crate::domain::{Clean, Direction, Quantile, Resource, Rpc, Scope, ServiceName, Slo, SloSource};
use crate::telemetry::{Catalogue, Feature, LatencyQuery, render};

/// Identifies everything that shapes an answer: backend, query, settings, names. Data stored
/// under one key stays valid for as long as the key can be computed again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Key(String);

impl Key {
    pub(crate) fn of(what: &impl Serialize) -> Self {
        // Plain data with string keys always serialises; an empty text would merely share a key.
        let text = serde_json::to_string(what).unwrap_or_default();
        let digest = Sha256::digest(text.as_bytes());
        Self(digest.iter().take(16).map(|b| format!("{b:02x}")).collect())
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What the series of a query mean.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Meaning {
    /// A metric feature (X).
    Feature(Feature),
    /// A latency (Y).
    Latency(LatencyQuery),
    /// An SLO's quantile: one series.
    Slo {
        /// The entry RPC.
        rpc: Rpc,
        /// Which quantile.
        quantile: Quantile,
        /// Factor to milliseconds.
        to_ms: f64,
    },
    /// How many requests an SLO's histogram counted: one series.
    SloCount {
        /// The entry RPC.
        rpc: Rpc,
    },
}

impl Meaning {
    /// What of the meaning shapes the stored cells. The rest of a feature only says how they
    /// are judged later, and must not make a day of history be fetched again.
    fn shape(&self) -> Self {
        match self {
            Self::Feature(feature) => Self::Feature(Feature {
                resource: Resource::Latent,
                direction: Direction::default(),
                unit: None,
                drifts: false,
                tells: crate::domain::Tells::default(),
                // The expanded expression is part of the key by itself.
                query: String::new(),
                ..feature.clone()
            }),
            Self::Latency(query) => Self::Latency(LatencyQuery { query: String::new(), ..query.clone() }),
            slo => slo.clone(),
        }
    }
}

/// One PromQL query of the plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// Under what its data is stored.
    pub key: Key,
    /// What it is called in messages.
    pub label: Clean,
    /// The expression, ready to be sent.
    pub expr: String,
    /// What its series mean.
    pub meaning: Meaning,
}

/// The trace searches of the plan.
#[derive(Clone, Debug, PartialEq)]
pub struct TracePlan {
    /// Under what its data is stored.
    pub key: Key,
    /// Under what windows are stored that are too young to be complete: what is known about them
    /// depends on the moment of the question, so it must not mix with what is known for good.
    pub young: Key,
    /// Services (as traces call them) and operations whose traces are searched.
    pub entries: Vec<(ServiceName, Option<Clean>)>,
    /// Latency quantiles of requests from outside: the settings' and those of the SLOs.
    pub entry_quantiles: Vec<Quantile>,
    /// Whether an SLO is read from spans, so that searches are needed in any case.
    pub needed_by_slo: bool,
}

/// What a plan is made from.
#[derive(Clone, Copy, Debug)]
pub struct PlanInput<'a> {
    /// Window settings.
    pub settings: &'a WindowSettings,
    /// Features and latencies; where two give the same column, the earlier one wins.
    pub catalogue: &'a Catalogue,
    /// Values of the templates' placeholders.
    pub vars: &'a BTreeMap<String, String>,
    /// SLOs; their services are the entries that traces are searched for.
    pub slos: &'a [Slo],
    /// Names in traces and their workloads.
    pub names: &'a NameMap,
    /// Base URL of Prometheus, if there is one.
    pub prometheus: Option<&'a str>,
    /// Base URL of Jaeger, if there is one.
    pub jaeger: Option<&'a str>,
}

/// Everything to be fetched for a context. Cheap to compute; holds no data.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Window settings.
    pub settings: WindowSettings,
    /// Names in traces and their workloads.
    pub names: NameMap,
    /// PromQL queries, in order of precedence.
    pub queries: Vec<Query>,
    /// Trace searches, if there is a Jaeger and an entry to search for.
    pub traces: Option<TracePlan>,
    /// What of the catalogue cannot be used, and why.
    pub warnings: Vec<Clean>,
}

impl Plan {
    /// Expands the catalogue and the SLOs. Never fails: what cannot be used is left out and
    /// named in [`Plan::warnings`].
    pub fn new(input: PlanInput<'_>) -> Self {
        let mut plan = Self {
            settings: input.settings.clone(),
            names: input.names.clone(),
            queries: Vec::new(),
            traces: None,
            warnings: Vec::new(),
        };
        if let Some(url) = input.prometheus {
            plan.add_catalogue(url, input.catalogue, input.vars);
            for slo in input.slos {
                plan.add_slo(url, slo, input.vars);
            }
        }
        plan.traces = input.jaeger.and_then(|url| plan.trace_plan(url, input.slos));
        if input.jaeger.is_some() && plan.traces.is_none() {
            plan.warnings
                .push("no traces are read: without an SLO there is no entry service to search for".into());
        }
        plan
    }

    fn add_catalogue(&mut self, url: &str, catalogue: &Catalogue, vars: &BTreeMap<String, String>) {
        for feature in &catalogue.feature {
            // Names are unique within a scope only.
            let label = match feature.scope {
                Scope::Service => feature.name.clone(),
                Scope::Channel => Clean::new(&format!("channel {}", feature.name)),
                Scope::Node => Clean::new(&format!("node {}", feature.name)),
            };
            self.add(url, label, &feature.query, vars, Meaning::Feature(feature.clone()));
        }
        for (n, latency) in catalogue.latency.iter().enumerate() {
            let stat = latency.quantile.map_or_else(
                || "calls".to_owned(),
                |q| format!("{:?} {}", latency.side, Quantile::from_fraction(q)).to_lowercase(),
            );
            let label = Clean::new(&format!("latency {} ({stat})", n + 1));
            if latency.caller.is_none() && latency.callee.is_none() {
                self.warnings.push(Clean::new(&format!(
                    "{label} is not used: it names neither a caller nor a callee label"
                )));
                continue;
            }
            self.add(url, label, &latency.query, vars, Meaning::Latency(latency.clone()));
        }
    }

    fn add_slo(&mut self, url: &str, slo: &Slo, vars: &BTreeMap<String, String>) {
        let rpc = self.entry_rpc(slo);
        let meaning = |to_ms| Meaning::Slo { rpc: rpc.clone(), quantile: slo.quantile, to_ms };
        match &slo.source {
            SloSource::Traces => {}
            SloSource::Quantile { query, unit } => {
                let label = Clean::new(&format!("SLO {}", slo.name));
                self.add(url, label, query, vars, meaning(unit.to_ms()));
            }
            SloSource::Histogram { metric, unit } => {
                for (form, quantile, count) in histogram(metric, slo.quantile, self.settings.length_s()) {
                    let label = |what| Clean::new(&format!("SLO {} {what} ({form} histogram)", slo.name));
                    self.add(url, label("quantile"), &quantile, vars, meaning(unit.to_ms()));
                    self.add(url, label("count"), &count, vars, Meaning::SloCount { rpc: rpc.clone() });
                }
            }
        }
    }

    fn add(
        &mut self,
        url: &str,
        label: Clean,
        template: &str,
        vars: &BTreeMap<String, String>,
        meaning: Meaning,
    ) {
        match render(template, vars, self.settings.length, self.settings.scrape_interval) {
            Ok(expr) => {
                let shape = meaning.shape();
                let key = Key::of(&("promql", url, &expr, &shape, self.settings.length_s(), &self.names));
                // Two SLOs may share a histogram: its count is asked for once.
                if self.queries.iter().all(|query| query.key != key) {
                    self.queries.push(Query { key, label, expr, meaning });
                }
            }
            Err(why) => self.warnings.push(Clean::new(&format!("{label} is not used: {why}"))),
        }
    }

    fn trace_plan(&self, url: &str, slos: &[Slo]) -> Option<TracePlan> {
        let entries: BTreeSet<_> = slos
            .iter()
            .flat_map(|slo| {
                self.names.in_traces(&slo.service).into_iter().map(|name| (name, slo.operation.clone()))
            })
            .collect();
        // An entry without an operation covers those with one.
        let entries: Vec<_> = entries
            .iter()
            .filter(|(service, operation)| operation.is_none() || !entries.contains(&(service.clone(), None)))
            .cloned()
            .collect();
        if entries.is_empty() {
            return None;
        }
        let s = &self.settings;
        let of_slos = slos.iter().map(|slo| slo.quantile);
        let entry_quantiles: BTreeSet<_> = s.quantiles.iter().copied().chain(of_slos).collect();
        let quantiles = (&s.quantiles, &entry_quantiles);
        let shape = (s.length_s(), s.settle.as_secs(), quantiles, s.granularity as u8, s.sample_traces);
        Some(TracePlan {
            key: Key::of(&("traces", url, &entries, &shape, &self.names)),
            young: Key::of(&("young traces", url, &entries, &shape, &self.names)),
            entries,
            entry_quantiles: entry_quantiles.into_iter().collect(),
            needed_by_slo: slos.iter().any(|slo| slo.source == SloSource::Traces),
        })
    }

    /// Identifies all that shapes the window table: equal keys, equal tables from the same data.
    pub fn key(&self) -> Key {
        let s = &self.settings;
        let queries: Vec<&str> = self.queries.iter().map(|query| query.key.as_str()).collect();
        let traces = self.traces.as_ref().map(|traces| traces.key.as_str());
        let precedence = (s.latency_source, s.trace_windows);
        Key::of(&(queries, traces, precedence, s.length_s(), s.history.as_secs()))
    }

    /// The RPC whose columns hold an SLO's latency.
    pub fn entry_rpc(&self, slo: &Slo) -> Rpc {
        Rpc::entry(self.names.canonical(&slo.service), slo.operation.as_ref())
    }
}

/// (form, quantile query, count query) of a histogram, for the classic and the native form: which
/// of the two a server has shows only when asked.
fn histogram(metric: &str, quantile: Quantile, length_s: i64) -> Vec<(&'static str, String, String)> {
    let metric = metric.trim();
    let (name, selector) = metric.split_at(metric.find('{').unwrap_or(metric.len()));
    let name = name.trim_end();
    let name = name.strip_suffix("_bucket").unwrap_or(name);
    let q = quantile.fraction();
    let mut forms = Vec::new();
    // `{"http.duration"}` carries its name inside the braces: no suffix can be appended.
    if !name.is_empty() {
        forms.push((
            "classic",
            format!("histogram_quantile({q}, sum by (le) (rate({name}_bucket{selector}[{{{{rate}}}}])))"),
            format!("{length_s} * sum(rate({name}_count{selector}[{{{{rate}}}}]))"),
        ));
    }
    forms.push((
        "native",
        format!("histogram_quantile({q}, sum(rate({name}{selector}[{{{{rate}}}}])))"),
        format!("{length_s} * sum(histogram_count(rate({name}{selector}[{{{{rate}}}}])))"),
    ));
    forms
}

#[cfg(test)]
mod tests;
