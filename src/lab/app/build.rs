//! An application from its file: defaults filled in, names resolved, CPU limits found.

use super::error::{AppError, Problems};
use super::expand::Expander;
use super::file::{AppFile, Limit, ServiceFile, Settings};
use super::{
    Application, Connections, Flow, Name, Objective, Sensitivity, Service, check, defaults, estimate, load,
};

/// Bytes in a mebibyte.
const MIB: u64 = 1 << 20;
/// The objective, where the file has none, over the healthy tail.
pub const ROOM: f64 = 2.0;

/// Builds the application that `file` describes; `label` names the file in errors.
pub fn build(file: &AppFile, label: &str) -> Result<Application, AppError> {
    let mut problems = Problems::default();
    check::check(file, &mut problems);
    problems.none(label)?;

    let mut expander = Expander::new(file, &mut problems);
    let roots: Vec<_> = (0..file.flows.len()).map(|flow| expander.flow(flow)).collect();
    problems.none(label)?;
    let sum: f64 = file.flows.iter().map(|flow| flow.share).sum();
    // Shares that are probabilities already stay what they are, to the last bit.
    let sum = if (sum - 1.0).abs() < 1e-9 { 1.0 } else { sum };
    let flows = file.flows.iter().zip(roots).filter_map(|(flow, root)| {
        Some(Flow {
            name: Name::from(flow.name.as_str()),
            share: flow.share / sum,
            http: Name::from(flow.http.as_str()),
            root: root?,
        })
    });

    let settings: Vec<Settings> = file.services.iter().map(|service| complete(file, service)).collect();
    let mut app = Application {
        name: Name::from(file.name.as_str()),
        title: file.title.clone(),
        services: file
            .services
            .iter()
            .zip(&settings)
            .map(|(file, settings)| service(file, settings))
            .collect(),
        flows: flows.collect(),
        rate: file.rate,
        trace_sampling: file.trace_sampling,
        objective: Objective { quantile: 0.99, limit_ms: f64::INFINITY },
    };
    load::limit(&mut app, &settings, file.target_utilisation);
    load::check(&app, &mut problems);
    problems.none(label)?;

    app.objective = match &file.objective {
        Some(objective) => Objective { quantile: objective.quantile, limit_ms: objective.limit_ms },
        None => {
            let quantile = app.objective.quantile;
            Objective { quantile, limit_ms: (ROOM * estimate::healthy_tail_ms(&app, quantile)).ceil() }
        }
    };
    Ok(app)
}

/// A service's own settings, else the file's for its kind, else the lab's.
fn complete(file: &AppFile, service: &ServiceFile) -> Settings {
    let kind = file.defaults.get(&service.kind).cloned().unwrap_or_default();
    service.settings.clone().or(&kind).or(&defaults::settings(service.kind))
}

fn service(file: &ServiceFile, settings: &Settings) -> Service {
    let bound = |limit: Option<Limit<u32>>| limit.and_then(Limit::bound);
    Service {
        name: Name::from(file.name.as_str()),
        traced_as: file.traced_as.as_deref().map(Name::from),
        kind: file.kind,
        replicas: settings.replicas.unwrap_or(1),
        workers: bound(settings.workers),
        threads: settings.threads.unwrap_or(1),
        cpu_limit: settings.cpu_limit.and_then(Limit::bound),
        memory_limit: u64::from(settings.memory_mib.unwrap_or(256)) * MIB,
        connections: Connections {
            limit: bound(settings.connections),
            wait_ms: settings.connection_wait_ms.unwrap_or(0.0),
        },
        hit_ratio: settings.hit_ratio.unwrap_or(1.0),
        sensitivity: Sensitivity {
            cache: settings.cache_sensitivity.unwrap_or(0.0),
            memory_bandwidth: settings.memory_bandwidth_sensitivity.unwrap_or(0.0),
        },
    }
}
