//! Requests under way: an arena whose slots are used again, with the calls of each.

use super::queue::CallRef;
use super::random::Key;
use super::{CallRecord, Nanos, Outcome, Request};

/// No replica: a call that has not been given to one.
pub(super) const NOWHERE: u32 = u32::MAX;

/// Where a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It waits for a connection.
    Asking,
    /// The request is on its way.
    Travelling,
    /// It waits for a worker.
    Queued,
    /// The callee works on it, or waits for others.
    Working,
    /// The callee is done; the answer is on its way or has arrived.
    Answered,
}

/// The state of a call that its record does not say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub key: Key,
    pub site: u32,
    pub replica: u32,
    /// Incarnation of the replica that took it.
    pub incarnation: u32,
    /// Repetitions of a sequential call.
    pub repetitions: u16,
    /// Next stage of the callee's calls.
    pub next_stage: u16,
    /// Calls of this stage that are awaited.
    pub pending: u32,
    /// CPU demand of each segment in nanoseconds.
    pub segment: f64,
    pub stage: Stage,
    /// What comes before the first CPU segment: steps already made.
    pub step: u8,
    /// The caller knows how it ended.
    pub told: bool,
    /// Something that the callee called has failed.
    pub failed: bool,
    pub connection: bool,
    pub worker: bool,
}

/// A request under way.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub id: u64,
    pub generation: u32,
    pub flow: u32,
    pub key: u64,
    pub sent: Nanos,
    /// Calls that are not over for both sides.
    pub open: u32,
    pub calls: Vec<CallRecord>,
    pub frames: Vec<Frame>,
    /// Shared draws: 0 not made yet, 1 no, 2 yes.
    pub draws: Vec<u8>,
    /// Calls that have reached each meeting point.
    pub met: Vec<u32>,
    /// An optional call has failed.
    pub degraded: bool,
}

impl Slot {
    /// The request as its observer sees it.
    pub(super) fn finished(&self) -> Request<'_> {
        let (returned, failed) =
            self.calls.first().map_or((self.sent, true), |root| (root.returned, root.outcome != Outcome::Ok));
        Request {
            id: self.id,
            flow: self.flow as usize,
            sent: self.sent,
            returned,
            failed,
            calls: &self.calls,
        }
    }
}

/// All requests under way.
#[derive(Debug, Default)]
pub(super) struct Requests {
    pub slots: Vec<Slot>,
    free: Vec<u32>,
}

impl Requests {
    /// A slot for a new request.
    pub(super) fn begin(
        &mut self,
        id: u64,
        flow: u32,
        key: Key,
        sent: Nanos,
        draws: usize,
        groups: usize,
    ) -> u32 {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            (self.slots.len() - 1) as u32
        });
        let slot = &mut self.slots[index as usize];
        (slot.id, slot.flow, slot.key, slot.sent, slot.open) = (id, flow, key.0, sent, 0);
        slot.draws.resize(draws, 0);
        slot.met.resize(groups, 0);
        index
    }

    /// Gives a slot back.
    pub(super) fn end(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        slot.generation = slot.generation.wrapping_add(1);
        slot.calls.clear();
        slot.frames.clear();
        slot.draws.clear();
        slot.met.clear();
        slot.degraded = false;
        self.free.push(index);
    }

    /// Requests that have not ended.
    pub(super) fn under_way(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(super) fn reference(&self, slot: u32, call: u32) -> CallRef {
        CallRef { slot, generation: self.slots[slot as usize].generation, call }
    }

    /// Whether the request of a call is still under way.
    pub(super) fn is_live(&self, call: CallRef) -> bool {
        self.slots[call.slot as usize].generation == call.generation
    }

    pub(super) fn frame(&self, call: CallRef) -> &Frame {
        &self.slots[call.slot as usize].frames[call.call as usize]
    }

    pub(super) fn frame_mut(&mut self, call: CallRef) -> &mut Frame {
        &mut self.slots[call.slot as usize].frames[call.call as usize]
    }

    pub(super) fn record(&self, call: CallRef) -> &CallRecord {
        &self.slots[call.slot as usize].calls[call.call as usize]
    }

    pub(super) fn record_mut(&mut self, call: CallRef) -> &mut CallRecord {
        &mut self.slots[call.slot as usize].calls[call.call as usize]
    }

    /// The call that made this one; the root has none.
    pub(super) fn caller(&self, call: CallRef) -> Option<CallRef> {
        let parent = self.record(call).parent;
        (parent != call.call).then_some(CallRef { call: parent, ..call })
    }
}
