//! The accuracy figure: bars and tables.

use std::collections::BTreeMap;

use super::judge::{MEASURES, Scores, by_kind, methods, scores, share, together};
use super::settings_key;
use crate::eval::model::others::Judged;
use crate::eval::model::report::PRODUCT;
use crate::eval::model::score::Score;
use crate::eval::model::share::{self, count, ranked};
use crate::eval::paper::figure::{Content, Drawing, Estimate, Figure, Panel, Scale, Table, cell};
use crate::eval::paper::{Ledger, Settings, published};

/// The figure, if anything was measured.
pub fn figure(settings: &Settings, ledger: &Ledger) -> Option<Figure> {
    let scores = scores(settings, ledger);
    let methods = methods(&scores);
    let incidents = scores.values().filter_map(|of| of.get(PRODUCT)).map(|of| of.scores.len()).sum::<usize>();
    (incidents > 0).then(|| Figure {
        name: "accuracy",
        title: format!("Root causes found: {incidents} held-back incidents, 95 % intervals"),
        tables: vec![
            overall(&scores, &methods),
            by_app(&scores),
            beside(&scores, &methods),
            kinds(settings, ledger),
            set_to(settings, ledger),
        ],
        data: data(&scores, &methods),
        drawing: drawing(&scores, &methods),
    })
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

/// The share of these incidents, and with its interval.
fn percent(scores: &[Score], is: impl Fn(&Score) -> bool) -> String {
    share::percent(count(scores, is), scores.len())
}

fn interval(scores: &[Score], is: impl Fn(&Score) -> bool) -> String {
    share::interval(count(scores, is), scores.len())
}

/// The share of the causes found whose resource is right.
fn resources(scores: &[Score]) -> String {
    let sum = |of: fn(&Score) -> usize| scores.iter().map(of).sum::<usize>();
    share::percent(sum(|score| score.resources), sum(|score| score.found))
}

/// All methods: over all applications, and the services on each.
fn overall(scores: &Scores, methods: &[String]) -> Table {
    let mut head =
        vec!["method, over all", "incidents", "services [95 %]", "missed", "wrong", "AC@1", "AC@3"];
    head.extend(scores.keys().map(String::as_str));
    let mut table = Table::new(&head);
    for method in methods {
        let all = together(scores, method);
        let [right, missed, wrong] = MEASURES.map(|(_, is, _)| is);
        let mut cells = vec![
            cell(method),
            cell(all.len()),
            interval(&all, right),
            percent(&all, missed),
            percent(&all, wrong),
            ranked(&all, |(first, _)| first),
            ranked(&all, |(_, three)| three),
        ];
        let services = |of: &BTreeMap<String, Judged>| match of.get(method) {
            Some(judged) => percent(&judged.scores, |score| score.services),
            None => percent(&[], right),
        };
        cells.extend(scores.values().map(services));
        table.row(cells);
    }
    table
}

/// The product in detail.
fn by_app(scores: &Scores) -> Table {
    let head = ["application", "exact [95 %]", "services", "missed", "wrong", "resource, of those found"];
    let mut table = Table::new(&head);
    let mut row = |app: &str, own: &[Score]| {
        table.row([
            cell(app),
            interval(own, |score| score.exact),
            percent(own, |score| score.services),
            percent(own, |score| score.missed > 0),
            percent(own, |score| score.wrong > 0),
            resources(own),
        ]);
    };
    for (app, judged) in scores {
        judged.get(PRODUCT).into_iter().for_each(|own| row(app, &own.scores));
    }
    if scores.len() > 1 {
        row("all", &together(scores, PRODUCT));
    }
    table
}

/// Ours beside what was published.
fn beside(scores: &Scores, methods: &[String]) -> Table {
    let head = [
        "method",
        "application",
        "accuracy: ours",
        "published",
        "missed: ours",
        "published",
        "wrong: ours",
        "published",
        "source",
    ];
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
                cells.push(percent(&here, is));
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
    let mut table = Table::new(&[
        "application",
        "method",
        "measure",
        "incidents",
        "share",
        "low",
        "high",
        "published",
        "cut",
    ]);
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

/// The product's answers by what broke.
fn kinds(settings: &Settings, ledger: &Ledger) -> Table {
    let mut kinds = Vec::from_iter(by_kind(settings, ledger));
    let exact = |scores: &[Score]| scores.iter().filter(|score| score.exact).count();
    let rate = |scores: &[Score]| exact(scores) as f64 / scores.len() as f64;
    kinds.sort_by(|(_, a), (_, b)| rate(b).total_cmp(&rate(a)).then(b.len().cmp(&a.len())));
    let mut table = Table::new(&[
        "what broke",
        "incidents",
        "exact",
        "services",
        "missed",
        "wrong",
        "resource, of those found",
    ]);
    for (kind, scores) in kinds {
        table.row([
            kind,
            cell(scores.len()),
            cell(exact(&scores)),
            cell(scores.iter().filter(|score| score.services).count()),
            cell(scores.iter().filter(|score| score.missed > 0).count()),
            cell(scores.iter().filter(|score| score.wrong > 0).count()),
            resources(&scores),
        ]);
    }
    table
}

/// What the other methods were set to.
fn set_to(settings: &Settings, ledger: &Ledger) -> Table {
    let mut known: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for app in &settings.apps {
        let of_app: BTreeMap<String, String> = ledger.get(&settings_key(app)).unwrap_or_default();
        for set in of_app {
            known.entry(set).or_default().push(app.name.to_string());
        }
    }
    let mut table = Table::new(&["method", "settings", "in"]);
    for ((method, set), apps) in known {
        table.row([
            method,
            set,
            if apps.len() == settings.apps.len() { cell("all") } else { apps.join(", ") },
        ]);
    }
    table
}
