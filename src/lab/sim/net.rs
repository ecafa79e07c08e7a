//! The network: propagation, the hosts' stacks, bandwidth, loss and delay.
//!
//! Sizes [uqSim's artefact and measurements of the kernel's stack]: 30 µs of propagation between
//! hosts, 1 to 8 µs in the stack of each side.

use super::random::{Key, LogNormal, Purpose};
use super::requests::NOWHERE;
use super::{MICROSECOND, MILLISECOND, Nanos, Simulation};

/// One way between two hosts.
const PROPAGATION: Nanos = 30 * MICROSECOND;
/// Payload of a packet on Ethernet.
const PACKET: f64 = 1448.0;
/// A lost packet is sent again after this time at the earliest (the kernel's TCP_RTO_MIN), doubling
/// with each further loss.
const RETRANSMIT: Nanos = 200 * MILLISECOND;
/// After so many losses in a row the connection works again.
const MOST_LOSSES: u32 = 6;

/// A message from one replica to another. [`NOWHERE`] is the world outside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message {
    pub from: u32,
    pub to: u32,
    pub bytes: f64,
    pub key: Key,
    pub response: bool,
}

/// Distribution of the time in both stacks together.
pub(super) fn stack() -> LogNormal {
    LogNormal::new(9.0 * MICROSECOND as f64, 0.5)
}

impl Simulation {
    /// Sends a message now; returns when it is at the receiver's interface.
    pub(super) fn transmit(&mut self, message: Message) -> Nanos {
        let Message { from, to, bytes, key, response } = message;
        let purposes = if response {
            (Purpose::ResponseStack, Purpose::ResponseLoss, Purpose::ResponseDelay)
        } else {
            (Purpose::RequestStack, Purpose::RequestLoss, Purpose::RequestDelay)
        };
        let packets = (bytes / PACKET).ceil().max(1.0);
        let (mut loss, mut delay) = (0.0, 0.0);
        let mut at = self.now;
        let mut nodes = (NOWHERE, NOWHERE);
        if from != NOWHERE {
            let sender = &mut self.replicas[from as usize];
            nodes.0 = sender.node;
            (loss, delay) = (sender.env.loss, sender.env.delay);
            sender.counters.sent += bytes;
            sender.counters.packets_sent += packets;
            at = sender.link.send(at, bytes);
        }
        if to != NOWHERE {
            let receiver = &self.replicas[to as usize];
            nodes.1 = receiver.node;
            loss = 1.0 - (1.0 - loss) * (1.0 - receiver.env.loss);
            delay += receiver.env.delay;
        }
        if nodes.0 != nodes.1 {
            if nodes.0 != NOWHERE {
                let node = &mut self.nodes[nodes.0 as usize];
                node.counters.sent += bytes;
                // The machine's queue as of now: what is still held up at the replica's own interface
                // must not stand in the way of what others send meanwhile.
                at += node.link.send(self.now, bytes) - self.now;
            }
            at += PROPAGATION;
            if nodes.1 != NOWHERE {
                // The receiver has it when the last byte is in.
                at += (bytes * self.nodes[nodes.1 as usize].link.in_cost) as Nanos;
            }
        }
        at += key.log_normal(purposes.0, self.stack) as Nanos;
        if delay > 0.0 {
            at += key.log_normal(purposes.2, LogNormal::new(delay, 0.25)) as Nanos;
        }
        if loss > 0.0 {
            at += self.lose(message, purposes.1, loss, packets, nodes.0);
        }
        at
    }

    /// Time lost by retransmissions, and its traces in the counters.
    fn lose(&mut self, message: Message, purpose: Purpose, loss: f64, packets: f64, node: u32) -> Nanos {
        let mut wait = 0;
        let mut any = 1.0 - (1.0 - loss).powf(packets);
        for attempt in 0..MOST_LOSSES {
            if message.key.with(u64::from(attempt)).uniform(purpose) >= any {
                break;
            }
            wait += RETRANSMIT << attempt;
            // Only the lost packet is sent again.
            any = loss;
            for end in [message.from, message.to] {
                if let Some(replica) = self.replicas.get_mut(end as usize).filter(|end| end.env.loss > 0.0) {
                    replica.counters.dropped += 1.0;
                    break;
                }
            }
            if let Some(node) = self.nodes.get_mut(node as usize) {
                node.counters.retransmitted += 1.0;
            }
        }
        wait
    }

    /// Takes a message in at its receiver; returns when that is done: now, or later when the
    /// receiver's interface is busy.
    pub(super) fn receive(&mut self, message: Message) -> Nanos {
        if message.to == NOWHERE {
            return self.now;
        }
        let receiver = &mut self.replicas[message.to as usize];
        receiver.counters.received += message.bytes;
        receiver.counters.packets_received += (message.bytes / PACKET).ceil().max(1.0);
        let node = receiver.node;
        let mut at = self.now;
        if self.replicas.get(message.from as usize).is_none_or(|sender| sender.node != node) {
            let node = &mut self.nodes[node as usize];
            node.counters.received += message.bytes;
            at = node.link.receive(at, message.bytes);
        }
        self.replicas[message.to as usize].link.receive(at, message.bytes)
    }

    /// A probe of a service from outside, as a blackbox exporter makes it: the round trip in
    /// nanoseconds as of now, and the probability that a packet of it is lost.
    ///
    /// A service without a replica that is up cannot be reached: its loss is 1.
    pub fn probe(&self, service: usize) -> (f64, f64) {
        let Some(&replica) = self.services.get(service).and_then(|service| service.ready.first()) else {
            return (0.0, 1.0);
        };
        let replica = &self.replicas[replica as usize];
        let node = &self.nodes[replica.node as usize];
        let key = self.key.with(self.now).with(service as u64);
        let backlog = |free: Nanos| free.saturating_sub(self.now) as f64;
        let mut time = 2.0 * PROPAGATION as f64;
        for purpose in [Purpose::RequestStack, Purpose::ResponseStack] {
            time += key.log_normal(purpose, self.stack);
        }
        for free in [replica.link.out_free, replica.link.in_free, node.link.out_free, node.link.in_free] {
            time += backlog(free);
        }
        if replica.env.delay > 0.0 {
            for purpose in [Purpose::RequestDelay, Purpose::ResponseDelay] {
                time += key.log_normal(purpose, LogNormal::new(replica.env.delay, 0.25));
            }
        }
        (time, 1.0 - (1.0 - replica.env.loss).powi(2))
    }
}
