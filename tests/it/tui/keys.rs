//! Press a key, expect a view.

use std::sync::Arc;

use ratatui::style::{Color, Modifier};

use sagetop::domain::{Clean, ServiceName};
use sagetop::engine::{EngineEvent, Request};
use sagetop::tui::effect::Effect;
use sagetop::tui::event::Event;
use sagetop::tui::theme::Themes;

use super::driver::Driver;
use super::fixture;

/// After these keys the screen shows all of these texts.
#[test]
fn keys_lead_to_views() {
    let table: &[(&str, &[&str])] = &[
        ("", &["[SLOs]", "SLO, worst first", "BREACHED product-page-p95"]),
        ("?", &["Keys", "One line up.", "Go one level deeper"]),
        ("? ?", &["[SLOs]"]),
        ("? esc", &["[SLOs]"]),
        ("? end", &["Half height is the objective", "Leave.", "Show or hide this help."]),
        ("enter", &["[Tree]", "checkoutservice", "recommendationservice", "culprit cpu"]),
        ("2", &["[Tree]", "frontend"]),
        ("2 s", &["slowest call first"]),
        ("2 s s", &["by name"]),
        ("2 down down right", &["calls nothing", "call known from caller's spans (900)"]),
        ("3", &["[Verdict]", "Had recommendationservice's CPU been normal"]),
        ("v", &["[Verdict]", "171 ms [150-198]", "0.97"]),
        ("enter enter", &["[Service]", "frontend"]),
        ("enter enter enter", &["[Verdict]"]),
        ("enter v enter", &["[Service]", "recommendationservice"]),
        ("w", &["[What if]", "What if recommendationservice had", "replicas"]),
        ("6", &["[Timeline]", "verdict", "product-page-p95: Had"]),
        ("7", &["[Doctor]", "Prometheus ● up", "No training was seen", "asking (since <10s)"]),
        ("8", &["[Log]", "Prometheus at http://prometheus.internal:9090 answers"]),
        ("n", &["this is the present"]),
        (".", &["there is nothing later"]),
        ("w enter", &["[Actions]", "What could be done"]),
        ("a", &["[Actions]", "Read-only: nothing can be written. A arms.", "Sizing what could be done."]),
        ("4", &["[Actions]"]),
        ("c", &["[Commands]", "No command was run yet."]),
        ("5", &["[Commands]"]),
        ("a u", &["nothing was done that could be taken back"]),
        ("a enter", &["there is nothing to review"]),
        ("a K", &["only a change that takes itself back can be kept"]),
        ("u", &["undo does nothing on this screen"]),
        ("A", &["type boutique-prod:"]),
        ("enter enter esc", &["[Tree]"]),
        ("enter enter esc esc", &["[SLOs]"]),
        ("v esc", &["[SLOs]"]),
        ("esc", &["this is the first screen; q leaves"]),
        ("s", &["SLO, in order", "in the order of the configuration"]),
        ("s s", &["SLO, worst first"]),
        ("p", &["PAUSED"]),
        ("r", &["fetching again"]),
        ("t", &["theme dark"]),
        ("x", &["x does nothing here; ? shows the keys"]),
        ("y", &["verdict copied, if your terminal allows it"]),
        ("/ c a r t", &["/cart", "1 of 5", "cart-p99"]),
        ("/ c a r t enter", &["filter \"cart\" 1 of 5"]),
        ("/ c a r t esc", &["product-page-p95"]),
        ("/ z z z", &["No SLO's name contains that."]),
        ("2 / r e d i s", &["redis-cart", "cartservice"]),
        ("2 / r e d i s enter esc", &["paymentservice"]),
        ("v / f r o n t", &["1 of 8", "frontend"]),
        ("tab enter", &["BURNING cart-p99"]),
        ("backtab enter", &["OK checkout-p95"]),
        ("v tab", &["Why is cart-p99 as it is?", "computing"]),
    ];
    for (keys, texts) in table {
        let mut driver = Driver::usual(80, 40);
        driver.engine([fixture::answered(7, fixture::verdict())]);
        driver.press(keys);
        let screen = driver.text();
        for text in *texts {
            assert!(screen.contains(text), "after {keys:?} there is no {text:?} in\n{screen}");
        }
    }
}

