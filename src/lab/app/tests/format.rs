//! The format: what is left out, and that nothing is lost.

use super::file::{AppFile, Limit};
use super::*;

#[test]
fn files_are_read_and_written_without_loss() {
    for name in names() {
        let text = json(name).unwrap();
        let file: AppFile = serde_json::from_str(&text).unwrap();
        let written = serde_json::to_string(&file).unwrap();
        assert_eq!(serde_json::from_str::<AppFile>(&written).unwrap(), file, "{name}");
        // A generated application does not differ from its file.
        assert_eq!(from_json(&text).unwrap(), app(name), "{name}");
        assert_eq!(from_json(&written).unwrap(), app(name), "{name}");
    }
    let longest = json("chain-64").unwrap();
    assert_eq!(from_json(&longest).unwrap(), app("chain-64"), "readers limit how deep objects lie");
}

#[test]
fn what_is_left_out_has_the_documented_default() {
    let app = changed(|_| {}).unwrap();
    assert_eq!(app.trace_sampling, 1.0);
    assert_eq!(app.objective.quantile, 0.99);
    assert_eq!(
        app.flows.iter().map(|flow| flow.share).collect::<Vec<_>>(),
        [0.75, 0.25],
        "shares are weights"
    );
    let service = |name| &app.services[app.service(name).unwrap()];
    assert_eq!((service("cart").replicas, service("web").replicas), (2, 1));
    assert_eq!(service("cart-db").workers, Some(128));
    assert_eq!((service("cart-cache").threads, service("cart-cache").hit_ratio), (4, 0.9));
    assert_eq!(service("web").traced_as.as_deref(), Some("web"));
    assert_eq!(service("cart-db").traced_as, None);

    let root = &app.flows[0].root;
    let cart = &root.stages[0][0];
    let transports = [root, cart, &cart.stages[0][0], &cart.stages[1][0]].map(|call| call.transport);
    assert_eq!(transports, [Transport::Http, Transport::Grpc, Transport::Memcached, Transport::Mongo]);
    assert_eq!(cart.stages[1][0].disk, Some(Disk { probability: 0.01, mean_us: 5000.0, bytes: 16_384 }));
    assert_eq!(cart.disk, None);
    assert_eq!(root.cpu, Demand { mean_us: 1000.0, cv: 0.7 });
    assert!(cart.awaited && !cart.optional && cart.retries == 0 && cart.timeout_ms.is_none());
}

#[test]
fn a_service_overrides_its_kind_and_the_file_the_lab() {
    let app = changed(|json| {
        json["defaults"] = serde_json::json!({
            "stateless": { "connections": 7, "threads": 3, "cpu_limit": "unlimited" },
            "database": { "workers": "unlimited", "connection_wait_ms": 5 }
        });
        json["services"][1]["settings"] = serde_json::json!({ "threads": 2, "connections": "unlimited" });
        json["services"][0]["settings"] = serde_json::json!({ "cpu_limit": 1.5, "memory_mib": 64 });
        json["fragments"]["read"]["disk"] = serde_json::json!({ "probability": 0 });
    })
    .unwrap();
    let service = |name| &app.services[app.service(name).unwrap()];
    let cart = service("cart");
    assert_eq!((cart.threads, cart.connections.limit, cart.cpu_limit), (2, None, None));
    let db = service("cart-db");
    assert_eq!((db.workers, db.connections), (None, Connections { limit: Some(512), wait_ms: 5.0 }));
    assert_eq!((service("web").cpu_limit, service("web").memory_limit), (Some(1.5), 64 << 20));
    assert!(sites(&app.flows[0]).iter().all(|site| site.call.disk.is_none()), "probability 0 is no disk");
}

#[test]
fn limits_are_numbers_or_unlimited() {
    let read = |text: &str| serde_json::from_str::<Limit<u32>>(text);
    assert_eq!(read("3").unwrap(), Limit::Of(3));
    assert_eq!(read("\"unlimited\"").unwrap(), Limit::Unlimited);
    assert_eq!(serde_json::from_str::<Limit<f64>>("2").unwrap(), Limit::Of(2.0));
    for wrong in ["\"none\"", "-1", "1.5", "null", "99999999999"] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn the_schema_names_every_field_and_what_it_is_for() {
    let schema = serde_json::to_value(schema()).unwrap();
    let definitions = schema["$defs"].as_object().unwrap();
    let whole = std::iter::once(&schema).chain(definitions.values());
    let mut fields = 0;
    for object in whole.filter(|definition| definition["type"] == "object") {
        assert_eq!(object["additionalProperties"], false, "{object}");
        for (name, field) in object["properties"].as_object().unwrap() {
            assert!(field["description"].is_string(), "{name}: {field}");
            fields += 1;
        }
    }
    assert!(fields > 50, "{fields}");
    assert_eq!(schema["required"], serde_json::json!(["name", "title", "rate", "services", "flows"]));
}

#[test]
fn the_documentation_shows_what_works_and_leaves_nothing_out() {
    let page = include_str!("../../../../docs/lab/applications.md");
    let example = page.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let app = from_json(example).unwrap_or_else(|error| panic!("{error}"));
    assert!(app.flows.len() > 1 && app.services.len() > 2);
    let schema = serde_json::to_value(schema()).unwrap();
    let definitions = schema["$defs"].as_object().unwrap();
    for object in std::iter::once(&schema).chain(definitions.values()) {
        for name in object["properties"].as_object().into_iter().flat_map(|fields| fields.keys()) {
            assert!(
                page.contains(&format!("`{name}`")),
                "docs/lab/applications.md does not mention `{name}`"
            );
        }
    }
    for name in names() {
        assert!(page.contains(name), "docs/lab/applications.md does not mention {name}");
    }
}

#[test]
fn the_documented_figures_are_those_of_the_applications() {
    let page = include_str!("../../../../docs/lab/applications.md");
    for name in names() {
        let app = app(name);
        let file: AppFile = serde_json::from_str(&json(name).unwrap()).unwrap();
        let loads = offered(&app);
        let calls = loads.iter().map(|load| load.calls).sum::<f64>() / app.rate;
        let tightest = loads.iter().map(|load| load.of_limit).fold(0.0, f64::max);
        let row = format!(
            "| `{name}` | {} | {} | {calls:.1} | {:.0} % | {:.0} ms | {:.0} ms | {:.0} ms |",
            app.rate,
            file.time_scale,
            tightest * 100.0,
            healthy_tail_ms(&app, 0.5),
            healthy_tail_ms(&app, 0.99),
            app.objective.limit_ms
        );
        let said = page.lines().find(|line| line.starts_with(&format!("| `{name}`"))).unwrap();
        let services = format!("| {} |", app.services.len());
        assert!(said.contains(&services) || said.contains("as named"), "{said}: {services}");
        assert!(page.contains(&row), "docs/lab/applications.md lacks\n{row}");
    }
}
