//! Changes that somebody tried by what-if and asks for, beside what the verdict calls for: sized as they were
//! tried, and marked where the verdict names somebody else. They pass the same checks as everything else.

use std::time::Duration;

use super::Desk;
use super::propose::{Basis, Ground, carries};
use super::review::VERDICT_AGE;
use crate::domain::{Clean, Counterfactual, Lever, Move, Resource};
use crate::remedy::catalogue::draft::obstacle;
use crate::remedy::kind::ActionKind;
use crate::remedy::proposal::{Obstacle, Weight};

/// Tails that differ by less than this share of themselves are the same to whoever waits.
const SAME: f64 = 0.03;

/// What was tried, and when by the clock that counts suspend.
pub struct Tried {
    pub moves: Vec<Move>,
    pub since: Duration,
}

impl Desk {
    /// What was asked for about `slo`, as far as nothing of it is proposed already, and what is to be said.
    pub(super) fn asked(&self, slo: &Clean, proposed: &[Basis], ground: &Ground) -> (Vec<Basis>, Vec<Clean>) {
        let tried = self.tried.get(slo).filter(|tried| {
            // As a verdict, it is of the situation in which it was made.
            self.clock.since_boot().saturating_sub(tried.since) <= VERDICT_AGE
        });
        let moves = tried.map(|tried| tried.moves.as_slice()).unwrap_or_default();
        if moves.is_empty() || !carries(ground.verdict().kind) {
            return Default::default();
        }
        asked(moves, proposed, ground)
    }
}

fn asked(moves: &[Move], proposed: &[Basis], ground: &Ground) -> (Vec<Basis>, Vec<Clean>) {
    let (mut bases, mut notes) = (Vec::<Basis>::new(), Vec::new());
    for Move { service, lever } in moves {
        let (resource, kinds) = answers(*lever);
        let allowed: Vec<_> = kinds.iter().filter(|kind| ground.kinds().contains(kind)).collect();
        if allowed.is_empty() {
            let why = match kinds {
                [] => format!("no action keeps a neighbour of {service} from {}", resource.word()),
                kinds => {
                    format!("what you tried on {service} takes {} among the context's `kinds`", words(kinds))
                }
            };
            notes.push(Clean::new(&why));
        }
        for kind in allowed {
            let basis = Basis { asked: Some(*lever), ..ground.basis(*kind, service.clone(), resource) };
            // Limits on a neighbour have no amount of their own: asked for or not, they are the same.
            let same = |other: &Basis| other.kind == basis.kind && other.service == basis.service;
            let known = matches!(lever, Lever::Neighbour(_)) && proposed.iter().any(same);
            if !known && !bases.iter().any(same) {
                bases.push(basis);
            }
        }
    }
    (bases, notes)
}

/// The resource that a lever gives more of, and the kinds of action that move it.
fn answers(lever: Lever) -> (Resource, &'static [ActionKind]) {
    use ActionKind::{
        AutoscalerFloor, CacheWays, CiliumBandwidth, CniBandwidth, CpuMax, IoMax, MemoryBandwidth, ResizePod,
        ResizeTemplate, ScaleOut,
    };
    match lever {
        Lever::Replicas { .. } => (Resource::Load, &[ScaleOut, AutoscalerFloor]),
        Lever::Cpu { .. } => (Resource::Cpu, &[ResizePod, ResizeTemplate]),
        Lever::Memory { .. } => (Resource::Memory, &[ResizePod, ResizeTemplate]),
        Lever::Neighbour(resource) => (
            resource,
            match resource {
                Resource::Cpu => &[CpuMax],
                Resource::Cache => &[CacheWays, MemoryBandwidth],
                Resource::Disk => &[IoMax],
                Resource::Network => &[CiliumBandwidth, CniBandwidth],
                Resource::Memory | Resource::Load | Resource::Latent => &[],
            },
        ),
    }
}

fn words(kinds: &[ActionKind]) -> String {
    let words: Vec<_> = kinds.iter().map(|kind| format!("`{}`", kind.word())).collect();
    words.join(" or ")
}

/// That the verdict does not call for what was asked for, if so.
pub fn unblamed(basis: &Basis) -> Option<Obstacle> {
    basis.asked?;
    let blamed: Vec<&str> = basis.verdict.culprits.iter().map(|culprit| culprit.service.as_str()).collect();
    if blamed.contains(&basis.service.as_str()) {
        return None;
    }
    let whom = if blamed.is_empty() { "nobody".to_owned() } else { blamed.join(", ") };
    let text = format!("you asked for it: the verdict does not blame {}, it blames {whom}", basis.service);
    Some(obstacle(Weight::Warning, text))
}

/// That the model expects nothing of what was asked for, if so: the tail it predicts is the one that it sees
/// without it, however that compares with what is measured.
pub fn idle(basis: &Basis, forecast: Option<&Counterfactual>) -> Option<Obstacle> {
    basis.asked?;
    let (with, without) = (forecast?.quantile_ms, basis.forecast.as_ref()?.as_it_is()?.quantile_ms);
    if (with - without).abs() > SAME * without {
        return None;
    }
    let text = format!("predicted to change nothing: {with:.0} ms with it, {without:.0} ms without it");
    Some(obstacle(Weight::Warning, text))
}
