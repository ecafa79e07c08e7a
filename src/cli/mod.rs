//! The command line: options that every subcommand understands, and the list of subcommands.

mod actions;

mod eval;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::domain::{Timestamp, duration};
pub use eval::*;

pub use actions::{ActionsAction, ActionsArgs};

/// Finds the root cause of an SLO violation from Jaeger and Prometheus.
#[derive(Clone, Debug, Parser)]
#[command(name = "sagetop", version, propagate_version = true)]
#[command(after_help = "Exit codes: 0 ok, 1 error, 2 burning or breached, 3 unknown, 64 wrong usage.")]
pub struct Cli {
    /// Options of every subcommand.
    #[command(flatten)]
    pub global: Global,
    /// What to do; without it, the screens.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Options of the screens.
    #[command(flatten)]
    pub screen: ScreenArgs,
}

/// Options of the screens, that is, of `sagetop` without a subcommand.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Screen options")]
pub struct ScreenArgs {
    /// Draw with ASCII characters only
    #[arg(long)]
    pub ascii: bool,
    /// Theme: dark, light, ansi16, mono, high-contrast, deuteranopia, or a theme file
    #[arg(long, value_name = "NAME")]
    pub theme: Option<String>,
    /// Objective to open with
    #[arg(long, value_name = "NAME")]
    pub slo: Option<String>,
}

/// Options of every subcommand.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Complete configuration; replaces the user's
    #[arg(long, global = true, value_name = "FILE", env = "SAGETOP_CONFIG")]
    config: Option<OsString>,
    /// Folder for caches, models and journals; replaces the user's
    #[arg(long, global = true, value_name = "DIR", env = "SAGETOP_STATE_DIR")]
    state_dir: Option<OsString>,
    /// Context (cluster) of the configuration
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,
    /// Look at this moment instead of now: RFC 3339, or seconds since 1970
    #[arg(long, global = true, value_name = "T", value_parser = moment, allow_hyphen_values = true)]
    pub at: Option<Timestamp>,
    /// Print JSON for machines
    #[arg(long, global = true)]
    pub json: bool,
    /// Log to a file in the state folder; twice logs more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

impl Global {
    /// The same with this configuration and this folder.
    pub fn with(&self, config: &Path, state_dir: &Path) -> Self {
        Self { config: Some(config.into()), state_dir: Some(state_dir.into()), context: None, ..self.clone() }
    }

    /// `--config` or its variable; an empty one counts as none.
    pub fn config(&self) -> Option<&Path> {
        path(self.config.as_ref())
    }

    /// `--state-dir` or its variable; an empty one counts as none.
    pub fn state_dir(&self) -> Option<&Path> {
        path(self.state_dir.as_ref())
    }
}

fn path(text: Option<&OsString>) -> Option<&Path> {
    text.filter(|text| !text.is_empty()).map(Path::new)
}

