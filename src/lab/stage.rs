//! A lab ready to be used: its history is simulated, its servers listen, its cluster lives.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinSet;

use super::app::{AppError, Application};
use super::cluster::Cluster;
use super::export::{self, Exporter};
use super::fault::Fault;
use super::live::{Handle, Orders};
use super::measure::Measurement;
use super::serve::{self, control::Control};
use super::sim::{SECOND, Settings, SimError};
use super::standin::{self, CONTEXT, ClusterApi, InstallError, Installed};
use super::world::{Stores, World};

/// Simulated time between two reports of progress.
const STEP_S: u64 = 300;
/// Life is short in a demo.
const RECENT: Duration = Duration::from_secs(120);

/// What a lab is made of.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The application.
    pub app: Arc<Application>,
    /// Where it runs.
    pub cluster: Cluster,
    /// The simulation.
    pub settings: Settings,
    /// How it is measured; the epoch is set so that history ends now.
    pub measurement: Measurement,
    /// How much history there is.
    pub history: Duration,
    /// What breaks, in seconds of simulated time: life begins when history ends.
    pub faults: Vec<Fault>,
    /// How fast it lives.
    pub speed: f64,
    /// Collectors that get the spans of its life.
    pub collectors: Vec<export::Settings>,
    /// Where its servers listen, on loopback; 0 is any port.
    pub ports: Ports,
}

/// Ports of the lab's servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ports {
    /// Prometheus' query API.
    pub prometheus: u16,
    /// Jaeger's query API.
    pub jaeger: u16,
    /// Exporters' pages and the control endpoint.
    pub control: u16,
}

/// Why there is no lab.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The application.
    #[error(transparent)]
    App(#[from] AppError),
    /// Application, cluster and faults do not fit together.
    #[error(transparent)]
    Sim(#[from] SimError),
    /// A collector's address.
    #[error(transparent)]
    Export(#[from] export::Error),
    /// A server cannot listen.
    #[error(
        "cannot listen on 127.0.0.1:{port}: {source}; give {server} another port, or 0 for any that is free"
    )]
    Listen {
        /// Which server.
        server: &'static str,
        /// The port.
        port: u16,
        /// Why.
        source: std::io::Error,
    },
    /// A taken port cannot be served.
    #[error("cannot serve a port: {0}")]
    Socket(std::io::Error),
    /// The folder with the stand-ins.
    #[error(transparent)]
    Install(#[from] InstallError),
    /// This program's own file, which the stand-ins are.
    #[error("cannot find this program's own file: {0}")]
    Binary(std::io::Error),
    /// The present folder, from which a relative one starts.
    #[error("cannot find the present folder: {0}")]
    Folder(std::io::Error),
    /// The cluster's thread cannot be started.
    #[error("cannot start the simulation's thread: {0}")]
    Thread(std::io::Error),
}

/// The ports of a lab, taken: whoever connects waits until its cluster lives.
#[derive(Debug)]
pub struct Listeners([TcpListener; 3]);

/// A lab at work; it stops when this is dropped.
#[derive(Debug)]
pub struct Stage {
    /// What it is made of; the ports are the real ones.
    pub plan: Plan,
    /// Whoever knows it may operate the cluster.
    token: String,
    handle: Handle,
    servers: JoinSet<std::io::Result<()>>,
}

impl Plan {
    /// Takes the ports, before time goes into a history that nobody could ask for; they become the real
    /// ones.
    ///
    /// # Errors
    /// A port is taken.
    pub fn listen(&mut self) -> Result<Listeners, StageError> {
        let Ports { prometheus, jaeger, control } = &mut self.ports;
        Ok(Listeners([
            listen("Prometheus", prometheus)?,
            listen("Jaeger", jaeger)?,
            listen("the control endpoint", control)?,
        ]))
    }

    /// Simulates the history, faster than real; `progress` hears of it in simulated seconds, done and
    /// planned. Blocks for as long as that takes.
    ///
    /// # Errors
    /// Application, cluster and faults do not fit together.
    pub fn history(&mut self, now_ns: i64, mut progress: impl FnMut(u64, u64)) -> Result<World, StageError> {
        let length = self.history.as_secs();
        self.measurement.epoch_ns = now_ns - (length * SECOND).cast_signed();
        let keep = self.history + Duration::from_secs(3 * 86_400);
        let (app, cluster) = (self.app.clone(), self.cluster.clone());
        let (settings, faults) = (self.settings.clone(), self.faults.clone());
        let mut world = World::new(app, cluster, settings, faults, self.measurement.clone(), keep)?;
        let mut done = 0;
        while done < length {
            done = (done + STEP_S).min(length);
            world.advance(done * SECOND);
            progress(done, length);
        }
        Ok(world)
    }

    /// Opens the servers and lets the cluster live. The time that passed since history ended is simulated
    /// first, so that the cluster's clock is this machine's.
    ///
    /// # Errors
    /// A collector's address is wrong, or the system refuses a thread or a socket.
    pub async fn live(self, mut world: World, listeners: Listeners) -> Result<Stage, StageError> {
        let now_ns = i64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX);
        world.advance(now_ns.saturating_sub(self.measurement.epoch_ns).max(0).cast_unsigned());
        let start = |settings| Exporter::start(settings).map(Arc::new);
        let collectors = self.collectors.iter().map(start).collect::<Result<Vec<_>, _>>()?;
        world.export(collectors.clone());
        let stores = world.stores();
        let exporters = world.exporters().clone();
        let epoch_ms = self.measurement.epoch_ns.div_euclid(1_000_000);
        let api = Arc::new(Mutex::new(ClusterApi::new(&self.app, &self.cluster, epoch_ms)));
        let handle = Handle::start(world, self.speed, api.clone()).map_err(StageError::Thread)?;
        let token = token();
        let routers = serve::routers(
            &stores,
            exporters,
            handle.orders(),
            collectors,
            &self,
            Control::new(api, token.clone()),
        );
        let mut servers = JoinSet::new();
        for (listener, router) in listeners.0.into_iter().zip(routers) {
            let listener = tokio::net::TcpListener::from_std(listener).map_err(StageError::Socket)?;
            servers.spawn(async move { axum::serve(listener, router).await });
        }
        Ok(Stage { plan: self, token, handle, servers })
    }
}

