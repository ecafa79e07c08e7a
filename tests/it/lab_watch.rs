//! Watches of the lab's API server: the stream itself, and a real kubectl that lives by it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::lab_kubectl::real;
use crate::lab_operators::{Lab, Ran};

const PODS: &str = "/api/v1/namespaces/shop/pods?watch=true";
const WEB: &str = "/apis/apps/v1/namespaces/shop/deployments";

/// Asks for `path`; the answer's status, and its lines until the server ends it.
fn ask(lab: &Lab, path: &str) -> (u16, Vec<Value>) {
    let kubeconfig = std::fs::read_to_string(&lab.installed.kubeconfig).unwrap();
    let kubeconfig: Value = serde_json::from_str(&kubeconfig).unwrap();
    let server = kubeconfig["clusters"][0]["cluster"]["server"].as_str().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let answer = reqwest::get(format!("{server}{path}")).await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    })
}

/// The events in short: `ADDED web-1`.
fn short(events: &[Value]) -> Vec<String> {
    let name = |event: &Value| event["object"]["metadata"]["name"].as_str().unwrap_or("-").to_owned();
    events.iter().map(|event| format!("{} {}", event["type"].as_str().unwrap(), name(event))).collect()
}

/// The version of the newest write.
fn version(lab: &Lab) -> u64 {
    let (_, list) = ask(lab, WEB);
    list[0]["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

#[test]
fn a_watch_tells_what_happens_from_a_version_on() {
    let lab = Lab::start();
    let start = version(&lab);
    let later = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            ask(
                &lab,
                &format!("{PODS}&resourceVersion={start}&timeoutSeconds=2&allowWatchBookmarks=true&labelSelector=app%3Dweb"),
            )
        });
        std::thread::sleep(Duration::from_millis(300));
        lab.observe(5, &[0, 1, 2], 0.0);
        std::thread::sleep(Duration::from_millis(300));
        lab.observe(6, &[1, 2], 0.0);
        waiting.join().unwrap()
    });
    let (first, third) = (lab.pod(0, 0), lab.pod(0, 2));
    assert_eq!(later.0, 200);
    let expected = [format!("ADDED {third}"), format!("MODIFIED {third}"), format!("DELETED {first}")];
    assert_eq!(short(&later.1), [&expected[..], &["BOOKMARK -".to_owned()]].concat());
    let versions: Vec<u64> = later
        .1
        .iter()
        .map(|event| event["object"]["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap())
        .collect();
    assert!(versions[0] > start && versions.is_sorted(), "{versions:?} from {start}");
    assert_eq!(versions[3], version(&lab), "the next watch goes on from there");

    // What was missed comes at once, and all that there is without a version.
    let (_, missed) =
        ask(&lab, &format!("{PODS}&resourceVersion={start}&timeoutSeconds=0&labelSelector=app%3Dweb"));
    assert_eq!(short(&missed), expected);
    let (_, all) = ask(&lab, &format!("{PODS}&timeoutSeconds=0&labelSelector=app%3Dweb"));
    assert_eq!(short(&all), [lab.pod(0, 1), third].map(|pod| format!("ADDED {pod}")));
    let (_, one) = ask(&lab, &format!("{WEB}/web?watch=1&timeoutSeconds=0"));
    assert_eq!(short(&one), ["ADDED web"]);
    let (_, none) = ask(&lab, &format!("{WEB}?watch=false"));
    assert_eq!(none[0]["kind"], "DeploymentList");
}

#[test]
fn an_object_that_begins_or_ceases_to_match_comes_and_goes() {
    let lab = Lab::start();
    let start = version(&lab);
    for label in ["tier=front", "tier=back", "tier=front"] {
        let (key, value) = label.split_once('=').unwrap();
        let patch = json!({ "metadata": { "labels": { key: value } } }).to_string();
        assert_eq!(lab.kubectl(&["patch", "deployments.apps/web", "--type=merge", "-p", &patch]).code, 0);
    }
    let (_, events) = ask(
        &lab,
        &format!("{WEB}?watch=true&resourceVersion={start}&timeoutSeconds=0&labelSelector=tier%3Dfront"),
    );
    assert_eq!(short(&events), ["ADDED web", "DELETED web", "ADDED web"]);
}

#[test]
fn what_cannot_be_watched_is_refused() {
    let lab = Lab::start();
    let refused = |query: &str| {
        let (status, body) = ask(&lab, &format!("{PODS}&timeoutSeconds=0&{query}"));
        (status, body[0]["reason"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(refused("resourceVersion=new"), (400, "BadRequest".to_owned()));
    assert_eq!(refused("fieldSelector=spec.frob%3D1"), (400, "BadRequest".to_owned()));
    assert_eq!(refused("sendInitialEvents=true"), (422, "Invalid".to_owned()));
    lab.manners(
        serde_json::from_value(json!({ "forbid": [{ "verb": "watch", "resource": "pods" }] })).unwrap(),
    );
    assert_eq!(refused(""), (403, "Forbidden".to_owned()));
    // More happens than the server remembers.
    for second in 0..700 {
        lab.observe(second, if second % 2 == 0 { &[0, 1] } else { &[0, 1, 2] }, 0.0);
    }
    let (status, body) = ask(&lab, &format!("{WEB}?watch=true&resourceVersion=1&timeoutSeconds=0"));
    assert_eq!((status, &body[0]["reason"]), (410, &json!("Expired")));
}

#[test]
fn a_real_kubectl_waits_for_what_it_watches() {
    let Some(real) = real() else { return };
    let lab = Lab::start();
    let run = |args: &[&str]| lab.run(&real, &[&["--context=lab", "-n", "shop"], args].concat(), "");
    // What it says while the cluster comes to `web` replicas half a second later.
    let meanwhile = |args: &[&str], web: &[u32]| {
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| run(args));
            std::thread::sleep(Duration::from_millis(500));
            lab.observe(5, web, 0.0);
            waiting.join().unwrap()
        })
    };
    assert_eq!(run(&["scale", "deployments.apps/web", "--replicas=3"]).code, 0);
    let Ran { code, err, .. } = run(&["rollout", "status", "deployments.apps/web", "--timeout=1s"]);
    assert_eq!((code, &*err), (1, "error: timed out waiting for the condition\n"));
    let mut rollout = Command::new(&real)
        .args(["--context=lab", "-n", "shop", "rollout", "status", "deployments.apps/web", "--timeout=60s"])
        .env("KUBECONFIG", &lab.installed.kubeconfig)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(rollout.stdout.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert!(line.starts_with("Waiting for deployment \"web\" rollout to finish: 2 "), "{line}");
    // It has listed; what it learns from now on, it learns from the watch.
    lab.observe(5, &[0, 1, 2], 0.0);
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert!(rest.ends_with("deployment \"web\" successfully rolled out\n"), "{rest}");
    assert!(rollout.wait().unwrap().success());

    assert_eq!(run(&["scale", "deployments.apps/web", "--replicas=2"]).code, 0);
    let wait = ["wait", "deployments.apps/web", "--for=jsonpath={.status.replicas}=2", "--timeout=20s"];
    let waited = meanwhile(&wait, &[0, 1]);
    assert_eq!((waited.code, &*waited.out), (0, "deployment.apps/web condition met\n"), "{waited:?}");
    let gone = format!("pods/{}", lab.pod(0, 1));
    let waited = meanwhile(&["wait", &gone, "--for=delete", "--timeout=20s"], &[0]);
    assert_eq!(
        (waited.code, waited.out),
        (0, format!("pod/{} condition met\n", lab.pod(0, 1))),
        "{}",
        waited.err
    );
}
