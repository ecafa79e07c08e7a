//! Applications: what the files say, and what is said about wrong ones.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod facts;
mod figures;
mod format;
mod mutated;
mod wrong;

use super::*;

fn app(name: &str) -> Application {
    named(name).unwrap_or_else(|error| panic!("{error}"))
}

/// A small application to vary.
fn sample() -> serde_json::Value {
    serde_json::json!({
        "name": "shop",
        "title": "A shop",
        "rate": 20,
        "services": [
            { "name": "web", "kind": "frontend", "traced_as": "web" },
            { "name": "cart", "kind": "stateless", "traced_as": "cart", "settings": { "replicas": 2 } },
            { "name": "cart-cache", "kind": "cache", "settings": { "hit_ratio": 0.9 } },
            { "name": "cart-db", "kind": "database" }
        ],
        "fragments": {
            "read": {
                "service": "cart-db",
                "client_span": "find",
                "chance": { "miss_of": { "cache": "cart-cache", "keys": 2 } },
                "cpu": { "mean_us": 400 }
            }
        },
        "flows": [
            {
                "name": "view",
                "share": 3,
                "http": "GET /cart",
                "root": {
                    "service": "web",
                    "server_spans": ["GET /cart"],
                    "cpu": { "mean_us": 1000 },
                    "stages": [[{
                        "service": "cart",
                        "transport": "grpc",
                        "client_span": "Cart/Get",
                        "server_spans": ["Cart/Get"],
                        "cpu": { "mean_us": 2000, "cv": 1.0 },
                        "stages": [
                            [{ "service": "cart-cache", "cpu": { "mean_us": 20 } }],
                            ["read"],
                            ["read", "read"]
                        ]
                    }]]
                }
            },
            {
                "name": "ping",
                "share": 1,
                "http": "GET /",
                "root": { "service": "web", "cpu": { "mean_us": 100 } }
            }
        ]
    })
}

/// The sample's application, changed by `change`.
fn changed(change: impl FnOnce(&mut serde_json::Value)) -> Result<Application, AppError> {
    let mut json = sample();
    change(&mut json);
    from_json(&json.to_string())
}
