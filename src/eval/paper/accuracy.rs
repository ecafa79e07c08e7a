//! Who finds the root cause: the product and every other method on the same held-back incidents.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use super::figure::{Content, Drawing, Estimate, Figure, Panel, Scale, Table, cell};
use super::published::{self, Published};
use super::run::{Unit, fill};
use super::{Ledger, PaperError, Settings};
use crate::baselines;
use crate::eval::model::case::Case;
use crate::eval::model::ground::{Ground, digest};
use crate::eval::model::others::{Cut, Others, Reply};
use crate::eval::model::report::PRODUCT;
use crate::eval::model::run::ground_of;
use crate::eval::model::score::{Named, Score, named, score};
use crate::eval::model::{EvalError, Tell};
use crate::lab::app::Application;
use crate::lab::truth::Blame;

/// Raised when incidents are judged in another way.
const RECIPE: u32 = 1;
/// Services of a ranking that are kept: nothing looks further.
const KEPT: usize = 5;

/// What really happened, as far as answers are judged by it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Truth {
    kind: String,
    sets: Vec<BTreeSet<Blame>>,
}

/// What methods said of an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Replies {
    truth: Truth,
    /// Whether the objective was violated as the product measures it.
    violated: bool,
    /// The kind of the product's verdict; empty for the others.
    verdict: String,
    by_method: BTreeMap<String, Reply>,
}

/// The keys of an incident: the product's answer and the others'. Other methods make another key, so a
/// new one is asked without asking the product again.
fn keys(settings: &Settings, app: &Application, seed: u64) -> [String; 2] {
    let names = Vec::from_iter(baselines::all(0.0).iter().map(|method| method.name()));
    let of = format!("accuracy/{}/{}/{seed}", app.name, settings.nodes);
    let others = digest(&format!("{names:?} {}", settings.labels));
    [format!("{of}/{PRODUCT}-{RECIPE}"), format!("{of}/others-{RECIPE}-{others}")]
}

fn all_keys(settings: &Settings, app: &Application) -> Vec<String> {
    settings.seeds().flat_map(|seed| keys(settings, app, seed)).collect()
}

/// All units of work.
pub fn units(settings: &Settings) -> Vec<Unit> {
    let keys = settings.apps.iter().flat_map(|app| {
        let services = app.services.len() as f64;
        // A share of the history's simulation and the training, and the incident's own.
        all_keys(settings, app).into_iter().map(move |key| Unit { key, usual_s: 2.0 + 0.5 * services })
    });
    keys.collect()
}

/// Asks about every incident that nothing is known of.
pub fn measure(
    settings: &Settings,
    ledger: &Ledger,
    runtime: &Handle,
    tell: &dyn Tell,
) -> Result<(), PaperError> {
    settings.apps.iter().try_for_each(|app| measure_app(settings, app, ledger, runtime, tell))
}

fn measure_app(
    settings: &Settings,
    app: &Arc<Application>,
    ledger: &Ledger,
    runtime: &Handle,
    tell: &dyn Tell,
) -> Result<(), PaperError> {
    let keys = all_keys(settings, app);
    if keys.iter().all(|key| ledger.knows(key)) {
        return Ok(());
    }
    let plan = settings.plan(app);
    let ground = ground_of(&plan, runtime, tell)?;
    tell.say("other methods learn");
    let others = Others::new(&ground, &plan, runtime, tell)?;
    let seeds = Vec::from_iter(settings.seeds());
    // The product first: it makes the windows that all of them see.
    let (product, rest): (Vec<_>, Vec<_>) = keys.chunks_exact(2).map(|pair| (&pair[0], &pair[1])).unzip();
    let owned = |keys: Vec<&String>| Vec::from_iter(keys.into_iter().cloned());
    tell.say("the product's answers");
    fill(&owned(product), settings.threads, ledger, tell, |index| Ok(of_product(&ground, seeds[index])?))?;
    tell.say("the others' answers");
    fill(&owned(rest), settings.threads, ledger, tell, |index| {
        let case = Case::open(&ground, seeds[index])?;
        let by_method = others.ask(&case.picture()?)?;
        let by_method = by_method.into_iter().map(|(name, reply)| (name, short(reply)));
        Ok(Replies {
            truth: truth(&case),
            violated: true,
            verdict: String::new(),
            by_method: by_method.collect(),
        })
    })?;
    ledger_settings(app, &others, ledger)
}

