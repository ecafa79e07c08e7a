//! How hard the lab's scenarios are: how often naive rules find the culprit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::Serialize;

use super::observe::{ROW_S, observe};
use crate::baselines::rules::Rule;
use crate::baselines::table::Table;
use crate::domain::Resource;
use crate::lab::app::Application;
use crate::lab::cluster::Cluster;
use crate::lab::scenario::{LEAD_S, Scenario, ScenarioError, Timing, WINDOW_S, draw, word};
use crate::lab::sim::{SECOND, Settings, SimError};

/// Sizes of the clusters that scenarios take in turn.
const NODES: [usize; 3] = [3, 4, 6];
/// Healthy moments that make a history, spread over the day.
const MOMENTS: u64 = 24;
/// What is not counted at the start of a run, in seconds: queues and caches fill.
const WARM_UP_S: f64 = 20.0;
/// Rows of a healthy moment.
const MOMENT_ROWS: usize = 4;

/// What to measure.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The application.
    pub app: Arc<Application>,
    /// How many scenarios.
    pub scenarios: usize,
    /// Seed of the first; the others follow.
    pub seed: u64,
    /// Threads.
    pub threads: usize,
}

/// One scenario and what the rules made of it.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Seed of the scenario.
    pub seed: u64,
    /// Machines of its cluster.
    pub nodes: usize,
    /// What happened.
    pub title: String,
    /// Kind of the fault that is to blame, or `several`.
    pub kind: String,
    /// The objective's quantile in milliseconds as the entry's own metrics have it.
    pub tail_ms: f64,
    /// The causes: `service resource`, with `@ node` where the node is to blame.
    pub causes: Vec<String>,
    /// Sets of causes as small that would do as well.
    pub alternatives: usize,
    /// Whether all sets as small as the label were tried.
    pub smallest: bool,
    /// The service that each rule blames.
    pub blamed: BTreeMap<Rule, Option<String>>,
    /// The rules that blame a service of the label or of an alternative; `None` if no service is to blame,
    /// but the load.
    pub right: Option<BTreeSet<Rule>>,
}

/// The scenarios of an application and how they were judged.
#[derive(Clone, Debug, Serialize)]
pub struct Difficulty {
    /// Always [`SCHEMA`].
    pub schema: &'static str,
    /// The application.
    pub app: String,
    /// Seed of the first scenario.
    pub seed: u64,
    /// Share found by each rule, of the scenarios in which a service is to blame.
    pub found: BTreeMap<Rule, f64>,
    /// The scenarios by seed.
    pub outcomes: Vec<Outcome>,
}

/// Value of [`Difficulty::schema`].
pub const SCHEMA: &str = "sagetop.difficulty/1";

/// Draws the scenarios, measures them and asks the rules. `progress` hears of each that is done.
///
/// The result depends on application and seed alone, not on the number of threads.
///
/// # Errors
/// Nothing harms the application, or its parts do not fit together.
pub fn measure(plan: &Plan, progress: &(dyn Fn() + Sync)) -> Result<Difficulty, ScenarioError> {
    let sites = NODES.map(|nodes| Site::new(plan, nodes));
    let sites = sites.into_iter().collect::<Result<Vec<_>, _>>()?;
    let run = |index: usize| {
        let seed = plan.seed + index as u64;
        // By the round of kinds, so that each kind meets each cluster.
        let site = &sites[(index + index / 17) % sites.len()];
        let outcome = site.outcome(&plan.app, seed);
        progress();
        outcome
    };
    let outcomes = each(plan.scenarios, plan.threads, run)?;
    let judged = || outcomes.iter().filter_map(|outcome| outcome.right.as_ref());
    let found = Rule::ALL.map(|rule| {
        let right = judged().filter(|right| right.contains(&rule)).count();
        (rule, right as f64 / judged().count().max(1) as f64)
    });
    Ok(Difficulty {
        schema: SCHEMA,
        app: plan.app.name.to_string(),
        seed: plan.seed,
        found: found.into_iter().collect(),
        outcomes,
    })
}