/// After these keys the cursor stands on a line that starts like this.
#[test]
fn keys_move_the_cursor() {
    let table = [
        ("", "✖ BREACHED  product-page-p95"),
        ("down", "▲ BURNING   cart-p99"),
        ("j j", "? UNKNOWN   search-p95"),
        ("j k", "✖ BREACHED  product-page-p95"),
        ("up", "✖ BREACHED  product-page-p95"),
        ("end", "● OK        checkout-p95"),
        ("G g", "✖ BREACHED  product-page-p95"),
        ("pagedown", "● OK        checkout-p95"),
        ("end down", "● OK        checkout-p95"),
        ("s", "✖ BREACHED  product-page-p95"),
        ("s up", "● OK        checkout-p95"),
        ("tab", "▲ BURNING   cart-p99"),
        ("backtab", "● OK        checkout-p95"),
        ("/ h o m e", "● OK        home-p50"),
        ("2", "▾ frontend"),
        ("2 down", "├── adservice"),
        ("2 down down", "├─▾ cartservice"),
        ("2 down down right", "│ └── redis-cart"),
        ("2 down down right left", "├─▾ cartservice"),
        ("2 down down left", "├─▸ cartservice"),
        ("2 down down left down", "├─▾ checkoutservice"),
        ("2 down down space space", "├─▾ cartservice"),
        ("2 j j l *", "├─▸ cartservice"),
        ("2 * * j j l", "│ └── redis-cart"),
        ("2 left", "▸ frontend"),
        ("2 s down", "├─▾ recommendationservice"),
        ("v", "1 ◆ recommendationservice"),
        ("v down", "2   productcatalogservice"),
        ("v end", "8   adservice"),
        ("v down enter esc", "2   productcatalogservice"),
        ("v down tab backtab", "1 ◆ recommendationservice"),
    ];
    for (keys, line) in table {
        let mut driver = Driver::usual(120, 40);
        driver.engine([fixture::answered(7, fixture::verdict())]);
        driver.press(keys);
        let found = driver.cursor_line();
        assert!(found.starts_with(line), "after {keys:?} the cursor is on {found:?}\n{}", driver.text());
    }
}

#[test]
fn keys_ask_the_engine() {
    let slo = Clean::new("product-page-p95");
    let diagnose = Effect::Ask(Request::Diagnose(slo));
    let table: &[(&str, &[Effect])] = &[
        ("r", &[Effect::Ask(Request::Refresh)]),
        ("ctrl-r", &[Effect::Ask(Request::Retrain)]),
        ("q", &[Effect::Quit]),
        ("ctrl-c", &[Effect::Quit]),
        ("ctrl-z", &[Effect::Suspend]),
        ("ctrl-l", &[Effect::Redraw]),
        // Typed into the filter, letters are letters; ctrl-c still leaves.
        ("/ q r d", &[]),
        ("/ ctrl-c", &[Effect::Quit]),
        ("? q", &[Effect::Quit]),
        ("v", std::slice::from_ref(&diagnose)),
        ("enter v", std::slice::from_ref(&diagnose)),
        // It is asked once, however often one looks.
        ("v esc v d", std::slice::from_ref(&diagnose)),
        ("d", std::slice::from_ref(&diagnose)),
        ("enter", &[]),
    ];
    for (keys, effects) in table {
        let mut driver = Driver::usual(80, 24);
        driver.press(keys);
        assert_eq!(driver.effects, *effects, "after {keys:?}");
    }
}

#[test]
fn a_known_verdict_is_not_asked_for_again_unless_the_user_asks() {
    let mut driver = Driver::usual(80, 24);
    driver.engine([fixture::answered(7, fixture::verdict())]);
    driver.press("v");
    assert!(driver.effects.is_empty());
    driver.press("d");
    assert_eq!(driver.effects, [Effect::Ask(Request::Diagnose(Clean::new("product-page-p95")))]);
    assert!(driver.text().contains("computing"));
}

