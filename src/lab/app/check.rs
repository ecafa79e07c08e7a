//! Checks of a file's values, each where it stands: names, numbers, references.

use std::collections::BTreeSet;
use std::fmt::Display;

use super::error::{Problems, did_you_mean, nearest};
use super::file::{AppFile, CallFile, ChanceFile, Limit, RepeatFile, Settings, Step};
use super::{Kind, SpanQuirk, Transport};
use crate::domain::Clean;

/// Most services of an application.
pub const MAX_SERVICES: usize = 500;
/// Most kinds of requests.
pub const MAX_FLOWS: usize = 50;
/// Longest CPU demand or disk access: a minute.
const MAX_US: f64 = 60e6;

/// What every other check may rely on afterwards.
pub fn check(file: &AppFile, problems: &mut Problems) {
    let checker = Checker { file };
    checker.head(problems);
    checker.services(problems);
    for (name, call) in &file.fragments {
        let path = format!("fragments.{name}");
        printable(name, &path, problems);
        checker.call(call, &path, problems);
    }
    checker.flows(problems);
}

struct Checker<'a> {
    file: &'a AppFile,
}

impl Checker<'_> {
    fn head(&self, problems: &mut Problems) {
        let file = self.file;
        label(&file.name, "name", problems);
        printable(&file.title, "title", problems);
        within(file.rate, 1e-3, 1e5, "rate", problems);
        within(file.time_scale, 1e-3, 1e4, "time_scale", problems);
        within(file.target_utilisation, 0.01, 0.9, "target_utilisation", problems);
        within(file.trace_sampling, 0.0, 1.0, "trace_sampling", problems);
        if let Some(objective) = &file.objective {
            let quantile = objective.quantile;
            let inside = quantile > 0.0 && quantile < 1.0;
            problems.unless(inside, "objective.quantile", format_args!("{quantile} is not between 0 and 1"));
            within(objective.limit_ms, 1e-3, 1e7, "objective.limit_ms", problems);
        }
        for (kind, defaults) in &file.defaults {
            settings(defaults, &format!("defaults.{}", kind_name(*kind)), problems);
        }
    }

    fn services(&self, problems: &mut Problems) {
        let services = &self.file.services;
        let few = (1..=MAX_SERVICES).contains(&services.len());
        problems.unless(few, "services", format_args!("there must be 1 to {MAX_SERVICES} services"));
        let mut seen = BTreeSet::new();
        for (i, service) in services.iter().enumerate().take(MAX_SERVICES) {
            let path = format!("services[{i}]");
            label(&service.name, format_args!("{path}.name"), problems);
            problems.unless(
                seen.insert(&service.name),
                format_args!("{path}.name"),
                format_args!("`{}` is the name of an earlier service", service.name),
            );
            if let Some(name) = &service.traced_as {
                printable(name, format_args!("{path}.traced_as"), problems);
            }
            settings(&service.settings, &format!("{path}.settings"), problems);
        }
    }

    fn flows(&self, problems: &mut Problems) {
        let flows = &self.file.flows;
        let few = (1..=MAX_FLOWS).contains(&flows.len());
        problems.unless(few, "flows", format_args!("there must be 1 to {MAX_FLOWS} flows"));
        let mut seen = BTreeSet::new();
        for (i, flow) in flows.iter().enumerate().take(MAX_FLOWS) {
            let path = format!("flows[{i}]");
            printable(&flow.name, format_args!("{path}.name"), problems);
            printable(&flow.http, format_args!("{path}.http"), problems);
            problems.unless(
                seen.insert(&flow.name),
                format_args!("{path}.name"),
                format_args!("`{}` is the name of an earlier flow", flow.name),
            );
            within(flow.share, 0.0, 1e6, format_args!("{path}.share"), problems);
            self.root(&flow.root, &format!("{path}.root"), problems);
            self.call(&flow.root, &format!("{path}.root"), problems);
        }
        let sum: f64 = flows.iter().map(|flow| flow.share).sum();
        problems.unless(flows.is_empty() || sum > 0.0, "flows", "at least one share must be above 0");
        if let [first, rest @ ..] = flows.as_slice() {
            for (i, flow) in (1..).zip(rest) {
                problems.unless(
                    flow.root.service == first.root.service,
                    format_args!("flows[{i}].root.service"),
                    format_args!("all flows enter at one service, and flows[0] at `{}`", first.root.service),
                );
            }
        }
    }

    /// What only the root must keep to: nobody of the application calls it.
    fn root(&self, root: &CallFile, path: &str, problems: &mut Problems) {
        let mut must = |fine, field: &str, why| problems.unless(fine, format_args!("{path}.{field}"), why);
        must(root.chance == ChanceFile::Always, "chance", "the root of a flow always happens");
        must(root.repeat == RepeatFile::Once, "repeat", "the root of a flow happens once");
        must(root.awaited, "awaited", "users wait for the root of a flow");
        must(!root.optional, "optional", "the root of a flow has no caller to go on without it");
        must(root.client_span.is_none(), "client_span", "the root of a flow has no caller to report a span");
        must(
            root.transport != Some(Transport::Local),
            "transport",
            "the root of a flow comes over a network",
        );
    }

    fn call(&self, call: &CallFile, path: &str, problems: &mut Problems) {
        self.service(&call.service, format_args!("{path}.service"), problems);
        if let Some(span) = &call.client_span {
            printable(span, format_args!("{path}.client_span"), problems);
        } else {
            let fine = call.quirk == SpanQuirk::None;
            problems.unless(fine, format_args!("{path}.quirk"), "there is no client_span to be wrong");
        }
        for (i, span) in call.server_spans.iter().enumerate() {
            printable(span, format_args!("{path}.server_spans[{i}]"), problems);
        }
        self.chance(&call.chance, &format!("{path}.chance"), problems);
        repeat(call.repeat, &format!("{path}.repeat"), problems);
        positive(call.cpu.mean_us, format_args!("{path}.cpu.mean_us"), problems);
        within(call.cpu.cv, 0.0, 10.0, format_args!("{path}.cpu.cv"), problems);
        if let Some(disk) = &call.disk {
            within(disk.probability, 0.0, 1.0, format_args!("{path}.disk.probability"), problems);
            positive(disk.mean_us, format_args!("{path}.disk.mean_us"), problems);
        }
        if let Some(timeout) = call.timeout_ms {
            positive(timeout, format_args!("{path}.timeout_ms"), problems);
        }
        let fine = call.awaited || !call.optional;
        problems.unless(
            fine,
            format_args!("{path}.optional"),
            "nobody waits for the call, so nobody minds its failure",
        );
        let few = call.retries <= 10;
        problems.unless(few, format_args!("{path}.retries"), "a call is tried again 10 times at most");
        for (i, stage) in call.stages.iter().enumerate() {
            let fine = !stage.is_empty();
            problems.unless(fine, format_args!("{path}.stages[{i}]"), "a stage has at least one call");
            for (j, step) in stage.iter().enumerate() {
                let path = format!("{path}.stages[{i}][{j}]");
                match step {
                    Step::Call(call) => self.call(call, &path, problems),
                    Step::Fragment(name) => self.fragment(name, &path, problems),
                }
            }
        }
    }

    fn fragment(&self, name: &str, path: &str, problems: &mut Problems) {
        if !self.file.fragments.contains_key(name) {
            let near = did_you_mean(nearest(name, self.file.fragments.keys().map(String::as_str)));
            problems.add(path, format_args!("there is no fragment `{name}`{near}"));
        }
    }

    fn service(&self, name: &str, path: impl Display, problems: &mut Problems) {
        let names = || self.file.services.iter().map(|service| service.name.as_str());
        if !names().any(|known| known == name) {
            let near = did_you_mean(nearest(name, names()));
            problems.add(path, format_args!("there is no service `{name}`{near}"));
        }
    }

    fn chance(&self, chance: &ChanceFile, path: &str, problems: &mut Problems) {
        match chance {
            ChanceFile::Always => {}
            ChanceFile::Probability(probability) => {
                within(*probability, 0.0, 1.0, format_args!("{path}.probability"), problems);
            }
            ChanceFile::Shared { draw, probability } => {
                printable(draw, format_args!("{path}.shared.draw"), problems);
                within(*probability, 0.0, 1.0, format_args!("{path}.shared.probability"), problems);
            }
            ChanceFile::MissOf { cache, keys, draw } => {
                let path = format!("{path}.miss_of");
                self.service(cache, format_args!("{path}.cache"), problems);
                let kind = self.file.services.iter().find(|service| service.name == *cache);
                problems.unless(
                    kind.is_none_or(|service| matches!(service.kind, Kind::Cache | Kind::Redis)),
                    format_args!("{path}.cache"),
                    format_args!("`{cache}` is no cache: its kind is neither cache nor redis"),
                );
                let fine = (1..=1000).contains(keys);
                problems.unless(fine, format_args!("{path}.keys"), "there must be 1 to 1000 keys");
                if let Some(draw) = draw {
                    printable(draw, format_args!("{path}.draw"), problems);
                }
            }
            ChanceFile::LastOf { group, of } => {
                printable(group, format_args!("{path}.last_of.group"), problems);
                let fine = *of > 0;
                problems.unless(fine, format_args!("{path}.last_of.of"), "at least one call must arrive");
            }
        }
    }
}

