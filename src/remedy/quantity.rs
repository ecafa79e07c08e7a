//! Quantities as Kubernetes writes them: `250m`, `1.5`, `64Mi`, `100M`, `1e3`.
//!
//! Read exactly into whole nano-units, compared by value (`1000m` is `1`), written canonically again.
//! Grammar and canonical form: k8s.io/apimachinery `resource.Quantity`.

use serde_json::Value;

/// One unit in nano-units.
const UNIT: i128 = 1_000_000_000;
/// Largest value, as in Kubernetes: 2^63 − 1 units.
const MOST: i128 = (i64::MAX as i128) * UNIT;

/// An exact, non-negative quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity {
    nanos: i128,
}

/// A text that is no quantity, or one below zero or too large.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a quantity such as 250m, 1.5 or 64Mi")]
pub struct QuantityError(String);

impl Quantity {
    /// Reads a quantity.
    ///
    /// # Errors
    /// It is none, is negative, or does not fit.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        read(text).map(|nanos| Self { nanos }).ok_or_else(|| QuantityError(text.chars().take(40).collect()))
    }

    /// Reads the quantity of a JSON value, which may be a bare number.
    pub fn of(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Self::parse(text).ok(),
            Value::Number(number) => Self::parse(&number.to_string()).ok(),
            _ => None,
        }
    }

    /// So many thousandths of a core.
    pub fn millicores(milli: u64) -> Self {
        Self { nanos: i128::from(milli) * (UNIT / 1_000) }
    }

    /// So many bytes, or bits.
    pub fn whole(count: u64) -> Self {
        Self { nanos: i128::from(count).min(i128::from(i64::MAX)) * UNIT }
    }

    /// Thousandths, rounded up.
    pub fn as_millis(self) -> u64 {
        let step = UNIT / 1_000;
        u64::try_from((self.nanos + step - 1) / step).unwrap_or(u64::MAX)
    }

    /// Whole units, rounded up.
    pub fn as_whole(self) -> u64 {
        u64::try_from((self.nanos + UNIT - 1) / UNIT).unwrap_or(u64::MAX)
    }

    /// As a number, for models and people.
    pub fn as_f64(self) -> f64 {
        self.nanos as f64 / UNIT as f64
    }

    /// The rest of `self` when `taken` is gone; nothing if it is more.
    pub fn minus(self, taken: Self) -> Self {
        Self { nanos: (self.nanos - taken.nanos).max(0) }
    }

    /// Both together.
    pub fn plus(self, more: Self) -> Self {
        Self { nanos: (self.nanos + more.nanos).min(MOST) }
    }

    /// `self` times a whole number.
    pub fn times(self, factor: u32) -> Self {
        Self { nanos: (self.nanos * i128::from(factor)).min(MOST) }
    }

    /// Canonical with decimal suffixes: CPU (`1500m`, `2`) and bandwidth (`100M`).
    pub fn decimal(self) -> String {
        const LARGE: [(&str, i128); 6] = [
            ("E", 1_000_000_000_000_000_000),
            ("P", 1_000_000_000_000_000),
            ("T", 1_000_000_000_000),
            ("G", 1_000_000_000),
            ("M", 1_000_000),
            ("k", 1_000),
        ];
        if self.nanos == 0 {
            return "0".to_owned();
        }
        if self.nanos % UNIT == 0 {
            let units = self.nanos / UNIT;
            let fit = LARGE.iter().find(|(_, factor)| units % factor == 0);
            return fit
                .map_or_else(|| units.to_string(), |(suffix, factor)| format!("{}{suffix}", units / factor));
        }
        let (suffix, step) = [("m", UNIT / 1_000), ("u", UNIT / 1_000_000)]
            .into_iter()
            .find(|(_, step)| self.nanos % step == 0)
            .unwrap_or(("n", 1));
        format!("{}{suffix}", self.nanos / step)
    }

    /// Canonical with binary suffixes: memory (`64Mi`, `1000`).
    pub fn binary(self) -> String {
        let bytes = (self.nanos + UNIT - 1) / UNIT;
        if bytes == 0 {
            return "0".to_owned();
        }
        let fit = ["Ei", "Pi", "Ti", "Gi", "Mi", "Ki"]
            .into_iter()
            .zip([60u32, 50, 40, 30, 20, 10])
            .find(|(_, bits)| bytes % (1i128 << bits) == 0);
        fit.map_or_else(|| bytes.to_string(), |(suffix, bits)| format!("{}{suffix}", bytes >> bits))
    }
}

