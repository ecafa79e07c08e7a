//! How long work tells how far it is.

/// What long work is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Fetching history from the backends; counted in chunks.
    Fetch,
    /// Building windows.
    Windows,
    /// Training the model; counted in epochs.
    Train,
    /// Searching for the root cause; counted in candidates.
    Query,
}

impl Stage {
    /// The word shown beside the bar.
    pub fn word(self) -> &'static str {
        match self {
            Self::Fetch => "fetching history",
            Self::Windows => "building windows",
            Self::Train => "training",
            Self::Query => "searching",
        }
    }
}

/// Receives progress; implemented by the CLI's bar and by the TUI's channel.
pub trait Progress: Send + Sync {
    /// `done` of `total` steps of `stage` are finished; `note` says more (chunk, ELBO).
    fn report(&self, stage: Stage, done: u64, total: u64, note: &str);

    /// A training has finished `done` of at most `total` epochs; `elbo` is the evidence lower bound of the
    /// held-back windows, per window: higher is better.
    fn epoch(&self, _done: u64, _total: u64, _elbo: f64) {}

    /// Whether the work should stop as soon as it can.
    fn cancelled(&self) -> bool {
        false
    }
}

/// Reports to nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn report(&self, _stage: Stage, _done: u64, _total: u64, _note: &str) {}
}
