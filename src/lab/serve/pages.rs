//! The exporters' pages in the text format, for a real Prometheus that scrapes the lab itself, and the
//! list of them as its HTTP service discovery wants it.

use std::sync::{Arc, PoisonError};

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::lab::measure::Target;
use crate::lab::measure::exporters::Exporters;
use crate::lab::measure::scrape::Exposition;
use crate::lab::world::Stores;

/// The text exposition format, as Prometheus' client libraries name it.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the handlers share.
struct Pages {
    stores: Arc<Stores>,
    exporters: Exporters,
    port: u16,
}

/// `/metrics/{job}/{instance}` for each target, `/sd` lists them (`http_sd_configs`). `port` is where
/// they are served, on loopback.
pub fn router(stores: Arc<Stores>, exporters: Exporters, port: u16) -> Router {
    Router::new()
        .route("/sd", get(discovery))
        .route("/metrics/{job}/{instance}", get(page))
        .with_state(Arc::new(Pages { stores, exporters, port }))
}

async fn discovery(State(pages): State<Arc<Pages>>) -> Json<Value> {
    let cluster = pages.exporters.cluster();
    let groups = Target::all(cluster).into_iter().map(|target| {
        let instance = target.instance(cluster);
        json!({
            "targets": [format!("127.0.0.1:{}", pages.port)],
            "labels": {
                "job": target.job(),
                "instance": instance,
                "__metrics_path__": format!("/metrics/{}/{instance}", target.job()),
            },
        })
    });
    Json(groups.collect())
}

async fn page(State(pages): State<Arc<Pages>>, Path((job, instance)): Path<(String, String)>) -> Response {
    let cluster = pages.exporters.cluster();
    let target = Target::all(cluster)
        .into_iter()
        .find(|target| target.job() == job && target.instance(cluster) == instance);
    let Some(target) = target else {
        return (
            StatusCode::NOT_FOUND,
            format!("there is no {job} at {instance}: /sd lists what there is\n"),
        )
            .into_response();
    };
    let shown = pages.stores.now.read().unwrap_or_else(PoisonError::into_inner).clone();
    let Some(shown) = shown else {
        return (StatusCode::SERVICE_UNAVAILABLE, "the simulation has not begun\n").into_response();
    };
    let mut text = Exposition::default();
    pages.exporters.page(target, &shown.readings, &shown.red, &mut text);
    ([(header::CONTENT_TYPE, TEXT)], text.finish()).into_response()
}
