//! Answers of the two servers, and whether they are the same.

use std::collections::BTreeMap;

use serde_json::Value;

/// An answer.
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Answer {
    /// Whether it is a success without any series.
    pub fn is_empty(&self) -> bool {
        self.body["data"]["result"].as_array().is_some_and(Vec::is_empty)
    }

    /// What is different, if anything is. Only of a sorted vector does the order count.
    pub fn difference(&self, other: &Self, ordered: bool) -> Option<String> {
        let (ours, theirs) = (&self.body, &other.body);
        if (self.status, &ours["errorType"]) != (other.status, &theirs["errorType"]) {
            return Some(format!("{} {ours:.300}\n    {} {theirs:.300}", self.status, other.status));
        }
        let (ours, theirs) = (&ours["data"], &theirs["data"]);
        if ours["resultType"] != theirs["resultType"] {
            return Some(format!("{} is not {}", ours["resultType"], theirs["resultType"]));
        }
        match ours["resultType"].as_str() {
            Some("vector" | "matrix") => rows(&ours["result"], &theirs["result"], ordered),
            Some("scalar") => sample(&ours["result"], &theirs["result"]),
            _ => (ours != theirs).then(|| format!("{ours}\n    {theirs}")),
        }
    }
}

fn rows(ours: &Value, theirs: &Value, ordered: bool) -> Option<String> {
    let by_labels = |rows: &Value| -> BTreeMap<String, Value> {
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| (row["metric"].to_string(), row.clone())).collect()
    };
    // Equal values may stand in any order.
    let mut pairs = ours.as_array().unwrap().iter().zip(theirs.as_array().unwrap());
    if ordered && pairs.any(|(ours, theirs)| sample(&ours["value"], &theirs["value"]).is_some()) {
        return Some(format!("order {ours}\n    {theirs}"));
    }
    let (ours, theirs) = (by_labels(ours), by_labels(theirs));
    if !ours.keys().eq(theirs.keys()) {
        let only = |a: &BTreeMap<String, Value>, b: &BTreeMap<String, Value>| -> Vec<String> {
            a.iter().filter(|(k, _)| !b.contains_key(*k)).map(|(_, row)| format!("{row:.200}")).collect()
        };
        return Some(format!(
            "only ours {:?}\n    only theirs {:?}",
            only(&ours, &theirs),
            only(&theirs, &ours)
        ));
    }
    ours.iter().zip(theirs.values()).find_map(|((labels, ours), theirs)| {
        let of = |row: &Value| match row["values"].as_array() {
            Some(values) => values.clone(),
            None => vec![row["value"].clone()],
        };
        let (ours, theirs) = (of(ours), of(theirs));
        if ours.len() != theirs.len() {
            return Some(format!(
                "{labels}: {} samples, not {}: {ours:?} {theirs:?}",
                ours.len(),
                theirs.len()
            ));
        }
        let different = ours.iter().zip(&theirs).find_map(|(ours, theirs)| sample(ours, theirs));
        different.map(|difference| format!("{labels}: {difference}"))
    })
}

fn sample(ours: &Value, theirs: &Value) -> Option<String> {
    let value = |sample: &Value| sample[1].as_str().unwrap().parse::<f64>().unwrap();
    let same_time = ours[0].as_f64() == theirs[0].as_f64();
    (!same_time || !is_same(value(ours), value(theirs))).then(|| format!("{ours} is not {theirs}"))
}

/// Equal within 1e-9, relative; what is left of numbers that cancel each other out is noise as well.
fn is_same(a: f64, b: f64) -> bool {
    let noise = 1e-9 * a.abs().max(b.abs()).max(1e-5);
    a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= noise
}