impl Stage {
    /// A way to break and change the cluster.
    pub fn orders(&self) -> Orders {
        self.handle.orders()
    }

    /// Makes `folder` a place to put first in `PATH`: kubectl and ssh for this lab, which are this binary.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn install(&self, folder: &Path) -> Result<Installed, StageError> {
        // What is written of it must hold wherever it is read.
        let folder = std::path::absolute(folder).map_err(StageError::Folder)?;
        let binary = std::env::current_exe().map_err(StageError::Binary)?;
        let address = format!("http://127.0.0.1:{}", self.plan.ports.control);
        Ok(standin::install(&folder, &binary, &address, &self.token, &self.plan.cluster.namespace)?)
    }

    /// Serves until one of the servers fails.
    pub async fn serve(&mut self) -> std::io::Result<()> {
        match self.servers.join_next().await {
            Some(Ok(result)) => result,
            Some(Err(panic)) => Err(std::io::Error::other(panic)),
            None => Ok(()),
        }
    }

    /// A configuration of sagetop for this lab, to be read from a file. With stand-ins, the cluster may be
    /// changed through them.
    pub fn config(&self, stand_ins: Option<&Installed>) -> String {
        let Plan { app, cluster, ports, history, measurement, .. } = &self.plan;
        let look = Look { history: *history, scrape_s: measurement.scrape_s, recent: RECENT };
        let mut text = config(app, &cluster.namespace, *ports, look);
        if let Some(installed) = stand_ins {
            text += &remedy(installed, &self.plan.cluster.namespace);
        }
        text
    }
}

