//! Limits of the sections for all contexts: values that are well written and cannot work.

use super::file::File;
use super::resolve::Resolver;

/// Most windows of history: 69 days of minutes. All of them are held in memory.
const MAX_WINDOWS: u64 = 100_000;

impl Resolver<'_> {
    /// What the sections for all contexts ask of each other.
    pub fn sections(&mut self, file: &File) {
        self.limits(file);
        let length = file.windows.length.as_secs().max(1);
        let windows = file.windows.history.as_secs() / length;
        let history = || self.doc.value(&["windows", "history"]);
        if windows > MAX_WINDOWS {
            let message = format!("{windows} windows of history are more than {MAX_WINDOWS}");
            self.findings.error(history(), message, Some("make `length` longer or `history` shorter".into()));
        } else if windows < file.model.min_windows as u64 {
            let message = format!(
                "{windows} windows of history are fewer than the {} that a model needs (`model.min_windows`)",
                file.model.min_windows
            );
            self.findings.error(history(), message, Some("make `length` shorter or `history` longer".into()));
        }
        if file.diagnosis.window < file.windows.length {
            self.findings.warn(
                self.doc.value(&["diagnosis", "window"]),
                "shorter than a window of the window table: one whole window is diagnosed",
                None,
            );
        }
    }

    fn limits(&mut self, file: &File) {
        let (m, d) = (&file.model, &file.diagnosis);
        let share = 0.0..=1.0;
        for (section, key, fine, rule) in [
            ("model", "epochs", m.epochs >= 1, "at least 1"),
            ("model", "batch", m.batch >= 1, "at least 1"),
            ("model", "learning_rate", m.learning_rate > 0.0 && m.learning_rate < 1.0, "between 0 and 1"),
            ("model", "hidden", m.hidden >= 1, "at least 1"),
            ("model", "latent", m.latent >= 1, "at least 1"),
            ("model", "beta", m.beta >= 0.0 && m.beta.is_finite(), "0 or more"),
            ("model", "warm_up", share.contains(&m.warm_up), "from 0 to 1"),
            ("model", "prior_weight", m.prior_weight >= 0.0 && m.prior_weight.is_finite(), "0 or more"),
            ("model", "patience", m.patience >= 1, "at least 1"),
            ("model", "min_windows", m.min_windows >= 20, "at least 20"),
            ("model", "retrain_hours", m.retrain_hours >= 1, "at least 1"),
            ("diagnosis", "window", !d.window.is_zero(), "longer than nothing"),
            ("diagnosis", "samples", d.samples >= 1, "at least 1"),
            ("diagnosis", "threshold", d.threshold > 0.0 && d.threshold < 1.0, "between 0 and 1"),
            ("diagnosis", "max_culprits", d.max_culprits >= 1, "at least 1"),
            ("diagnosis", "unusual", d.unusual > 0.0 && d.unusual.is_finite(), "more than 0"),
        ] {
            if !fine {
                self.findings.error(self.doc.value(&[section, key]), format!("`{key}` must be {rule}"), None);
            }
        }
    }
}