/// Does `count` things on several threads; the results are in order.
pub(super) fn each<T: Send, E: Send>(
    count: usize,
    threads: usize,
    run: impl Fn(usize) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        return;
                    }
                    let result = run(index);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((index, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

/// A cluster with what is normal there.
struct Site {
    cluster: Cluster,
    history: Table,
}

impl Site {
    /// Healthy moments of many days at all times of day, as the rules' idea of what is normal.
    fn new(plan: &Plan, nodes: usize) -> Result<Self, SimError> {
        let cluster = Cluster::for_application(&plan.app, nodes);
        let rows = Vec::from_iter((0..MOMENT_ROWS).map(|row| WARM_UP_S + row as f64 * ROW_S));
        let moments = each(MOMENTS as usize, plan.threads, |moment| {
            let mut random = StdRng::seed_from_u64(plan.seed ^ (moment as u64 + 1) << 32);
            let mut settings = Settings { seed: random.random(), ..Settings::default() };
            settings.start = 86_400 / MOMENTS * moment as u64 * SECOND;
            settings.load.scale = random.random_range(0.85..1.1);
            observe(&plan.app, &cluster, &settings, &[], &rows)
        })?;
        let mut history = Table::default();
        moments.iter().for_each(|moment| history.extend(moment));
        Ok(Self { cluster, history })
    }

    fn outcome(&self, app: &Arc<Application>, seed: u64) -> Result<Outcome, ScenarioError> {
        let scenario = draw(app, &self.cluster, Timing::default(), seed)?;
        let rows = (0..).map(|row| WARM_UP_S + 10.0 + f64::from(row) * ROW_S);
        let rows = Vec::from_iter(rows.take_while(|row| row + ROW_S <= WINDOW_S.1));
        let incident = rows.iter().position(|row| *row >= WINDOW_S.0).unwrap_or(rows.len())..rows.len();
        let healthy = rows.iter().filter(|row| **row + ROW_S <= LEAD_S).count();
        let life = observe(app, &self.cluster, &scenario.settings, &scenario.faults, &rows)?;
        let mut history = self.history.clone();
        history.extend(&life.first(healthy));
        let entry = app.entry().and_then(|entry| app.services.get(entry)).map_or("", |entry| &*entry.name);
        let blame = |rule: Rule| (rule, rule.blame(&history, &life, incident.clone(), entry));
        let blamed: BTreeMap<Rule, Option<String>> = Rule::ALL.map(blame).into_iter().collect();
        let culprits = culprits(&scenario);
        let right = blamed.iter().filter_map(|(rule, service)| {
            service.as_ref().filter(|service| culprits.contains(service.as_str())).map(|_| *rule)
        });
        let right = (!culprits.is_empty()).then(|| right.collect());
        let kinds = Vec::from_iter(scenario.culprits().map(|fault| word(&fault.kind)));
        let tell = |blame: &crate::lab::truth::Blame| {
            let node = blame.node.as_ref().map(|node| format!(" @ {node}"));
            format!("{} {}{}", blame.cause.service, blame.cause.resource, node.unwrap_or_default())
        };
        Ok(Outcome {
            seed,
            nodes: self.cluster.nodes.len(),
            kind: if let [kind] = kinds.as_slice() { kind.clone() } else { "several".to_owned() },
            tail_ms: scenario.label.factual.seen_ms,
            causes: scenario.label.causes.iter().map(tell).collect(),
            alternatives: scenario.label.alternatives.len(),
            smallest: scenario.label.smallest,
            title: scenario.title,
            blamed,
            right,
        })
    }
}

/// The services that are to blame, also in sets that would do as well. The load is no service.
fn culprits(scenario: &Scenario) -> BTreeSet<String> {
    let label = &scenario.label;
    let sets = label.alternatives.iter().chain([&label.causes]);
    let blames = sets.flatten().filter(|blame| blame.cause.resource != Resource::Load);
    blames.map(|blame| blame.cause.service.clone()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;
    use crate::lab::app::named;

    fn plan(threads: usize) -> Plan {
        let mut app = named("chain-2").unwrap();
        app.rate = 10.0;
        Plan { app: Arc::new(app), scenarios: 2, seed: 5, threads }
    }

    #[test]
    fn the_result_does_not_depend_on_the_number_of_threads() {
        let done = AtomicUsize::new(0);
        let count = || {
            done.fetch_add(1, Ordering::Relaxed);
        };
        let [one, two] = [1, 2].map(|threads| measure(&plan(threads), &count).unwrap());
        let text = |measured: &Difficulty| serde_json::to_string(measured).unwrap();
        assert_eq!(text(&one), text(&two));
        assert_eq!(done.into_inner(), 4);
        assert_eq!(one.outcomes.len(), 2);
        assert!(one.outcomes.iter().all(|outcome| !outcome.causes.is_empty() && outcome.blamed.len() == 4));
        let table = one.to_string();
        assert!(table.contains("| **all but load** | 2 |"), "{table}");
    }

    #[test]
    fn results_are_in_order_and_the_first_error_wins() {
        let squares: Result<Vec<usize>, usize> = each(20, 3, |i| Ok(i * i));
        assert_eq!(squares.unwrap(), Vec::from_iter((0..20).map(|i| i * i)));
        let failed = each(20, 3, |i| if i % 7 == 6 { Err(i) } else { Ok(i) });
        assert_eq!(failed.unwrap_err(), 6);
    }
}
