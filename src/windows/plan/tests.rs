//! Expansion, keys, entries.
#![allow(clippy::unwrap_used)]
use std::time::Duration;

use super::*;
use crate::domain::{LatencyUnit, Party};

fn slo(service: &str, operation: Option<&str>, source: SloSource) -> Slo {
    Slo {
        name: "checkout".into(),
        service: service.into(),
        operation: operation.map(Clean::new),
        quantile: Quantile(990),
        objective_ms: 500.0,
        window: Duration::from_secs(300),
        target: 0.99,
        period: Duration::from_secs(86_400),
        source,
    }
}

fn plan(catalogue: &str, slos: &[Slo], names: &NameMap, url: &str) -> Plan {
    Plan::new(PlanInput {
        settings: &WindowSettings::default(),
        catalogue: &toml::from_str(catalogue).unwrap(),
        vars: &BTreeMap::from([("ns".to_owned(), "shop".to_owned())]),
        slos,
        names,
        prometheus: Some(url),
        jaeger: Some("http://jaeger"),
    })
}

const CPU: &str = "[[feature]]\nname='cpu'\nresource='cpu'\nscope='service'\nservice='app'\n\
                   query='rate(c{ns=\"{{ns}}\"}[{{rate}}])'\n";

#[test]
fn queries_are_expanded_and_keys_follow_what_matters() {
    let a = plan(CPU, &[], &NameMap::default(), "http://a");
    assert_eq!(a.queries[0].expr, "rate(c{ns=\"shop\"}[60s])");
    assert_eq!(a.queries[0].key, plan(CPU, &[], &NameMap::default(), "http://a").queries[0].key);
    let judged = CPU.replace("resource='cpu'", "resource='disk'\nunit='s'\ndrifts=true");
    assert_eq!(a.queries[0].key, plan(&judged, &[], &NameMap::default(), "http://a").queries[0].key);
    let renamed = NameMap::new([("x".into(), "y".into())]);
    for other in [
        plan(CPU, &[], &NameMap::default(), "http://b"),
        plan(&CPU.replace("rate(c", "rate(d"), &[], &NameMap::default(), "http://a"),
        plan(&CPU.replace("app", "job"), &[], &NameMap::default(), "http://a"),
        plan(CPU, &[], &renamed, "http://a"),
    ] {
        assert_ne!(a.queries[0].key, other.queries[0].key);
    }
}

#[test]
fn what_cannot_be_used_is_named() {
    let catalogue =
        format!("{}[[latency]]\nquery='x'\nside='client'\nquantile=0.5\n", CPU.replace("{{ns}}", "{{oops}}"));
    let plan = plan(&catalogue, &[], &NameMap::default(), "http://a");
    assert!(plan.queries.is_empty());
    assert!(
        plan.warnings[0].as_str().contains("cpu is not used: unknown placeholder `oops`"),
        "{:?}",
        plan.warnings
    );
    assert!(plan.warnings[1].as_str().contains("neither a caller nor a callee"), "{:?}", plan.warnings);
}

#[test]
fn slo_histograms_are_asked_for_in_both_forms() {
    let metric = "http_seconds_bucket{job=\"web\"}".to_owned();
    let slo = slo("web", Some("GET /"), SloSource::Histogram { metric, unit: LatencyUnit::Seconds });
    let plan = plan("", &[slo], &NameMap::default(), "http://a");
    let exprs: Vec<_> = plan.queries.iter().map(|q| q.expr.as_str()).collect();
    assert_eq!(
        exprs,
        [
            "histogram_quantile(0.99, sum by (le) (rate(http_seconds_bucket{job=\"web\"}[60s])))",
            "60 * sum(rate(http_seconds_count{job=\"web\"}[60s]))",
            "histogram_quantile(0.99, sum(rate(http_seconds{job=\"web\"}[60s])))",
            "60 * sum(histogram_count(rate(http_seconds{job=\"web\"}[60s])))",
        ]
    );
    let Meaning::Slo { rpc, to_ms, .. } = &plan.queries[0].meaning else { panic!("not an SLO") };
    assert_eq!((rpc.caller.clone(), *to_ms), (Party::User, 1000.0));
}

#[test]
fn entries_are_searched_under_their_trace_names() {
    let names = NameMap::new([("cart-svc".into(), "cart".into())]);
    let slos = [
        slo("cart", Some("Get"), SloSource::Traces),
        slo("cart", None, SloSource::Traces),
        slo("web", Some("GET /"), SloSource::Traces),
    ];
    let traces = plan("", &slos, &names, "http://a").traces.unwrap();
    assert_eq!(traces.entries, [("cart-svc".into(), None), ("web".into(), Some("GET /".into()))]);
    assert!(traces.needed_by_slo);
    let mut odd = slo("web", None, SloSource::Traces);
    odd.quantile = Quantile(950);
    let traces = plan("", &[odd], &names, "http://a").traces.unwrap();
    assert_eq!(traces.entry_quantiles, [500, 900, 950, 990].map(Quantile));
    assert_eq!(plan("", &[], &names, "http://a").traces, None);
}