/// The subcommands; each has its file in [`crate::commands`].
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Say how the objectives stand
    Status(StatusArgs),
    /// Say why an objective stands as it does: root causes with counterfactuals
    Diagnose(DiagnoseArgs),
    /// Watch without screens: a line for each change, and the verdict on each violation
    Watch(WatchArgs),
    /// Fetch history and train the model now
    Train {
        /// Train even if there is a model already
        #[arg(long)]
        fresh: bool,
    },
    /// Print who calls whom: a tree, DOT or JSON
    Graph(GraphArgs),
    /// Open the screens on a simulated cluster: nothing to configure, nothing stays behind
    Demo(DemoArgs),
    /// Serve a simulated cluster to anything that speaks the APIs of Prometheus and Jaeger
    Lab(LabArgs),
    /// Measure on simulated clusters
    Eval {
        /// What to measure.
        #[command(subcommand)]
        what: EvalCommand,
    },
    /// Check backends, clocks and which metrics have data
    Doctor,
    /// List what was done about violated objectives, check the record of it, print the rights it takes
    Actions(ActionsArgs),
    /// Make, check or describe the configuration
    Config(ConfigArgs),
    /// Print completions for a shell
    Completions {
        /// Which shell.
        shell: Shell,
    },
    /// Print the manual page, or write one page a subcommand
    Man {
        /// Folder for the pages
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

/// `sagetop status`.
#[derive(Clone, Copy, Debug, Args)]
pub struct StatusArgs {
    /// A sentence a line, without columns: for pipes and screen readers
    #[arg(long, conflicts_with = "json")]
    pub plain: bool,
}

/// `sagetop diagnose`.
#[derive(Clone, Debug, Args)]
pub struct DiagnoseArgs {
    /// Name of the objective; the first one if not given
    #[arg(long, value_name = "NAME")]
    pub slo: Option<String>,
    /// What ranks the services
    #[arg(long, value_enum, default_value_t = Method::Model)]
    pub method: Method,
    /// A statement a line, without columns: for pipes and screen readers
    #[arg(long, conflicts_with = "json")]
    pub plain: bool,
}

/// `sagetop watch`.
#[derive(Clone, Copy, Debug, Args)]
pub struct WatchArgs {
    /// End after this time; without it, with a signal
    #[arg(long = "for", value_name = "DURATION", value_parser = duration::parse)]
    pub length: Option<Duration>,
    /// End when an objective was violated and the cause was asked for
    #[arg(long)]
    pub until_violated: bool,
}

/// What ranks the services.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Method {
    /// The causal model: own surprise and counterfactuals
    #[default]
    Model,
    /// Robust deviations without a model, for comparison
    Control,
}

/// `sagetop graph`.
#[derive(Clone, Copy, Debug, Args)]
pub struct GraphArgs {
    /// Graphviz' DOT language
    #[arg(long, conflicts_with = "json")]
    pub dot: bool,
    /// Draw the tree with ASCII characters only
    #[arg(long)]
    pub ascii: bool,
    /// A sentence a service, without a drawing: for pipes and screen readers
    #[arg(long, conflicts_with_all = ["json", "dot", "ascii"])]
    pub plain: bool,
}

/// `sagetop config`.
#[derive(Clone, Debug, Args)]
pub struct ConfigArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: ConfigAction,
}

/// What to do with the configuration.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum ConfigAction {
    /// Write a commented configuration to start from
    Init {
        /// Overwrite the one that is there
        #[arg(long)]
        force: bool,
        /// Print it instead
        #[arg(long, conflicts_with = "force")]
        print: bool,
    },
    /// Say what is wrong with the configuration, or what it holds
    Check,
    /// Print the JSON schema of the configuration, for editors
    Schema,
}

/// `sagetop demo`.
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// Application, as for `lab`
    #[arg(long, default_value = "hotel-reservation", value_name = "NAME|FILE")]
    pub app: String,
    /// Everything random follows from it
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
    /// Which of the application's incidents strikes; without it, the seed chooses
    #[arg(long, value_name = "I")]
    pub incident: Option<usize>,
    /// How much history is simulated and learned
    #[arg(long, default_value = "1d", value_name = "DURATION", value_parser = duration::parse)]
    pub history: Duration,
}

/// Which calls the metrics of call edges count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Edges {
    /// Every call, as an agent in the kernel sees them
    #[default]
    All,
    /// Those with a client span: what can be derived from traces
    Traced,
}

