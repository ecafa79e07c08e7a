//! What a frame costs. Machines differ and are shared, so this is measured by hand and never
//! judged by a test: `cargo test --test it cost -- --ignored --nocapture`.

use std::sync::Arc;
use std::time::Instant;

use ratatui::layout::Rect;

use sagetop::engine::EngineEvent;
use sagetop::tui::event::Event;
use sagetop::tui::terminal::Painter;
use sagetop::tui::view;

use super::driver::Driver;
use super::fixture;

#[test]
#[ignore = "measured by hand"]
fn frame_of_500_services() {
    for (name, keys) in [("slos", "1"), ("tree", "2"), ("verdict", "3"), ("help", "?")] {
        let mut driver = Driver::usual(120, 40);
        let mut snapshot = fixture::big(500);
        snapshot.version = 8;
        driver.engine([
            EngineEvent::Snapshot(Arc::new(snapshot)),
            fixture::answered(8, fixture::big_verdict(500)),
        ]);
        driver.press(keys);
        let (mut painter, mut out) = (Painter::default(), Vec::new());
        let area = Rect::new(0, 0, 120, 40);
        let (mut update, mut frame, mut bytes) = (Vec::new(), Vec::new(), 0);
        for i in 0..200u64 {
            // A new snapshot every time: nothing may be kept from the last frame.
            let mut snapshot = fixture::big(500);
            snapshot.version = 9 + i;
            for (j, slo) in snapshot.slos.iter_mut().enumerate() {
                slo.observed_ms = Some((i * 7 + j as u64) as f64);
            }
            let t = Instant::now();
            driver.send(Event::Engine(EngineEvent::Snapshot(Arc::new(snapshot))));
            driver.send(Event::Key(super::driver::key_event(if i % 2 == 0 { "down" } else { "up" })));
            update.push(t.elapsed());
            let t = Instant::now();
            let state = &driver.state;
            painter
                .paint(&mut out, area, |area, buf| view::draw(state, state.themes.current(), area, buf))
                .unwrap();
            frame.push(t.elapsed());
            bytes += std::mem::take(&mut out).len();
        }
        update.sort();
        frame.sort();
        println!(
            "{name:>8}: update {:?}, frame {:?}, worst {:?}, {} bytes a frame",
            update[100],
            frame[100],
            frame[199],
            bytes / 200
        );
    }
}
