//! Whatever is written to it, the API stands.

use serde_json::{Value, json};

use super::{ClusterApi, KubeRequest};
use crate::lab::app::{Application, Connections, Kind, Objective, Sensitivity, Service};
use crate::lab::cluster::{Cluster, Node, pod_name};
use crate::lab::sim::ReplicaReading;

fn service(name: &str, kind: Kind) -> Service {
    Service {
        name: name.into(),
        traced_as: None,
        kind,
        replicas: 1,
        workers: None,
        threads: 1,
        cpu_limit: Some(0.2),
        memory_limit: 1 << 28,
        connections: Connections { limit: None, wait_ms: 0.0 },
        hit_ratio: 0.0,
        sensitivity: Sensitivity { cache: 0.0, memory_bandwidth: 0.0 },
    }
}

fn api() -> (ClusterApi, [String; 3]) {
    let services = vec![service("web", Kind::Stateless), service("db", Kind::Database)];
    let node = Node { name: "n".into(), cores: 4, memory: 1 << 33, nic: 1e9, disk: 1e8, llc: (12 << 20, 12) };
    let cluster = Cluster { namespace: "shop".into(), nodes: vec![node], placement: vec![vec![0], vec![0]] };
    let pod = format!("/api/v1/namespaces/shop/pods/{}", pod_name(&services[0], 0));
    let app = Application {
        name: "shop".into(),
        title: String::new(),
        services,
        flows: Vec::new(),
        rate: 1.0,
        trace_sampling: 1.0,
        objective: Objective { quantile: 0.99, limit_ms: 1.0 },
    };
    let apps = "/apis/apps/v1/namespaces/shop";
    let paths = [format!("{apps}/deployments/web"), format!("{apps}/statefulsets/db"), pod];
    (ClusterApi::new(&app, &cluster, 0), paths)
}

fn send(api: &mut ClusterApi, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let request = KubeRequest {
        method: method.into(),
        path: path.into(),
        content_type: "application/json-patch+json".into(),
        body: body.to_string().into_bytes(),
        ..KubeRequest::default()
    };
    let response = api.handle(request);
    (response.code, response.body)
}

fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(fields) => fields
            .iter()
            .for_each(|(key, inner)| pointers(inner, &format!("{at}/{}", key.replace('/', "~1")), found)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, inner)| pointers(inner, &format!("{at}/{i}"), found));
        }
        _ => {}
    }
}

#[test]
fn any_field_may_be_replaced_by_anything() {
    let (_, paths) = api();
    for (path, subresource) in paths.iter().zip(["", "", "/resize"]) {
        let (mut api, _) = api();
        let (_, object) = send(&mut api, "GET", path, &Value::Null);
        let mut places = Vec::new();
        pointers(&object["spec"], "/spec", &mut places);
        pointers(&json!({ "labels": {}, "annotations": {}, "name": 0, "uid": 0 }), "/metadata", &mut places);
        places.extend(["".to_owned(), "/status".to_owned(), "/kind".to_owned()]);
        for place in places {
            let (mut api, _) = self::api();
            for value in [json!(null), json!("x"), json!([{}]), json!({ "a": "b" })] {
                let patch = json!([{ "op": "add", "path": place, "value": value }]);
                let (code, body) = send(&mut api, "PATCH", &format!("{path}{subresource}"), &patch);
                assert!([200, 400, 409, 422].contains(&code), "{place} {value}: {code} {body}");
                let reading =
                    |service, replica| ReplicaReading { service, replica, ..ReplicaReading::default() };
                api.observe(20_000, &[reading(0, 0), reading(0, 1), reading(1, 0)]);
                assert_eq!(send(&mut api, "GET", path, &Value::Null).0, 200);
            }
        }
    }
}

#[test]
fn bodies_and_paths_that_make_no_sense_are_refused() {
    let (mut api, paths) = api();
    for body in [
        json!(null),
        json!(1),
        json!([]),
        json!({}),
        json!({ "metadata": 1 }),
        json!({ "metadata": { "name": "x" } }),
    ] {
        for path in [
            "/apis/coordination.k8s.io/v1/namespaces/shop/leases",
            "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers",
        ] {
            assert!(send(&mut api, "POST", path, &body).0 < 500);
        }
        for path in &paths {
            assert!((400..500).contains(&send(&mut api, "PUT", path, &body).0), "{body}");
        }
    }
    for path in [
        "/",
        "/api",
        "/apis/apps",
        "/api/v1/namespaces/shop/pods/a/b/c",
        "/api/v1/nodes/n/scale",
        "/apis/x/v1/y",
    ] {
        assert!([200, 404].contains(&send(&mut api, "GET", path, &Value::Null).0), "{path}");
    }
    assert_eq!(send(&mut api, "DELETE", &paths[0], &Value::Null).0, 403);
}