fn repeat(repeat: RepeatFile, path: &str, problems: &mut Problems) {
    if let RepeatFile::Sequential(from, to) | RepeatFile::Parallel(from, to) = repeat {
        problems.unless(from <= to, path, format_args!("the fewest, {from}, are more than the most, {to}"));
        problems.unless((1..=100).contains(&to), path, "the most must be 1 to 100");
    }
}

fn settings(settings: &Settings, path: &str, problems: &mut Problems) {
    let mut count = |value: Option<u32>, most: u32, field: &str| {
        let fine = value.is_none_or(|value| (1..=most).contains(&value));
        problems.unless(fine, format_args!("{path}.{field}"), format_args!("must be 1 to {most}"));
    };
    count(settings.replicas, 100, "replicas");
    count(settings.workers.and_then(Limit::bound), 1_000_000, "workers");
    count(settings.threads, 256, "threads");
    count(settings.memory_mib, 1 << 20, "memory_mib");
    count(settings.connections.and_then(Limit::bound), 1_000_000, "connections");
    let mut number = |value: Option<f64>, least, most, field: &str| {
        if let Some(value) = value {
            within(value, least, most, format_args!("{path}.{field}"), problems);
        }
    };
    number(settings.cpu_limit.and_then(Limit::bound), 0.01, 256.0, "cpu_limit");
    number(settings.connection_wait_ms, 0.0, 1e6, "connection_wait_ms");
    number(settings.hit_ratio, 0.0, 1.0, "hit_ratio");
    number(settings.cache_sensitivity, 0.0, 10.0, "cache_sensitivity");
    number(settings.memory_bandwidth_sensitivity, 0.0, 10.0, "memory_bandwidth_sensitivity");
}

