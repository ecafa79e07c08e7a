//! The engine's side of the remedies: opens the desk, hands it questions, verdicts and measurements, and
//! passes on what it tells.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::mpsc::{Sender, UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::core::{Engine, Picture};
use super::learn::Learned;
use super::snapshot::EngineEvent;
use crate::domain::{Clean, Column, Counterfactual, Entity, Move, Pool, Side, Slo, Stat, Timestamp};
use crate::remedy::{
    Ask, Desk, Forecast, Heard, Opening, Readings, RemedySettings, SloReading, Standing, Told,
};

/// The standard feature that tells what a service sends, bytes per second.
const SENT: &str = "network_sent";
/// Windows that are handed in: enough to see an effect, not the history.
const WINDOWS: usize = 60;

/// What the engine knows of remedies in its context.
#[derive(Clone, Debug)]
pub struct Remedies {
    /// What may be done.
    pub settings: RemedySettings,
    /// The state folder, with the journal.
    pub state: PathBuf,
}

impl Engine {
    /// With remedies by `settings`, journalled below `state`.
    #[must_use]
    pub fn with_remedies(mut self, settings: &RemedySettings, state: &Path) -> Self {
        self.remedies = Some(Remedies { settings: settings.clone(), state: state.to_owned() });
        self
    }

    /// How the objectives are measured in `picture`, for whoever holds a prediction against it.
    pub(super) fn readings(&self, picture: &Picture) -> Readings {
        let frame = &picture.frame;
        let from = frame.len().saturating_sub(WINDOWS);
        let known = |value: f32| Some(f64::from(value)).filter(|value| value.is_finite());
        let slos = self.slos.iter().zip(&picture.statuses).map(|(slo, status)| {
            let stat = Stat::Quantile(slo.quantile);
            let column = Column::Latency { rpc: self.plan.entry_rpc(slo), side: Side::Client, stat };
            let values = frame.columns.get(&column);
            let windows = (from..frame.len())
                .map(|row| (frame.ends[row], values.and_then(|values| known(values[row]))))
                .collect();
            SloReading {
                slo: slo.name.clone(),
                objective_ms: slo.objective_ms,
                observed_ms: status.observed_ms,
                windows,
            }
        });
        Readings {
            until: frame.ends.last().copied(),
            length: frame.length,
            slos: slos.collect(),
            sends: self.sends(picture),
        }
    }

    /// What each service sends at last.
    fn sends(&self, picture: &Picture) -> BTreeMap<crate::domain::ServiceName, f64> {
        let columns = picture.frame.columns.iter();
        let newest = columns.filter_map(|(column, values)| match column {
            Column::Metric { entity: Entity::Service(service), feature, pool: Pool::Mean }
                if feature.as_str() == SENT =>
            {
                let value = values.iter().rev().take(5).copied().find(|value| value.is_finite())?;
                Some((service.clone(), f64::from(value)))
            }
            _ => None,
        });
        newest.collect()
    }
}

/// What the model says about changes, as of one verdict.
pub(super) struct Outlook {
    engine: Arc<Engine>,
    slo: Slo,
    picture: Picture,
    learned: Arc<Learned>,
}

impl Outlook {
    /// Of the SLO of this name at `at`; `None` without a model or windows.
    pub async fn of(
        engine: &Arc<Engine>,
        slo: &Clean,
        at: Timestamp,
        learned: Option<Arc<Learned>>,
    ) -> Option<Self> {
        let slo = engine.slo(Some(slo.as_str())).ok()?.clone();
        let picture = engine.picture(at).await.ok()?;
        Some(Self { engine: engine.clone(), slo, picture, learned: learned? })
    }
}

impl Outlook {
    fn after(&self, changes: Vec<Move>) -> Option<Counterfactual> {
        let tails = self.engine.what_if(&self.slo, &self.picture, &self.learned, &[changes]);
        match tails {
            Ok(tails) => tails.into_iter().flatten().next(),
            Err(error) => {
                tracing::warn!(%error, "the model cannot tell what a change would do");
                None
            }
        }
    }
}

impl Forecast for Outlook {
    fn tail(&self, change: &Move) -> Option<Counterfactual> {
        self.after(vec![change.clone()])
    }

    fn as_it_is(&self) -> Option<Counterfactual> {
        self.after(Vec::new())
    }
}

/// The desk behind the screens, or why there is none.
pub(super) struct Counter {
    desk: Result<UnboundedSender<Heard>, Clean>,
}

impl Counter {
    /// Opens the desk of `engine`; what it tells goes to `events`. A frozen engine has none: the past
    /// cannot be changed, and must not be mistaken for the present.
    pub fn open(engine: &Engine, frozen: bool, events: &Sender<EngineEvent>) -> Self {
        let enabled = engine.remedies.as_ref().filter(|remedies| remedies.settings.enabled);
        let desk = match enabled {
            None => Err(Clean::new(&format!(
                "actions are off in this context: a section [contexts.{}.remedy] with `enabled = true` turns them on",
                engine.context
            ))),
            Some(_) if frozen => Err(Clean::new(
                "a past moment is looked at: nothing can be changed until the present is shown again",
            )),
            Some(Remedies { settings, state }) => {
                let (told, hears) = unbounded_channel();
                let opened = Desk::open(Opening::new(engine.context.clone(), settings.clone(), state), told);
                match opened {
                    Ok(desk) => {
                        let (to_desk, heard) = unbounded_channel();
                        tokio::spawn(desk.run(heard));
                        tokio::spawn(pass_on(hears, events.clone()));
                        Ok(to_desk)
                    }
                    Err(error) => {
                        tracing::error!(%error, "remedies");
                        Err(Clean::capped(&error.to_string(), 500))
                    }
                }
            }
        };
        Self { desk }
    }

    /// Whether anything can be changed in the context of this name.
    pub fn standing(&self, context: &Clean) -> Told {
        Told::Standing(match &self.desk {
            Ok(_) => Standing::Ready(context.clone()),
            Err(why) => Standing::Off(why.clone()),
        })
    }

    /// Hands something in; what cannot be is dropped, except a question, which is answered.
    pub fn hand(&self, heard: Heard) -> Option<Told> {
        match (&self.desk, heard) {
            (Ok(desk), heard) => {
                // It ends only with the engine, or in a panic that the hook has told of.
                let _ = desk.send(heard);
                None
            }
            (Err(why), Heard::Ask(ask)) => {
                Some(Told::Refused { what: Clean::new(word(&ask)), why: why.clone() })
            }
            (Err(_), _) => None,
        }
    }
}

fn word(ask: &Ask) -> &'static str {
    match ask {
        Ask::Propose(_) | Ask::Try { .. } => "proposing",
        Ask::Review(_) => "reviewing",
        Ask::Arm(_) => "arming",
        Ask::Disarm => "disarming",
        Ask::Approve(_) => "approving",
        Ask::Reject => "rejecting",
        Ask::Undo(_) => "undoing",
        Ask::Keep(_) => "keeping",
    }
}

async fn pass_on(mut from: UnboundedReceiver<Told>, to: Sender<EngineEvent>) {
    while let Some(told) = from.recv().await {
        if to.send(EngineEvent::Remedy(told)).await.is_err() {
            return;
        }
    }
}
