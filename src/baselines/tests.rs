//! Every method on incidents of a small shop whose answer is known.

use super::testbed::{Incident, Shop, blamed, first};
use super::*;

const DB_CPU: Incident = Incident::Cpu("db", 0.9);

fn says(method: &dyn Method, incident: Incident) -> Answer {
    method.answer(&Shop::new(incident, 1).question()).unwrap()
}

#[test]
fn autoscaling_blames_what_it_would_scale() {
    let [half, most] = [50, 70].map(|percent| Autoscaling { percent });
    assert_eq!(blamed(&says(&half, DB_CPU)), Some(vec!["db"]));
    assert_eq!(blamed(&says(&most, DB_CPU)), Some(vec!["db"]));
    let some = Incident::Cpu("mid", 0.6);
    assert_eq!(blamed(&says(&half, some)), Some(vec!["mid"]));
    assert_eq!(blamed(&says(&most, some)), Some(vec![]));
    assert_eq!(
        blamed(&says(&half, Incident::Network("db"))),
        Some(vec![]),
        "the CPU has nothing to do with it"
    );
}

#[test]
fn deviations_rank_the_oddest_first_and_the_robust_one_forgets_a_spike() {
    for method in [Deviation::Sigma, Deviation::Robust] {
        assert_eq!(first(&says(&method, DB_CPU)), "db");
    }
    let mut shop = Shop::new(DB_CPU, 1);
    for (_, values) in &mut shop.frame().columns {
        let odd = 200.0 * values[20];
        values[30..36].fill(odd);
    }
    let score = |method: Deviation| method.answer(&shop.question()).unwrap().ranking[0].score;
    assert!(score(Deviation::Sigma) < 5.0, "six such minutes are all that mean and deviation know");
    assert!(score(Deviation::Robust) > 50.0);
}

#[test]
fn trace_rules_tell_own_time_from_the_way() {
    let network = Incident::Network("mid");
    assert_eq!(first(&says(&TraceRule::OwnTime, DB_CPU)), "db");
    assert_eq!(first(&says(&TraceRule::Gap, network)), "mid");
    assert_eq!(first(&says(&TraceRule::Both, DB_CPU)), "db");
    assert_eq!(first(&says(&TraceRule::Both, network)), "mid");
    let own = says(&TraceRule::OwnTime, DB_CPU);
    assert!(own.ranking[0].score > 40.0 && own.ranking[1].score < 5.0, "the callers only wait: {own:?}");
}

#[test]
fn cause_infer_goes_down_to_the_root() {
    let method = CauseInfer::default();
    assert_eq!(first(&says(&method, DB_CPU)), "db");
    assert_eq!(first(&says(&method, Incident::Cpu("mid", 0.9))), "mid");
    assert_eq!(first(&says(&method, Incident::Network("db"))), "db", "late calls of a callee that is well");
    assert!(says(&method, DB_CPU).ranking.iter().all(|ranked| ranked.service.as_str() != "web"));
}

#[test]
fn microscope_stops_at_the_last_abnormal_service() {
    let method = Microscope::default();
    assert_eq!(first(&says(&method, DB_CPU)), "db");
    let mid = says(&method, Incident::Cpu("mid", 0.9));
    assert_eq!((first(&mid), mid.ranking.len()), ("mid", 1));
}

/// Shops with their culprits: slow CPUs and late calls of some services, and nothing.
fn shops(of: &[&'static str]) -> Vec<(Shop, Vec<&'static str>)> {
    let slow = of.iter().map(|name| (Incident::Cpu(name, 0.9), vec![*name]));
    let late = of.iter().map(|name| (Incident::Network(name), vec![*name]));
    let all = slow.chain(late).chain([(Incident::None, vec![])]).enumerate();
    all.map(|(seed, (incident, culprits))| (Shop::new(incident, 10 + seed as u64), culprits)).collect()
}

fn learned(mut method: impl Method, of: &[&'static str]) -> impl Method {
    let known = shops(of);
    let cases = Vec::from_iter(known.iter().map(|(shop, culprits)| shop.labelled(culprits)));
    method.learn(&cases).unwrap();
    method
}

#[test]
fn the_oracles_thresholds_hold_for_tiers_of_which_it_saw_no_incident() {
    let oracle = learned(Oracle::default(), &["web", "mid"]);
    assert_eq!(blamed(&says(&oracle, DB_CPU)), Some(vec!["db"]), "{}", oracle.settings());
    assert_eq!(blamed(&says(&oracle, Incident::None)), Some(vec![]));
}

#[test]
fn seer_recognises_what_it_was_shown() {
    let seer = learned(Seer::default(), &["web", "mid", "db"]);
    for (incident, culprit) in
        [(DB_CPU, "db"), (Incident::Cpu("mid", 0.9), "mid"), (Incident::Network("mid"), "mid")]
    {
        assert_eq!(first(&says(&seer, incident)), culprit, "{incident:?}: {}", seer.settings());
    }
}

#[test]
fn without_labels_there_is_nothing_to_learn() {
    let healthy = Shop::new(Incident::None, 1);
    for mut method in all(7.0).into_iter().filter(|method| method.needs_labels()) {
        let failed = method.learn(&[healthy.labelled(&[])]).unwrap_err();
        assert!(failed.to_string().contains("given none that blames"), "{failed}");
    }
}

#[test]
fn no_method_sees_what_comes_after_the_question_or_answers_twice_differently() {
    let names = Vec::from_iter(all(7.0).iter().map(|method| method.name()));
    let distinct: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(distinct.len(), names.len(), "names are keys of tables");
    let shop = Shop::new(DB_CPU, 3);
    for method in all(7.0).into_iter().filter(|method| !method.needs_labels()) {
        let answer = method.answer(&shop.question()).unwrap();
        assert_eq!(answer, method.answer(&shop.question()).unwrap(), "{}", method.name());
        let scores = Vec::from_iter(answer.ranking.iter().map(|ranked| ranked.score));
        assert!(scores.is_sorted_by(|a, b| a >= b), "{}: {scores:?}", method.name());
    }
}

#[test]
fn a_frame_without_data_is_no_reason_to_fail() {
    let mut shop = Shop::new(Incident::None, 1);
    shop.frame().columns.clear();
    for method in all(7.0).into_iter().filter(|method| !method.needs_labels()) {
        let answer = method.answer(&shop.question()).unwrap();
        assert!(answer.ranking.iter().all(|ranked| ranked.score == 0.0), "{}: {answer:?}", method.name());
    }
}