/// `sagetop lab`.
#[derive(Clone, Debug, Args)]
pub struct LabArgs {
    /// Application: social-network, media, hotel-reservation, online-boutique, chain-N, fanout-N, or a JSON file
    #[arg(long, default_value = "hotel-reservation", value_name = "NAME|FILE")]
    pub app: String,
    /// Everything random follows from it
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
    /// Machines of the cluster
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=64))]
    pub nodes: usize,
    /// How much history there is at once
    #[arg(long, default_value = "1d", value_name = "DURATION", value_parser = duration::parse)]
    pub history: Duration,
    /// How fast it lives: 1 is real time, and all that sagetop itself can follow
    #[arg(long, default_value_t = 1.0, value_name = "X", value_parser = positive)]
    pub speed: f64,
    /// Factor on the application's load
    #[arg(long, default_value_t = 1.0, value_name = "X", value_parser = positive)]
    pub load: f64,
    /// A script of faults (TOML)
    #[arg(long, value_name = "FILE")]
    pub faults: Option<PathBuf>,
    /// Time between two scrapes
    #[arg(long, default_value = "15s", value_name = "DURATION", value_parser = duration::parse)]
    pub scrape: Duration,
    /// Share of traces kept, instead of the application's own
    #[arg(long, value_name = "SHARE", value_parser = positive)]
    pub sampling: Option<f64>,
    /// Which calls the metrics of call edges count
    #[arg(long, value_enum, default_value_t = Edges::All, value_name = "WHICH")]
    pub edges: Edges,
    /// Port of the Prometheus API; 0 is any
    #[arg(long, default_value_t = 9090, value_name = "PORT")]
    pub prometheus_port: u16,
    /// Port of the Jaeger API; 0 is any
    #[arg(long, default_value_t = 16686, value_name = "PORT")]
    pub jaeger_port: u16,
    /// Port of the exporters' pages and of the control endpoint; 0 is any
    #[arg(long, default_value_t = 9091, value_name = "PORT")]
    pub control_port: u16,
    /// Write a configuration of sagetop for this lab
    #[arg(long, value_name = "FILE")]
    pub write_config: Option<PathBuf>,
    /// Send spans to a collector as well: OTLP over HTTP (JSON), such as http://localhost:4318
    #[arg(long, value_name = "URL")]
    pub export_otlp: Option<String>,
    /// Send spans to a collector as well: Zipkin v2, such as http://localhost:9411
    #[arg(long, value_name = "URL")]
    pub export_zipkin: Option<String>,
    /// Make `kubectl` and `ssh` for this lab in a folder, to be put first in PATH
    #[arg(long, value_name = "DIR")]
    pub stand_ins: Option<PathBuf>,
    /// List what can happen in the demo of this application instead
    #[arg(long)]
    pub incidents: bool,
    /// Print the JSON schema of application files instead
    #[arg(long)]
    pub schema: bool,
}

/// A finite number above 0.
fn positive(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if number.is_finite() && number > 0.0 { Ok(number) } else { Err("must be above 0".to_owned()) }
}

/// A moment as RFC 3339 or as seconds since 1970.
fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(seconds) = text.parse::<f64>() {
        // Whole milliseconds: finer than any backend stores, and exact in an f64.
        let millis = (seconds * 1000.0).round();
        let in_range = millis.is_finite() && millis.abs() < 1e15;
        return in_range
            .then(|| Timestamp::from_millisecond(millis as i64).ok())
            .flatten()
            .ok_or_else(|| "too far from 1970".to_owned());
    }
    text.parse().map_err(|_| "not a moment such as 2026-02-03T04:05:06Z or 1770091506".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn moments() {
        let expected: Timestamp = "2022-08-22T07:28:00Z".parse().unwrap();
        assert_eq!(moment("2022-08-22T07:28:00Z"), Ok(expected));
        assert_eq!(moment("2022-08-22T09:28:00+02:00"), Ok(expected));
        assert_eq!(moment("1661153280"), Ok(expected));
        assert_eq!(moment("1661153280.000"), Ok(expected));
        for wrong in ["yesterday", "NaN", "1e300", "2022-08-22", ""] {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn global_options_stand_anywhere() {
        let before = Cli::parse_from(["sagetop", "--config", "a.toml", "config", "check"]);
        let after = Cli::parse_from(["sagetop", "config", "check", "--config", "a.toml"]);
        assert_eq!(before.global.config(), Some(Path::new("a.toml")));
        assert_eq!(after.global.config(), before.global.config());
    }
}
