//! Kubernetes quantities: `250m` cores, `128Mi` bytes.

/// Suffixes and what they multiply by.
const SUFFIXES: [(&str, f64); 15] = [
    ("Ki", 1024.0),
    ("Mi", 1048576.0),
    ("Gi", 1073741824.0),
    ("Ti", 1099511627776.0),
    ("Pi", 1125899906842624.0),
    ("Ei", 1152921504606846976.0),
    ("n", 1e-9),
    ("u", 1e-6),
    ("m", 1e-3),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("P", 1e15),
    ("E", 1e18),
];

/// Reads a quantity; `None` when it is none.
pub fn parse(text: &str) -> Option<f64> {
    let (number, factor) = SUFFIXES
        .iter()
        .find_map(|(suffix, factor)| Some((text.strip_suffix(suffix)?, *factor)))
        .unwrap_or((text, 1.0));
    let plain = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
    if number.is_empty() || !number.chars().all(plain) {
        return None;
    }
    number.parse::<f64>().ok().filter(|value| value.is_finite()).map(|value| value * factor)
}

/// Cores as people write them: whole ones plain, others in thousandths.
pub fn cores(value: f64) -> String {
    let milli = (value * 1000.0).round();
    if milli % 1000.0 == 0.0 { format!("{}", milli / 1000.0) } else { format!("{milli}m") }
}

/// Bytes in the largest binary unit that divides them.
pub fn bytes(value: u64) -> String {
    let units = [("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)];
    match units.iter().find(|(_, unit)| value >= *unit && value.is_multiple_of(*unit)) {
        Some((name, unit)) => format!("{}{name}", value / unit),
        None => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_and_written() {
        for (text, value) in
            [("250m", 0.25), ("2", 2.0), ("1.5", 1.5), ("128Mi", 134217728.0), ("1e3", 1e3), ("100M", 1e8)]
        {
            assert_eq!(parse(text), Some(value), "{text}");
        }
        for wrong in ["", "m", "abc", "1x", "1 ", "inf", "0x10", "--1"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
        for (text, value) in [("250m", 0.25), ("2", 2.0), ("100m", 0.1)] {
            assert_eq!(cores(value), text);
        }
        assert_eq!([bytes(1 << 27), bytes(3 << 30), bytes(1000)], ["128Mi", "3Gi", "1000"]);
    }
}