/// A duration that is finite and above 0; the unit is the path's.
fn positive(value: f64, path: impl Display, problems: &mut Problems) {
    let fine = value > 0.0 && value <= MAX_US;
    problems.unless(fine, path, format_args!("{value} is not above 0 and at most {MAX_US}"));
}

fn within(value: f64, least: f64, most: f64, path: impl Display, problems: &mut Problems) {
    let fine = (least..=most).contains(&value);
    problems.unless(fine, path, format_args!("{value} is not between {least} and {most}"));
}

/// A DNS label (RFC 1123), as Kubernetes demands of services and namespaces.
fn label(name: &str, path: impl Display, problems: &mut Problems) {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let edge = |b: Option<&u8>| b.is_some_and(|b| *b != b'-');
    let bytes = name.as_bytes();
    let fine =
        bytes.len() <= 63 && bytes.iter().all(|b| inner(*b)) && edge(bytes.first()) && edge(bytes.last());
    problems.unless(
        fine,
        path,
        format_args!("`{name}` is not a DNS label: 1 to 63 of a-z, 0-9 and -, not at an end"),
    );
}

fn printable(text: &str, path: impl Display, problems: &mut Problems) {
    problems.unless(!text.trim().is_empty(), &path, "must not be empty");
    let fine = Clean::new(text).as_str() == text;
    problems.unless(fine, &path, format_args!("`{text}` is too long, or has characters that do not print"));
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Frontend => "frontend",
        Kind::Stateless => "stateless",
        Kind::Cache => "cache",
        Kind::Redis => "redis",
        Kind::Database => "database",
    }
}
