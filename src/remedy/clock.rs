//! Two clocks: the one on the wall, for people, and one that neither jumps nor stops in suspend.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::domain::Timestamp;

/// What time it is. A trait because approvals must hold when the clock on the wall jumps, and no test
/// can make it jump.
pub trait Clock: Send + Sync {
    /// Time since the machine was started, suspend included (CLOCK_BOOTTIME): deadlines are kept by it.
    fn since_boot(&self) -> Duration;
    /// The wall clock: for people and journals only.
    fn wall(&self) -> Timestamp;
}

/// The machine's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn since_boot(&self) -> Duration {
        let now = clock_gettime(ClockId::Boottime);
        Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
    }

    fn wall(&self) -> Timestamp {
        Timestamp::now()
    }
}
