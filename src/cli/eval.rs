//! Options of `sagetop eval`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::eval::paper::Topic;

/// What `sagetop eval` measures.
#[derive(Clone, Debug, Subcommand)]
pub enum EvalCommand {
    /// Say how often naive rules find the culprit: how hard the lab's scenarios are
    Difficulty(DifficultyArgs),
    /// Say how badly each kind of fault hurts, by its intensity
    Faults(FaultsArgs),
    /// Judge the whole program on incidents of which the truth is known
    Model {
        /// What to measure.
        #[command(subcommand)]
        what: ModelCommand,
    },
    /// Repeat the evaluation of Sage's paper, and more: tables, figures and a report
    ///
    /// A run that was stopped goes on where it was when it is started again.
    Paper(PaperArgs),
    /// Ask every method about recorded incidents and score the answers
    ///
    /// The recording has to be served: Prometheus' and Jaeger's APIs answer as they did on that day. How
    /// they are looked at is in the configuration (`--config`).
    Replay(ReplayArgs),
}

/// `sagetop eval replay`.
#[derive(Clone, Debug, Args)]
pub struct ReplayArgs {
    /// Folder of the prepared set, with the labels in `faults.json`
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Address of the Prometheus that serves it, instead of the configuration's
    #[arg(long, value_name = "URL")]
    pub prometheus: Option<String>,
    /// Address of the Jaeger that serves it, instead of the configuration's
    #[arg(long, value_name = "URL")]
    pub jaeger: Option<String>,
    /// Models to train, each from another seed
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=20))]
    pub seeds: u64,
    /// Folder for results and the figure
    #[arg(long, default_value = "evaluation", value_name = "DIR")]
    pub out: PathBuf,
}

/// `sagetop eval paper`.
#[derive(Clone, Debug, Args)]
pub struct PaperArgs {
    /// Small applications and few incidents: within five minutes on two cores
    #[arg(long)]
    pub quick: bool,
    /// Folder for results, tables and figures; without it, `evaluation` or `evaluation-quick`
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Folder for histories, models and incidents, which a later run takes from there; without it, one in
    /// the cache folder
    #[arg(long, value_name = "DIR")]
    pub work: Option<PathBuf>,
    /// These figures only
    #[arg(long, value_name = "FIGURE", value_delimiter = ',')]
    pub only: Vec<Topic>,
    /// Applications, as for `lab`; without it, those of the paper and Online Boutique
    #[arg(long, value_name = "NAME|FILE", value_delimiter = ',')]
    pub app: Vec<String>,
    /// Held-back incidents of each application; 17 are one of each kind
    #[arg(long, value_name = "N", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=100_000))]
    pub cases: Option<usize>,
    /// Incidents simulated at once; without it, as many as there are processors
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Measure again what is there already, of these figures and applications: after the program changed
    #[arg(long, conflicts_with = "draw")]
    pub fresh: bool,
    /// Measure nothing: make tables, figures and the report of what is in the folder
    #[arg(long)]
    pub draw: bool,
    /// Write the report into this file; its figures are taken from the folder
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

/// What `sagetop eval model` measures.
#[derive(Clone, Debug, Subcommand)]
pub enum ModelCommand {
    /// Say how often verdicts blame exactly what is to blame, and what other methods would have blamed
    Accuracy(ModelArgs),
    /// Say how far predicted counterfactuals are from the true ones, and how often the intervals hold them
    Calibration(ModelArgs),
    /// Say how soon a model is accurate again after services were added, updated and removed, and what each
    /// way of training again takes (social-network only)
    Current(ModelArgs),
    /// Say how far the tails that more CPU or more replicas are predicted to bring are from the true ones, and
    /// whether the smallest amount that is predicted to suffice does
    Sizing(ModelArgs),
    /// Say what each part of the diagnosis is worth, by leaving it out
    Ablation(ModelArgs),
    /// Say what is left of the accuracy where the application is measured badly
    Robust(ModelArgs),
}

/// `sagetop eval model`.
#[derive(Clone, Debug, Args)]
pub struct ModelArgs {
    /// Applications, as for `lab`; without it, all of them
    #[arg(long, value_name = "NAME|FILE")]
    pub app: Vec<String>,
    /// Incidents of each application
    #[arg(long, default_value_t = 102, value_name = "N", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=100_000))]
    pub scenarios: usize,
    /// Seed of the first incident; the others follow. 1 to 1000 are there to develop with, 10001 and
    /// above are held back
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
    /// Incidents shown with their truth to methods that learn from labels: of the seeds to develop with,
    /// those that are not judged; with 0 these methods are left out
    #[arg(long, default_value_t = 17, value_name = "N", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(0..=900))]
    pub labels: usize,
    /// Machines of each cluster
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=64))]
    pub nodes: usize,
    /// Incidents simulated at once; without it, as many as there are processors
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Folder for histories, models and incidents, which a later run takes from there; without it, one in
    /// the cache folder
    #[arg(long, value_name = "DIR")]
    pub work: Option<PathBuf>,
    /// File for every incident with its truth, verdict and evidence, or for every prediction: a line of
    /// JSON each
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `sagetop eval faults`.
#[derive(Clone, Debug, Args)]
pub struct FaultsArgs {
    /// Application, as for `lab`; without it, all of them
    #[arg(long, value_name = "NAME|FILE")]
    pub app: Option<String>,
    /// Everything random follows from it
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
}

/// `sagetop eval difficulty`.
#[derive(Clone, Debug, Args)]
pub struct DifficultyArgs {
    /// Application, as for `lab`; without it, all of them
    #[arg(long, value_name = "NAME|FILE")]
    pub app: Option<String>,
    /// Scenarios of each application
    #[arg(long, default_value_t = 102, value_name = "N", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=100_000))]
    pub scenarios: usize,
    /// Seed of the first scenario; the others follow
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
}
