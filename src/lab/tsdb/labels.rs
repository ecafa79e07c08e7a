//! Label sets, as every part of the lab writes and reads them.

use std::sync::Arc;

/// A label name or value.
pub type Text = Arc<str>;

/// The label that carries a metric's name.
pub const METRIC_NAME: &str = "__name__";

/// A series' labels, with `__name__`, sorted by name. A label without a value is no label.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Labels(pub Vec<(Text, Text)>);

impl Labels {
    /// Sorts the pairs by name; of two with the same name the later counts.
    pub fn new<N: Into<Text>, V: Into<Text>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut labels = Self::default();
        for (name, value) in pairs {
            labels.set(name, value);
        }
        labels
    }

    /// The value of a label; empty if there is none.
    pub fn get(&self, name: &str) -> &str {
        self.position(name).ok().and_then(|i| self.0.get(i)).map_or("", |(_, value)| value)
    }

    /// Sets a label; an empty value removes it.
    pub fn set(&mut self, name: impl Into<Text>, value: impl Into<Text>) {
        let (name, value) = (name.into(), value.into());
        match (self.position(&name), value.is_empty()) {
            (Ok(i), true) => {
                self.0.remove(i);
            }
            (Ok(i), false) => self.0[i].1 = value,
            (Err(_), true) => {}
            (Err(i), false) => self.0.insert(i, (name, value)),
        }
    }

    /// Removes a label.
    pub fn remove(&mut self, name: &str) {
        if let Ok(i) = self.position(name) {
            self.0.remove(i);
        }
    }

    /// Only the labels of these names.
    pub fn keep(&self, names: &[String]) -> Self {
        self.filtered(|name| names.iter().any(|n| n == name))
    }

    /// Without the labels of these names and without the metric's name.
    pub fn without(&self, names: &[String]) -> Self {
        self.filtered(|name| name != METRIC_NAME && !names.iter().any(|n| n == name))
    }

    /// Without the metric's name.
    pub fn without_name(&self) -> Self {
        self.without(&[])
    }

    fn filtered(&self, keep: impl Fn(&str) -> bool) -> Self {
        Self(self.0.iter().filter(|(name, _)| keep(name)).cloned().collect())
    }

    fn position(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(n, _)| (**n).cmp(name))
    }
}

impl std::fmt::Display for Labels {
    /// As PromQL writes it: `up{job="node"}`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.get(METRIC_NAME))?;
        f.write_str("{")?;
        let others = self.0.iter().filter(|(name, _)| &**name != METRIC_NAME);
        for (i, (name, value)) in others.enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{name}={value:?}")?;
        }
        f.write_str("}")
    }
}
