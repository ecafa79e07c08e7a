//! Cores: what a node grants to its containers, and the event that each waits for.
//!
//! What is granted depends on nothing but who wishes for how much, never on how that came to be, so that
//! re-runs that have come to the same state go on alike. A change of one wish is looked at first: most of
//! them leave everybody else's cores as they are.

use super::queue::What;
use super::replica::NodeState;
use super::{Nanos, Simulation};

/// What a container wishes for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Wish {
    /// Tasks of the application that want a core.
    pub tasks: u32,
    /// Cores that everything else in the container wants.
    pub others: f64,
    /// Its weight in the division of a full node.
    pub weight: f64,
}

impl Wish {
    /// Cores wanted of a node that has `most`.
    fn cores(&self, most: f64) -> f64 {
        (f64::from(self.tasks) + self.others).min(most)
    }

    fn is_none(&self) -> bool {
        self.tasks == 0 && self.others == 0.0
    }
}

/// A wish for cores, and what comes of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    pub wants: f64,
    pub weight: f64,
    pub granted: f64,
}

/// Whether someone who wants `wants` gets all of it where each unit of weight is worth `level` cores.
fn satisfied(wants: f64, weight: f64, level: f64) -> bool {
    wants <= level * weight
}

/// Divides `cores` by weight; what one does not want goes to the others (the fluid limit of CFS).
/// Returns the level: cores for each unit of weight of those who want more, infinite if nobody does.
pub(super) fn divide(cores: f64, claims: &mut [Claim]) -> f64 {
    for claim in claims.iter_mut() {
        claim.granted = -1.0;
    }
    loop {
        // Added up anew each time, in the order of the claims: the result depends on who is satisfied,
        // not on the round in which that was found.
        let (mut left, mut weights) = (cores, 0.0);
        for claim in claims.iter() {
            if claim.granted < 0.0 {
                weights += claim.weight;
            } else {
                left -= claim.granted;
            }
        }
        if weights <= 0.0 {
            return f64::INFINITY;
        }
        let level = left / weights;
        let mut more = false;
        for claim in claims.iter_mut().filter(|claim| claim.granted < 0.0) {
            if satisfied(claim.wants, claim.weight, level) {
                claim.granted = claim.wants;
                more = true;
            }
        }
        if !more {
            for claim in claims.iter_mut().filter(|claim| claim.granted < 0.0) {
                claim.granted = level * claim.weight;
            }
            return level;
        }
    }
}

impl NodeState {
    /// Notes that a replica wishes for something else.
    fn note(&mut self, replica: u32, had: Wish, wish: Wish) {
        self.tasks = self.tasks + wish.tasks - had.tasks;
        self.with_others = self.with_others + u32::from(wish.others > 0.0) - u32::from(had.others > 0.0);
        if wish.is_none() != had.is_none() {
            let place = self.wishing.partition_point(|other| *other < replica);
            if wish.is_none() {
                self.wishing.remove(place);
            } else {
                self.wishing.insert(place, replica);
            }
        }
    }

    /// Nobody's cores depend on anybody else's, and only the application wants any.
    fn has_plenty(&self, had: Wish) -> bool {
        let others = self.with_others > 0 || had.others > 0.0 || self.neighbour.0 > 0.0;
        !self.full && !others && f64::from(self.tasks) <= self.cores
    }

    /// Whether a change of one wish leaves what is granted as it is: it was more than there was to have,
    /// and it still is.
    fn unmoved(&self, had: Wish, wish: Wish) -> bool {
        let open = |wish: Wish| !satisfied(wish.cores(self.cores), wish.weight, self.level);
        self.full && !self.spares && had.weight == wish.weight && open(had) && open(wish)
    }
}

impl Simulation {
    /// After a change of a replica's CPU (which is up to date): what it is granted, and what happens
    /// next.
    pub(super) fn settle(&mut self, index: u32) {
        let replica = &mut self.replicas[index as usize];
        replica.cpu.enforce_quota();
        let wish = replica.cpu.wish();
        let had = std::mem::replace(&mut replica.wish, wish);
        if wish != had {
            let node_index = replica.node as usize;
            let node = &mut self.nodes[node_index];
            node.note(index, had, wish);
            if node.has_plenty(had) {
                replica.cpu.set_grant(f64::from(wish.tasks));
            } else if !node.unmoved(had, wish) {
                if wish.is_none() {
                    replica.cpu.set_grant(0.0);
                }
                self.share(node_index);
            }
        }
        self.schedule(index);
    }

