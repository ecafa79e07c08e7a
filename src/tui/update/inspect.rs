//! One service in full: what is asked for it, and what is copied of it.

use std::fmt::Write as _;

use super::go;
use crate::domain::ServiceName;
use crate::engine::{MetricView, Request};
use crate::tui::effect::Effect;
use crate::tui::format;
use crate::tui::inspect::MetricName;
use crate::tui::state::{Screen, State};
use crate::tui::words;

/// Shows the service in view.
pub(super) fn open(state: &mut State) -> Vec<Effect> {
    let Some(service) = state.service_in_view() else {
        state.say("no service is known yet");
        return Vec::new();
    };
    turn_to(state, service);
    go(state, Screen::Service)
}

/// Makes `service` the one that is looked at.
pub(super) fn turn_to(state: &mut State, service: ServiceName) {
    if state.inspected.service.as_ref() != Some(&service) {
        state.inspected.service = Some(service);
        state.inspected.metric = None;
        state.inspected.example = false;
        let list = &mut state.lists[Screen::Service as usize];
        (list.offset, list.last_index) = (0, 0);
    }
}

/// Asks for what is known of the service, unless it was asked about this very data.
pub(super) fn look(state: &mut State) -> Vec<Effect> {
    let Some(service) = state.inspected.service.clone() else { return Vec::new() };
    let version = state.live.snapshot.as_ref().map_or(0, |s| s.version);
    let asked = Some((service, state.slo.clone(), version));
    if state.inspected.asked == asked || state.live.snapshot.is_none() {
        return Vec::new();
    }
    state.inspected.asked = asked.clone();
    asked.map(|(service, slo, _)| Effect::Ask(Request::Detail(service, slo))).into_iter().collect()
}

/// Something about a service was told: sliders that wait for it can be moved now.
pub(super) fn told(state: &mut State) -> Vec<Effect> {
    match state.screen {
        Screen::WhatIf => super::what_if::look(state),
        _ => Vec::new(),
    }
}

/// Fetches an example trace, or goes back to the chart.
pub(super) fn trace(state: &mut State) -> Vec<Effect> {
    let Some(service) = state.inspected.service.clone() else { return Vec::new() };
    state.inspected.example = !state.inspected.example;
    let awaited = state.inspected.tracing.as_ref().is_some_and(|(of, _)| *of == service);
    if !state.inspected.example || awaited {
        return Vec::new();
    }
    state.inspected.tracing = Some((service.clone(), state.now));
    vec![Effect::Ask(Request::Trace(service))]
}

/// An example trace came.
pub(super) fn traced(state: &mut State, service: &ServiceName) {
    if state.inspected.tracing.as_ref().is_some_and(|(of, _)| of == service) {
        state.inspected.tracing = None;
    }
}

/// The name of a metric.
pub(super) fn name(metric: &MetricView) -> MetricName {
    (metric.entity.clone(), metric.what.clone())
}

/// The line of the selected metric.
pub(super) fn metric_row(state: &State) -> Option<usize> {
    let chosen = state.inspected.metric.as_ref()?;
    state.metric_rows().iter().position(|m| m.entity == chosen.0 && m.what == chosen.1)
}

/// The cursor stands on a metric there is.
pub(super) fn settle(state: &mut State) {
    let rows = state.metric_rows();
    let Some(last) = rows.len().checked_sub(1) else { return };
    let found = metric_row(state);
    let at = found.unwrap_or_else(|| state.lists[Screen::Service as usize].last_index.min(last));
    let metric = Some(name(rows[at]));
    state.lists[Screen::Service as usize].last_index = at;
    state.inspected.metric = metric;
}

/// The service as text, for a chat or a ticket.
pub(super) fn report(state: &State) -> Option<String> {
    let detail = state.detail()?;
    let mut out = String::new();
    let until = detail.until.map_or_else(String::new, |at| format!(" up to {at}"));
    let _ = writeln!(out, "{}{until}", detail.service);
    for m in &detail.metrics {
        let [seen, normal] =
            [m.observed, m.normal].map(|v| format::measured(v, m.unit.as_ref().map(|u| u.as_str())));
        let _ = writeln!(
            out,
            "- {}: {seen}, normally {normal} ({})",
            words::metric(m, &detail.service),
            words::deviation(m.deviation)
        );
    }
    if let (Some(link), Some((_, what))) = (state.metric_link(), &state.inspected.metric) {
        let _ = writeln!(out, "{what} in Grafana: {link}");
    }
    if let Some(Ok(Some(example))) = state.picture().traces.get(&detail.service).map(|e| &e.trace) {
        let _ = writeln!(out, "Slowest trace: {} {}", format::latency(Some(example.took_ms)), example.link);
    }
    Some(out)
}
