//! The desk: hears what the screens ask and what the engine knows, and answers. It owns the guard, and
//! through it everything that can change something.

mod history;
mod machines;
mod operations;
mod propose;
mod review;
mod tried;
mod verify;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinSet, spawn_blocking};

pub use history::{Past, past};
pub use verify::{MIN_WINDOWS, verification};

use super::act::{Act, Fresh};
use super::clock::{Clock, SystemClock};
use super::forecast::Forecast;
use super::guard::{Bound, Guard, Ticket, later};
use super::journal::{Actor, Journal, JournalError, Record};
use super::kubectl::Kubectl;
use super::log::CommandLog;
use super::names::{ContextName, Label};
use super::node::Remote;
use super::operation::OperationId;
use super::plan::Plan;
use super::program::Program;
use super::proposal::{Proposal, ProposalId};
use super::reading::Readings;
use super::runner::{Pace, Runner, Update};
use super::settings::RemedySettings;
use super::talk::{Ask, Told};
use crate::domain::{Clean, Timestamp, Verdict};

/// How often an armed desk looks whether it still is.
const WATCH: Duration = Duration::from_secs(1);

/// What the desk hears.
pub enum Heard {
    /// The screens ask.
    Ask(Ask),
    /// The newest verdict on an SLO.
    Verdict(Clean, Arc<Verdict>),
    /// What is measured.
    Readings(Readings),
    /// Who can tell what a change would do to an SLO's tail.
    Forecast(Clean, Arc<dyn Forecast>),
}

