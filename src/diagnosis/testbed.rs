//! One trained model of the test application, shared by all tests of the diagnosis, and
//! questions about episodes whose truth is known.

use std::sync::OnceLock;
use std::time::Duration;

use super::counterfactual::World;
use super::search::Target;
use super::{Case, DiagnosisSettings, FeatureKinds, Reference, diagnose};
use crate::causal::Change;
use crate::domain::{
    Clean, Column, ModelSummary, NoProgress, Quantile, Rpc, Side, Slo, SloSource, SloStatus, Stat, Verdict,
};
use crate::gvae::testbed::{App, Episode, Fault, kinds, service};
use crate::gvae::{Gvae, TrainSettings, train};
use crate::slo;
use crate::windows::Frame;

/// Windows in a diagnosis window.
pub const SPAN: usize = 5;
/// Windows of an episode: enough of a past to tell the level of what drifts.
pub const WINDOWS: usize = 45;

/// The application with a model of it.
pub struct Bed {
    /// The application.
    pub app: App,
    /// Windows of ordinary times that the model was trained on.
    pub history: Frame,
    /// The catalogue's features.
    pub kinds: FeatureKinds,
    /// The model.
    pub model: Gvae,
    /// What is normal.
    pub reference: Reference,
    /// p90 of users.
    pub slo: Slo,
    /// Settings of the diagnosis.
    pub settings: DiagnosisSettings,
}

/// The shop, trained once.
pub fn bed() -> &'static Bed {
    static ONCE: OnceLock<Bed> = OnceLock::new();
    ONCE.get_or_init(|| Bed::train(1))
}

impl Bed {
    /// Trains a model of the shop.
    pub fn train(seed: u64) -> Self {
        let app = App::shop();
        let history = app.run(&Episode::quiet(1, 360));
        let settings =
            TrainSettings { seed, epochs: 30, batch: 90, hidden: 12, latent: 2, ..TrainSettings::default() };
        let (model, _) = train(app.cbn(&history), &history, &settings, &NoProgress).unwrap();
        let kinds = FeatureKinds::of(&kinds());
        let reference = Reference::learn(&model, &kinds, &history, SPAN).unwrap();
        let mut usual: Vec<f32> = entry(&app, &history);
        usual.retain(|v| v.is_finite());
        usual.sort_by(f32::total_cmp);
        // Met in 99 of 100 ordinary windows.
        let objective_ms = f64::from(usual[usual.len() * 99 / 100]);
        let slo = Slo {
            name: Clean::new("users p90"),
            service: service(&app, 0),
            operation: None,
            quantile: Quantile(900),
            objective_ms,
            window: Duration::from_secs(300),
            target: 0.99,
            period: Duration::from_secs(28 * 86_400),
            source: SloSource::Traces,
        };
        let settings = DiagnosisSettings { samples: 32, ..DiagnosisSettings::default() };
        Self { app, history, kinds, model, reference, slo, settings }
    }

    /// What is observed in an episode where little happens but `faults`, at its end.
    pub fn broken(&self, seed: u64, faults: &[Fault]) -> Frame {
        self.restless(seed, 0.3, faults)
    }

    /// The same with as much else going on as `restless` says.
    pub fn restless(&self, seed: u64, restless: f64, faults: &[Fault]) -> Frame {
        let episode = Episode::ending_in(1000 + seed, WINDOWS, SPAN, faults);
        self.app.run(&Episode { restless, ..episode })
    }

    /// How the SLO stands at the end of `frame`.
    pub fn status(&self, slo: &Slo, frame: &Frame) -> SloStatus {
        let values = entry(&self.app, frame);
        let sample = |(end, ms): (&_, &f32)| (*end, Some(f64::from(*ms)).filter(|ms| ms.is_finite()), None);
        let samples: Vec<slo::Sample> = frame.ends.iter().zip(&values).map(sample).collect();
        slo::evaluate(slo, &samples, frame.length, frame.ends[frame.len() - 1])
    }

    /// Asks why the SLO stands as it does at the end of `frame`.
    pub fn ask(&self, frame: &Frame) -> Verdict {
        self.ask_about(&self.slo, frame)
    }

    /// Asks about another SLO.
    pub fn ask_about(&self, slo: &Slo, frame: &Frame) -> Verdict {
        diagnose(&self.case(slo, &self.status(slo, frame), frame), &NoProgress).unwrap()
    }

    /// The question about an SLO at the end of `frame`.
    pub fn case<'a>(&'a self, slo: &'a Slo, status: &'a SloStatus, frame: &'a Frame) -> Case<'a> {
        Case {
            slo,
            status,
            at: frame.ends[frame.len() - 1],
            frame,
            model: &self.model,
            reference: &self.reference,
            kinds: &self.kinds,
            summary: ModelSummary {
                fingerprint: Clean::new("test"),
                trained_at: self.history.ends[self.history.len() - 1],
                windows: self.history.len(),
                in_range: true,
            },
            changes: Change::default(),
            settings: &self.settings,
        }
    }

    /// The world at the end of `frame`.
    pub fn world(&self, frame: &Frame) -> World<'_> {
        World::abduct(&self.model, &self.reference, &self.kinds, frame, &self.settings).unwrap()
    }

    /// The SLO's latency in the model.
    pub fn target(&self) -> Target {
        Target::of(&self.model, &self.slo).unwrap()
    }

    /// The SLO's quantile over the diagnosis window at the end of `frame`, milliseconds.
    pub fn tail_ms(&self, frame: &Frame) -> f64 {
        self.status(&self.slo, frame).observed_ms.unwrap()
    }
}

/// p90 of users, window by window.
fn entry(app: &App, frame: &Frame) -> Vec<f32> {
    let rpc = Rpc::entry(&service(app, 0), None);
    let column = Column::Latency { rpc, side: Side::Client, stat: Stat::Quantile(Quantile(900)) };
    frame.columns[&column].clone()
}
