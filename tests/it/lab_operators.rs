//! A lab whose cluster stands still, with the real stand-ins as child processes.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use sagetop::lab::app::{Application, Connections, Kind, Objective, Sensitivity, Service};
use sagetop::lab::cluster::{Cluster, Node, pod_name};
use sagetop::lab::serve::control::{Control, router};
use sagetop::lab::sim::{Change, ReplicaReading};
use sagetop::lab::standin::{ClusterApi, Installed, Manners, install};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// When the lab began, in milliseconds since the epoch.
pub const START_MS: i64 = 1_800_000_000_000;
const TOKEN: &str = "secret";

fn service(name: &str, kind: Kind, replicas: u32, cpu_limit: Option<f64>) -> Service {
    Service {
        name: name.into(),
        traced_as: None,
        kind,
        replicas,
        workers: None,
        threads: 4,
        cpu_limit,
        memory_limit: 256 << 20,
        connections: Connections { limit: None, wait_ms: 0.0 },
        hit_ratio: 0.9,
        sensitivity: Sensitivity { cache: 1.0, memory_bandwidth: 1.0 },
    }
}

/// Two services on two machines: `web` (two replicas) and `mongo`, a database.
pub fn application() -> (Application, Cluster) {
    let app = Application {
        name: "shop".into(),
        title: "A shop".into(),
        services: vec![
            service("web", Kind::Stateless, 2, Some(0.2)),
            service("mongo", Kind::Database, 1, None),
        ],
        flows: Vec::new(),
        rate: 1.0,
        trace_sampling: 1.0,
        objective: Objective { quantile: 0.99, limit_ms: 100.0 },
    };
    let node = |name: &str| Node {
        name: name.into(),
        cores: 4,
        memory: 8 << 30,
        nic: 1.25e9,
        disk: 2e8,
        llc: (24 << 20, 12),
    };
    let cluster = Cluster {
        namespace: "shop".into(),
        nodes: vec![node("node-1"), node("node-2")],
        placement: vec![vec![0, 1], vec![0]],
    };
    (app, cluster)
}

/// A served lab.
pub struct Lab {
    pub api: Arc<Mutex<ClusterApi>>,
    pub installed: Installed,
    app: Application,
    _folder: TempDir,
    _runtime: Runtime,
}

impl Lab {
    pub fn start() -> Self {
        let (app, cluster) = application();
        let api = Arc::new(Mutex::new(ClusterApi::new(&app, &cluster, START_MS)));
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let routes = router(Control::new(Arc::clone(&api), TOKEN));
        runtime.spawn(async move { axum::serve(listener, routes).await });
        let folder = tempfile::tempdir().unwrap();
        let binary = PathBuf::from(env!("CARGO_BIN_EXE_sagetop"));
        let installed = install(&folder.path().join("bin"), &binary, &address, TOKEN, "shop").unwrap();
        Self { api, installed, app, _folder: folder, _runtime: runtime }
    }

    /// Runs a stand-in, or another program with its arguments, in a clean environment.
    pub fn run(&self, program: &str, args: &[&str], stdin: &str) -> Ran {
        let mut child = Command::new(program)
            .args(args)
            .env_clear()
            .env("HOME", self.installed.folder.as_os_str())
            .env("KUBECONFIG", &self.installed.kubeconfig)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A child that reads nothing may be gone already.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        child.wait_with_output().unwrap().into()
    }

    pub fn kubectl(&self, args: &[&str]) -> Ran {
        self.run(self.installed.folder.join("kubectl").to_str().unwrap(), args, "")
    }

    /// A remote command, by the contract's argv.
    pub fn ssh(&self, host: &str, command: &str, stdin: &str) -> Ran {
        let args = [
            "-F",
            "/dev/null",
            "-T",
            "-o",
            "BatchMode=yes",
            "-o",
            "ConnectTimeout=5",
            "-l",
            "ops",
            "--",
            host,
            command,
        ];
        self.run(self.installed.folder.join("ssh").to_str().unwrap(), &args, stdin)
    }

    pub fn changes(&self) -> Vec<Change> {
        self.api.lock().unwrap().take_changes()
    }

    pub fn manners(&self, manners: Manners) {
        self.api.lock().unwrap().set_manners(manners);
    }

    /// The simulation has these replicas of `web` and `mongo`, `seconds` after the start.
    pub fn observe(&self, seconds: i64, web: &[u32], cpu_s: f64) {
        self.observe_both(seconds, web, &[0], cpu_s);
    }

    /// The same, with these replicas of `mongo`.
    pub fn observe_both(&self, seconds: i64, web: &[u32], mongo: &[u32], cpu_s: f64) {
        let reading = |service, replica: u32| ReplicaReading {
            service,
            replica,
            node: replica as usize % 2,
            cpu_s,
            ..ReplicaReading::default()
        };
        let mut readings: Vec<ReplicaReading> = web.iter().map(|replica| reading(0, *replica)).collect();
        readings.extend(mongo.iter().map(|replica| ReplicaReading { cpu_s: 0.0, ..reading(1, *replica) }));
        self.api.lock().unwrap().observe(START_MS + seconds * 1000, &readings);
    }

    pub fn pod(&self, service: usize, replica: u32) -> String {
        pod_name(&self.app.services[service], replica)
    }

    /// An object as JSON.
    pub fn get(&self, what: &str) -> serde_json::Value {
        let ran = self.kubectl(&["get", what, "-o", "json", "--show-managed-fields"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        serde_json::from_str(&ran.out).unwrap()
    }
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }
}
