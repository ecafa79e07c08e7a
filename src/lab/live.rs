//! The lab's clockwork: history faster than real, then life in step with the wall clock.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::fault::Fault;
use super::sim::{Change, Nanos};
use super::standin::ClusterApi;
use super::world::World;

/// How often the living cluster is brought up to the wall clock.
const TICK: Duration = Duration::from_millis(200);
/// Longest step at once: a suspended machine wakes up to a gap that is simulated piece by piece.
const LONGEST_STEP: Nanos = 60_000_000_000;

/// What the living cluster is told.
#[derive(Debug)]
pub enum Order {
    /// Break something; the fault's times are in seconds from now.
    Inject(Fault, Sender<Result<(), String>>),
    /// Change the cluster as an operator does.
    Change(Change, Sender<Result<(), String>>),
    /// Stop.
    Stop,
}

/// Talks to the thread that keeps the cluster alive.
#[derive(Debug)]
pub struct Handle {
    orders: Sender<Order>,
    thread: Option<JoinHandle<()>>,
}

/// A way to give orders, for servers and stories.
#[derive(Clone, Debug)]
pub struct Orders(Sender<Order>);

impl Orders {
    /// Breaks something, from `fault.from_s` seconds from now on.
    ///
    /// # Errors
    /// The fault's place does not exist, or the cluster is gone.
    pub fn inject(&self, fault: Fault) -> Result<(), String> {
        self.ask(|answer| Order::Inject(fault, answer))
    }

    /// Changes the cluster.
    ///
    /// # Errors
    /// The change is not possible, or the cluster is gone.
    pub fn change(&self, change: Change) -> Result<(), String> {
        self.ask(|answer| Order::Change(change, answer))
    }

    fn ask(&self, order: impl FnOnce(Sender<Result<(), String>>) -> Order) -> Result<(), String> {
        let gone = || "the simulated cluster has stopped".to_owned();
        let (answer, answered) = channel();
        self.0.send(order(answer)).map_err(|_| gone())?;
        answered.recv().map_err(|_| gone())?
    }
}

impl Handle {
    /// Lets `world` live on in a thread of its own, `speed` times as fast as real, with its operators at
    /// `api`.
    ///
    /// # Errors
    /// No thread is to be had.
    pub fn start(world: World, speed: f64, api: Arc<Mutex<ClusterApi>>) -> std::io::Result<Self> {
        let (orders, inbox) = channel();
        let thread = std::thread::Builder::new()
            .name("lab".to_owned())
            .spawn(move || live(world, speed, &inbox, &api))?;
        Ok(Self { orders, thread: Some(thread) })
    }

    /// A way to give orders.
    pub fn orders(&self) -> Orders {
        Orders(self.orders.clone())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // The thread may have ended already, and then there is nothing to stop.
        let _ = self.orders.send(Order::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn live(mut world: World, speed: f64, inbox: &Receiver<Order>, api: &Mutex<ClusterApi>) {
    let (began, start) = (Instant::now(), world.simulation().now());
    world.show();
    loop {
        let target = start + (began.elapsed().as_nanos() as f64 * speed) as Nanos;
        let now = world.simulation().now();
        world.advance(target.min(now + LONGEST_STEP));
        world.show();
        operate(&mut world, api);
        let behind = target > now + LONGEST_STEP;
        match inbox.recv_timeout(if behind { Duration::ZERO } else { TICK }) {
            Ok(Order::Inject(mut fault, answer)) => {
                let now_s = world.simulation().now() as f64 / 1e9;
                fault.from_s += now_s;
                fault.until_s += now_s;
                // Whoever asked may have gone.
                let _ = answer.send(world.inject(fault).map_err(|error| error.to_string()));
            }
            Ok(Order::Change(change, answer)) => {
                let _ = answer.send(world.change(change).map_err(|error| error.to_string()));
            }
            Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

/// Objects follow the simulation, and the simulation what operators and controllers wrote.
fn operate(world: &mut World, api: &Mutex<ClusterApi>) {
    let mut replicas = world.simulation().replicas();
    replicas.retain(|replica| replica.gone.is_none());
    let changes = {
        let mut api = api.lock().unwrap_or_else(PoisonError::into_inner);
        api.observe(world.stores().clock_ms(), &replicas);
        api.take_changes()
    };
    for change in changes {
        if let Err(error) = world.change(change.clone()) {
            tracing::warn!(%error, ?change, "the simulated cluster did not follow its objects");
        }
    }
}
