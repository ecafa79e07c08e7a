//! The lab on the wire: the HTTP interfaces of a real cluster's backends.

pub mod control;
pub mod faults;
pub mod jaeger;
pub mod pages;
pub mod prometheus;

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::middleware::map_response;
use axum::response::Response;
use jiff::Timestamp;

use crate::lab::export::Exporter;
use crate::lab::live::Orders;
use crate::lab::measure::exporters::Exporters;
use crate::lab::stage::Plan;
use crate::lab::world::Stores;
use control::Control;
use prometheus::Prometheus;

/// What the lab's servers take for now, in milliseconds since the epoch.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Makes `router` date its answers by `clock`, as a server dates them by its own: clients find out by it
/// how far their clocks are apart.
pub fn dated(router: Router, clock: Clock) -> Router {
    router.layer(map_response(move |mut response: Response| {
        let date = http_date(clock());
        async move {
            if let Some(date) = date {
                response.headers_mut().insert(header::DATE, date);
            }
            response
        }
    }))
}

/// A time as HTTP writes it (RFC 9110, 5.6.7).
fn http_date(now_ms: i64) -> Option<HeaderValue> {
    let at = Timestamp::from_millisecond(now_ms).ok()?;
    HeaderValue::from_str(&at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()).ok()
}

/// The routers of a lab's three servers, in the order of [`super::stage::Ports`].
pub fn routers(
    stores: &Arc<Stores>,
    exporters: Exporters,
    orders: Orders,
    collectors: Vec<Arc<Exporter>>,
    plan: &Plan,
    cluster: Control,
) -> [Router; 3] {
    let [prometheus, jaeger] = archive(stores);
    let pages = pages::router(stores.clone(), exporters, plan.ports.control);
    let faults = faults::router(stores.clone(), plan, orders, collectors);
    [prometheus, jaeger, pages.merge(faults).merge(control::router(cluster))]
}

/// The routers of Prometheus and Jaeger, which answer for what was measured.
pub fn archive(stores: &Arc<Stores>) -> [Router; 2] {
    let of_clock = stores.clone();
    let clock: Clock = Arc::new(move || of_clock.clock_ms());
    let prometheus = prometheus::router(Prometheus::new(stores.samples.clone(), clock.clone()));
    [
        dated(prometheus, clock.clone()),
        jaeger::router(stores.traces.clone(), clock, jaeger::Release::default()),
    ]
}
