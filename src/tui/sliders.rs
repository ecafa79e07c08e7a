//! What is tried on a service before anybody does it: one slider a lever, and what the model says.

use super::{format, words};
use crate::domain::{Clean, Lever, Move, Resource, ServiceName};
use crate::engine::{Means, Prediction};

/// A step of a limit, as a share of what it is now.
const STEP: f64 = 0.25;
/// Most steps of a limit: four times as much.
const MOST_STEPS: u32 = 12;
/// Most times as many replicas as now.
const MOST_TIMES: u32 = 4;
/// Resources that a neighbour may take.
const SHARED: [Resource; 5] =
    [Resource::Cpu, Resource::Memory, Resource::Cache, Resource::Disk, Resource::Network];

/// What a slider moves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Knob {
    /// How many replicas there are now, if they can be counted.
    Replicas(Option<u32>),
    /// The CPU limit of a replica now, cores.
    Cpu(Option<f64>),
    /// The memory limit of a replica now, bytes.
    Memory(Option<f64>),
    /// Whether a neighbour on its machine is kept from a resource.
    Neighbour(Resource),
}

/// One slider. Less than now cannot be tried: the model knows what relief does, not what want does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slider {
    /// What it moves.
    pub knob: Knob,
    /// Steps above what it is now.
    pub steps: u32,
}

impl Slider {
    /// Most steps it can be moved; 0 where nothing is known to start from.
    pub fn most(&self) -> u32 {
        match self.knob {
            Knob::Replicas(now) => now.map_or(0, |now| now.saturating_mul(MOST_TIMES - 1)),
            Knob::Cpu(now) | Knob::Memory(now) => now.map_or(0, |_| MOST_STEPS),
            Knob::Neighbour(_) => 1,
        }
    }

    /// Its name.
    pub fn title(&self) -> String {
        match self.knob {
            Knob::Replicas(_) => "replicas".to_owned(),
            Knob::Cpu(_) => "CPU limit".to_owned(),
            Knob::Memory(_) => "memory limit".to_owned(),
            Knob::Neighbour(resource) => format!("{} neighbour", words::resource(resource)),
        }
    }

    fn scaled(&self, now: f64) -> f64 {
        now * (1.0 + STEP * f64::from(self.steps))
    }

    /// How it is now, and how it would be.
    pub fn values(&self) -> (String, String) {
        let both = |now: Option<f64>, words: &dyn Fn(f64) -> String| match now {
            Some(now) => (words(now), words(self.scaled(now))),
            None => ("unknown".to_owned(), "unknown".to_owned()),
        };
        match self.knob {
            Knob::Replicas(Some(now)) => (now.to_string(), now.saturating_add(self.steps).to_string()),
            Knob::Replicas(None) => both(None, &|_| String::new()),
            Knob::Cpu(now) => both(now, &|cores| format!("{} cores", format::quantity(Some(cores)))),
            Knob::Memory(now) => both(now, &|bytes| format::measured(Some(bytes), Some("bytes"))),
            Knob::Neighbour(_) => {
                ("as now".to_owned(), if self.steps > 0 { "kept off" } else { "as now" }.to_owned())
            }
        }
    }

    /// Why it cannot be moved.
    pub fn stuck(&self) -> Option<&'static str> {
        match self.knob {
            Knob::Replicas(None) => Some("no metric tells its replicas apart"),
            Knob::Cpu(None) => Some("no CPU limit is measured"),
            Knob::Memory(None) => Some("no memory limit is measured"),
            _ => None,
        }
    }

    /// The change it stands for, if it was moved.
    pub fn lever(&self) -> Option<Lever> {
        if self.steps == 0 {
            return None;
        }
        Some(match self.knob {
            Knob::Replicas(now) => {
                let from = now?;
                Lever::Replicas { from, to: from.saturating_add(self.steps) }
            }
            Knob::Cpu(now) => Lever::Cpu { from: now?, to: self.scaled(now?) },
            Knob::Memory(now) => Lever::Memory { from: now?, to: self.scaled(now?) },
            Knob::Neighbour(resource) => Lever::Neighbour(resource),
        })
    }
}

/// The sliders of one service for one SLO, and the model's last word on them.
#[derive(Clone, Debug, Default)]
pub struct Bench {
    /// Whose, and for which SLO.
    pub about: Option<(ServiceName, Clean)>,
    /// The sliders.
    pub sliders: Vec<Slider>,
    /// The one under the cursor.
    pub selected: usize,
    /// Number of the last question.
    pub number: u64,
    /// Version of the data that it was asked about.
    pub version: u64,
    /// The newest answer; it is of an older question while its number is smaller.
    pub answer: Option<Prediction>,
}

impl Bench {
    /// Starts over for another service or SLO. Numbers go on, so that late answers are known as such.
    pub fn turn_to(&mut self, service: ServiceName, slo: Clean) {
        let about = Some((service, slo));
        if self.about != about {
            *self = Self { about, number: self.number, ..Self::default() };
        }
    }

    /// Takes in what is known of the service's means; what was moved stays moved.
    pub fn know(&mut self, means: Means, replicas: Option<u32>) {
        let knobs = [Knob::Replicas(replicas), Knob::Cpu(means.cpu_cores), Knob::Memory(means.memory_bytes)];
        let knobs = knobs.into_iter().chain(SHARED.map(Knob::Neighbour));
        let steps: Vec<u32> = self.sliders.iter().map(|slider| slider.steps).collect();
        self.sliders = knobs
            .enumerate()
            .map(|(i, knob)| {
                let mut slider = Slider { knob, steps: 0 };
                slider.steps = steps.get(i).copied().unwrap_or(0).min(slider.most());
                slider
            })
            .collect();
    }

    /// All that was moved.
    pub fn moves(&self) -> Vec<Move> {
        let Some((service, _)) = &self.about else { return Vec::new() };
        let levers = self.sliders.iter().filter_map(Slider::lever);
        levers.map(|lever| Move { service: service.clone(), lever }).collect()
    }

    /// Whether the answer is of the last question.
    pub fn is_answered(&self) -> bool {
        self.answer.as_ref().is_some_and(|answer| answer.number == self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slider_moves_between_now_and_four_times_as_much() {
        let mut bench = Bench::default();
        bench.turn_to(ServiceName::new("a"), Clean::new("slo"));
        bench.know(Means { cpu_cores: Some(0.5), memory_bytes: None }, Some(2));
        assert!(bench.moves().is_empty());
        assert_eq!(bench.sliders.iter().map(Slider::most).collect::<Vec<_>>(), [6, 12, 0, 1, 1, 1, 1, 1]);
        bench.sliders[0].steps = 2;
        bench.sliders[1].steps = 12;
        let levers: Vec<_> = bench.moves().into_iter().map(|m| m.lever).collect();
        assert_eq!(levers, [Lever::Replicas { from: 2, to: 4 }, Lever::Cpu { from: 0.5, to: 2.0 }]);
        // What is learned later does not undo what was moved, but bounds it.
        bench.know(Means { cpu_cores: None, memory_bytes: Some(1e9) }, Some(2));
        let levers: Vec<_> = bench.moves().into_iter().map(|m| m.lever).collect();
        assert_eq!(levers, [Lever::Replicas { from: 2, to: 4 }]);
    }
}