fn read(text: &str) -> Option<i128> {
    if text.len() > 64 {
        return None;
    }
    let text = text.strip_prefix('+').unwrap_or(text);
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(split);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || fraction.contains('.') || digits.len() > 30 {
        return None;
    }
    let value: i128 = digits.parse().ok()?;
    let (times, over) = factor(suffix)?;
    let down = 10i128.checked_pow(u32::try_from(fraction.len()).ok()?)?.checked_mul(over)?;
    let nanos = value.checked_mul(UNIT)?.checked_mul(times)?;
    // What is finer than a nano-unit is rounded up, as Kubernetes does.
    let nanos = nanos.checked_add(down - 1)? / down;
    (nanos <= MOST).then_some(nanos)
}

/// What a suffix multiplies by, and divides by.
fn factor(suffix: &str) -> Option<(i128, i128)> {
    Some(match suffix {
        "" => (1, 1),
        "n" => (1, UNIT),
        "u" => (1, 1_000_000),
        "m" => (1, 1_000),
        "k" => (1_000, 1),
        "M" => (1_000_000, 1),
        "G" => (1_000_000_000, 1),
        "T" => (1_000_000_000_000, 1),
        "P" => (1_000_000_000_000_000, 1),
        "E" => (1_000_000_000_000_000_000, 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        "Ti" => (1 << 40, 1),
        "Pi" => (1 << 50, 1),
        "Ei" => (1 << 60, 1),
        _ => {
            let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            let power = 10i128.checked_pow(exponent.unsigned_abs().min(20))?;
            if exponent < 0 { (1, power) } else { (power, 1) }
        }
    })
}

/// Whether two values of an object mean the same: quantities by value, everything else literally.
pub fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| same(value, other)))
        }
        (Value::String(_) | Value::Number(_), Value::String(_) | Value::Number(_)) if a != b => {
            Quantity::of(a).zip(Quantity::of(b)).is_some_and(|(a, b)| a == b)
        }
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_and_writes_what_kubernetes_does() {
        for (text, decimal) in [
            ("1000m", "1"),
            ("0.5", "500m"),
            ("1500m", "1500m"),
            (".25", "250m"),
            ("100M", "100M"),
            ("1e3", "1k"),
            ("12e6", "12M"),
            ("1E-3", "1m"),
            ("1n", "1n"),
            ("0", "0"),
            ("0.0000000001", "1n"),
        ] {
            assert_eq!(Quantity::parse(text).unwrap().decimal(), decimal, "{text}");
        }
        for (text, binary) in
            [("128974848", "123Mi"), ("64Mi", "64Mi"), ("1024Mi", "1Gi"), ("1k", "1000"), ("1500m", "2")]
        {
            assert_eq!(Quantity::parse(text).unwrap().binary(), binary, "{text}");
        }
        for wrong in
            ["", "-1", "1.2.3", "m", "1mi", "1 m", "1K", "9E99", "0x1", "1e", "NaN", "1_0", "9e99", "+-1"]
        {
            assert!(Quantity::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn resources_are_compared_by_value() {
        let a = json!({ "limits": { "cpu": "1000m", "memory": "64Mi" } });
        let b = json!({ "limits": { "memory": "67108864", "cpu": 1 } });
        assert!(same(&a, &b));
        assert!(!same(&a, &json!({ "limits": { "cpu": "1000m" } })));
        assert!(!same(&json!("a"), &json!("b")) && same(&json!(null), &json!(null)));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(milli in 0u64..10_000_000, bytes in 0u64..1 << 50) {
            let cpu = Quantity::millicores(milli);
            prop_assert_eq!(Quantity::parse(&cpu.decimal()).unwrap(), cpu);
            prop_assert_eq!(cpu.as_millis(), milli);
            let memory = Quantity::whole(bytes);
            prop_assert_eq!(Quantity::parse(&memory.binary()).unwrap(), memory);
            prop_assert_eq!(Quantity::parse(&memory.decimal()).unwrap().as_whole(), bytes);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "(?s)[-+0-9.eEmkKMGTPinu\\PC]{0,40}") {
            if let Ok(quantity) = Quantity::parse(&text) {
                prop_assert_eq!(Quantity::parse(&quantity.decimal()).unwrap(), quantity);
            }
        }
    }
}
