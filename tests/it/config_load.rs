//! A good configuration is read as it is meant.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sagetop::config::{self, Config, ConfigError};
use sagetop::domain::{LatencyUnit, Quantile, SloSource};
use sagetop::telemetry::{Auth, JaegerApi};
use tempfile::TempDir;

fn write(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

fn load(text: &str) -> Config {
    let (_folder, path) = write(text);
    config::load(&path).unwrap_or_else(|error| panic!("{error}"))
}

const FULL: &str = r#"
default_context = "prod"
[contexts.prod]
vars = { selector = 'namespace="shop"' }
[contexts.prod.prometheus]
url = "https://prometheus.example/prefix"
auth = { type = "basic", user = "oncall", password = { file = "password" } }
timeout = "12s"
tenant = "shop"
[contexts.prod.jaeger]
url = "https://jaeger.example"
api = "v3"
limit = 20
concurrency = 2
[contexts.prod.names]
frontend-http = "frontend"
[[contexts.prod.slo]]
name = "checkout p95"
service = "frontend"
operation = "GET /checkout"
quantile = 0.95
objective = "1139ms"
window = "10m"
target = 0.995
period = "30d"
source = { type = "quantile", query = 'p95{ {{selector}} }' }
[[contexts.prod.slo]]
name = "all p99"
service = "frontend"
quantile = 0.99
objective = "2s"
[contexts.lab.prometheus]
url = "http://127.0.0.1:9090"
[windows]
length = "30s"
history = "7d"
[model]
seed = 7
[diagnosis]
samples = 16
[ui]
theme = "light"
keymap = "keys.toml"
"#;

#[test]
fn every_setting_arrives() {
    let (folder, path) = write(FULL);
    std::fs::write(folder.path().join("password"), "x").unwrap();
    let config = config::load(&path).unwrap();
    let prod = config.context(None).unwrap();
    assert_eq!(prod.name.as_str(), "prod");
    assert_eq!(
        (prod.vars["selector"].as_str(), prod.vars["mesh_selector"].as_str()),
        (r#"namespace="shop""#, "")
    );
    assert_eq!(prod.prometheus.timeout, Duration::from_secs(12));
    assert_eq!(prod.prometheus.tenant.as_deref(), Some("shop"));
    let Auth::Basic { user, password } = &prod.prometheus.auth else { panic!("{:?}", prod.prometheus.auth) };
    assert_eq!(
        (user.as_str(), password.file.as_deref()),
        ("oncall", Some(folder.path().join("password").as_path()))
    );
    let jaeger = prod.jaeger.as_ref().unwrap();
    assert_eq!((jaeger.api, jaeger.limit, jaeger.backend.concurrency), (JaegerApi::V3, 20, 2));
    assert_eq!(prod.names[&"frontend-http".into()].as_str(), "frontend");

    let slo = &prod.slos[0];
    assert_eq!((slo.quantile, slo.objective_ms, slo.target), (Quantile(950), 1139.0, 0.995));
    assert_eq!((slo.window, slo.period), (Duration::from_secs(600), Duration::from_secs(30 * 86_400)));
    let query = "p95{ {{selector}} }".to_owned();
    assert_eq!(slo.source, SloSource::Quantile { query, unit: LatencyUnit::Seconds });
    let slo = &prod.slos[1];
    assert_eq!((slo.source.clone(), slo.target, slo.operation.clone()), (SloSource::Traces, 0.99, None));

    assert_eq!((config.windows.length_s(), config.windows.history), (30, Duration::from_secs(7 * 86_400)));
    assert_eq!((config.model.seed, config.diagnosis.samples), (7, 16));
    assert_eq!(config.ui.theme, "light");
    assert_eq!(config.ui.keymap, "keys.toml");
    // The one warning: the lab context watches nothing.
    let warnings: Vec<_> = config.warnings.iter().map(|warning| warning.message.as_str()).collect();
    assert_eq!(warnings, ["context `lab` has no SLO, so there is nothing to watch"]);
}

#[test]
fn a_context_is_chosen_by_name_or_default_or_because_it_is_the_only_one() {
    let two = "[contexts.a.prometheus]\nurl = 'http://a'\n[contexts.bee.prometheus]\nurl = 'http://b'\n";
    let config = load(two);
    assert_eq!(config.context(Some("bee")).unwrap().prometheus.url, "http://b");
    assert_eq!(
        config.context(None).unwrap_err().to_string(),
        "several contexts: choose one with --context, or set default_context (a, bee)"
    );
    let error = config.context(Some("be")).unwrap_err().to_string();
    assert_eq!(error, "there is no context `be` (did you mean `bee`?)");
    assert_eq!(load(&format!("default_context = 'a'\n{two}")).context(None).unwrap().name.as_str(), "a");
    assert_eq!(load("[contexts.x.prometheus]\nurl = 'http://x'").context(None).unwrap().name.as_str(), "x");
}

#[test]
fn a_catalogue_file_is_laid_over_the_standard_one_or_replaces_it() {
    let (folder, path) = write(
        "[contexts.a]\ncatalogue = 'own.toml'\nvars = { app = 'shop' }\n[contexts.a.prometheus]\nurl = 'http://a'\n\
         [contexts.b]\ncatalogue = 'own.toml'\ncatalogue_only = true\nvars = { app = 'x' }\n[contexts.b.prometheus]\nurl = 'http://b'\n\
         [contexts.c.prometheus]\nurl = 'http://c'\n",
    );
    let own = "[[feature]]\nname = 'own'\nresource = 'cpu'\nscope = 'service'\nquery = 'own{app=\"{{app}}\"}[{{rate}}]'\n";
    std::fs::write(folder.path().join("own.toml"), own).unwrap();
    let config = config::load(&path).unwrap();
    let names = |context: &str| -> Vec<String> {
        config.contexts[context].catalogue.feature.iter().map(|feature| feature.name.to_string()).collect()
    };
    let standard = names("c");
    assert!(standard.contains(&"cpu_usage".to_owned()), "{standard:?}");
    assert_eq!(names("a"), [standard, vec!["own".to_owned()]].concat());
    assert_eq!(names("b"), ["own"]);
}

#[test]
fn a_missing_file_says_how_to_make_one() {
    let error = config::load(Path::new("/nowhere/config.toml")).unwrap_err();
    assert!(matches!(error, ConfigError::Missing(_)));
    let text = error.to_string();
    assert!(text.contains("/nowhere/config.toml") && text.contains("sagetop config init"), "{text}");
}

#[test]
fn a_file_that_cannot_be_read_is_not_a_missing_one() {
    let folder = tempfile::tempdir().unwrap();
    let error = config::load(folder.path()).unwrap_err();
    assert!(matches!(error, ConfigError::Unreadable { .. }), "{error}");
}

#[test]
fn the_example_works_as_it_is() {
    let config = load(config::EXAMPLE);
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    assert_eq!(config.context(None).unwrap().slos.len(), 1);
}

/// The example with every setting in it switched on.
fn all_of_the_example() -> String {
    let on = |line: &str| match line.strip_prefix('#') {
        Some(rest) if !rest.is_empty() && !rest.starts_with(' ') => rest.to_owned(),
        _ => line.to_owned(),
    };
    config::EXAMPLE.lines().map(on).collect::<Vec<_>>().join("\n").replace("'namespace=\"shop\"'", "''")
}

#[test]
fn the_example_works_with_everything_switched_on() {
    // Except that there is nothing to use alone without a catalogue file.
    let config = load(&all_of_the_example());
    assert_eq!(config.context(None).unwrap().slos.len(), 3);
}

/// The keys that a schema knows, `*` standing for names that the user chooses.
fn keys(root: &serde_json::Value, schema: &serde_json::Value, path: &str, found: &mut Vec<String>) {
    if let Some(pointer) = schema["$ref"].as_str() {
        return keys(root, root.pointer(&pointer[1..]).unwrap(), path, found);
    }
    for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
        found.push(format!("{path}{key}"));
        keys(root, inner, &format!("{path}{key}."), found);
    }
    for list in ["oneOf", "anyOf"] {
        schema[list].as_array().into_iter().flatten().for_each(|inner| keys(root, inner, path, found));
    }
    if schema["items"].is_object() {
        keys(root, &schema["items"], path, found);
    }
    if schema["additionalProperties"].is_object() {
        keys(root, &schema["additionalProperties"], &format!("{path}*."), found);
    }
}

#[test]
fn the_example_shows_the_defaults() {
    let (shown, plain) = (load(&all_of_the_example()), load(config::EXAMPLE));
    assert_eq!(shown.windows, plain.windows);
    assert_eq!(shown.model, plain.model);
    assert_eq!(shown.diagnosis, plain.diagnosis);
    assert_eq!(shown.ui.theme, plain.ui.theme);
    let (shown, plain) = (shown.context(None).unwrap(), plain.context(None).unwrap());
    let (mut remedy, plain_remedy) = (shown.remedy.clone(), plain.remedy.clone());
    // What has no default is shown with an example.
    remedy.kubeconfig.clone_from(&plain_remedy.kubeconfig);
    (remedy.kube_context, remedy.namespaces) = (None, Vec::new());
    (remedy.kubectl, remedy.ssh, remedy.ssh_user, remedy.ssh_config) = (None, None, None, None);
    assert_eq!(remedy, plain_remedy);
    assert_eq!(shown.prometheus.timeout, plain.prometheus.timeout);
    assert_eq!(shown.prometheus.concurrency, plain.prometheus.concurrency);
    assert_eq!(shown.prometheus.max_response_mib, plain.prometheus.max_response_mib);
    let (shown_slo, plain_slo) = (&shown.slos[0], &plain.slos[0]);
    assert_eq!(
        (shown_slo.window, shown_slo.period, shown_slo.target),
        (plain_slo.window, plain_slo.period, plain_slo.target)
    );
    let (shown, plain) = (shown.jaeger.as_ref().unwrap(), plain.jaeger.as_ref().unwrap());
    assert_eq!((shown.api, shown.limit), (plain.api, plain.limit));
}

fn has(value: &toml::Value, path: &[&str]) -> bool {
    match (value, path) {
        (_, []) => true,
        (toml::Value::Array(items), _) => items.iter().any(|item| has(item, path)),
        (toml::Value::Table(table), ["*", rest @ ..]) => table.values().any(|inner| has(inner, rest)),
        (toml::Value::Table(table), [key, rest @ ..]) => {
            table.get(*key).is_some_and(|inner| has(inner, rest))
        }
        _ => false,
    }
}

#[test]
fn the_example_mentions_every_key() {
    let schema = config::schema();
    let mut known = Vec::new();
    keys(&schema, &schema, "", &mut known);
    assert!(known.contains(&"contexts.*.jaeger.limit".to_owned()), "{known:?}");
    let example = toml::Value::Table(all_of_the_example().parse().unwrap());
    // Where a secret comes from is shown once, not at every place that takes one.
    let secret = |key: &str| [".env", ".file", ".value"].iter().any(|end| key.ends_with(end));
    let missing: Vec<_> = known
        .iter()
        .filter(|key| !secret(key) && !has(&example, &key.split('.').collect::<Vec<_>>()))
        .filter(|key| {
            !(key.contains(".auth.")
                && has(&example, &["contexts", "local"])
                && mentioned_auth(key, &example))
        })
        .collect();
    assert!(missing.is_empty(), "the example does not mention {missing:?}");
    for word in ["env = ", "file = ", "value = "] {
        assert!(config::EXAMPLE.contains(word), "{word}");
    }
}

/// Each way to log in is shown at one of the backends.
fn mentioned_auth(key: &str, example: &toml::Value) -> bool {
    let (_, rest) = key.split_once(".auth.").unwrap();
    let below = |backend| {
        has(
            example,
            &[&["contexts", "*", backend, "auth"], &rest.split('.').collect::<Vec<_>>()[..]].concat(),
        )
    };
    below("prometheus") || below("jaeger")
}
