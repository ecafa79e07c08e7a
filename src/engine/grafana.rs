//! Links to Grafana's Explore: a metric's own query over the time that is looked at.

use std::time::Duration;

use serde_json::json;
use url::Url;

use super::core::Engine;
use crate::domain::{Clean, Entity, Timestamp};
use crate::telemetry::GrafanaSettings;
use crate::windows::plan::Meaning;

/// Longest link that is made: what a browser takes for sure.
const LONGEST: usize = 8_000;

impl Engine {
    /// The link to the metric called `what` of `entity`, `over` that long until `until`; `None` without a
    /// Grafana, and for latencies from traces, which no query gives.
    pub(super) fn explore(
        &self,
        entity: &Entity,
        what: &str,
        until: Option<Timestamp>,
        over: Duration,
    ) -> Option<Clean> {
        let on_node = matches!(entity, Entity::Node(_));
        let query = self.plan.queries.iter().find(|query| match &query.meaning {
            Meaning::Feature(f) => {
                f.name.as_str() == what && (f.scope == crate::domain::Scope::Node) == on_node
            }
            _ => false,
        })?;
        link(self.grafana.as_ref()?, &query.expr, until?, over)
    }
}

/// Explore with `query` over the time `over` until `until`. Its address is that of Grafana 10 and later.
fn link(grafana: &GrafanaSettings, query: &str, until: Timestamp, over: Duration) -> Option<Clean> {
    let mut url = Url::parse(&grafana.url).ok()?;
    url.path_segments_mut().ok()?.pop_if_empty().push("explore");
    let from = until.checked_sub(over).ok()?;
    let one_line = query.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut pane = json!({
        "queries": [{ "refId": "A", "expr": one_line }],
        "range": { "from": from.as_millisecond().to_string(), "to": until.as_millisecond().to_string() },
    });
    if let Some(uid) = &grafana.datasource {
        pane["datasource"] = json!(uid);
    }
    let panes = json!({ "a": pane }).to_string();
    url.query_pairs_mut().append_pair("schemaVersion", "1").append_pair("panes", &panes);
    (url.as_str().len() <= LONGEST).then(|| Clean::capped(url.as_str(), LONGEST))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_link_has_query_time_and_data_source_and_keeps_the_path() {
        let grafana = GrafanaSettings {
            url: "https://ops.example/grafana/".to_owned(),
            datasource: Some("prom-1".to_owned()),
        };
        let until = Timestamp::from_second(1_000_000).unwrap();
        let query = "sum by (pod)\n (rate(x{a=\"b&c\"}[5m]))";
        let link = link(&grafana, query, until, Duration::from_secs(600)).unwrap();
        let url = Url::parse(link.as_str()).unwrap();
        assert_eq!((url.host_str(), url.path()), (Some("ops.example"), "/grafana/explore"));
        let panes = url.query_pairs().find(|(key, _)| key == "panes").unwrap().1.into_owned();
        let pane = &serde_json::from_str::<serde_json::Value>(&panes).unwrap()["a"];
        assert_eq!(pane["queries"][0]["expr"], "sum by (pod) (rate(x{a=\"b&c\"}[5m]))");
        assert_eq!(
            (&pane["range"]["from"], &pane["range"]["to"]),
            (&json!("999400000"), &json!("1000000000"))
        );
        assert_eq!(pane["datasource"], "prom-1");
    }

    #[test]
    fn what_no_browser_takes_is_no_link() {
        let grafana = GrafanaSettings { url: "http://localhost:3000".to_owned(), datasource: None };
        let until = Timestamp::from_second(1_000_000).unwrap();
        assert!(link(&grafana, "up", until, Duration::from_secs(600)).is_some());
        assert_eq!(link(&grafana, &"x".repeat(9_000), until, Duration::from_secs(600)), None);
    }
}
