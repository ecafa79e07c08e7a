//! `sagetop lab` as it is run: its servers, a real Prometheus that scrapes it, faults and operators.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::synthetic::prometheus as real;

const PATIENCE: Duration = Duration::from_secs(60);

/// A running lab, on free ports.
struct Lab {
    child: Child,
    /// What it says of itself.
    about: Value,
}

impl Lab {
    fn start(args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sagetop"))
            .args(["lab", "--json", "--prometheus-port", "0", "--jaeger-port", "0", "--control-port", "0"])
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, about: serde_json::from_str(&line).unwrap() }
    }

    fn url(&self, of: &str) -> String {
        self.about[of].as_str().unwrap().to_owned()
    }

    async fn query(&self, promql: &str) -> Vec<Value> {
        query(&self.url("prometheus"), promql).await
    }

    /// Waits until the query's only value satisfies `test`.
    async fn wait_for(&self, promql: &str, test: impl Fn(f64) -> bool) {
        let begun = Instant::now();
        loop {
            let found = self.query(promql).await;
            let value = found.first().and_then(|one| one["value"][1].as_str()?.parse::<f64>().ok());
            if value.is_some_and(&test) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{promql} is {value:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn query(url: &str, promql: &str) -> Vec<Value> {
    let form = url::form_urlencoded::Serializer::new(String::new()).append_pair("query", promql).finish();
    let asked = reqwest::Client::new()
        .post(format!("{url}/api/v1/query"))
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(form);
    let text = asked.send().await.unwrap().text().await.unwrap();
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answer["status"], "success", "{promql}: {answer}");
    answer["data"]["result"].as_array().unwrap().clone()
}

fn label_sets(series: &[Value]) -> BTreeSet<String> {
    series.iter().map(|one| one["metric"].to_string()).collect()
}

fn promtool(url: &str, promql: &str) -> String {
    let done = Command::new("promtool").args(["query", "instant", url, promql]).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    // Without the time, which differs.
    String::from_utf8(done.stdout).unwrap().split(" @[").next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_prometheus_that_scrapes_the_lab_sees_what_the_lab_says() {
    if real::is_missing() {
        assert!(std::env::var_os("SAGETOP_CI").is_none(), "`prometheus` is not installed");
        return;
    }
    let lab = Lab::start(&["--app", "chain-3", "--history", "1m", "--scrape", "1s"]);
    let prometheus = real::Prometheus::scraping(&format!(
        "global: {{ scrape_interval: 1s }}\nscrape_configs:\n- job_name: lab\n  http_sd_configs: [{{ url: '{}/sd', refresh_interval: 1s }}]\n",
        lab.url("control")
    ));
    let all = r#"{__name__=~"(container|kube|node|probe|traces|http)_.+"}"#;
    let begun = Instant::now();
    loop {
        let (theirs, ours) = (query(&prometheus.url, all).await, lab.query(all).await);
        let (theirs, ours) = (label_sets(&theirs), label_sets(&ours));
        if ours.len() > 500 && theirs == ours {
            break;
        }
        let differ: Vec<&String> = theirs.symmetric_difference(&ours).take(3).collect();
        assert!(begun.elapsed() < PATIENCE, "{} and {} series; {differ:?}", theirs.len(), ours.len());
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    for promql in [
        "sum(node_memory_MemTotal_bytes)",
        "count by (job) (up)",
        r#"sum by (container) (kube_pod_container_resource_limits{resource="cpu"})"#,
    ] {
        assert_eq!(promtool(&prometheus.url, promql), promtool(&lab.url("prometheus"), promql), "{promql}");
    }
    // Counters go on while the two are asked, so they agree within what a few seconds add.
    let requests = "sum(traces_service_graph_request_total)";
    let count =
        async |url: &str| query(url, requests).await[0]["value"][1].as_str().unwrap().parse::<f64>().unwrap();
    let (theirs, ours) = (count(&prometheus.url).await, count(&lab.url("prometheus")).await);
    assert!(ours > 1_000.0 && (theirs / ours - 1.0).abs() < 0.2, "{theirs} and {ours}");
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_strike_and_operators_help() {
    let folder = tempfile::tempdir().unwrap();
    let bin = folder.path().join("bin");
    let config = folder.path().join("config.toml");
    let collector = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = format!("http://{}", collector.local_addr().unwrap());
    let takes_all = axum::Router::new().route("/v1/traces", axum::routing::post(async || "{}"));
    tokio::spawn(async move { axum::serve(collector, takes_all).await.unwrap() });
    let places = [
        "--stand-ins",
        bin.to_str().unwrap(),
        "--write-config",
        config.to_str().unwrap(),
        "--export-otlp",
        &at,
    ];
    let lab = Lab::start(
        &[&["--app", "chain-3", "--history", "61m", "--scrape", "5s", "--speed", "5"][..], &places].concat(),
    );
    assert_eq!(std::fs::read_to_string(&config).unwrap(), lab.about["config"].as_str().unwrap());
    let checked = Command::new(env!("CARGO_BIN_EXE_sagetop"))
        .arg("--config")
        .arg(&config)
        .args(["config", "check"])
        .output();
    assert!(checked.unwrap().status.success());

    let post = async |script: &str| {
        let sent = reqwest::Client::new()
            .post(format!("{}/lab/v1/faults", lab.url("control")))
            .body(script.to_owned());
        let answer = sent.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (status, why) =
        post("[[fault]]\nkind = \"cpu-hog\"\nservice = \"chain-7\"\nat = \"0s\"\nfor = \"1h\"\n").await;
    assert_eq!(status, 422);
    assert!(why.contains("there is no service `chain-7`, but there is `chain-"), "{why}");
    let (status, answer) =
        post("[[fault]]\nkind = \"latent\"\nservice = \"chain-2\"\nat = \"0s\"\nfor = \"1h\"\n").await;
    assert_eq!(status, 200, "{answer}");
    let slower = r#"histogram_quantile(0.5, sum by (le) (rate(traces_service_graph_request_server_seconds_bucket{server="chain-2"}[30s])))
        / histogram_quantile(0.5, sum by (le) (rate(traces_service_graph_request_server_seconds_bucket{server="chain-2"}[30s] offset 5m)))"#;
    lab.wait_for(slower, |ratio| ratio > 2.0).await;

    let kubectl = |args: &[&str]| run(&bin.join("kubectl"), args);
    let before: u32 =
        kubectl(&["get", "deployment", "chain-1", "-o", "jsonpath={.spec.replicas}"]).parse().unwrap();
    let wanted = before + 2;
    assert!(kubectl(&["scale", "deployment/chain-1", &format!("--replicas={wanted}")]).contains("scaled"));
    lab.wait_for(r#"count(kube_pod_info{pod=~"chain-1-.*"})"#, |pods| pods == f64::from(wanted)).await;
    let state: Value = reqwest::get(format!("{}/lab/v1/state", lab.url("control")))
        .await
        .unwrap()
        .text()
        .await
        .map(|text| serde_json::from_str(&text).unwrap())
        .unwrap();
    let [fault] = state["faults"].as_array().unwrap().as_slice() else { panic!("{}", state["faults"]) };
    assert_eq!((&fault["fault"]["kind"], &fault["phase"]), (&"latent".into(), &"active".into()));
    assert_eq!(fault["injected_ms"], fault["from_ms"], "`at` was 0");
    let exported = &state["export"][0];
    assert!(exported["sent"].as_u64().unwrap() > 0 && exported["failed"] == 0, "{exported}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_lists_the_faults_of_the_script_and_edges_may_be_those_of_traces() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("faults.toml");
    let fault = |kind: &str, when: &str| format!("[[fault]]\nkind = \"{kind}\"\n{when}\nintensity = 0.1\n");
    let text = [
        fault("load-surge", "before = \"50s\"\nfor = \"20s\""),
        fault("cpu-hog", "service = \"text-service\"\nat = \"0s\"\nfor = \"1h\""),
        fault("noisy-neighbour", "node = \"node-2\"\nat = \"2h\"\nfor = \"1m\""),
        fault("version-change", "service = \"text-service\"\nbefore = \"50s\"\nfor = \"1s\""),
    ];
    std::fs::write(&script, text.concat()).unwrap();
    let args = ["--app", "social-network", "--history", "1m", "--edges", "traced", "--faults"];
    let lab = Lab::start(&[&args[..], &[script.to_str().unwrap()]].concat());
    let state: Value = serde_json::from_str(
        &reqwest::get(format!("{}/lab/v1/state", lab.url("control"))).await.unwrap().text().await.unwrap(),
    )
    .unwrap();
    let faults = state["faults"].as_array().unwrap();
    let phases: Vec<&str> = faults.iter().map(|fault| fault["phase"].as_str().unwrap()).collect();
    assert_eq!(phases, ["over", "active", "to come", "active"]);
    let ms = |i: usize, key: &str| faults[i][key].as_i64().unwrap();
    assert_eq!(ms(2, "from_ms") - ms(1, "from_ms"), 7_200_000);
    assert_eq!(ms(0, "until_ms") - ms(0, "from_ms"), 20_000);
    assert!((0..20_000).contains(&(state["clock_ms"].as_i64().unwrap() - ms(1, "from_ms"))));
    assert!(faults.iter().all(|fault| fault["injected_ms"].is_null()), "nobody injected them");
    assert!(faults[3]["until_ms"].is_null(), "a new version stays");

    let edges = lab.query("count by (client, server) (traces_service_graph_request_total)").await;
    let has = |client: &str, server: &str| {
        edges.iter().any(|edge| edge["metric"]["client"] == client && edge["metric"]["server"] == server)
    };
    assert!(has("post-storage-service", "post-storage-memcached"), "{edges:?}");
    assert!(!has("home-timeline-service", "post-storage-service"), "its caller reports no span");
}

fn run(program: &Path, args: &[&str]) -> String {
    let done = Command::new(program).args(args).output().unwrap();
    assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn wrong_arguments_say_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("faults.toml");
    std::fs::write(&script, "[[fault]]\nkind = \"cpu-hog\"\nservice = \"chain-1\"\nfor = \"1m\"\n").unwrap();
    for (args, said) in [
        (vec!["--app", "hotel-reservatoin"], "hotel-reservation"),
        (
            vec!["--app", "chain-3", "--faults", script.to_str().unwrap()],
            "fault 1: give one of `at` and `before`",
        ),
        (vec!["--app", "chain-3", "--faults", "/nowhere.toml"], "cannot read /nowhere.toml"),
    ] {
        let done = Command::new(env!("CARGO_BIN_EXE_sagetop")).arg("lab").args(&args).output().unwrap();
        let error = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(1), "{args:?}");
        assert!(error.contains(said), "{error}");
    }
}

/// Asked for ten years of history, it would be at it for hours.
#[test]
fn a_taken_port_is_noticed_before_the_history_is_simulated() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (option, server) in [
        ("--prometheus-port", "Prometheus"),
        ("--jaeger-port", "Jaeger"),
        ("--control-port", "the control endpoint"),
    ] {
        let mut args = vec!["lab", "--app", "chain-3", "--history", "3650d"];
        for other in ["--prometheus-port", "--jaeger-port", "--control-port"] {
            args.extend([other, if other == option { &port } else { "0" }]);
        }
        let done = Command::new(env!("CARGO_BIN_EXE_sagetop")).args(&args).output().unwrap();
        let error = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(1), "{error}");
        assert!(error.contains(&format!("cannot listen on 127.0.0.1:{port}: ")), "{error}");
        assert!(error.contains(&format!("give {server} another port")), "{error}");
    }
}

#[test]
fn the_demo_wants_a_terminal_before_it_begins() {
    let done = Command::new(env!("CARGO_BIN_EXE_sagetop")).arg("demo").stdin(Stdio::null()).output().unwrap();
    assert_eq!(done.status.code(), Some(1));
    let error = String::from_utf8(done.stderr).unwrap();
    assert!(error.contains("need a terminal"), "{error}");
}
