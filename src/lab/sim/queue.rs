//! What will happen: a heap of events by time.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::Nanos;

/// A call under way: its request's slot, the slot's generation, and its place in the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CallRef {
    pub slot: u32,
    pub generation: u32,
    pub call: u32,
}

/// Something that will happen.
#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    /// The next request of a source of load enters.
    Arrival { source: u32 },
    /// A replica's CPU completes work, runs out of quota or gets a new one.
    Cpu { replica: u32, version: u32 },
    /// A request arrives at the callee; `queued` when it has been through the ingress queue.
    Arrive { call: CallRef, queued: bool },
    /// An answer arrives at the caller.
    Return { call: CallRef, queued: bool },
    /// A disk access of the callee, or another wait of it, is over.
    Resume { call: CallRef },
    /// The oldest call of a site with a timeout may be due.
    Timeout { site: u32 },
    /// A call has waited long enough for a connection.
    PoolWait { call: CallRef },
    /// A connection that was held longer than its call is given back.
    PoolRelease { replica: u32, target: u32 },
    /// A fault begins or ends.
    Effects,
    /// Slow state (memory, load averages) moves on.
    Tick,
    /// A stop-the-world pause begins or ends.
    Pause { replica: u32, begins: bool, version: u32 },
    /// A replica is up, or its grace is over.
    Lifecycle { replica: u32, version: u32 },
}

impl What {
    /// What comes first among events of the same time: conditions before what works under them.
    fn rank(&self) -> u8 {
        match self {
            Self::Effects => 0,
            Self::Tick => 1,
            Self::Lifecycle { .. } => 2,
            Self::Pause { .. } => 3,
            Self::Cpu { .. } => 4,
            Self::Resume { .. } => 5,
            Self::Return { .. } => 6,
            Self::Timeout { .. } => 7,
            Self::PoolRelease { .. } => 8,
            Self::PoolWait { .. } => 9,
            Self::Arrive { .. } => 10,
            Self::Arrival { .. } => 11,
        }
    }
}

/// An event. Events of the same time are ordered by `order`, which depends on what they concern and
/// not on when they were scheduled: two runs that have come to the same state go on alike.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub time: Nanos,
    order: u64,
    pub what: What,
}

impl Event {
    /// Time and order as one number: compared without a branch, where the heap's choice between two
    /// children would be mispredicted every other time.
    fn key(&self) -> u128 {
        u128::from(self.time) << 64 | u128::from(self.order)
    }
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Event {}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }

    // What the heap asks. By way of `cmp` it would be a branch after all.
    fn le(&self, other: &Self) -> bool {
        other.key() <= self.key()
    }
}

impl Ord for Event {
    /// The greatest is the first to happen.
    fn cmp(&self, other: &Self) -> Ordering {
        other.key().cmp(&self.key())
    }
}

/// The events to come.
#[derive(Debug, Default)]
pub(super) struct Queue {
    heap: BinaryHeap<Event>,
}

impl Queue {
    /// Adds an event; `order` names what it concerns among events of its kind.
    pub(super) fn push(&mut self, time: Nanos, order: u32, what: What) {
        let order = u64::from(what.rank()) << 32 | u64::from(order);
        self.heap.push(Event { time, order, what });
    }

    /// The next event, if it is not later than `until`.
    pub(super) fn pop(&mut self, until: Nanos) -> Option<Event> {
        if self.heap.peek()?.time > until { None } else { self.heap.pop() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_time_then_by_order_however_they_were_scheduled() {
        let arrival = |source| What::Arrival { source };
        let events = [(5, arrival(1)), (3, arrival(9)), (5, arrival(0)), (3, What::Tick), (8, What::Tick)];
        for shift in 0..events.len() {
            let mut queue = Queue::default();
            for i in 0..events.len() {
                let (time, what) = events[(i + shift) % events.len()];
                let order = if let What::Arrival { source } = what { source } else { 99 };
                queue.push(time, order, what);
            }
            let mut popped = Vec::new();
            while let Some(event) = queue.pop(7) {
                popped.push((event.time, event.order >> 32, event.order & 0xffff));
            }
            assert_eq!(popped, [(3, 1, 99), (3, 11, 9), (5, 11, 0), (5, 11, 1)]);
        }
    }
}
