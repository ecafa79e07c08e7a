//! The embedded catalogue parses and renders; overrides replace what they should.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn the_standard_catalogue_renders_with_and_without_selectors() {
    let standard = Catalogue::standard().unwrap();
    let queries = || {
        let features = standard.feature.iter().map(|f| &f.query);
        features.chain(standard.latency.iter().map(|l| &l.query))
    };
    let none = BTreeMap::new();
    let some: BTreeMap<String, String> = ["selector", "span_selector", "mesh_selector"]
        .map(|name| (name.to_owned(), format!("{name}=\"x\"")))
        .into();
    for query in queries() {
        for vars in [&none, &some] {
            let text = render(query, vars, MINUTE, Duration::from_secs(15)).unwrap();
            assert!(!text.contains("{{") && !text.contains("}}"), "{text}");
            assert_eq!(text.matches('{').count(), text.matches('}').count(), "{text}");
        }
    }
    let selecting = queries().filter(|query| query.contains("selector}}"));
    assert!(selecting.count() > 20, "the namespace can be chosen");
}

#[test]
fn the_standard_catalogue_covers_what_it_promises() {
    let standard = Catalogue::standard().unwrap();
    let has = |scope, resource| standard.feature.iter().any(|f| f.scope == scope && f.resource == resource);
    for resource in
        [Resource::Cpu, Resource::Memory, Resource::Cache, Resource::Disk, Resource::Network, Resource::Load]
    {
        assert!(has(Scope::Service, resource), "{resource}");
    }
    for resource in [Resource::Cpu, Resource::Memory, Resource::Disk, Resource::Network] {
        assert!(has(Scope::Node, resource), "{resource}");
    }
    assert!(has(Scope::Channel, Resource::Network));
    for feature in &standard.feature {
        let placed = match feature.scope {
            Scope::Service => feature.service.is_some() || feature.replica.is_some(),
            Scope::Channel => feature.caller.is_some() && feature.callee.is_some(),
            Scope::Node => feature.node.is_some(),
        };
        assert!(placed, "{} names no label for its {:?}", feature.name, feature.scope);
    }
    assert!(standard.latency.iter().all(|l| l.caller.is_some() || l.callee.is_some()));
}

#[test]
fn overrides_replace_by_column_and_add_the_rest() {
    let over = Catalogue::from_toml(
        r#"
        [[feature]]
        name = "cpu_usage"
        resource = "cpu"
        scope = "service"
        query = "mine"
        [[feature]]
        name = "threads"
        resource = "cpu"
        scope = "service"
        query = "threads"
        [[latency]]
        side = "client"
        quantile = 0.99
        query = "my_p99"
        caller = "from"
        callee = "to"
        unit = "ms"
        "#,
    )
    .unwrap();
    let standard = Catalogue::standard().unwrap();
    let merged = Catalogue::merged(standard.clone(), over);
    assert_eq!(merged.feature.len(), standard.feature.len() + 1);
    assert_eq!(merged.latency.len(), standard.latency.len());
    let find = |scope| merged.feature.iter().find(|f| f.scope == scope && f.name.as_str() == "cpu_usage");
    assert_eq!(find(Scope::Service).unwrap().query, "mine");
    assert_ne!(find(Scope::Node).unwrap().query, "mine", "another scope is another feature");
    assert_eq!(merged.latency.iter().filter(|l| l.query == "my_p99").count(), 1);
}

#[test]
fn mistakes_are_refused() {
    let twice = r#"
        feature = [
            { name = "a", resource = "cpu", scope = "node", query = "x" },
            { name = "a", resource = "disk", scope = "node", query = "y" },
        ]"#;
    let told = Catalogue::from_toml(twice).unwrap_err().to_string();
    assert!(told.contains("`a` is defined twice"), "{told}");
    let unknown = r#"feature = [{ name = "a", resource = "gpu", scope = "node", query = "x" }]"#;
    let told = Catalogue::from_toml(unknown).unwrap_err().to_string();
    assert!(told.contains("gpu"), "{told}");
    let latency = r#"{ side = "server", quantile = 0.5, query = "x", callee = "c" }"#;
    let told = Catalogue::from_toml(&format!("latency = [{latency}, {latency}]")).unwrap_err().to_string();
    assert!(told.contains("defined twice"), "{told}");
}