#[test]
fn the_verdict_is_copied_as_text() {
    let mut driver = Driver::usual(80, 24);
    driver.engine([fixture::answered(7, fixture::verdict())]);
    driver.press("v y");
    let [Effect::Copy(text)] = driver.effects.as_slice() else { panic!("{:?}", driver.effects) };
    for part in [
        "product-page-p95: BREACHED",
        "Had recommendationservice's CPU",
        "cpu cpu_throttled_ratio: 0.83, normally 0.02",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn a_failure_stops_the_look_of_computing_and_can_be_asked_again() {
    let mut driver = Driver::usual(80, 24);
    driver.press("v");
    driver.engine([EngineEvent::Failed {
        slo: Some(Clean::new("product-page-p95")),
        what: Clean::new("diagnosis"),
        why: Clean::new("too little history"),
    }]);
    driver.press("up");
    let screen = driver.text();
    assert!(
        screen.contains("diagnosis failed: too little history") && screen.contains("d asks again"),
        "{screen}"
    );
    assert!(!screen.contains("computing"));
    driver.effects.clear();
    driver.press("d");
    assert_eq!(driver.effects.len(), 1);
    assert!(driver.text().contains("computing"));
}

#[test]
fn a_failure_elsewhere_leaves_a_question_running() {
    for slo in [None, Some(Clean::new("cart-p99"))] {
        let mut driver = Driver::usual(80, 24);
        driver.press("v");
        driver.engine([EngineEvent::Failed {
            slo,
            what: Clean::new("fetching history"),
            why: Clean::new("connection refused"),
        }]);
        let screen = driver.text();
        assert!(screen.contains("fetching history failed: connection refused"), "{screen}");
        assert!(screen.contains("computing"), "{screen}");
    }
}

#[test]
fn entering_the_verdict_asks_unless_the_answer_is_about_the_newest_data() {
    let asked = Effect::Ask(Request::Diagnose(Clean::new("product-page-p95")));
    let mut driver = Driver::usual(80, 24);
    driver.engine([fixture::answered(7, fixture::verdict())]);
    driver.press("v");
    assert_eq!(driver.effects, []);
    assert!(!driver.text().contains("newer data"), "{}", driver.text());
    let mut next = fixture::snapshot();
    next.version = 8;
    driver.engine([EngineEvent::Snapshot(Arc::new(next))]);
    let screen = driver.text();
    assert!(screen.contains("this is about 03:12:40; newer data is there: d asks again"), "{screen}");
    driver.press("1 v");
    assert_eq!(driver.effects, [asked]);
    // The old answer stays until the new one is there.
    let screen = driver.text();
    assert!(screen.contains("computing") && screen.contains("Had recommendationservice"), "{screen}");
}

#[test]
fn an_old_answer_tells_when_the_slo_stands_differently_by_now() {
    let mut driver = Driver::usual(80, 24);
    driver.engine([fixture::answered(7, fixture::verdict())]);
    driver.press("v");
    let mut next = fixture::snapshot();
    next.version = 8;
    let slo = next.slos.iter_mut().find(|s| s.name.as_str() == "product-page-p95").unwrap();
    slo.state = sagetop::domain::SloState::Ok;
    driver.engine([EngineEvent::Snapshot(Arc::new(next))]);
    assert!(driver.text().contains("by now the SLO is OK"), "{}", driver.text());
}

#[test]
fn a_refresh_does_not_move_the_cursor() {
    let mut driver = Driver::usual(80, 24);
    driver.press("down");
    assert_eq!(driver.state.slo, Some(Clean::new("cart-p99")));
    let mut next = fixture::snapshot();
    next.version = 8;
    next.slos.reverse();
    next.slos[0].state = sagetop::domain::SloState::Breached;
    driver.engine([EngineEvent::Snapshot(Arc::new(next))]);
    assert_eq!(driver.state.slo, Some(Clean::new("cart-p99")));
    assert!(driver.cursor_line().contains("cart-p99"));
}

#[test]
fn a_vanished_line_hands_the_cursor_to_its_successor() {
    let mut driver = Driver::usual(80, 24);
    driver.press("down");
    let mut next = fixture::snapshot();
    next.version = 8;
    let keep = |i: usize| next.slos[i].name.as_str() != "cart-p99";
    let kept: Vec<bool> = (0..next.slos.len()).map(keep).collect();
    let mut i = 0;
    next.slos.retain(|_| {
        i += 1;
        kept[i - 1]
    });
    next.entries.pop();
    driver.engine([EngineEvent::Snapshot(Arc::new(next))]);
    assert!(driver.cursor_line().contains("search-p95"), "{}", driver.text());
}

#[test]
fn an_older_snapshot_or_verdict_does_not_replace_a_newer_one() {
    let mut driver = Driver::usual(80, 24);
    driver.engine([fixture::answered(7, fixture::verdict()), fixture::answered(6, fixture::unsure())]);
    let mut old = fixture::snapshot();
    old.version = 3;
    old.context = Clean::new("old");
    driver.engine([EngineEvent::Snapshot(Arc::new(old))]);
    driver.press("v");
    assert!(driver.text().contains("boutique-prod"));
    assert!(driver.text().contains("Had recommendationservice"));
}

#[test]
fn pause_freezes_the_view_while_data_flows_on() {
    let mut driver = Driver::usual(120, 40);
    driver.press("p");
    let mut next = fixture::snapshot();
    next.version = 8;
    next.slos[2].observed_ms = Some(123.0);
    driver.engine([EngineEvent::Snapshot(Arc::new(next)), fixture::answered(8, fixture::verdict())]);
    let screen = driver.text();
    assert!(screen.contains("PAUSED") && screen.contains("642 ms") && !screen.contains("123 ms"), "{screen}");
    driver.press("p");
    let screen = driver.text();
    assert!(!screen.contains("PAUSED") && screen.contains("123 ms"), "{screen}");
}

#[test]
fn the_verdict_opens_at_the_service_of_the_tree() {
    let mut driver = Driver::usual(120, 40);
    driver.engine([fixture::answered(7, fixture::verdict())]);
    driver.press("2 down down down down v");
    assert_eq!(driver.state.suspect, Some(ServiceName::new("checkoutservice")));
}

#[test]
fn the_chosen_service_is_in_sight_however_far_down_the_ranking() {
    let mut driver = Driver::usual(80, 24);
    let mut snapshot = fixture::big(300);
    snapshot.version = 8;
    driver
        .engine([EngineEvent::Snapshot(Arc::new(snapshot)), fixture::answered(8, fixture::big_verdict(300))]);
    driver.press("2 / s e r v i c e - 2 9 9 enter end v");
    assert!(driver.cursor_line().contains("service-299"), "{}", driver.text());
}

#[test]
fn a_new_answer_is_read_from_its_beginning() {
    let mut driver = Driver::usual(80, 24);
    driver.engine([fixture::answered(7, fixture::verdict())]);
    driver.press("v end d");
    driver.engine([fixture::answered(8, fixture::unsure())]);
    assert_eq!(driver.state.suspect, Some(ServiceName::new("recommendationservice")));
    assert!(driver.text().contains("No sure cause."), "{}", driver.text());
}

#[test]
fn without_colours_everything_is_still_told() {
    let mut driver = Driver::usual(80, 24);
    driver.state.themes = Themes::builtin().unwrap().without_colour();
    let buf = driver.buffer();
    assert!(buf.content().iter().all(|c| c.fg == Color::Reset && c.bg == Color::Reset));
    let selected: Vec<_> = (0..24).filter(|y| buf[(40, *y)].modifier.contains(Modifier::REVERSED)).collect();
    assert_eq!(selected, [3], "the selected line, and only that, is in reverse video");
    assert!(driver.text().contains("› ✖ BREACHED"));
}

#[test]
fn the_wanted_slo_is_selected_first() {
    let mut driver = Driver::with(80, 24, false, Some("home-p50"));
    driver.engine(fixture::usual());
    assert!(driver.cursor_line().contains("home-p50"));
}

#[test]
fn pasted_text_is_never_a_key() {
    let mut driver = Driver::usual(80, 24);
    driver.send(Event::Paste("qqq".into()));
    assert!(driver.effects.is_empty());
    driver.press("/");
    driver.send(Event::Paste("cart\x1b[31m".into()));
    assert!(driver.text().contains("/cart\\e[31m"));
}
