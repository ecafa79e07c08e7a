//! Recorded incidents as a figure.

use std::collections::BTreeMap;

use super::{Answer, CONTROL, Fault, Score, Set, key, methods, seeds, set_key};
use crate::eval::model::report::PRODUCT;
use crate::eval::paper::Ledger;
use crate::eval::paper::figure::{Content, Drawing, Estimate, Figure, Panel, Scale, Table, cell};

/// Models of the product that are looked for in a ledger.
const MOST_SEEDS: u64 = 20;

/// A method's answers, a seed each.
struct Asked {
    method: &'static str,
    seeds: Vec<Vec<(Fault, Answer)>>,
}

/// A name, and whether a fault belongs to it.
type Group = (&'static str, fn(&Fault) -> bool);

/// Groups of faults, the first of which is what counts.
const GROUPS: [Group; 2] = [("performance", |fault| fault.performance), ("all", |_| true)];

/// The figure of `set`, if anything was asked.
pub fn figure(set: &Set, ledger: &Ledger) -> Option<Figure> {
    let of_seed = |method: &str, seed: u64| {
        let answer = |fault: &Fault| {
            let answer = ledger.get::<Answer>(&key(&set.name, method, seed, &fault.id))?;
            Some((fault.clone(), answer))
        };
        // Half a day would be scored as something else.
        set.faults.iter().map(answer).collect::<Option<Vec<_>>>()
    };
    let asked = methods().into_iter().map(|method| Asked {
        method,
        seeds: seeds(method, MOST_SEEDS).filter_map(|seed| of_seed(method, seed)).collect(),
    });
    let asked = Vec::from_iter(asked.filter(|asked| !asked.seeds.is_empty()));
    (!asked.is_empty()).then(|| Figure {
        name: "replay",
        title: format!("Recorded incidents: {}", set.name),
        tables: vec![table(&asked), verdicts(&asked)],
        data: data(&asked),
        drawing: drawing(&asked),
    })
}

/// The figures of all sets that were asked about.
pub fn figures(ledger: &Ledger) -> Vec<Figure> {
    let sets = ledger.keys(&set_key(""));
    sets.iter().filter_map(|key| figure(&ledger.get::<Set>(key)?, ledger)).collect()
}

impl Asked {
    fn scores(&self, is: fn(&Fault) -> bool) -> Vec<Score> {
        let score = |answers: &Vec<(Fault, Answer)>| {
            Score::services(
                answers.iter().filter(|(fault, _)| is(fault)).map(|(fault, answer)| (fault, answer)),
            )
        };
        self.seeds.iter().map(score).collect()
    }

    /// Scores of service and resource together; empty if it names no resource.
    fn resources(&self) -> Vec<Score> {
        let names = |answers: &&Vec<(Fault, Answer)>| answers.iter().any(|(_, a)| !a.resources.is_empty());
        let score = |answers: &Vec<(Fault, Answer)>| {
            let slow = answers.iter().filter(|(fault, _)| fault.performance);
            Score::resources(slow.map(|(fault, answer)| (fault, answer)))
        };
        self.seeds.iter().filter(names).map(score).collect()
    }
}

fn mean(scores: &[Score], of: impl Fn(&Score) -> f64) -> String {
    if scores.is_empty() {
        return "–".to_owned();
    }
    format!("{:.3}", scores.iter().map(of).sum::<f64>() / scores.len() as f64)
}

fn table(asked: &[Asked]) -> Table {
    let mut table = Table::new(&[
        "method",
        "faults",
        "of them",
        "AC@1 [95 %]",
        "AC@3",
        "AC@5",
        "Avg@5",
        "service + resource AC@1",
        "by seed",
    ]);
    for (group, is) in GROUPS {
        for of in asked {
            let scores = of.scores(is);
            let Some(first) = scores.first() else { continue };
            let interval = first.share(1).map(|share| format!(" [{:.2}–{:.2}]", share.low, share.high));
            let resources = if group == GROUPS[0].0 { of.resources() } else { Vec::new() };
            let by_seed = Vec::from_iter(scores.iter().map(|score| format!("{:.3}", score.ac(1))));
            table.row([
                cell(of.method),
                cell(group),
                cell(first.of),
                mean(&scores, |score| score.ac(1)) + &interval.unwrap_or_default(),
                mean(&scores, |score| score.ac(3)),
                mean(&scores, |score| score.ac(5)),
                mean(&scores, Score::avg5),
                mean(&resources, |score| score.ac(1)),
                if by_seed.len() > 1 { by_seed.join(" ") } else { String::new() },
            ]);
        }
    }
    table
}

/// What kinds of verdict the product reaches.
fn verdicts(asked: &[Asked]) -> Table {
    let mut table = Table::new(&["verdict of the product", "answers", "blame exactly the fault's service"]);
    let product = asked.iter().find(|of| of.method == PRODUCT);
    let answers =
        product.iter().flat_map(|of| of.seeds.iter().flatten()).filter(|(fault, _)| fault.performance);
    let mut kinds: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (_, answer) in answers {
        let (count, exact) = kinds.entry(&answer.verdict).or_default();
        *count += 1;
        *exact += usize::from(answer.exact == Some(true));
    }
    for (kind, (count, exact)) in kinds {
        table.row([cell(kind), cell(count), cell(exact)]);
    }
    table
}

/// Bars that can be told apart.
const MOST_SERIES: usize = 10;

fn drawing(all: &[Asked]) -> Drawing {
    let (_, slow) = GROUPS[0];
    let good = |of: &Asked| of.scores(slow).first().map_or(0.0, Score::avg5);
    // The product and its control, and of the others the best.
    let mut asked = Vec::from_iter(all);
    asked.sort_by(|a, b| good(b).total_cmp(&good(a)));
    asked.sort_by_key(|of| (of.method != PRODUCT, of.method != CONTROL));
    asked.truncate(MOST_SERIES);
    let bars = |k: usize| {
        let bar = |of: &Asked| {
            let scores = of.scores(slow);
            let mean = scores.iter().map(|score| score.ac(k)).sum::<f64>() / scores.len().max(1) as f64;
            // Several models asked about the same faults are no more faults: the interval is that of one.
            let share =
                Estimate::share((mean * scores.first()?.of as f64).round() as usize, scores.first()?.of)?;
            Some(Estimate { value: mean, ..share })
        };
        Vec::from_iter(asked.iter().map(|of| bar(of)))
    };
    let panel = Panel {
        title: "service among the first k, performance faults".to_owned(),
        x: String::new(),
        y: Scale::percent("faults"),
        content: Content::Bars {
            groups: ["AC@1", "AC@3", "AC@5"].map(str::to_owned).to_vec(),
            values: vec![bars(1), bars(3), bars(5)],
            published: Vec::new(),
        },
    };
    Drawing {
        columns: 1,
        height: 220,
        legend: asked.iter().map(|of| of.method.to_owned()).collect(),
        panels: vec![panel],
    }
}

fn data(asked: &[Asked]) -> Table {
    let mut table = Table::new(&["method", "seed", "fault", "service", "place", "verdict"]);
    for of in asked {
        for (seed, answers) in of.seeds.iter().enumerate() {
            for (fault, answer) in answers {
                let place = answer.services.iter().position(|service| *service == fault.service);
                table.row([
                    cell(of.method),
                    cell(seed + 1),
                    cell(&fault.id),
                    cell(&fault.service),
                    place.map(|place| cell(place + 1)).unwrap_or_default(),
                    cell(&answer.verdict),
                ]);
            }
        }
    }
    table
}
