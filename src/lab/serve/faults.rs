//! The control endpoint: what the lab is, what is broken, and breaking something.

use std::sync::{Arc, PoisonError};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::lab::app::Application;
use crate::lab::cluster::Cluster;
use crate::lab::export::Exporter;
use crate::lab::fault::FaultKind;
use crate::lab::live::Orders;
use crate::lab::script;
use crate::lab::stage::Plan;
use crate::lab::world::{Known, Stores};

/// What the handlers share.
struct Control {
    stores: Arc<Stores>,
    app: Arc<Application>,
    cluster: Cluster,
    orders: Orders,
    collectors: Vec<Arc<Exporter>>,
    /// Simulated time zero, in milliseconds since the epoch.
    epoch_ms: i64,
}

/// `GET /lab/v1/state`; `POST /lab/v1/faults` takes a script of faults as TOML, whose `at` counts from now.
pub fn router(stores: Arc<Stores>, plan: &Plan, orders: Orders, collectors: Vec<Arc<Exporter>>) -> Router {
    let (app, cluster) = (plan.app.clone(), plan.cluster.clone());
    let epoch_ms = plan.measurement.epoch_ns.div_euclid(1_000_000);
    let control = Control { stores, app, cluster, orders, collectors, epoch_ms };
    Router::new()
        .route("/lab/v1/state", get(state))
        .route("/lab/v1/faults", post(inject))
        .with_state(Arc::new(control))
}

async fn state(State(control): State<Arc<Control>>) -> Json<Value> {
    let known = control.stores.faults.read().unwrap_or_else(PoisonError::into_inner).clone();
    let faults = known.iter().map(|known| described(known, control.epoch_ms, control.stores.clock_ms()));
    Json(json!({
        "schema": "sagetop.lab-state/1",
        "app": control.app.name,
        "namespace": control.cluster.namespace,
        "clock_ms": control.stores.clock_ms(),
        "services": control.app.services.iter().map(|service| &*service.name).collect::<Vec<_>>(),
        "nodes": control.cluster.nodes.iter().map(|node| &*node.name).collect::<Vec<_>>(),
        "objective": { "quantile": control.app.objective.quantile, "limit_ms": control.app.objective.limit_ms },
        "faults": faults.collect::<Vec<_>>(),
        "export": control.collectors.iter().map(|collector| exported(collector)).collect::<Vec<_>>(),
    }))
}

/// A fault with its times by the lab's clock.
fn described(known: &Known, epoch_ms: i64, now_ms: i64) -> Value {
    let at = |seconds: f64| epoch_ms.saturating_add((seconds * 1e3) as i64);
    let from = at(known.fault.from_s);
    // A new version stays.
    let stays = matches!(known.fault.kind, FaultKind::VersionChange { .. });
    let until = (!stays).then(|| at(known.fault.until_s));
    let phase = match now_ms {
        now if now < from => "to come",
        now if until.is_none_or(|until| now < until) => "active",
        _ => "over",
    };
    json!({
        "id": known.fault.id,
        "fault": known.fault.kind,
        "intensity": known.fault.intensity,
        "from_ms": from,
        "until_ms": until,
        "phase": phase,
        "injected_ms": known.injected.map(|at| epoch_ms.saturating_add_unsigned(at / 1_000_000)),
    })
}

/// What has become of the spans for a collector.
fn exported(collector: &Exporter) -> Value {
    let counts = collector.counts();
    json!({
        "sent": counts.sent,
        "failed": counts.failed,
        "dropped": counts.dropped,
        "retries": counts.retries,
        "trouble": counts.trouble,
    })
}

async fn inject(State(control): State<Arc<Control>>, text: String) -> Response {
    let refuse = |why: String| (StatusCode::UNPROCESSABLE_ENTITY, format!("{why}\n")).into_response();
    let mut faults = match script::parse(&text, &control.app, &control.cluster, 0.0) {
        Ok(faults) => faults,
        Err(error) => return refuse(error.to_string()),
    };
    let now = control.stores.clock_ms();
    for fault in &mut faults {
        // Randomness is keyed by the id: two faults of two requests must not share it.
        fault.id = fault.id.wrapping_add(now.cast_unsigned() << 8);
        let (orders, order) = (control.orders.clone(), fault.clone());
        let injected = tokio::task::spawn_blocking(move || orders.inject(order)).await;
        if let Err(error) = injected.unwrap_or_else(|panic| Err(panic.to_string())) {
            return refuse(error);
        }
    }
    Json(json!({ "injected": faults })).into_response()
}
