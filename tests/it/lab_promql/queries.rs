//! The questions: written ones for every function and every rule, those of the catalogue, and random ones.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::seq::IndexedRandom as _;
use rand::{Rng as _, rngs::StdRng};
use sagetop::telemetry::{Catalogue, render};

/// One question a line of `questions.promql`.
pub fn written() -> Vec<String> {
    let lines = include_str!("questions.promql").lines();
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

/// Everything the embedded catalogue asks, with and without selectors.
pub fn catalogue() -> Vec<String> {
    let standard = Catalogue::standard().unwrap();
    let templates: Vec<&str> = standard.feature.iter().map(|f| f.query.as_str()).collect();
    let latencies = standard.latency.iter().map(|l| l.query.as_str());
    let vars = BTreeMap::from([("selector".to_owned(), "namespace=\"shop\"".to_owned())]);
    let mut queries = Vec::new();
    for template in templates.into_iter().chain(latencies) {
        let (window, scrape) = (Duration::from_secs(60), Duration::from_secs(15));
        queries.push(render(template, &vars, window, scrape).unwrap());
        queries.push(render(template, &BTreeMap::new(), window * 5, scrape).unwrap());
    }
    queries
}

/// Random well-formed questions.
pub fn generated(random: &mut StdRng, how_many: usize) -> Vec<String> {
    (0..how_many).map(|_| vector(random, 3)).collect()
}

fn pick<'t>(random: &mut StdRng, from: &[&'t str]) -> &'t str {
    from.choose(random).unwrap()
}

fn selector(random: &mut StdRng) -> String {
    let name = pick(
        random,
        &["requests_total", "level", "cpu_seconds_total", "replicas", "up", "odd", "latency_seconds_bucket"],
    );
    let matchers = [
        "",
        "",
        "{job=\"api\"}",
        "{job!=\"api\"}",
        "{instance=~\"1|2\"}",
        "{instance!~\"[12]\",job=\"web\"}",
        "{zone=\"\"}",
        "{le=\"+Inf\"}",
        "{code=~\"5..\"}",
        "{nothing=\"\"}",
        "{job=~\"a.*\"}",
    ];
    format!("{name}{}", pick(random, &matchers))
}

const AT: [&str; 3] = [" @ 1795312800", " @ start()", " @ end()"];

fn offset(random: &mut StdRng) -> &'static str {
    pick(
        random,
        &["", "", "", "", " offset 5m", " offset -3m", " @ 1795312800", " @ start()", " @ end() offset 1m"],
    )
}

fn range(random: &mut StdRng, depth: usize) -> String {
    let length = pick(random, &["30s", "1m", "5m", "13m", "1h", "20s500ms"]);
    if depth > 0 && random.random_bool(0.25) {
        let inner = without_at(&vector(random, depth - 1));
        let step = pick(random, &["", "30s", "1m", "47s"]);
        return format!("({inner})[{length}:{step}]{}", offset(random));
    }
    format!("{}[{length}]{}", selector(random), offset(random))
}

fn scalar(random: &mut StdRng, depth: usize) -> String {
    match random.random_range(0..8) {
        0 => "(time() - 1795309207)".to_owned(),
        1 if depth > 0 => format!("scalar({})", vector(random, depth - 1)),
        2 if depth > 0 => format!("({} - {})", scalar(random, depth - 1), scalar(random, depth - 1)),
        3 => "-1.5".to_owned(),
        _ => pick(random, &["0", "1", "2", "0.5", "10", "1e3", "Inf", "NaN"]).to_owned(),
    }
}

/// The first argument of a quantile. Where one argument has an `@` and the other changes from step to step,
/// the real one goes wrong: it computes once what it should at each step, or the other way round.
fn share(random: &mut StdRng, of: &str) -> String {
    if of.contains('@') { "0.7".to_owned() } else { without_at(&scalar(random, 1)) }
}

/// Without `@`, of which the real one loses track below another `@`.
fn without_at(expr: &str) -> String {
    AT.iter().fold(expr.to_owned(), |expr, at| expr.replace(at, ""))
}

fn labels(random: &mut StdRng) -> &'static str {
    pick(random, &["job", "instance", "job, instance", "code", "le", "job, le", "", "zone, __name__"])
}

fn vector(random: &mut StdRng, depth: usize) -> String {
    if depth == 0 {
        return format!("{}{}", selector(random), offset(random));
    }
    let below = depth - 1;
    match random.random_range(0..12) {
        0 => vector(random, 0),
        1..=3 => {
            let f = pick(
                random,
                &[
                    "rate",
                    "increase",
                    "delta",
                    "irate",
                    "idelta",
                    "deriv",
                    "changes",
                    "resets",
                    "sum_over_time",
                    "avg_over_time",
                    "min_over_time",
                    "max_over_time",
                    "count_over_time",
                    "last_over_time",
                    "present_over_time",
                    "stddev_over_time",
                    "stdvar_over_time",
                    "absent_over_time",
                ],
            );
            format!("{f}({})", range(random, below))
        }
        4 => {
            let range = range(random, below);
            format!("quantile_over_time({}, {range})", share(random, &range))
        }
        5 | 6 => {
            let op = pick(random, &["sum", "avg", "min", "max", "count", "stddev", "stdvar", "group"]);
            let how = pick(random, &["by", "without"]);
            format!("{op} {how} ({}) ({})", labels(random), vector(random, below))
        }
        7 if random.random_bool(0.5) => {
            let vector = vector(random, below);
            format!("quantile by ({}) ({}, {vector})", labels(random), share(random, &vector))
        }
        7 => {
            // Of computed series the real one has no order, so ties are decided by chance.
            let op = pick(random, &["topk", "bottomk"]);
            let k = pick(random, &["0.3", "1", "2", "5"]);
            format!("{op} by ({}) ({k}, {})", labels(random), vector(random, 0))
        }
        8 => {
            let f = pick(
                random,
                &[
                    "abs",
                    "ceil",
                    "floor",
                    "exp",
                    "ln",
                    "sqrt",
                    "sgn",
                    "absent",
                    "timestamp",
                    "sort",
                    "round",
                    "-",
                ],
            );
            format!("{f}({})", vector(random, below))
        }
        9 => {
            let op = pick(random, &["+", "-", "*", "/", "%", "^", ">", "< bool", "==", "!=", ">= bool"]);
            match random.random_bool(0.5) {
                true => format!("({} {op} {})", vector(random, below), scalar(random, below)),
                false => format!("({} {op} {})", scalar(random, below), vector(random, below)),
            }
        }
        10 => {
            let op = pick(random, &["+", "-", "*", "/", "> bool", "<", "and", "or", "unless", "atan2"]);
            let set = ["and", "or", "unless"].contains(&op);
            let group =
                if set { "" } else { pick(random, &["", "", " group_left ()", " group_right (zone)"]) };
            let on =
                pick(random, &["on (job, instance)", "ignoring (code, zone)", "ignoring ()", "on (job)"]);
            let right = if random.random_bool(0.5) {
                format!("max by (job, instance) ({})", vector(random, below))
            } else {
                vector(random, below)
            };
            format!("({} {op} {on}{group} {right})", vector(random, below))
        }
        _ => {
            let q = pick(random, &["0", "0.5", "0.99", "1", "-1"]);
            format!(
                "histogram_quantile({q}, sum by (job, le) (rate(latency_seconds_bucket[{}m])))",
                random.random_range(1..20)
            )
        }
    }
}
