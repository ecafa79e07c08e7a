//! When the screen changes by itself: the ages and the clock on it, and remarks that go away.
//! Between those moments an untouched program draws nothing and sleeps.

use std::time::Duration;

use super::format::age_changes_in;
use super::pick::ActionRow;
use super::picture::since;
use super::remedy_words::left_changes_in;
use super::state::{Screen, State};
use super::update::{NOTICE_STAYS, PENDING_STAYS, window};
use super::view::sample_age;
use crate::domain::BackendState;

/// How long until something on the screen reads differently though nothing happens;
/// `None` if nothing on it depends on the time.
pub fn next_change(state: &State) -> Option<Duration> {
    let picture = state.picture();
    let frozen = picture.snapshot.as_ref().is_some_and(|s| s.frozen);
    let mut due: Vec<Duration> = Vec::new();
    if !frozen {
        let into_minute = Duration::from_millis(state.now.as_millisecond().rem_euclid(60_000).unsigned_abs());
        due.push(Duration::from_secs(60).saturating_sub(into_minute));
    }
    if let Some(age) = picture.age(state.now) {
        due.push(age_changes_in(age));
        due.extend(picture.stale_after().checked_sub(age));
    }
    let down = picture.health.values().filter(|h| h.state == BackendState::Down);
    due.extend(down.filter_map(|h| h.last_ok).map(|at| age_changes_in(since(at, state.now))));
    if picture.health.values().any(|h| h.state == BackendState::Down) {
        due.extend(picture.retry(state.now).map(|next| left_changes_in(next, state.now)));
    }
    match state.screen {
        Screen::Slos if !frozen => {
            let slos = picture.snapshot.iter().flat_map(|s| &s.slos);
            let ages = slos.filter_map(|s| sample_age(state, s));
            for age in ages.filter_map(|a| Duration::try_from_secs_f64(a).ok()) {
                due.push(age_changes_in(age));
                due.extend(picture.stale_after().checked_sub(age));
            }
        }
        Screen::Verdict => {
            let asked = state.slo.as_ref().and_then(|s| state.asked.get(s)).map(|a| a.since);
            let received = state.selected_answer().map(|a| a.received);
            due.extend(asked.or(received).map(|at| age_changes_in(since(at, state.now))));
            // The objective's recent course turns grey.
            let age = state.selected_slo().filter(|_| !frozen).and_then(|slo| sample_age(state, slo));
            let age = age.and_then(|age| Duration::try_from_secs_f64(age).ok());
            due.extend(age.and_then(|age| picture.stale_after().checked_sub(age)));
        }
        Screen::Actions => due.extend(actions(state)),
        Screen::Service => {
            let example = state.inspected.service.as_ref().and_then(|s| picture.traces.get(s));
            let asked = state.inspected.tracing.as_ref().map(|(_, at)| *at);
            let shown = asked.or(example.map(|e| e.received));
            due.extend(shown.map(|at| age_changes_in(since(at, state.now))));
        }
        Screen::Log => {
            let ages = state.log_rows().into_iter().map(|l| age_changes_in(since(l.at, state.now)));
            due.extend(ages.min());
        }
        Screen::Doctor => {
            due.extend(picture.next.map(|next| left_changes_in(next, state.now)));
            due.extend(state.probing.map(|at| age_changes_in(since(at, state.now))));
            let up = picture.health.values().filter_map(|h| h.last_ok);
            due.extend(up.map(|at| age_changes_in(since(at, state.now))));
        }
        Screen::Timeline => {
            let ages = state.happenings().into_iter().map(|h| age_changes_in(since(h.at, state.now)));
            due.extend(ages.min());
        }
        Screen::Slos | Screen::Tree | Screen::Commands | Screen::WhatIf => {}
    }
    if let Some(playing) = state.playing.as_ref().filter(|_| state.heading.is_none()) {
        due.push(playing.due_in(window(state), state.now));
    }
    if let Some(until) = state.ledger().armed(state.now) {
        due.push(left_changes_in(until, state.now));
    }
    if let Some(review) = &state.review {
        due.extend(review.deaf_for(state.now));
        due.extend(review.counts_in(state.now).map(|d| d.max(Duration::from_nanos(1))));
        due.push(left_changes_in(review.plan.expires, state.now));
    }
    if let Some(notice) = state.notice.as_ref().filter(|n| !n.failure) {
        due.push(NOTICE_STAYS.saturating_sub(since(notice.since, state.now)));
    }
    if let Some(pending) = &state.pending {
        due.push(PENDING_STAYS.saturating_sub(since(pending.since, state.now)));
    }
    // A moment that is due right now was drawn with this very event.
    due.into_iter().filter(|d| !d.is_zero()).min()
}

/// What is counted on the screen of the actions.
fn actions(state: &State) -> Vec<Duration> {
    let mut due = Vec::new();
    let asked = state.awaited.iter().map(|(_, at)| *at).chain(state.approved.iter().map(|(_, at)| *at));
    due.extend(asked.map(|at| age_changes_in(since(at, state.now))));
    if let Some(ActionRow::Operation(operation)) = state.picked() {
        due.extend(operation.keep_until.map(|until| left_changes_in(until, state.now)));
    }
    due
}
