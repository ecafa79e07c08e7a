//! Tests of verdicts on episodes whose truth is known.

#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;

use super::*;
use crate::diagnosis::testbed::{Bed, SPAN, WINDOWS, bed};
use crate::domain::{Column, NoProgress, Party, Stat};
use crate::gvae::testbed::{Fault, service};

/// The mildest of some sizes of a fault that breaks the SLO, with the windows that end in it.
fn breaking(bed: &Bed, seed: u64, fault: impl Fn(f64) -> Fault) -> Frame {
    let frames = [1.0, 1.5, 2.0, 3.0, 4.0].into_iter().map(|size| bed.broken(seed, &[fault(size)]));
    let mut breaking = frames.filter(|frame| bed.tail_ms(frame) > 1.03 * bed.slo.objective_ms);
    breaking.next().unwrap()
}

fn name(bed: &Bed, s: usize) -> ServiceName {
    service(&bed.app, s)
}

fn blamed(verdict: &Verdict) -> Vec<ServiceName> {
    verdict.culprits.iter().map(|c| c.service.clone()).collect()
}

/// One line a case, shown when a test fails or with `--nocapture`.
fn line(what: &str, verdict: &Verdict) -> String {
    let mut line = format!("{what:<24} {:<10}", verdict.kind.word());
    for c in &verdict.culprits {
        let resource = c.resources.first().map_or("?", |r| r.resource.word());
        let node = c.node.as_ref().map_or(String::new(), |n| format!(" on {n}"));
        let _ = write!(line, " {} ({resource}{node})", c.service);
    }
    let ranked = verdict.ranking.iter().take(2).map(|r| format!("{} {:.0}", r.service, r.score));
    let _ = write!(line, " | {}", ranked.collect::<Vec<_>>().join(", "));
    line
}

