//! What to measure, and how much of it.

use std::path::PathBuf;
use std::sync::Arc;

use clap::ValueEnum;

use crate::eval::model::Plan;
use crate::eval::model::run::HELD_BACK;
use crate::lab::app::{self, AppError, Application};

/// A figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Topic {
    /// Who finds the root cause, by application and method
    Accuracy,
    /// The tail while each method acts on what it blames
    Actuation,
    /// Whether predicted counterfactuals are true
    Calibration,
    /// How far simple rules get
    Difficulty,
    /// Accuracy after the application changed, by way of training again
    Retraining,
    /// Accuracy where the application is measured badly
    Sensitivity,
}

impl Topic {
    /// All, in the order in which they are measured and shown.
    pub const ALL: [Self; 6] = [
        Self::Accuracy,
        Self::Actuation,
        Self::Calibration,
        Self::Difficulty,
        Self::Retraining,
        Self::Sensitivity,
    ];
    /// Those that need no more than minutes on small applications.
    pub const QUICK: [Self; 4] = [Self::Accuracy, Self::Actuation, Self::Calibration, Self::Difficulty];

    /// Its name in keys and files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::Actuation => "actuation",
            Self::Calibration => "calibration",
            Self::Difficulty => "difficulty",
            Self::Retraining => "retraining",
            Self::Sensitivity => "sensitivity",
        }
    }
}

/// An evaluation.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What to measure.
    pub topics: Vec<Topic>,
    /// The applications.
    pub apps: Vec<Arc<Application>>,
    /// Machines of each cluster.
    pub nodes: usize,
    /// Incidents of each application, from the first held-back seed on.
    pub cases: usize,
    /// Labelled incidents, of the seeds to develop with, for methods that need some.
    pub labels: usize,
    /// Trains of faults.
    pub trains: usize,
    /// Scenarios of each application that the simple rules are tried on.
    pub scenarios: usize,
    /// Incidents simulated at once.
    pub threads: usize,
    /// Where histories, models and incidents are kept.
    pub work: PathBuf,
}

/// The applications of the paper, generated and embedded, and one more. Media Microservices takes an hour
/// of its own and has to be asked for.
const APPS: [&str; 5] = ["chain-5", "fanout-10", "social-network", "hotel-reservation", "online-boutique"];
/// The same for those in a hurry.
const QUICK_APPS: [&str; 2] = ["chain-3", "fanout-3"];

impl Settings {
    /// The evaluation of `docs/evaluation.md`, or one that takes minutes.
    ///
    /// # Errors
    /// An application of the lab's own is damaged.
    pub fn new(quick: bool, work: PathBuf, threads: usize) -> Result<Self, AppError> {
        let names: &[&str] = if quick { &QUICK_APPS } else { &APPS };
        let apps = names.iter().map(|name| app::open(name).map(Arc::new)).collect::<Result<_, _>>()?;
        let full = Self {
            topics: Topic::ALL.to_vec(),
            apps,
            nodes: 4,
            cases: 17,
            labels: 17,
            trains: 1,
            scenarios: 51,
            threads,
            work,
        };
        let topics = Topic::QUICK.to_vec();
        Ok(if quick { Self { topics, cases: 4, labels: 4, scenarios: 6, ..full } } else { full })
    }

    /// The incidents of an application.
    pub fn plan(&self, app: &Arc<Application>) -> Plan {
        Plan {
            app: app.clone(),
            nodes: self.nodes,
            seed: HELD_BACK,
            cases: self.cases,
            labels: self.labels,
            threads: self.threads,
            work: self.work.clone(),
        }
    }

    /// Seeds of the incidents.
    pub fn seeds(&self) -> std::ops::Range<u64> {
        HELD_BACK..HELD_BACK + self.cases as u64
    }
}