/// Keeps what the methods were set to.
fn ledger_settings(app: &Application, others: &Others, ledger: &Ledger) -> Result<(), PaperError> {
    let key = format!("settings/{}", app.name);
    let now = others.settings();
    if ledger.get::<BTreeMap<String, String>>(&key).is_some_and(|kept| kept == now) {
        return Ok(());
    }
    ledger.put(&key, 0.0, &now)
}

fn truth(case: &Case<'_>) -> Truth {
    Truth { kind: case.truth.kind.clone(), sets: case.truth.sets().cloned().collect() }
}

fn short(mut reply: Reply) -> Reply {
    reply.ranking.truncate(KEPT);
    reply
}

fn of_product(ground: &Ground, seed: u64) -> Result<Replies, EvalError> {
    let case = Case::open(ground, seed)?;
    let (verdict, _) = case.ask()?;
    let ranking = verdict.ranking.iter().map(|ranked| (ranked.service.as_str().to_owned(), ranked.score));
    let reply = Reply { ranking: ranking.collect(), blamed: Some(named(&verdict)) };
    Ok(Replies {
        truth: truth(&case),
        violated: verdict.slo.observed_ms.is_some_and(|ms| ms > verdict.slo.objective_ms),
        verdict: verdict.kind.word().to_owned(),
        by_method: BTreeMap::from([(PRODUCT.to_owned(), short(reply))]),
    })
}

/// The scores of a method on an application, and how its ranking became blame.
struct Judged {
    scores: Vec<Score>,
    cut: Option<Cut>,
}

/// By application, then by method.
type Scores = BTreeMap<String, BTreeMap<String, Judged>>;

fn scores(settings: &Settings, ledger: &Ledger) -> Scores {
    let mut all = Scores::new();
    for app in &settings.apps {
        let replies = all_keys(settings, app).into_iter().filter_map(|key| ledger.get::<Replies>(&key));
        let mut by_method: BTreeMap<String, Vec<(Truth, Reply)>> = BTreeMap::new();
        for Replies { truth, by_method: said, .. } in replies {
            for (name, reply) in said {
                by_method.entry(name).or_default().push((truth.clone(), reply));
            }
        }
        let judged = by_method.into_iter().map(|(name, cases)| (name, best(&cases)));
        let judged = BTreeMap::from_iter(judged);
        if judged.contains_key(PRODUCT) {
            all.insert(app.name.to_string(), judged);
        }
    }
    all
}

/// A method that only ranks gets its best chance: the cut that is right most often on these very cases.
fn best(cases: &[(Truth, Reply)]) -> Judged {
    let judged = |cut: Option<Cut>| {
        let scores = cases.iter().map(|(truth, reply)| {
            let services = Vec::from_iter(reply.ranking.iter().map(|(service, _)| service.clone()));
            let cut = || cut.map(|cut| cut.blamed(&reply.ranking)).unwrap_or_default();
            let blamed: Vec<Named> = reply.blamed.clone().unwrap_or_else(cut);
            score(truth.sets.iter(), &blamed, &services)
        });
        Judged { scores: scores.collect(), cut }
    };
    if cases.iter().all(|(_, reply)| reply.blamed.is_some()) {
        return judged(None);
    }
    let right = |judged: &Judged| judged.scores.iter().filter(|score| score.services).count();
    let cuts = Cut::all().map(|cut| judged(Some(cut)));
    cuts.reduce(|best, next| if right(&next) > right(&best) { next } else { best })
        .unwrap_or(Judged { scores: Vec::new(), cut: None })
}