/// Asks about one fault at each of six places; all must be answered by `kind`, the place's
/// service alone, and `resource`, and lead the ranking.
#[track_caller]
fn each_is_named(seed: u64, kind: VerdictKind, resource: Resource, fault: impl Fn(usize, f64) -> Fault) {
    let bed = bed();
    let mut wrong = Vec::new();
    for place in 0..6 {
        let frame = breaking(bed, seed + place as u64, |size| fault(place, size));
        let verdict = bed.ask(&frame);
        let culprit = match fault(place, 1.0) {
            Fault::Channel(c, _) => name(bed, bed.app.calls[c].callee),
            _ => name(bed, place),
        };
        let line = line(&format!("{:?}", fault(place, 1.0)), &verdict);
        println!("{line}");
        let named = verdict.culprits.first().and_then(|c| c.resources.first()).map(|r| r.resource);
        let first = verdict.resource_ranking.first().map(|r| (r.service.clone(), r.resource));
        if verdict.kind != kind
            || blamed(&verdict) != [culprit.clone()]
            || verdict.ranking[0].service != culprit
            || named != Some(resource)
            || first != Some((culprit, resource))
        {
            wrong.push(line);
        }
        assert_eq!(verdict.basis, Basis::EndToEnd);
        assert_eq!(verdict.ranking.len(), 6);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_hungry_neighbour_in_the_container_is_cpu() {
    each_is_named(40, VerdictKind::Culprits, Resource::Cpu, |s, size| Fault::Cpu(s, 0.7 * size));
}

#[test]
fn growing_memory_is_memory() {
    each_is_named(50, VerdictKind::Culprits, Resource::Memory, |s, size| Fault::Memory(s, 2.0 + size));
}

#[test]
fn a_slow_channel_is_its_callees_network() {
    each_is_named(60, VerdictKind::Culprits, Resource::Network, |c, size| Fault::Channel(c, 40.0 * size));
}

#[test]
fn what_no_metric_shows_is_latent() {
    each_is_named(70, VerdictKind::Latent, Resource::Latent, |s, size| Fault::Latent(s, 1.0 + 2.0 * size));
}

#[test]
fn a_noisy_machine_is_named() {
    let bed = bed();
    for n in 0..3 {
        let frame = breaking(bed, 80 + n as u64, |size| Fault::Node(n, 0.5 + 0.15 * size));
        let verdict = bed.ask(&frame);
        println!("{}", line(bed.app.nodes[n], &verdict));
        assert_eq!(verdict.kind, VerdictKind::Culprits, "a measured metric tells why");
        let here = |s: &ServiceName| bed.app.services.iter().any(|at| at.node == n && at.name == s.as_str());
        for culprit in &verdict.culprits {
            assert!(here(&culprit.service), "{} does not run on {}", culprit.service, bed.app.nodes[n]);
            assert_eq!(culprit.node.as_ref().unwrap().as_str(), bed.app.nodes[n]);
            let first = &culprit.resources[0];
            assert_eq!(first.resource, Resource::Cpu);
            assert_eq!(first.metric.as_str(), format!("cpu_usage of node {}", bed.app.nodes[n]));
            assert!(first.observed > first.normal);
        }
        assert!(here(&verdict.ranking[0].service));
    }
}

/// Far more requests than usual, all services as quick as ever, and an objective broken all the
/// same. How real surges fare is measured by `confusion`.
#[test]
fn more_load_than_usual_is_nobodys_fault() {
    let bed = bed();
    for seed in 90..94 {
        let mut frame = bed.broken(seed, &[]);
        for (column, values) in &mut frame.columns {
            let is_load = matches!(column, Column::Metric { feature, .. } if feature.as_str() == "requests");
            values[WINDOWS - SPAN..].iter_mut().filter(|_| is_load).for_each(|v| *v *= 2.5);
        }
        let slo = Slo { objective_ms: 0.9 * bed.tail_ms(&frame), ..bed.slo.clone() };
        let verdict = bed.ask_about(&slo, &frame);
        println!("{}", line("load", &verdict));
        assert_eq!(verdict.kind, VerdictKind::Load);
        assert!(verdict.culprits.is_empty());
    }
}

/// Far more than was ever seen: how the services should behave then is not known.
#[test]
fn far_more_load_than_ever_blames_nobody() {
    let bed = bed();
    for seed in 0..3 {
        let frame = bed.broken(100 + seed, &[Fault::Load(2.5)]);
        let verdict = bed.ask(&frame);
        println!("{}", line("much load", &verdict));
        assert!(matches!(verdict.kind, VerdictKind::Load | VerdictKind::Unsure), "{:?}", verdict.kind);
        assert!(verdict.culprits.is_empty());
    }
}

#[test]
fn of_two_faults_both_are_found_and_nobody_else() {
    let bed = bed();
    let pairs = [
        (Fault::Cpu(1, 0.9), 1, Fault::Latent(4, 4.0), 4),
        (Fault::Cpu(2, 0.9), 2, Fault::Channel(5, 60.0), 4),
        (Fault::Latent(5, 3.0), 5, Fault::Cpu(3, 1.4), 3),
        (Fault::Memory(4, 4.0), 4, Fault::Latent(1, 3.5), 1),
    ];
    for (i, (one, a, other, b)) in pairs.into_iter().enumerate() {
        let verdict = bed.ask(&bed.broken(110 + i as u64, &[one, other]));
        println!("{}", line(&format!("{one:?} {other:?}"), &verdict));
        let mut names = blamed(&verdict);
        names.sort();
        let mut wanted = vec![name(bed, a), name(bed, b)];
        wanted.sort();
        assert_eq!(names, wanted, "{one:?} {other:?}");
        assert_eq!(verdict.kind, VerdictKind::Culprits);
    }
}

#[test]
fn ordinary_times_are_healthy() {
    let bed = bed();
    let mut seen = 0;
    for seed in 120..130 {
        let frame = bed.broken(seed, &[]);
        if bed.tail_ms(&frame) > bed.slo.objective_ms {
            continue;
        }
        let verdict = bed.ask(&frame);
        seen += 1;
        assert_eq!(verdict.kind, VerdictKind::Healthy);
        assert!(verdict.culprits.is_empty() && verdict.ranking.len() == 6);
        assert_eq!(verdict.basis, Basis::OwnContribution);
        assert!(verdict.warnings.iter().any(|w| w.as_str().contains("the objective is met")));
    }
    assert!(seen >= 8, "only {seen} of 10 ordinary episodes met the objective");
}

#[test]
fn a_fault_that_users_do_not_notice_leads_the_ranking() {
    let bed = bed();
    let frame = bed.broken(130, &[Fault::Latent(3, 2.5)]);
    assert!(bed.tail_ms(&frame) <= bed.slo.objective_ms);
    let verdict = bed.ask(&frame);
    assert_eq!(verdict.kind, VerdictKind::Healthy);
    assert_eq!(verdict.ranking[0].service, name(bed, 3));
}

#[test]
fn missing_inputs_make_unsure() {
    let bed = bed();
    let mut frame = breaking(bed, 140, |size| Fault::Cpu(5, 0.7 * size));
    for (i, (column, values)) in frame.columns.iter_mut().enumerate() {
        let is_entry = matches!(column, Column::Latency { rpc, .. } if rpc.caller == Party::User);
        if i % 3 == 0 && !is_entry {
            values[WINDOWS - SPAN..].fill(f32::NAN);
        }
    }
    let verdict = bed.ask(&frame);
    assert_eq!(verdict.kind, VerdictKind::Unsure);
    assert!(verdict.culprits.is_empty());
    assert!(verdict.warnings.iter().any(|w| w.as_str().contains("inputs of the model are missing")));
    assert!(!verdict.model.unwrap().in_range);
}

#[test]
fn without_a_value_of_the_slo_nothing_is_claimed() {
    let bed = bed();
    let mut frame = bed.broken(141, &[Fault::Cpu(5, 0.9)]);
    for (column, values) in &mut frame.columns {
        if matches!(column, Column::Latency { rpc, stat: Stat::Quantile(_), .. } if rpc.caller == Party::User)
        {
            values.fill(f32::NAN);
        }
    }
    let verdict = bed.ask(&frame);
    assert_eq!((verdict.kind, verdict.slo.state), (VerdictKind::Unsure, SloState::Unknown));
    assert_eq!(verdict.ranking[0].service, name(bed, 5), "the ranking is a hint all the same");
}

#[test]
fn an_slo_that_the_model_does_not_know_has_no_counterfactual() {
    let bed = bed();
    let slo = Slo { service: ServiceName::new("elsewhere"), ..bed.slo.clone() };
    let verdict = bed.ask_about(&slo, &breaking(bed, 142, |size| Fault::Cpu(1, 0.7 * size)));
    assert_eq!(verdict.kind, VerdictKind::Unsure);
    assert!(verdict.suspects.iter().all(|s| s.counterfactual.is_none() && s.path.is_empty()));
}

/// An objective that ordinary times do not meet: no service is to blame for that.
#[test]
fn what_nothing_explains_is_unresolved() {
    let bed = bed();
    for seed in 150..153 {
        let frame = bed.broken(seed, &[]);
        let slo = Slo { objective_ms: 0.6 * bed.tail_ms(&frame), ..bed.slo.clone() };
        let verdict = bed.ask_about(&slo, &frame);
        println!("{}", line("tight", &verdict));
        assert_eq!(verdict.kind, VerdictKind::Unresolved);
        assert!(verdict.culprits.is_empty());
    }
}

#[test]
fn without_windows_there_is_no_verdict() {
    let bed = bed();
    let frame = bed.broken(160, &[]);
    let at = minus(frame.ends[0], std::time::Duration::from_secs(3600));
    let (status, nothing) = (bed.status(&bed.slo, &frame), frame.rows(0..0));
    let case = Case { at, frame: &nothing, ..bed.case(&bed.slo, &status, &frame) };
    let error = diagnose(&case, &NoProgress).unwrap_err();
    assert!(matches!(error, DiagnosisError::NoData { minutes: 5, .. }), "{error}");
}

/// A model that never saw a service cannot rule it out.
#[test]
fn a_changed_application_makes_the_answer_unsure() {
    let bed = bed();
    let frame = bed.broken(170, &[Fault::Cpu(5, 0.9)]);
    let status = bed.status(&bed.slo, &frame);
    let case = bed.case(&bed.slo, &status, &frame);
    assert_eq!(diagnose(&case, &NoProgress).unwrap().kind, VerdictKind::Culprits);
    let changes = Change { came: [ServiceName::new("gifts")].into(), ..Change::default() };
    let verdict = diagnose(&Case { changes, ..case }, &NoProgress).unwrap();
    assert_eq!(verdict.kind, VerdictKind::Unsure);
    assert!(verdict.culprits.is_empty() && verdict.ranking[0].service.as_str() == "store");
    let told = |w: &Clean| w.as_str() == "since the model was trained: gifts is new";
    assert!(verdict.warnings.iter().any(told), "{:?}", verdict.warnings);
}

#[test]
fn the_way_to_the_users_is_told() {
    let bed = bed();
    let path = |s: usize| {
        let chain = path(&bed.model.cbn, &name(bed, s), &name(bed, 0));
        chain.iter().map(|s| s.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(path(4), ["payment", "checkout", "web"]);
    assert_eq!(path(0), ["web"]);
    assert_eq!(path(5).len(), 3);
    assert!(super::path(&bed.model.cbn, &name(bed, 0), &name(bed, 5)).is_empty(), "nobody calls users");
}

#[test]
fn those_to_blame_lead_whoever_is_merely_odd() {
    let suspect = |service: &str, score: f64| Suspect {
        service: ServiceName::new(service),
        own: score,
        symptom: 0.0,
        measured: 0.0,
        explained: 0.0,
        score,
        resources: Vec::new(),
        node: None,
        victims: Vec::new(),
        reset: BTreeMap::new(),
    };
    let suspects = [suspect("odd", 90.0), suspect("slow", 40.0), suspect("fine", 1.0), suspect("also", 20.0)];
    let order = |blamed: &[usize]| {
        let ranking = ranking(&suspects, &scores(&suspects, blamed));
        ranking.into_iter().map(|ranked| ranked.service.to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(order(&[3, 1]), "slow also odd fine");
    assert_eq!(order(&[]), "odd slow also fine");
}
