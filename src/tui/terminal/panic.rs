//! A panic anywhere: logged first, then the terminal is given back, then the usual message.

use std::panic::{self, PanicHookInfo};
use std::sync::Arc;

use tokio::sync::Notify;

use crate::domain::Clean;

/// Wakes the loop after a panic in another task: its terminal is gone, so it has to end.
pub static PANICKED: Notify = Notify::const_new();

type Hook = dyn Fn(&PanicHookInfo<'_>) + Sync + Send;

/// Replaces the panic hook until it is dropped.
pub struct PanicHook {
    previous: Arc<Hook>,
}

impl PanicHook {
    /// Puts the hook in front of the present one.
    pub fn install() -> Self {
        let previous: Arc<Hook> = Arc::from(panic::take_hook());
        let after = Arc::clone(&previous);
        panic::set_hook(Box::new(move |info| {
            // The log comes first: if giving the terminal back fails, the reason is kept.
            tracing::error!(panic = %Clean::capped(&info.to_string(), 4096), "panicked");
            if super::is_entered() {
                super::leave();
                PANICKED.notify_one();
            }
            after(info);
        }));
        Self { previous }
    }
}

impl Drop for PanicHook {
    fn drop(&mut self) {
        // The standard library forbids changing the hook while it runs.
        if !std::thread::panicking() {
            let previous = Arc::clone(&self.previous);
            panic::set_hook(Box::new(move |info| previous(info)));
        }
    }
}