/// The part of a configuration that lets the cluster be changed.
fn remedy(installed: &Installed, namespace: &str) -> String {
    let path = |path: &Path| toml::Value::String(path.display().to_string()).to_string();
    format!(
        r#"
[contexts.{CONTEXT}.remedy]
enabled = true
kubeconfig = {kubeconfig}
kubectl = {kubectl}
ssh = {ssh}
ssh_user = "ops"
namespaces = ["{namespace}"]
"#,
        kubeconfig = path(&installed.kubeconfig),
        kubectl = path(&installed.folder.join("kubectl")),
        ssh = path(&installed.folder.join("ssh")),
    )
}

/// Prometheus and Jaeger over what was measured, without a living cluster; they stop when this is dropped.
#[derive(Debug)]
pub struct Archive {
    /// Where they listen.
    pub ports: Ports,
    servers: JoinSet<std::io::Result<()>>,
}

impl Archive {
    /// Opens the servers over `stores` on these ports.
    ///
    /// # Errors
    /// A port is taken.
    pub async fn open(stores: &Arc<Stores>, mut ports: Ports) -> Result<Self, StageError> {
        let mut servers = JoinSet::new();
        let listeners = [listen("Prometheus", &mut ports.prometheus)?, listen("Jaeger", &mut ports.jaeger)?];
        for (listener, router) in listeners.into_iter().zip(serve::archive(stores)) {
            let listener = tokio::net::TcpListener::from_std(listener).map_err(StageError::Socket)?;
            servers.spawn(async move { axum::serve(listener, router).await });
        }
        Ok(Self { ports, servers })
    }

    /// Gives the ports back.
    pub async fn close(mut self) {
        self.servers.shutdown().await;
    }
}

/// How sagetop is to look at a lab.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    /// How far back it learns from.
    pub history: Duration,
    /// Time between two scrapes in seconds.
    pub scrape_s: f64,
    /// What an objective's state and a diagnosis are about: the last minutes.
    pub recent: Duration,
}

/// A configuration of sagetop for the lab of `app`, whose servers listen on `ports`.
pub fn config(app: &Application, namespace: &str, ports: Ports, look: Look) -> String {
    let entry = app.entry().and_then(|entry| app.services.get(entry));
    let entry = entry.map_or("", |entry| &*entry.name);
    let names = app.services.iter().filter_map(|service| {
        let traced = service.traced_as.as_ref().filter(|traced| **traced != service.name)?;
        Some(format!("\"{traced}\" = \"{}\"\n", service.name))
    });
    let names: String = names.collect();
    let per_mille = (app.objective.quantile * 1000.0).round() / 10.0;
    format!(
        r#"# Written by `sagetop lab`: {title}, simulated.
[contexts.lab]
vars = {{ selector = 'namespace="{namespace}"', span_selector = 'namespace="{namespace}"' }}

[contexts.lab.prometheus]
url = "http://127.0.0.1:{prometheus}"

[contexts.lab.jaeger]
url = "http://127.0.0.1:{jaeger}"

[contexts.lab.names]
{names}
[[contexts.lab.slo]]
name = "{entry} p{per_mille}"
service = "{entry}"
quantile = {quantile}
objective = "{limit}ms"
window = "{recent}s"
source = {{ type = "histogram", metric = 'http_server_request_duration_seconds{{service="{entry}"}}', unit = "s" }}

[windows]
history = "{history}s"
scrape_interval = "{scrape}s"
settle = "20s"

[diagnosis]
window = "{recent}s"
"#,
        title = app.title,
        prometheus = ports.prometheus,
        jaeger = ports.jaeger,
        quantile = app.objective.quantile,
        limit = app.objective.limit_ms,
        history = look.history.as_secs(),
        scrape = look.scrape_s.round(),
        recent = look.recent.as_secs(),
    )
}

/// Takes a port on loopback, which becomes the real one.
fn listen(server: &'static str, port: &mut u16) -> Result<TcpListener, StageError> {
    let wanted = *port;
    let take = || {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, wanted)))?;
        listener.set_nonblocking(true)?;
        Ok((listener.local_addr()?.port(), listener))
    };
    let (real, listener) = take().map_err(|source| StageError::Listen { server, port: wanted, source })?;
    *port = real;
    Ok(listener)
}

/// 128 random bits in hexadecimal.
fn token() -> String {
    format!("{:032x}", rand::random::<u128>())
}
