//! Operation names that hold a key.

use std::borrow::Cow;

/// What stands for a small number, such as an id.
const NUMBER: &str = "<number>";
/// What stands for a date.
const DATE: &str = "<date>";

/// The operation of a span as it is reported: each `<number>` becomes a number from 1 to 80, each
/// `<date>` a day of April 2015, both drawn by `key`. Some instrumentation puts the key of a look-up
/// into the operation, which gives an unbounded set of names (Hotel Reservation,
/// `services/reservation/server.go:363`: `<hotel>_<date>_<date>`, 80 hotels and dates of that month).
///
/// The same `key` gives the same name, so draw it once per call and request.
pub fn operation(template: &str, key: u64) -> Cow<'_, str> {
    if !template.contains('<') {
        return Cow::Borrowed(template);
    }
    let (mut out, mut rest, mut key) = (String::with_capacity(template.len()), template, key);
    while let Some(at) = rest.find('<') {
        let (before, from) = rest.split_at(at);
        out += before;
        rest = if let Some(behind) = from.strip_prefix(NUMBER) {
            out += &(1 + take(&mut key, 80)).to_string();
            behind
        } else if let Some(behind) = from.strip_prefix(DATE) {
            out += &format!("2015-04-{:02}", 1 + take(&mut key, 30));
            behind
        } else {
            out.push('<');
            &from[1..]
        };
    }
    out += rest;
    Cow::Owned(out)
}

/// The next of the numbers below `below` that `key` holds.
fn take(key: &mut u64, below: u64) -> u64 {
    let taken = *key % below;
    // Mixed, not divided, so that small keys fill all places of a template.
    *key = (*key / below).wrapping_add(taken).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23);
    taken
}
