//! A desk at work, and a test in the place of the screens and the engine.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sagetop::domain::{
    Basis, Clean, Culprit, Quantile, Resource, ResourceCause, ServiceName, SloReading as Judged, SloState,
    TimeRange, Timestamp, Verdict, VerdictKind, verdict::VERDICT_SCHEMA,
};
use sagetop::remedy::runner::Pace;
use sagetop::remedy::{
    Approval, Ask, Confirmation, Desk, DeskError, Heard, Opening, Operation, Outcome, Phase, Plan, Proposal,
    Readings, RemedySettings, SloReading, Told,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// The objective of the tests.
pub const SLO: &str = "shop p99";
const PATIENCE: Duration = Duration::from_secs(60);

/// A desk, and everything it said.
pub struct Bench {
    pub heard: UnboundedSender<Heard>,
    told: UnboundedReceiver<Told>,
    pub seen: Vec<Told>,
    _state: Arc<TempDir>,
    _runtime: Arc<Runtime>,
}

/// A pace that suits tests: nothing is waited for longer than a fast cluster needs.
pub fn pace() -> Pace {
    Pace {
        poll: Duration::from_millis(200),
        read_back: Duration::from_secs(3),
        settle: Duration::from_secs(30),
        reverts: vec![Duration::from_millis(500), Duration::from_secs(1)],
    }
}

/// A verdict that blames `service` for `resource`.
pub fn verdict(kind: VerdictKind, service: &str, resource: Resource) -> Verdict {
    let now = Timestamp::now();
    let cause = ResourceCause {
        resource,
        metric: Clean::new("throttled"),
        unit: None,
        observed: Some(1.5),
        normal: Some(1.0),
        p_slo_met: Some(0.9),
        surprise: 20.0,
    };
    let culprit = Culprit {
        service: ServiceName::new(service),
        node: None,
        counterfactual: None,
        resources: vec![cause],
        path: Vec::new(),
    };
    Verdict {
        schema: VERDICT_SCHEMA,
        slo: Judged {
            name: Clean::new(SLO),
            quantile: Quantile::from_fraction(0.99),
            objective_ms: 100.0,
            observed_ms: Some(250.0),
            state: SloState::Breached,
        },
        at: now,
        window: TimeRange { start: now, end: now },
        kind,
        basis: Basis::EndToEnd,
        culprits: vec![culprit.clone()],
        ranking: Vec::new(),
        resource_ranking: Vec::new(),
        suspects: vec![culprit],
        model: None,
        timings_ms: Default::default(),
        warnings: Vec::new(),
    }
}

/// Windows of one second, the newest of which ended now.
pub fn readings(values: &[f64]) -> Readings {
    let now = Timestamp::now();
    let length = Duration::from_secs(1);
    let windows = values
        .iter()
        .rev()
        .zip(0u32..)
        .map(|(value, back)| (now.checked_sub(length * back).unwrap(), Some(*value)));
    let mut windows: Vec<_> = windows.collect();
    windows.reverse();
    let slo = SloReading {
        slo: Clean::new(SLO),
        objective_ms: 100.0,
        observed_ms: values.last().copied(),
        windows,
    };
    Readings { until: Some(now), length, slos: vec![slo], sends: Default::default() }
}

/// Settings for a kubectl, a kubeconfig and a namespace.
pub fn settings(kubectl: &Path, kubeconfig: &Path, namespace: &str) -> RemedySettings {
    RemedySettings {
        enabled: true,
        kubeconfig: kubeconfig.to_owned(),
        kube_context: Some(Clean::new("lab")),
        namespaces: vec![Clean::new(namespace)],
        kubectl: Some(kubectl.to_owned()),
        ..RemedySettings::default()
    }
}

impl Bench {
    /// A desk with a state folder of its own.
    pub fn open(settings: RemedySettings) -> Self {
        Self::at(settings, Arc::new(tempfile::tempdir().unwrap()), pace()).unwrap()
    }

    /// A desk with a given state folder.
    pub fn at(settings: RemedySettings, state: Arc<TempDir>, pace: Pace) -> Result<Self, DeskError> {
        let mut opening = Opening::new(Clean::new("shop"), settings, state.path());
        opening.pace = pace;
        Self::with(opening, state)
    }

    /// A desk by its opening; `state` is kept as long as it.
    pub fn with(opening: Opening, state: Arc<TempDir>) -> Result<Self, DeskError> {
        let (tell, told) = unbounded_channel();
        let desk = Desk::open(opening, tell)?;
        let (heard, hears) = unbounded_channel();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.spawn(desk.run(hears));
        Ok(Self { heard, told, seen: Vec::new(), _state: state, _runtime: Arc::new(runtime) })
    }

    pub fn ask(&self, ask: Ask) {
        self.heard.send(Heard::Ask(ask)).unwrap();
    }

    /// Hands in a verdict and fresh data.
    pub fn blame(&self, kind: VerdictKind, service: &str, resource: Resource) {
        let verdict = Arc::new(verdict(kind, service, resource));
        self.heard.send(Heard::Verdict(Clean::new(SLO), verdict)).unwrap();
        self.heard.send(Heard::Readings(readings(&[250.0, 250.0]))).unwrap();
    }

    /// Waits for what `pick` takes from what is told; fails with all that was told.
    pub fn wait<T>(&mut self, what: &str, mut pick: impl FnMut(&Told) -> Option<T>) -> T {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.told.try_recv() {
                Ok(told) => {
                    let picked = pick(&told);
                    self.seen.push(told);
                    if let Some(picked) = picked {
                        return picked;
                    }
                }
                Err(_) if Instant::now() > until => panic!("waited for {what}; told: {:#?}", self.words()),
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    /// All that was told, without the reads that went well.
    pub fn words(&self) -> Vec<String> {
        let telling = |told: &&Told| match told {
            Told::Command(record) => record.complaint.is_some() || record.writes,
            _ => true,
        };
        self.seen.iter().filter(telling).map(|told| format!("{told:?}")).collect()
    }

    pub fn proposals(&mut self) -> (Vec<Arc<Proposal>>, Vec<String>) {
        self.ask(Ask::Propose(Clean::new(SLO)));
        self.wait("proposals", |told| match told {
            Told::Proposals { proposals, notes, .. } => {
                Some((proposals.clone(), notes.iter().map(ToString::to_string).collect()))
            }
            _ => None,
        })
    }

    /// The preview of a proposal, or why there is none.
    pub fn review(&mut self, proposal: &Proposal) -> Result<Arc<Plan>, String> {
        self.ask(Ask::Review(proposal.id));
        self.preview()
    }

    pub fn preview(&mut self) -> Result<Arc<Plan>, String> {
        self.wait("a preview", |told| match told {
            Told::Preview(plan) => Some(Ok(plan.clone())),
            Told::Refused { why, .. } => Some(Err(why.to_string())),
            _ => None,
        })
    }

    pub fn arm(&mut self) {
        self.ask(Ask::Arm(Clean::new("shop")));
        self.wait("arming", |told| match told {
            Told::Armed(until) => *until,
            _ => None,
        });
    }

    /// Approves `plan` as it asks for, but for a second person.
    pub fn approve(&self, plan: &Plan) {
        self.approve_with(plan, None);
    }

    /// The same, together with somebody.
    pub fn approve_with(&self, plan: &Plan, second: Option<&str>) {
        let typed = match &plan.confirmation {
            Confirmation::Choose => None,
            Confirmation::Type(name) | Confirmation::TypeWithReason(name) => Some(Clean::new(name)),
        };
        self.ask(Ask::Approve(Approval {
            digest: plan.digest,
            typed,
            reason: Some(Clean::new("a test")),
            second: second.map(Clean::new),
        }));
    }

    pub fn refusal(&mut self) -> String {
        self.wait("a refusal", |told| match told {
            Told::Refused { why, .. } => Some(why.to_string()),
            Told::Operation(operation) => panic!("it was begun: {operation:?}"),
            _ => None,
        })
    }

    /// The operation once `ready` says so.
    pub fn operation(&mut self, what: &str, ready: impl Fn(&Operation) -> bool) -> Arc<Operation> {
        self.wait(what, |told| match told {
            Told::Operation(operation) if ready(operation) => Some(operation.clone()),
            Told::Refused { what, why } => panic!("refused: {what}: {why}"),
            _ => None,
        })
    }

    pub fn outcome(&mut self) -> Outcome {
        self.operation("an outcome", |operation| operation.outcome.is_some()).outcome.clone().unwrap()
    }

    pub fn done(&mut self) -> Arc<Operation> {
        self.operation("the end", |operation| operation.phase == Phase::Done)
    }

    /// The operation once nothing more is waited for but windows.
    pub fn done_or_verifying(&mut self) -> Arc<Operation> {
        self.operation("its effect", |operation| matches!(operation.phase, Phase::Verifying | Phase::Done))
    }

    /// Proposal, review, arming and approval of the first proposal that `pick` likes.
    pub fn carry_out(&mut self, pick: impl Fn(&Proposal) -> bool) -> Arc<Plan> {
        let (proposals, notes) = self.proposals();
        let proposal = proposals.iter().find(|proposal| pick(proposal));
        let proposal = proposal.unwrap_or_else(|| panic!("not among {proposals:#?}, {notes:?}"));
        let plan = self.review(proposal).unwrap();
        self.arm();
        self.approve(&plan);
        plan
    }
}