    /// Divides a node's cores anew among those who wish for some.
    pub(super) fn share(&mut self, node_index: usize) {
        let now = self.now;
        let node = &mut self.nodes[node_index];
        let elapsed = (now - std::mem::replace(&mut node.shared_at, now)) as f64;
        node.counters.other_cpu += node.neighbour_granted * elapsed;
        if node.full {
            node.counters.cpu_waiting += elapsed;
        }
        let claims = &mut self.claims;
        claims.clear();
        let mut total = node.neighbour.0;
        node.spares = false;
        for replica in &node.wishing {
            let replica = &self.replicas[*replica as usize];
            let wants = replica.wish.cores(node.cores);
            total += wants;
            claims.push(Claim { wants, weight: replica.wish.weight, granted: wants });
            node.spares |= !replica.env.neighbour;
        }
        let count = claims.len();
        let (wants, weight) = node.neighbour;
        node.full = total > node.cores;
        node.spares &= wants > 0.0;
        node.level = f64::INFINITY;
        if node.full {
            if node.spares {
                // Those who are to be spared the neighbour are granted what they would have without it.
                divide(node.cores, claims);
                self.spared.clear();
                self.spared.extend(claims.iter().map(|claim| claim.granted));
            }
            if wants > 0.0 {
                claims.push(Claim { wants, weight, granted: 0.0 });
            }
            node.level = divide(node.cores, claims);
        }
        node.neighbour_granted = claims.get(count).map_or(wants, |claim| claim.granted);
        let spares = node.full && node.spares;
        for place in 0..count {
            let index = self.nodes[node_index].wishing[place];
            let replica = &mut self.replicas[index as usize];
            let granted = if spares && !replica.env.neighbour {
                self.spared[place]
            } else {
                self.claims[place].granted
            };
            let had = replica.cpu.grant();
            if granted != had {
                replica.cpu.advance(now);
                replica.cpu.set_grant(granted);
                // With less than before nothing happens sooner: the event that is under way will do.
                if granted > had {
                    self.schedule(index);
                } else {
                    replica.cpu_due = None;
                }
            }
        }
    }

    /// Sees to it that an event comes no later than the replica's CPU needs one. One that comes too
    /// early is put off when it comes: cheaper than an event per change.
    pub(super) fn schedule(&mut self, index: u32) {
        let replica = &mut self.replicas[index as usize];
        let next = replica.cpu.next();
        replica.cpu_due = Some(next);
        if next < replica.cpu_event {
            replica.cpu_event = next;
            replica.cpu_version = replica.cpu_version.wrapping_add(1);
            let version = replica.cpu_version;
            self.queue.push(next, index, What::Cpu { replica: index, version });
        }
    }

    /// The event of a replica's CPU.
    pub(super) fn cpu_event(&mut self, index: u32, version: u32) {
        let now = self.now;
        let replica = &mut self.replicas[index as usize];
        if version != replica.cpu_version {
            return;
        }
        replica.cpu_event = Nanos::MAX;
        if replica.cpu_due.unwrap_or_else(|| replica.cpu.next()) > now {
            return self.schedule(index);
        }
        self.events += 1;
        replica.cpu.advance(now);
        let mut ended = std::mem::take(&mut self.ended);
        while let Some(call) = replica.cpu.take_ended() {
            ended.push(call);
        }
        self.settle(index);
        for call in ended.drain(..) {
            if self.works(call) {
                self.segment_done(call);
            }
        }
        self.ended = ended;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_does_not_want_goes_to_the_others() {
        let claim = |wants, weight| Claim { wants, weight, granted: 0.0 };
        let mut claims = [claim(0.5, 1.0), claim(4.0, 1.0), claim(4.0, 2.0)];
        divide(4.0, &mut claims);
        let granted: Vec<f64> = claims.iter().map(|claim| claim.granted).collect();
        assert!((granted[0] - 0.5).abs() < 1e-12);
        assert!((granted[1] - 3.5 / 3.0).abs() < 1e-12 && (granted[2] - 7.0 / 3.0).abs() < 1e-12);
    }
}
