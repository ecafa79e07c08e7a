//! Cores: what a node grants to its containers, and the event that each waits for.

use super::queue::What;
use super::{Nanos, Simulation, weight};

/// A wish for cores.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    pub wants: f64,
    pub weight: f64,
    pub granted: f64,
}

/// Divides `cores` by weight; what one does not want goes to the others (the fluid limit of CFS).
pub(super) fn divide(cores: f64, claims: &mut [Claim]) {
    for claim in claims.iter_mut() {
        claim.granted = -1.0;
    }
    let mut left = cores;
    loop {
        let open = claims.iter().filter(|claim| claim.granted < 0.0);
        let weights: f64 = open.map(|claim| claim.weight).sum();
        if weights <= 0.0 {
            return;
        }
        let fair = left / weights;
        let mut satisfied = false;
        for claim in claims.iter_mut().filter(|claim| claim.granted < 0.0) {
            if claim.wants <= fair * claim.weight {
                claim.granted = claim.wants;
                left -= claim.wants;
                satisfied = true;
            }
        }
        if !satisfied {
            for claim in claims.iter_mut().filter(|claim| claim.granted < 0.0) {
                claim.granted = fair * claim.weight;
            }
            return;
        }
    }
}

impl Simulation {
    /// After a change of a replica's CPU (which is up to date): what it is granted, and what happens
    /// next.
    pub(super) fn settle(&mut self, index: u32) {
        let replica = &mut self.replicas[index as usize];
        replica.cpu.enforce_quota();
        let (tasks, others) = (replica.cpu.tasks(), replica.cpu.other_tasks());
        let node_index = replica.node as usize;
        let node = &mut self.nodes[node_index];
        node.tasks = node.tasks + tasks - replica.tasks;
        node.with_others = node.with_others + u32::from(others > 0.0) - u32::from(replica.other_tasks > 0.0);
        let shares = node.full || node.with_others > 0 || node.neighbour.0 > 0.0;
        let others_changed = replica.other_tasks != others;
        (replica.tasks, replica.other_tasks) = (tasks, others);
        if shares || others_changed || f64::from(node.tasks) > node.cores {
            self.share(node_index);
        } else {
            replica.cpu.set_grant(f64::from(tasks));
        }
        self.schedule(index);
    }

    /// Divides a node's cores anew.
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
        for replica in &node.replicas {
            let replica = &self.replicas[*replica as usize];
            let wants = (f64::from(replica.tasks) + replica.other_tasks).min(node.cores);
            total += wants;
            claims.push(Claim { wants, weight: weight(replica.cpu.limit()), granted: wants });
        }
        node.full = total > node.cores;
        let count = claims.len();
        if node.full {
            // Those who are to be spared the neighbour are granted what they would have without it.
            divide(node.cores, claims);
            self.spared.clear();
            self.spared.extend(claims.iter().map(|claim| claim.granted));
            let (wants, weight) = node.neighbour;
            if wants > 0.0 {
                claims.push(Claim { wants, weight, granted: 0.0 });
                divide(node.cores, claims);
            }
        }
        let neighbour = claims.get(count).map_or(node.neighbour.0, |claim| claim.granted);
        node.neighbour_granted = neighbour;
        let full = node.full;
        for place in 0..count {
            let index = self.nodes[node_index].replicas[place];
            let replica = &mut self.replicas[index as usize];
            let granted =
                if full && !replica.env.neighbour { self.spared[place] } else { self.claims[place].granted };
            if granted != replica.cpu.grant() {
                replica.cpu.advance(now);
                replica.cpu.set_grant(granted);
                self.schedule(index);
            }
        }
    }

    /// Sees to it that an event comes no later than the replica's CPU needs one. One that comes too
    /// early is put off when it comes: cheaper than an event per change.
    pub(super) fn schedule(&mut self, index: u32) {
        let replica = &mut self.replicas[index as usize];
        let next = replica.cpu.next();
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
        if replica.cpu.next() > now {
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