/// A measure of an incident's score, what it is called, and what was published of it.
type Measure = (&'static str, fn(&Score) -> bool, fn(&Published) -> Option<f64>);

/// The three measures of the paper, on services: what all methods name.
const MEASURES: [Measure; 3] = [
    ("accuracy: exactly the right services", |score| score.services, |published| published.accuracy),
    ("false negatives: a cause missed", |score| score.overlooked > 0, |published| published.missed),
    ("false positives: an innocent blamed", |score| score.accused > 0, |published| published.wrong),
];

fn share(scores: &[Score], is: fn(&Score) -> bool) -> Option<Estimate> {
    Estimate::share(scores.iter().filter(|score| is(score)).count(), scores.len())
}

/// The figure, if anything was measured.
pub fn figure(settings: &Settings, ledger: &Ledger) -> Option<Figure> {
    let scores = scores(settings, ledger);
    let methods = methods(&scores);
    let incidents = scores.values().filter_map(|of| of.get(PRODUCT)).map(|of| of.scores.len()).sum::<usize>();
    (incidents > 0).then(|| Figure {
        name: "accuracy",
        title: format!("Root causes found: {incidents} held-back incidents, 95 % intervals"),
        tables: vec![overall(&scores, &methods), by_app(&scores, &methods), beside(&scores, &methods)],
        data: data(&scores, &methods),
        drawing: drawing(&scores, &methods),
    })
}

/// The methods, the product first, then by how often they are right.
fn methods(scores: &Scores) -> Vec<String> {
    let names: BTreeSet<&String> = scores.values().flat_map(BTreeMap::keys).collect();
    let right = |name: &str| together(scores, name).iter().filter(|score| score.services).count();
    let mut names = Vec::from_iter(names.into_iter().cloned());
    names.sort_by_key(|name| (name != PRODUCT, std::cmp::Reverse(right(name))));
    names
}

fn together(scores: &Scores, method: &str) -> Vec<Score> {
    scores.values().filter_map(|of| of.get(method)).flat_map(|judged| judged.scores.clone()).collect()
}

/// Bars that can be told apart.
const MOST_SERIES: usize = 10;

/// Those that are drawn: the paper's, and of the others the best.
fn drawn(methods: &[String]) -> Vec<&String> {
    let known = |name: &str| published::ALL.iter().any(|p| published::is(name, p.method));
    let mut chosen = Vec::from_iter(methods.iter().filter(|name| known(name)));
    chosen.extend(methods.iter().filter(|name| !known(name)));
    chosen.truncate(MOST_SERIES);
    chosen
}

fn drawing(scores: &Scores, methods: &[String]) -> Drawing {
    let methods = drawn(methods);
    let panels = MEASURES.iter().map(|(title, is, of_published)| {
        let groups = scores.keys().cloned().chain(["all".to_owned()]);
        let bars = |judged: &dyn Fn(&str) -> Option<Estimate>| {
            Vec::from_iter(methods.iter().map(|method| judged(method)))
        };
        let by_app = scores.values().map(|of| bars(&|method| share(&of.get(method)?.scores, *is)));
        let all = bars(&|method| share(&together(scores, method), *is));
        let published = scores.keys().map(|app| {
            let of = |method: &&String| of_published(published::of(method, app)?);
            Vec::from_iter(methods.iter().map(of))
        });
        Panel {
            title: (*title).to_owned(),
            x: String::new(),
            y: Scale::percent("incidents"),
            content: Content::Bars {
                groups: groups.collect(),
                values: by_app.chain([all]).collect(),
                published: published.collect(),
            },
        }
    });
    Drawing {
        columns: 1,
        height: 190,
        legend: methods.iter().map(|name| (*name).clone()).collect(),
        panels: panels.collect(),
    }
}

fn percent(share: Option<Estimate>) -> String {
    share.map_or_else(|| "–".to_owned(), |share| format!("{:.0} %", 100.0 * share.value))
}

fn interval(share: Option<Estimate>) -> String {
    share.map_or_else(
        || "–".to_owned(),
        |s| format!("{:.0} % [{:.0}–{:.0}]", 100.0 * s.value, 100.0 * s.low, 100.0 * s.high),
    )
}

/// Mean over the incidents in which a service is to blame.
fn ranked(scores: &[Score], of: fn((f64, f64)) -> f64) -> String {
    let known = Vec::from_iter(scores.iter().filter_map(|score| score.ranked.map(of)));
    if known.is_empty() {
        return "–".to_owned();
    }
    format!("{:.2}", known.iter().sum::<f64>() / known.len() as f64)
}

/// All applications together.
fn overall(scores: &Scores, methods: &[String]) -> Table {
    let head = ["method, over all", "incidents", "services [95 %]", "missed", "wrong", "AC@1", "AC@3"];
    let mut table = Table::new(&head);
    for method in methods {
        let scores = together(scores, method);
        let shares = MEASURES.map(|(_, is, _)| share(&scores, is));
        table.row([
            cell(method),
            cell(scores.len()),
            interval(shares[0]),
            percent(shares[1]),
            percent(shares[2]),
            ranked(&scores, |(first, _)| first),
            ranked(&scores, |(_, three)| three),
        ]);
    }
    table
}

/// The product in detail, and the services of the others.
fn by_app(scores: &Scores, methods: &[String]) -> Table {
    let mut head = vec!["application", "exact [95 %]", "services", "missed", "wrong", "resource, of those found"];
    let others = methods.iter().filter(|name| *name != PRODUCT);
    head.extend(others.clone().map(String::as_str));
    let mut table = Table::new(&head);
    let mut row = |app: &str, of: &dyn Fn(&str) -> Vec<Score>| {
        let own = of(PRODUCT);
        let sum = |of: fn(&Score) -> usize| own.iter().map(of).sum::<usize>();
        let mut cells = vec![
            cell(app),
            interval(share(&own, |score| score.exact)),
            percent(share(&own, |score| score.services)),
            percent(share(&own, |score| score.missed > 0)),
            percent(share(&own, |score| score.wrong > 0)),
            percent(Estimate::share(sum(|score| score.resources), sum(|score| score.found))),
        ];
        cells.extend(others.clone().map(|method| percent(share(&of(method), |score| score.services))));
        table.row(cells);
    };
    for (app, judged) in scores {
        row(app, &|method| judged.get(method).map(|of| of.scores.clone()).unwrap_or_default());
    }
    if scores.len() > 1 {
        row("all", &|method| together(scores, method));
    }
    table
}

/// Ours beside what was published.
fn beside(scores: &Scores, methods: &[String]) -> Table {
    let head = ["method", "application", "accuracy: ours", "published", "missed: ours", "published", "wrong: ours", "published", "source"];
    let mut table = Table::new(&head);
    for method in methods {
        for known in published::ALL.iter().filter(|known| published::is(method, known.method)) {
            let of_app = |app: &str| known.app.is_none_or(|name| published::is(app, name));
            let here = scores.iter().filter(|(app, _)| of_app(app)).filter_map(|(_, of)| of.get(method));
            let here = Vec::from_iter(here.flat_map(|judged| judged.scores.clone()));
            if here.is_empty() {
                continue;
            }
            let mut cells = vec![cell(method), cell(known.app.unwrap_or("all"))];
            for (_, is, of_published) in MEASURES {
                cells.push(percent(share(&here, is)));
                let value = of_published(known).map(|value| format!("{:.1} %", 100.0 * value));
                cells.push(value.unwrap_or_else(|| "–".to_owned()));
            }
            cells.push(cell(known.note));
            table.row(cells);
        }
    }
    table
}

fn data(scores: &Scores, methods: &[String]) -> Table {
    let mut table =
        Table::new(&["application", "method", "measure", "incidents", "share", "low", "high", "published", "cut"]);
    for (app, of) in scores {
        for (method, judged) in methods.iter().filter_map(|method| Some((method, of.get(method)?))) {
            let cut = judged.cut.map(|cut| format!("first {} from {:.2} on", cut.most, cut.share));
            for (measure, is, of_published) in MEASURES {
                let Some(share) = share(&judged.scores, is) else { continue };
                let published = published::of(method, app).and_then(of_published);
                let number = |value: f64| format!("{value:.4}");
                table.row([
                    cell(app),
                    cell(method),
                    cell(measure.split(':').next().unwrap_or(measure)),
                    cell(judged.scores.len()),
                    number(share.value),
                    number(share.low),
                    number(share.high),
                    published.map(number).unwrap_or_default(),
                    cut.clone().unwrap_or_default(),
                ]);
            }
        }
    }
    table
}