/// What a desk is made of.
pub struct Opening {
    /// Name of the context, which has to be typed to arm it.
    pub context: Clean,
    /// What may be done.
    pub settings: RemedySettings,
    /// The state folder: the journal is below it.
    pub state: PathBuf,
    /// Who is at the keyboard.
    pub operator: Clean,
    /// How long things are waited for.
    pub pace: Pace,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

impl Opening {
    /// The usual one.
    pub fn new(context: Clean, settings: RemedySettings, state: &Path) -> Self {
        Self {
            context,
            settings,
            state: state.to_owned(),
            operator: operator(),
            pace: Pace::default(),
            clock: Arc::new(SystemClock),
        }
    }
}

/// Why there is no desk.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// kubectl must not be run.
    #[error("kubectl: {0}")]
    Program(#[from] super::program::ProgramError),
    /// The settings cannot be used.
    #[error("{0}")]
    Settings(Clean),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// What comes back from work that was begun.
enum Inner {
    /// Proposals were worked out.
    Proposed { slo: Clean, proposals: Vec<(Proposal, propose::Basis)>, notes: Vec<Clean> },
    /// A review has ended; `number` tells whether it is still wanted.
    Reviewed { number: u64, what: Clean, result: Box<Result<(Plan, Bound, Fresh), Clean>> },
    /// The target of an approval was read again.
    Confirmed { ticket: Box<Ticket>, read: Result<(Fresh, String), Clean> },
    /// A machine was told to keep a change, or why not.
    Told(OperationId, Result<(), Clean>),
    /// An operation went on.
    Update(OperationId, Update),
}

/// The working place for actions in one context.
pub struct Desk {
    settings: Arc<RemedySettings>,
    operator: Clean,
    clock: Arc<dyn Clock>,
    guard: Guard,
    kubectl: Arc<Kubectl>,
    /// The machines, or why there is no way to them.
    remote: Result<Arc<Remote>, Clean>,
    journal: Arc<Journal>,
    runner: Runner,
    told: UnboundedSender<Told>,
    inner: (UnboundedSender<Inner>, UnboundedReceiver<Inner>),
    verdicts: BTreeMap<Clean, (Arc<Verdict>, Duration)>,
    readings: Option<(Readings, Duration)>,
    forecasts: BTreeMap<Clean, Arc<dyn Forecast>>,
    tried: BTreeMap<Clean, tried::Tried>,
    proposals: HashMap<ProposalId, (Arc<Proposal>, propose::Basis)>,
    next_proposal: u64,
    reviewing: u64,
    /// An approval whose target is being read again.
    confirming: bool,
    armed: bool,
    operations: BTreeMap<OperationId, operations::Kept>,
    tasks: JoinSet<()>,
}

impl Desk {
    /// Opens the desk; it tells `told`.
    ///
    /// # Errors
    /// kubectl, kubeconfig or journal cannot be used. Then nothing can be done in this context.
    pub fn open(opening: Opening, told: UnboundedSender<Told>) -> Result<Self, DeskError> {
        let Opening { context, settings, state, operator, pace, clock } = opening;
        let search = std::env::var_os("PATH").unwrap_or_default();
        let program = Program::find("kubectl", settings.kubectl.as_deref(), &search)?;
        let name = settings.kube_context.as_ref().unwrap_or(&context);
        let kube_context = ContextName::new(name.as_str())
            .map_err(|error| DeskError::Settings(Clean::new(&error.to_string())))?;
        let log = Arc::new(CommandLog::new(told.clone()));
        let kubectl = Kubectl::new(program, settings.kubeconfig.clone(), kube_context, log.clone())
            .map_err(DeskError::Settings)?;
        for namespace in &settings.namespaces {
            Label::new(namespace.as_str())
                .map_err(|error| DeskError::Settings(Clean::new(&error.to_string())))?;
        }
        let kubectl = Arc::new(kubectl);
        let journal = Arc::new(Journal::open(&state, context.as_str())?);
        let remote = match settings.kinds.iter().any(|kind| kind.is_on_node()) {
            true => Remote::open(&settings, log).map(Arc::new),
            false => Err(Clean::new("actions on machines are not among the context's `kinds`")),
        };
        let runner = Runner {
            kubectl: kubectl.clone(),
            remote: remote.clone(),
            journal: journal.clone(),
            pace,
            actor: history::this_process(),
        };
        let guard = Guard::new(context.clone(), settings.clone(), clock.clone());
        Ok(Self {
            settings: Arc::new(settings),
            operator,
            clock,
            guard,
            kubectl,
            remote,
            journal,
            runner,
            told,
            inner: unbounded_channel(),
            verdicts: BTreeMap::new(),
            readings: None,
            forecasts: BTreeMap::new(),
            tried: BTreeMap::new(),
            proposals: HashMap::new(),
            next_proposal: 1,
            reviewing: 0,
            confirming: false,
            armed: false,
            operations: BTreeMap::new(),
            tasks: JoinSet::new(),
        })
    }

    /// Works until nobody asks any more.
    pub async fn run(mut self, mut heard: UnboundedReceiver<Heard>) {
        self.recall();
        loop {
            tokio::select! {
                biased;
                next = heard.recv() => match next {
                    None => break,
                    Some(Heard::Ask(ask)) => self.ask(ask),
                    Some(Heard::Verdict(slo, verdict)) => {
                        self.verdicts.insert(slo, (verdict, self.clock.since_boot()));
                    }
                    Some(Heard::Readings(readings)) => self.measured(readings).await,
                    Some(Heard::Forecast(slo, forecast)) => {
                        self.forecasts.insert(slo, forecast);
                    }
                },
                Some(inner) = self.inner.1.recv() => self.inner(inner).await,
                Some(_) = self.tasks.join_next(), if !self.tasks.is_empty() => {}
                () = tokio::time::sleep(WATCH), if self.armed => {}
            }
            if self.armed && !self.guard.is_armed() {
                self.tell_armed();
            }
        }
    }

    fn ask(&mut self, ask: Ask) {
        match ask {
            Ask::Propose(slo) => self.propose(slo),
            Ask::Try { slo, moves } => {
                let since = self.clock.since_boot();
                self.tried.insert(slo.clone(), tried::Tried { moves, since });
                self.propose(slo);
            }
            Ask::Review(id) => self.review(id),
            Ask::Undo(op) => self.review_undo(&op),
            Ask::Arm(typed) => {
                if let Err(why) = self.guard.arm(&typed) {
                    self.refuse("arming", why);
                }
                self.tell_armed();
            }
            Ask::Disarm => {
                self.guard.disarm();
                self.tell_armed();
            }
            Ask::Approve(approval) => self.approve(approval),
            Ask::Reject => {
                // A review that is under way is not wanted any more either.
                self.reviewing += 1;
                self.guard.reject();
            }
            Ask::Keep(op) => self.keep(op),
        }
    }

    async fn inner(&mut self, inner: Inner) {
        match inner {
            Inner::Proposed { slo, proposals, notes } => self.proposed(slo, proposals, notes),
            Inner::Reviewed { number, what, result } => self.reviewed(number, &what, *result),
            Inner::Confirmed { ticket, read } => self.confirmed(*ticket, read),
            Inner::Update(op, update) => self.update(&op, update).await,
            Inner::Told(op, Ok(())) => self.update(&op, Update::KeepUntil(None)).await,
            Inner::Told(_, Err(why)) => self.refuse("keeping", why),
        }
    }

    /// Tells a machine that a change is to stay, which would take itself back.
    fn keep(&mut self, of: OperationId) {
        let kept = self.operations.get(&of).filter(|kept| kept.operation.keep_until.is_some());
        let act = kept.and_then(|kept| match &kept.write {
            Act::Machine(act) => Some(act.clone()),
            Act::Object(_) => None,
        });
        let (act, remote) = match (act, &self.remote) {
            (Some(act), Ok(remote)) => (act, remote.clone()),
            (None, _) => {
                return self.refuse("keeping", Clean::new(&format!("{of} does not take itself back")));
            }
            (_, Err(why)) => return self.refuse("keeping", why.clone()),
        };
        if !self.guard.is_armed() {
            return self.refuse("keeping", Clean::new("writing is not armed in this context"));
        }
        let (journal, by) = (self.journal.clone(), self.operator.clone());
        self.spawn(async move {
            let record = Record::Keep { op: of.clone(), by };
            let result = match aside(move || journal.append(record)).await {
                Some(Ok(())) => remote.keep(&act.target, &new_operation(Timestamp::now()), &of).await,
                Some(Err(error)) => Err(Clean::capped(&error.to_string(), 500)),
                None => Err(Clean::new("the journal's writer ended")),
            };
            Inner::Told(of, result)
        });
    }

    fn tell(&self, told: Told) {
        // Nobody listens any more when the screens are gone.
        let _ = self.told.send(told);
    }

    fn refuse(&self, what: &str, why: Clean) {
        self.tell(Told::Refused { what: Clean::new(what), why });
    }

    fn tell_armed(&mut self) {
        let left = self.guard.armed_for();
        self.armed = left.is_some();
        if !self.armed {
            self.guard.disarm();
        }
        self.tell(Told::Armed(left.map(|left| later(self.clock.wall(), left))));
    }

    /// Runs `work` beside; what it gives is heard again.
    fn spawn(&mut self, work: impl Future<Output = Inner> + Send + 'static) {
        let to = self.inner.0.clone();
        self.tasks.spawn(async move {
            let _ = to.send(work.await);
        });
    }

    /// Newest end of data that is known, and how long ago it was heard of.
    fn data_age(&self) -> Option<Duration> {
        let (readings, heard) = self.readings.as_ref()?;
        let by_wall = self.clock.wall().duration_since(readings.until?).unsigned_abs();
        // The clock on the wall may have been set back: it is at least as old as what was heard.
        Some(by_wall.max(self.clock.since_boot().saturating_sub(*heard)))
    }
}

/// Who is at the keyboard: name and machine.
fn operator() -> Clean {
    let named = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    let user = named
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| format!("uid-{}", rustix::process::getuid().as_raw()));
    Clean::capped(&format!("{user}@{}", history::host()), 80)
}

/// A name for an operation: time and random digits.
fn new_operation(at: Timestamp) -> OperationId {
    let random = rand::random::<u32>();
    OperationId(Clean::new(&format!("{}-{random:08x}", at.strftime("%Y%m%dt%H%M%Sz"))))
}

/// Does `work` where it holds nobody up.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    spawn_blocking(work).await.ok()
}

/// The process that runs this.
pub fn this_process() -> Actor {
    history::this_process()
}
